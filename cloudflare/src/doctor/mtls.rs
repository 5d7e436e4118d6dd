//! Whether the account has Access mTLS: a part of Zero Trust contracts (Enterprise) only.

use serde::Serialize;

use super::{Seen, account, is_denied, seen};
use crate::client::{Client, Scope};
use crate::error::{ApiError, ApiErrorKind};

/// Whether CAs can be uploaded, as far as reading tells, and what says so.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "availability", content = "evidence")]
pub enum MtlsAvailability {
    /// They can.
    Available(String),
    /// They cannot.
    NotInPlan(String),
    /// Reading does not tell.
    Unknown(String),
}

impl MtlsAvailability {
    /// Whether a plan that uploads a CA is known to fail.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotInPlan(_))
    }

    /// One sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Available(evidence) => format!("Access mTLS is available: {evidence}"),
            Self::NotInPlan(evidence) => format!(
                "Access mTLS is not part of this account's plan (it needs a Zero Trust contract, \
                 Enterprise): {evidence}"
            ),
            Self::Unknown(why) => {
                format!(
                    "whether the account has Access mTLS is unknown until the first write: {why}"
                )
            }
        }
    }
}

/// Asks, by reading, whether the account has Access mTLS.
///
/// # Errors
/// Where nothing can be said at all: the API is out of reach, fails, or its limit is used up.
pub async fn mtls_availability(
    client: &Client,
    scope: &Scope,
) -> Result<MtlsAvailability, ApiError> {
    let uploaded = match seen(client.certificates(scope).await)? {
        Seen::Answer(certificates) => certificates.len(),
        Seen::Refused(ApiErrorKind::NotEnabled(why)) => {
            return Ok(MtlsAvailability::NotInPlan(why));
        }
        Seen::Refused(why) if is_denied(&why) => {
            let why = "the API token may not read the uploaded CAs".to_owned();
            return Ok(MtlsAvailability::Unknown(why));
        }
        Seen::Refused(why) => return Ok(MtlsAvailability::Unknown(why.to_string())),
    };
    if uploaded > 0 {
        let evidence = format!("{uploaded} CA(s) are uploaded");
        return Ok(MtlsAvailability::Available(evidence));
    }
    without_certificates(client, scope).await
}

/// An empty list proves nothing: it is not documented what an account without the feature is
/// answered. The account's own kind is the next best witness.
async fn without_certificates(
    client: &Client,
    scope: &Scope,
) -> Result<MtlsAvailability, ApiError> {
    let id = account::id(client, scope).await?;
    let kind = match seen(client.account(&id).await)? {
        Seen::Answer(found) => found.and_then(|account| account.kind().map(str::to_owned)),
        Seen::Refused(_) => None,
    };
    Ok(match kind.as_deref() {
        Some("enterprise") => {
            let evidence = "the account is of type enterprise, and its list of CAs can be read";
            MtlsAvailability::Available(evidence.to_owned())
        }
        Some(kind) => MtlsAvailability::Unknown(format!(
            "no CA is uploaded and the account is of type {kind}; a contract for Zero Trust alone \
             does not show there"
        )),
        None => MtlsAvailability::Unknown("no CA is uploaded".to_owned()),
    })
}

/// The two layouts that need no Access mTLS.
pub const LAYOUTS_WITHOUT_MTLS: [&str; 2] = [
    "service tokens at the edge: Access checks tokens on every plan; certificates are not asked \
     for there, and `common_name` policies stay at a gateway that clients reach directly",
    "a DNS-only host straight to the gateway: the record is not proxied, TLS and certificates end \
     at Postern's gateway, and Access does not see these requests",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plan_without_it_is_missing() {
        let why = || "x".to_owned();
        assert!(MtlsAvailability::NotInPlan(why()).is_missing());
        assert!(!MtlsAvailability::Unknown(why()).is_missing());
        assert!(!MtlsAvailability::Available(why()).is_missing());
    }
}
