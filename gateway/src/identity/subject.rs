//! Whom an assertion is about.

use postern_policy::{CommonName, Fingerprint, Method};

use crate::caller::{Caller, Proof};
use crate::cloudflare::CLIENT_ID_SUFFIX;

/// Somebody with a name, and the last second that they may be vouched for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Subject {
    pub(crate) common_name: String,
    /// The certificate that was proven, for `cnf`.
    pub(crate) certificate: Option<Fingerprint>,
    pub(crate) not_after: u64,
}

impl Subject {
    /// Whom a policy admitted. Nobody where there is no name to call them by, and nobody where a
    /// person logged in: their address is not passed on.
    pub(crate) fn of(caller: &Caller, admitted_by: Method) -> Option<Self> {
        match admitted_by {
            Method::Mtls => Self::of_certificate(caller),
            Method::ServiceToken => Self::of_token(caller),
            Method::None => Self::of_certificate(caller).or_else(|| Self::of_token(caller)),
            Method::Login => None,
        }
    }

    fn of_certificate(caller: &Caller) -> Option<Self> {
        match &caller.proof {
            Proof::Certificate(path) => Some(Self {
                common_name: name_of_certificate(path.identity().common_name.as_ref()?)?,
                certificate: Some(path.leaf().fingerprint()),
                not_after: path.not_after(),
            }),
            Proof::Name(name) => Some(Self {
                common_name: name_of_certificate(name)?,
                certificate: None,
                not_after: u64::MAX,
            }),
            Proof::Person | Proof::Nothing => None,
        }
    }

    fn of_token(caller: &Caller) -> Option<Self> {
        let token = caller.token.as_ref()?;
        Some(Self {
            common_name: token.client_id.clone(),
            certificate: None,
            not_after: token.expires_at.unwrap_or(u64::MAX),
        })
    }
}

/// Verifiers tell tokens from certificates by the name alone: a certificate is not to pass for a
/// token. Our CA issues no such name; others may.
fn name_of_certificate(name: &CommonName) -> Option<String> {
    (!name.as_str().ends_with(CLIENT_ID_SUFFIX)).then(|| name.as_str().to_owned())
}
