//! `Cf-Access-Jwt-Assertion`: one header, one signature, one issuer, one audience.
//!
//! What RFC 8725 asks of a verifier is done here: the algorithm is ours and not the token's, the
//! key is found by `kid` among the team's, issuer and audience are compared, time is an argument.

use http::HeaderMap;
use http::header::HeaderName;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use rustls_pki_types::UnixTime;

use super::claims::{Claims, ClaimsError};

/// An assertion that has the shape of one; nothing in it is proven yet.
#[derive(Debug)]
pub(crate) struct Assertion<'h> {
    token: &'h str,
    kid: String,
}

/// Why a request's assertion is not to be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("the request has no `Cf-Access-Jwt-Assertion`")]
    Missing,
    #[error("the request has more than one `Cf-Access-Jwt-Assertion`")]
    Duplicate,
    #[error("the assertion has {0} octets, more than {MAX_OCTETS}")]
    TooLarge(usize),
    #[error("the assertion is not a JWT in compact form: {0}")]
    Malformed(String),
    #[error("the assertion is signed with {0}, and Access signs with RS256")]
    Algorithm(String),
    #[error("the assertion does not say which key signed it")]
    NoKeyId,
    #[error("the assertion asks for an extension (`crit`) that nobody here understands")]
    Critical,
    #[error("the assertion's signature is not the key's")]
    BadSignature,
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}

impl AssertionError {
    /// The stable reason in events and answers.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Missing => "jwt_missing",
            Self::Duplicate
            | Self::TooLarge(_)
            | Self::Malformed(_)
            | Self::Algorithm(_)
            | Self::NoKeyId
            | Self::Critical
            | Self::BadSignature => "jwt_invalid",
            Self::Claims(error) => error.code(),
        }
    }
}

impl<'h> Assertion<'h> {
    /// Finds the one assertion of a request. The cookie `CF_Authorization` holds the same and is
    /// not looked at: a browser sends it wherever a page tells it to.
    pub(crate) fn of(headers: &'h HeaderMap) -> Result<Self, AssertionError> {
        let mut values = headers.get_all(CF_ACCESS_JWT_ASSERTION).iter();
        let value = values.next().ok_or(AssertionError::Missing)?;
        if values.next().is_some() {
            return Err(AssertionError::Duplicate);
        }
        if value.len() > MAX_OCTETS {
            return Err(AssertionError::TooLarge(value.len()));
        }
        let malformed = |why: &str| AssertionError::Malformed(why.to_owned());
        let token = value.to_str().map_err(|_| malformed("not ASCII"))?;
        let is_compact = token.split('.').count() == 3
            && token
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
        if !is_compact {
            return Err(malformed("not three parts of base64url"));
        }
        let header =
            decode_header(token).map_err(|why| AssertionError::Malformed(why.to_string()))?;
        Ok(Self {
            token,
            kid: key_id(header)?,
        })
    }

    /// Which key is said to have signed it.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Checks the signature, then what is claimed.
    pub(crate) fn verify(
        &self,
        key: &DecodingKey,
        issuer: &str,
        audience: &str,
        now: UnixTime,
    ) -> Result<Claims, AssertionError> {
        let claims = decode::<Claims>(self.token, key, &signature_only())
            .map_err(|error| refused(&error))?
            .claims;
        claims.check(issuer, audience, now.as_secs())?;
        Ok(claims)
    }
}

fn key_id(header: Header) -> Result<String, AssertionError> {
    if header.alg != Algorithm::RS256 {
        return Err(AssertionError::Algorithm(format!("{:?}", header.alg)));
    }
    if header.crit.is_some() {
        return Err(AssertionError::Critical);
    }
    header.kid.ok_or(AssertionError::NoKeyId)
}

/// The library reads the system's clock; claims are checked by [`Claims::check`] instead.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum, which grows; what is no bad signature is a bad shape"
)]
fn refused(error: &jsonwebtoken::errors::Error) -> AssertionError {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => AssertionError::BadSignature,
        _ => AssertionError::Malformed(error.to_string()),
    }
}

const CF_ACCESS_JWT_ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
/// Access's own have one to two KiB.
const MAX_OCTETS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
