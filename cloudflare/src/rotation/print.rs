//! How secrets are told apart where they must not stand.

use std::fmt;

use postern_pki::journal::Hash;
use serde::{Deserialize, Serialize};

/// The first 8 hexadecimal digits of a secret's SHA-256. Of a secret with 256 bits they tell
/// nothing; they tell two secrets of one token apart.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SecretPrint(String);

impl SecretPrint {
    /// The print of the secret with this hash.
    pub fn of(hash: &Hash) -> Self {
        let digits = hash.as_bytes().iter().take(4);
        Self(digits.map(|octet| format!("{octet:02x}")).collect())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
