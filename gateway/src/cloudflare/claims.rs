//! What an assertion claims, and whom it is about.

use postern_policy::CommonName;
use serde::Deserialize;

/// The claims that are looked at; all others are ignored, as RFC 7519 section 4 has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
    iat: Option<u64>,
    sub: Option<String>,
    email: Option<String>,
    common_name: Option<String>,
}

/// RFC 7519 section 4.1.3: one or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whom Access let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// The holder of the service token with this client id.
    ServiceToken { client_id: String },
    /// The holder of a client certificate of this name.
    Certificate { common_name: CommonName },
    /// Somebody who logged in. The address is proof that it was a person and is used for nothing.
    Person,
}

/// Why well-signed claims are not good here and now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimsError {
    #[error("the assertion is of issuer {0:?}, which is not the team's")]
    Issuer(String),
    #[error("the assertion is for another application")]
    Audience,
    #[error("the assertion ended at {exp}, and it is {now}")]
    Expired { exp: u64, now: u64 },
    #[error("the assertion begins at {from}, and it is {now}")]
    NotYetValid { from: u64, now: u64 },
    #[error("the assertion does not say whom it is about: {0}")]
    Principal(&'static str),
}

impl ClaimsError {
    /// The stable reason in events and answers.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "jwt_wrong_issuer",
            Self::Audience => "jwt_wrong_audience",
            Self::Expired { .. } => "jwt_expired",
            Self::NotYetValid { .. } => "jwt_not_yet_valid",
            Self::Principal(_) => "jwt_invalid",
        }
    }
}

impl Claims {
    /// Checks issuer, audience and time.
    pub(crate) fn check(&self, issuer: &str, audience: &str, now: u64) -> Result<(), ClaimsError> {
        if self.iss != issuer {
            return Err(ClaimsError::Issuer(self.iss.clone()));
        }
        let is_for_us = match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.iter().any(|one| one == audience),
        };
        if !is_for_us {
            return Err(ClaimsError::Audience);
        }
        let exp = self.exp;
        if now >= exp.saturating_add(LEEWAY) {
            return Err(ClaimsError::Expired { exp, now });
        }
        let from = self.nbf.max(self.iat).unwrap_or_default();
        if from > now.saturating_add(LEEWAY) {
            return Err(ClaimsError::NotYetValid { from, now });
        }
        Ok(())
    }

    /// Whom it is about. Nothing but Cloudflare's suffix tells a token from a certificate: see
    /// `docs/decisions/0011`.
    pub(crate) fn principal(&self) -> Result<Principal, ClaimsError> {
        let email = self.email.as_deref().filter(|email| !email.is_empty());
        let (name, sub) = match (self.common_name.as_deref(), email) {
            (None | Some(""), Some(_)) => return Ok(Principal::Person),
            (Some(name), None) if !name.is_empty() => (name, self.sub.as_deref()),
            (None | Some(_), None) => return Err(ClaimsError::Principal("no name, no e-mail")),
            (Some(_), Some(_)) => return Err(ClaimsError::Principal("a name and an e-mail")),
        };
        if !name.ends_with(CLIENT_ID_SUFFIX) {
            let common_name = CommonName::parse(name)
                .map_err(|_| ClaimsError::Principal("its name is not usable as one"))?;
            return Ok(Principal::Certificate { common_name });
        }
        match sub {
            None | Some("") => Ok(Principal::ServiceToken {
                client_id: name.to_owned(),
            }),
            Some(_) => Err(ClaimsError::Principal("a token's name and a subject")),
        }
    }
}

/// For clocks that differ, in seconds.
const LEEWAY: u64 = 30;
/// Every client id ends in it; our CA issues no such name.
pub(crate) const CLIENT_ID_SUFFIX: &str = ".access";

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(more: &str) -> Claims {
        let comma = if more.is_empty() { "" } else { "," };
        let json = format!(r#"{{"iss":"https://t","aud":["a","b"],"exp":1000{comma}{more}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn principal(more: &str) -> Result<Principal, &'static str> {
        claims(more).principal().map_err(|error| match error {
            ClaimsError::Principal(why) => why,
            ClaimsError::Issuer(_)
            | ClaimsError::Audience
            | ClaimsError::Expired { .. }
            | ClaimsError::NotYetValid { .. } => panic!("{error}"),
        })
    }

    #[test]
    fn issuer_and_audience_are_compared_whole() {
        let claims = claims("");
        assert_eq!(claims.check("https://t", "a", 900), Ok(()));
        assert_eq!(claims.check("https://t", "b", 900), Ok(()));
        assert_eq!(
            claims.check("https://t", "", 900),
            Err(ClaimsError::Audience)
        );
        for issuer in ["https://t/", "http://t", "https://T", ""] {
            assert!(matches!(
                claims.check(issuer, "a", 900),
                Err(ClaimsError::Issuer(_))
            ));
        }
        let one: Claims =
            serde_json::from_str(r#"{"iss":"https://t","aud":"a","exp":1000}"#).unwrap();
        assert_eq!(one.check("https://t", "a", 900), Ok(()));
    }

    #[test]
    fn time_has_thirty_seconds_of_leeway() {
        let check = |more, now| claims(more).check("https://t", "a", now);
        assert_eq!(check("", 1029), Ok(()));
        let expired = ClaimsError::Expired {
            exp: 1000,
            now: 1030,
        };
        assert_eq!(check("", 1030), Err(expired));
        for claim in [r#""nbf":900"#, r#""iat":900"#] {
            assert_eq!(check(claim, 870), Ok(()));
            let early = ClaimsError::NotYetValid {
                from: 900,
                now: 869,
            };
            assert_eq!(check(claim, 869), Err(early));
        }
    }

    #[test]
    fn tokens_certificates_and_people_are_told_apart() {
        let token = r#""common_name":"e367.access","sub":"""#;
        let client_id = "e367.access".to_owned();
        assert_eq!(principal(token), Ok(Principal::ServiceToken { client_id }));
        let common_name = CommonName::parse("device-1").unwrap();
        let certificate = Ok(Principal::Certificate { common_name });
        assert_eq!(principal(r#""common_name":"device-1""#), certificate);
        assert_eq!(
            principal(r#""common_name":"device-1","sub":"x""#),
            certificate
        );
        assert_eq!(
            principal(r#""email":"a@b.c","sub":"7335""#),
            Ok(Principal::Person)
        );
    }

    #[test]
    fn what_could_be_two_of_them_is_none() {
        for more in [
            "",
            r#""sub":"x""#,
            r#""email":"""#,
            r#""common_name":"""#,
            r#""common_name":"device-1","email":"a@b.c""#,
            r#""common_name":"e367.access","sub":"7335""#,
            r#""common_name":"device\n1""#,
        ] {
            assert!(principal(more).is_err(), "{more}");
        }
    }
}
