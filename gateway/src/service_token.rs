//! Service tokens: what was presented, held against what the followed CAs publish.

mod presented;

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;
use postern_pki::journal::Hash;
use postern_policy::TokenHeader;
use rustls_pki_types::UnixTime;

pub(crate) use self::presented::withhold;
use crate::follow::{TokenEntry, TokenTable};

/// Why a presented token is no credential. The client is told less than the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    #[error("only one of CF-Access-Client-Id and CF-Access-Client-Secret was sent")]
    Incomplete,
    #[error("CF-Access-Client-Id or CF-Access-Client-Secret was sent twice")]
    Duplicate,
    #[error("no token has this client id")]
    Unknown,
    #[error("the client id is known, the secret is not its own")]
    WrongSecret,
    #[error("the token is disabled")]
    Disabled,
    #[error("the token has expired")]
    Expired,
    /// It is wrong too; which way is not told any more.
    #[error("too many wrong tokens from this address, or for this client id")]
    Throttled {
        /// When to try again.
        after: Duration,
    },
}

impl TokenRefusal {
    /// The stable reason in events.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Incomplete => "token_incomplete",
            Self::Duplicate => "token_duplicate",
            Self::Unknown => "token_unknown",
            Self::WrongSecret => "token_wrong_secret",
            Self::Disabled => "token_disabled",
            Self::Expired => "token_expired",
            Self::Throttled { .. } => "token_throttled",
        }
    }

    /// What the client is told: nothing that helps to guess.
    pub(crate) fn public_code(self) -> &'static str {
        match self {
            Self::Incomplete => "token_incomplete",
            Self::Duplicate => "token_duplicate",
            Self::Unknown | Self::WrongSecret | Self::Disabled | Self::Expired => "token_invalid",
            Self::Throttled { .. } => "token_throttled",
        }
    }
}

/// The token that a refused request named, if there is one of that client id.
pub(crate) fn named<'t>(
    headers: &HeaderMap,
    single: Option<&TokenHeader>,
    tokens: &'t TokenTable,
) -> Option<&'t TokenEntry> {
    let presented = presented::read(headers, single).ok().flatten()?;
    tokens.find(std::str::from_utf8(&presented.client_id).ok()?)
}

/// A token that is good, and with which of its secrets it came.
pub(crate) struct Authenticated<'t> {
    pub(crate) entry: &'t TokenEntry,
    pub(crate) client_id: String,
    /// SHA-256 of the secret: while a token is rotated, two are good.
    pub(crate) secret: Hash,
}

/// Looks the presented token up. `None` where none was presented.
///
/// Call it only for applications that name a token: elsewhere the headers mean nothing.
pub(crate) fn authenticate<'t>(
    headers: &HeaderMap,
    single: Option<&TokenHeader>,
    tokens: &'t TokenTable,
    now: UnixTime,
) -> Result<Option<Authenticated<'t>>, TokenRefusal> {
    let Some(presented) = presented::read(headers, single)? else {
        return Ok(None);
    };
    let id = std::str::from_utf8(&presented.client_id).unwrap_or_default();
    let (entry, secret) = check(tokens.find(id), &presented.secret, now)?;
    Ok(Some(Authenticated {
        entry,
        client_id: id.to_owned(),
        secret,
    }))
}

/// The same work for an id we know and one we do not: one digest, one comparison at least.
fn check<'t>(
    entry: Option<&'t TokenEntry>,
    secret: &[u8],
    now: UnixTime,
) -> Result<(&'t TokenEntry, Hash), TokenRefusal> {
    let presented = Hash::of(secret);
    let known: &[[u8; 32]] = entry.map_or(&NOBODY, |entry| &entry.secrets);
    let mut matches = false;
    for secret in known {
        matches |= verify_slices_are_equal(presented.as_bytes(), secret).is_ok();
    }
    let entry = entry.ok_or(TokenRefusal::Unknown)?;
    if !matches || secret.is_empty() {
        return Err(TokenRefusal::WrongSecret);
    }
    Ok((in_force(entry, now)?, presented))
}

/// The token of a client id whose secret somebody else has checked.
pub(crate) fn of_client_id<'t>(
    client_id: &str,
    tokens: &'t TokenTable,
    now: UnixTime,
) -> Result<&'t TokenEntry, TokenRefusal> {
    in_force(tokens.find(client_id).ok_or(TokenRefusal::Unknown)?, now)
}

fn in_force(entry: &TokenEntry, now: UnixTime) -> Result<&TokenEntry, TokenRefusal> {
    if !entry.enabled {
        return Err(TokenRefusal::Disabled);
    }
    if entry
        .expires_at
        .is_some_and(|expires_at| now.as_secs() >= expires_at)
    {
        return Err(TokenRefusal::Expired);
    }
    Ok(entry)
}

/// No secret has this digest.
const NOBODY: [[u8; 32]; 1] = [[0; 32]];

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;
    use postern_policy::TokenName;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn entry(secret: &str) -> TokenEntry {
        TokenEntry {
            name: TokenName::parse("ci-deploy-prod").unwrap(),
            secrets: vec![[7; 32], *Hash::of(secret.as_bytes()).as_bytes()],
            expires_at: Some(NOW + 1),
            enabled: true,
        }
    }

    fn now() -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(NOW))
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    fn refusal(pairs: &[(&'static str, &'static str)]) -> Option<TokenRefusal> {
        authenticate(&headers(pairs), None, &TokenTable::default(), now())
            .map(drop)
            .err()
    }

    #[test]
    fn both_headers_once_each_or_neither() {
        let (id, secret) = (
            ("cf-access-client-id", "a"),
            ("cf-access-client-secret", "b"),
        );
        assert_eq!(refusal(&[]), None);
        assert_eq!(refusal(&[id]), Some(TokenRefusal::Incomplete));
        assert_eq!(refusal(&[secret]), Some(TokenRefusal::Incomplete));
        assert_eq!(refusal(&[id, id, secret]), Some(TokenRefusal::Duplicate));
        assert_eq!(
            refusal(&[id, secret, secret]),
            Some(TokenRefusal::Duplicate)
        );
        assert_eq!(refusal(&[id, secret]), Some(TokenRefusal::Unknown));
        assert_eq!(
            refusal(&[
                ("cf_access_client_id", "a"),
                ("cf_access_client_secret", "b")
            ]),
            None
        );
    }

    #[test]
    fn the_secret_decides_and_then_the_state() {
        let good = entry("s3cret");
        assert!(check(Some(&good), b"s3cret", now()).is_ok());
        assert_eq!(
            check(Some(&good), b"s3cre", now()).err(),
            Some(TokenRefusal::WrongSecret)
        );
        assert_eq!(
            check(Some(&entry("")), b"", now()).err(),
            Some(TokenRefusal::WrongSecret)
        );
        assert_eq!(
            check(None, b"s3cret", now()).err(),
            Some(TokenRefusal::Unknown)
        );
        let disabled = TokenEntry {
            enabled: false,
            ..entry("s3cret")
        };
        assert_eq!(
            check(Some(&disabled), b"s3cret", now()).err(),
            Some(TokenRefusal::Disabled)
        );
        let expired = TokenEntry {
            expires_at: Some(NOW),
            ..entry("s3cret")
        };
        assert_eq!(
            check(Some(&expired), b"s3cret", now()).err(),
            Some(TokenRefusal::Expired)
        );
    }

    #[test]
    fn the_client_is_not_told_which_half_was_wrong() {
        for refusal in [
            TokenRefusal::Unknown,
            TokenRefusal::WrongSecret,
            TokenRefusal::Disabled,
        ] {
            assert_eq!(refusal.public_code(), "token_invalid");
        }
    }
}
