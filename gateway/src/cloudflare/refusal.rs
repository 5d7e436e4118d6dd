//! Why a request that came through Cloudflare is not believed.

use http::StatusCode;
use postern_pki::Rejection;

use super::assertion::AssertionError;
use super::claims::ClaimsError;
use super::forwarded::ForwardedError;
use super::key_store::FindKeyError;
use crate::follow::NameRefusal;
use crate::service_token::TokenRefusal;

/// Why nobody can say, or nobody may be, who a request is from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudflareRefusal {
    #[error("`Cf-Connecting-IP` is not there exactly once, with one address")]
    NoClientAddress,
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    #[error(transparent)]
    Key(#[from] FindKeyError),
    #[error("a person logged in, and `identity` is \"refuse\"")]
    Person,
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    #[error(transparent)]
    Forwarded(#[from] ForwardedError),
    #[error("the forwarded certificate has another name than the assertion")]
    AnotherName,
    #[error(transparent)]
    Certificate(#[from] Rejection),
    #[error(transparent)]
    Name(#[from] NameRefusal),
}

impl From<ClaimsError> for CloudflareRefusal {
    fn from(error: ClaimsError) -> Self {
        Self::Assertion(error.into())
    }
}

impl CloudflareRefusal {
    /// 401: could not authenticate; 403: authenticated and not allowed.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoClientAddress => StatusCode::BAD_REQUEST,
            Self::Key(FindKeyError::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Person => StatusCode::FORBIDDEN,
            Self::Key(FindKeyError::Unknown)
            | Self::Assertion(_)
            | Self::Token(_)
            | Self::Forwarded(_)
            | Self::AnotherName
            | Self::Certificate(_)
            | Self::Name(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// The stable code in the event.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoClientAddress => "client_address_missing",
            Self::Assertion(error) => error.code(),
            Self::Key(FindKeyError::Unknown) => "jwt_invalid",
            Self::Key(FindKeyError::Unavailable(_)) => "jwks_unavailable",
            Self::Person => "identity_refused",
            Self::Token(refusal) => refusal.code(),
            Self::Forwarded(_) => "client_cert_invalid",
            Self::AnotherName => "client_cert_mismatch",
            Self::Certificate(rejection) => rejection.code(),
            Self::Name(refusal) => refusal.code(),
        }
    }

    /// The code that the client is told: the same, unless it would help to guess.
    pub(crate) fn public_code(&self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.public_code(),
            Self::NoClientAddress
            | Self::Assertion(_)
            | Self::Key(_)
            | Self::Person
            | Self::Forwarded(_)
            | Self::AnotherName
            | Self::Certificate(_)
            | Self::Name(_) => self.code(),
        }
    }
}
