//! The key that signs now and the keys that are published with it.

use std::ops::Range;

use bytes::Bytes;
use serde_json::json;

use super::signing_key::{PublishedKey, SigningKey};

/// One moment's keys.
pub(crate) struct Keys {
    signing: SigningKey,
    document: Bytes,
    /// The seconds in which no key is due, begins to sign or is spent.
    good: Range<u64>,
}

impl Keys {
    /// The first signs; all of them are published.
    pub(crate) fn new(signing: SigningKey, others: &[SigningKey], good: Range<u64>) -> Self {
        let others = others.iter().map(SigningKey::published);
        let published: Vec<_> = std::iter::once(signing.published()).chain(others).collect();
        let document = Bytes::from(document(&published));
        Self {
            signing,
            document,
            good,
        }
    }

    /// The key that signs.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// What is answered at `/cdn-cgi/access/certs`.
    pub(crate) fn document(&self) -> &Bytes {
        &self.document
    }

    /// Whether they are still the ones to use.
    pub(crate) fn are_good(&self, now: u64) -> bool {
        self.good.contains(&now)
    }
}

/// A JWK set (RFC 7517) with Cloudflare's certificates beside it.
fn document(keys: &[&PublishedKey]) -> String {
    let certificates: Vec<_> = keys
        .iter()
        .map(|key| json!({ "kid": key.kid, "cert": key.certificate }))
        .collect();
    let document = json!({
        "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>(),
        "public_cert": certificates.first(),
        "public_certs": certificates,
    });
    document.to_string()
}

#[cfg(test)]
impl Keys {
    /// The ids in the document, in its order.
    pub(crate) fn kids(&self) -> Vec<String> {
        let document: serde_json::Value = serde_json::from_slice(&self.document).unwrap();
        let keys = document["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}
