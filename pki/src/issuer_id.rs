//! Which key issued a certificate.

use std::fmt;
use std::str::FromStr;

use postern_policy::Fingerprint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Certificate;

/// SHA-256 of an issuer's SubjectPublicKeyInfo in DER.
///
/// The key, not the name or the certificate: a serial number is unique per issuer (RFC 5280
/// section 4.1.2.2), and an issuer whose certificate was renewed or cross-signed is the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssuerId(Fingerprint);

/// The text is not an issuer id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not an issuer id: give the SHA-256 of its public key as 64 hex digits")]
pub struct IssuerIdError(String);

impl IssuerId {
    /// The id of the issuer with this key fingerprint.
    pub fn new(spki: Fingerprint) -> Self {
        Self(spki)
    }

    /// The id of the issuer that holds the key in this certificate.
    pub fn of(issuer: &Certificate) -> Self {
        Self(issuer.spki_fingerprint())
    }

    /// The fingerprint of the key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0
    }
}

impl fmt::Display for IssuerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for IssuerId {
    type Err = IssuerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| IssuerIdError(text.to_owned()))
    }
}
