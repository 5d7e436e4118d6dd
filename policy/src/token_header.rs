//! The one header that may carry a whole service token.

use std::fmt;

use thiserror::Error;

/// A header whose value is `{"cf-access-client-id": "…", "cf-access-client-secret": "…"}`, for
/// clients that can send one header only. Cloudflare's `read_service_tokens_from_header`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenHeader(String);

/// Why a name is not that of such a header.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TokenHeaderError {
    /// No header has such a name (RFC 9110, section 5.1).
    #[error("{0:?} is not the name of a header: letters, digits and `-`")]
    NotAName(String),
    /// The header has a meaning of its own that a token would break.
    #[error("`{0}` is needed for something else; write for example \"Authorization\"")]
    Taken(String),
}

impl TokenHeader {
    /// Reads a header's name; upper and lower case are the same.
    pub fn parse(text: &str) -> Result<Self, TokenHeaderError> {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(TokenHeaderError::NotAName(text.to_owned()));
        }
        let name = text.to_ascii_lowercase();
        if TAKEN.contains(&name.as_str()) || name.starts_with("cf-") {
            return Err(TokenHeaderError::Taken(name));
        }
        Ok(Self(name))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const LONGEST: usize = 64;
/// Framing, routing and connection headers.
const TAKEN: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_nothing_else_needs() {
        let header = TokenHeader::parse("Authorization").unwrap();
        assert_eq!(header.as_str(), "authorization");
        for taken in ["Host", "content-length", "CF-Access-Client-Id", "Upgrade"] {
            let error = TokenHeader::parse(taken).unwrap_err();
            assert!(matches!(error, TokenHeaderError::Taken(_)), "{taken}");
        }
        for text in ["", "a b", "a:b", "a_b", "ä"] {
            let error = TokenHeader::parse(text).unwrap_err();
            assert!(matches!(error, TokenHeaderError::NotAName(_)), "{text}");
        }
    }
}
