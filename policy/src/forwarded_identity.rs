//! How an upstream is told whom a request is from.

use std::{fmt, sync::Arc};

use serde::Deserialize;
use thiserror::Error;

use crate::text;

/// One form in which the gateway tells the upstream whom a request is from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityForm {
    /// `Client-Cert` ([RFC 9440](https://www.rfc-editor.org/rfc/rfc9440)).
    ClientCert,
    /// `Client-Cert-Chain`, beside it.
    ClientCertChain,
    /// `X-Forwarded-Client-Cert`, as Envoy writes it.
    Xfcc,
    /// `X-SSL-Client-Verify`, `X-SSL-Client-S-DN` and so on, as nginx sites write them.
    XSslClient,
    /// `Cf-Access-Jwt-Assertion`, signed by the gateway.
    Jwt,
    /// The same in the cookie `CF_Authorization`.
    JwtCookie,
}

impl IdentityForm {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCert => "client-cert",
            Self::ClientCertChain => "client-cert-chain",
            Self::Xfcc => "xfcc",
            Self::XSslClient => "x-ssl-client",
            Self::Jwt => "jwt",
            Self::JwtCookie => "jwt-cookie",
        }
    }

    /// Whether it is signed, and needs an audience.
    pub(crate) fn is_assertion(self) -> bool {
        match self {
            Self::Jwt | Self::JwtCookie => true,
            Self::ClientCert | Self::ClientCertChain | Self::Xfcc | Self::XSslClient => false,
        }
    }
}

impl fmt::Display for IdentityForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom an assertion is meant for: its `aud`, never empty. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Audience(Arc<[String]>);

impl Audience {
    /// Takes what verifiers were told to expect.
    pub fn new(values: Vec<String>) -> Result<Self, AudienceError> {
        if values.is_empty() {
            return Err(AudienceError::Nobody);
        }
        match values.iter().find(|value| !is_usable(value)) {
            None => Ok(Self(values.into())),
            Some(value) => Err(AudienceError::Value(value.clone())),
        }
    }

    /// The values, in file order.
    pub fn values(&self) -> &[String] {
        &self.0
    }
}

fn is_usable(value: &str) -> bool {
    !value.trim().is_empty() && text::unprintable(value).is_none()
}

/// Why something is no audience.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum AudienceError {
    /// There is nobody in it.
    #[error("`audience` is empty, and an assertion for nobody is believed by anybody")]
    Nobody,
    /// A value cannot be compared.
    #[error("{0:?} is no audience: it must be printable and not blank")]
    Value(String),
}

/// The forms that an application's upstream gets. By default `Client-Cert` and nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForwardedIdentity {
    forms: Vec<IdentityForm>,
    /// There where an assertion is among the forms, and only there.
    audience: Option<Audience>,
}

impl ForwardedIdentity {
    /// Checks that the forms fit each other and the audience.
    pub fn new(
        forms: Vec<IdentityForm>,
        audience: Option<Audience>,
    ) -> Result<Self, ForwardedIdentityError> {
        for (place, form) in forms.iter().enumerate() {
            if forms.iter().take(place).any(|earlier| earlier == form) {
                return Err(ForwardedIdentityError::Twice(*form));
            }
        }
        let has = |form| forms.contains(&form);
        if has(IdentityForm::ClientCertChain) && !has(IdentityForm::ClientCert) {
            return Err(ForwardedIdentityError::ChainAlone);
        }
        match (forms.iter().find(|form| form.is_assertion()), &audience) {
            (Some(form), None) => Err(ForwardedIdentityError::NoAudience(*form)),
            (None, Some(_)) => Err(ForwardedIdentityError::UnusedAudience),
            (Some(_), Some(_)) | (None, None) => Ok(Self { forms, audience }),
        }
    }

    /// The forms, in file order.
    pub fn forms(&self) -> &[IdentityForm] {
        &self.forms
    }

    /// Whom assertions are for; none where the upstream gets no assertion.
    pub fn audience(&self) -> Option<&Audience> {
        self.audience.as_ref()
    }
}

impl Default for ForwardedIdentity {
    fn default() -> Self {
        Self {
            forms: vec![IdentityForm::ClientCert],
            audience: None,
        }
    }
}

/// Why an upstream cannot be told so.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ForwardedIdentityError {
    /// A form stands there twice.
    #[error("`identity` lists \"{0}\" twice")]
    Twice(IdentityForm),
    /// RFC 9440 section 2.3 forbids the chain without the leaf.
    #[error("`identity` lists \"client-cert-chain\" without \"client-cert\" (RFC 9440, 2.3)")]
    ChainAlone,
    /// An assertion without an audience would be good everywhere.
    #[error("`identity` lists \"{0}\", and nothing says whom the assertion is for")]
    NoAudience(IdentityForm),
    /// The audience would mean nothing.
    #[error("`audience` is about \"jwt\" and \"jwt-cookie\", and `identity` lists neither")]
    UnusedAudience,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience() -> Option<Audience> {
        Some(Audience::new(vec!["a".to_owned()]).unwrap())
    }

    #[test]
    fn an_upstream_gets_client_cert_where_nothing_is_written() {
        assert_eq!(
            ForwardedIdentity::default().forms(),
            [IdentityForm::ClientCert]
        );
        assert_eq!(ForwardedIdentity::default().audience(), None);
    }

    #[test]
    fn forms_that_do_not_fit_are_refused() {
        use IdentityForm::{ClientCert, ClientCertChain, Jwt, JwtCookie, Xfcc};
        let refused = |forms: &[IdentityForm], audience| {
            ForwardedIdentity::new(forms.to_vec(), audience).unwrap_err()
        };
        assert_eq!(
            refused(&[Xfcc, ClientCert, Xfcc], None),
            ForwardedIdentityError::Twice(Xfcc)
        );
        assert_eq!(
            refused(&[ClientCertChain], None),
            ForwardedIdentityError::ChainAlone
        );
        for form in [Jwt, JwtCookie] {
            assert_eq!(
                refused(&[form], None),
                ForwardedIdentityError::NoAudience(form)
            );
        }
        assert_eq!(
            refused(&[Xfcc], audience()),
            ForwardedIdentityError::UnusedAudience
        );
    }

    #[test]
    fn an_audience_is_somebody() {
        assert_eq!(Audience::new(vec![]), Err(AudienceError::Nobody));
        for value in ["", "  ", "a\nb"] {
            let values = vec!["a".to_owned(), value.to_owned()];
            assert_eq!(
                Audience::new(values),
                Err(AudienceError::Value(value.to_owned()))
            );
        }
    }
}
