//! A team's signing keys as Cloudflare publishes them: a JWK set (RFC 7517).

use std::collections::HashMap;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;

/// The RSA keys that may have signed an assertion, by key id.
pub(crate) struct KeySet {
    keys: HashMap<String, DecodingKey>,
}

/// Why some octets are not a set of keys to believe.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the answer is not a JWK set: {0}")]
    NotJson(String),
    #[error("the set holds {0} keys, more than {MAX_KEYS}")]
    TooManyKeys(usize),
    #[error("two keys of the set have the id {0:?}")]
    SameId(String),
    #[error("the set holds no RSA key for RS256 with a `kid`")]
    NoKey,
}

impl KeySet {
    /// Reads a JWK set. Keys of other kinds are left out, as RFC 7517 section 5 has it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, KeySetError> {
        let set: WireSet =
            serde_json::from_slice(body).map_err(|why| KeySetError::NotJson(why.to_string()))?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys(set.keys.len()));
        }
        let mut keys = HashMap::new();
        for (kid, key) in set.keys.into_iter().filter_map(usable) {
            if keys.insert(kid.clone(), key).is_some() {
                return Err(KeySetError::SameId(kid));
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoKey);
        }
        Ok(Self { keys })
    }

    /// The key with this id.
    pub(crate) fn find(&self, kid: &str) -> Option<&DecodingKey> {
        self.keys.get(kid)
    }
}

/// `public_cert` and `public_certs` stand beside it and are not looked at: keys go by `kid`.
#[derive(Deserialize)]
struct WireSet {
    keys: Vec<serde_json::Value>,
}

fn usable(value: serde_json::Value) -> Option<(String, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let is_rs256 = common
        .key_algorithm
        .as_ref()
        .is_none_or(|algorithm| *algorithm == KeyAlgorithm::RS256);
    let signs = common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let is_rsa = matches!(jwk.algorithm, AlgorithmParameters::RSA(_));
    let kid = jwk.common.key_id.clone()?;
    if !(is_rs256 && signs && is_rsa) {
        return None;
    }
    Some((kid, DecodingKey::from_jwk(&jwk).ok()?))
}

/// Cloudflare publishes two: the current key and the one before.
const MAX_KEYS: usize = 32;

#[cfg(test)]
mod tests {
    use postern_fixtures::TeamKey;

    use super::*;

    fn refused(body: &str) -> KeySetError {
        KeySet::parse(body.as_bytes()).err().unwrap()
    }

    #[test]
    fn keys_are_found_by_their_id_and_nothing_else() {
        let (one, two) = (TeamKey::new("one"), TeamKey::new("two"));
        let set = KeySet::parse(TeamKey::jwks(&[&one, &two]).as_bytes()).unwrap();
        assert!(set.find("one").is_some() && set.find("two").is_some());
        assert!(set.find("").is_none() && set.find("three").is_none());
    }

    #[test]
    fn what_cannot_have_signed_with_rs256_is_left_out() {
        let mut key: serde_json::Value = TeamKey::new("k").jwk();
        for (field, value) in [("alg", "RS512"), ("use", "enc"), ("kty", "EC")] {
            let before = key[field].take();
            key[field] = value.into();
            let body = format!(r#"{{"keys":[{key}]}}"#);
            assert_eq!(refused(&body), KeySetError::NoKey, "{field}");
            key[field] = before;
        }
        let symmetric = r#"{"keys":[{"kty":"oct","kid":"k","alg":"HS256","k":"c2VjcmV0"}]}"#;
        assert_eq!(refused(symmetric), KeySetError::NoKey);
    }

    #[test]
    fn a_page_an_empty_set_and_one_with_two_answers_are_refused() {
        assert!(matches!(refused("<html></html>"), KeySetError::NotJson(_)));
        assert!(matches!(refused("{}"), KeySetError::NotJson(_)));
        assert_eq!(refused(r#"{"keys":[]}"#), KeySetError::NoKey);
        let key = TeamKey::new("same");
        let twice = TeamKey::jwks(&[&key, &key]);
        assert_eq!(refused(&twice), KeySetError::SameId("same".to_owned()));
        let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 33].join(","));
        assert_eq!(refused(&many), KeySetError::TooManyKeys(33));
    }
}
