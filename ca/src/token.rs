//! Service tokens made by us: an id, a secret that is shown once, and its SHA-256.

use std::fmt;

use aws_lc_rs::rand;
use postern_pki::journal::Hash;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// What our secrets start with, so that scanners find leaked ones.
const SECRET_PREFIX: &str = "pst_";
/// What client ids end in, as Cloudflare's do.
const CLIENT_ID_SUFFIX: &str = ".access";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 characters of 62: 256 bits.
const SECRET_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

/// A token's secret. It has no `Display` and no `Serialize`; its `Debug` says nothing.
pub struct ServiceTokenSecret(SecretString);

/// The system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: no token was made")]
pub struct NoRandomness;

impl ServiceTokenSecret {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(SECRET_PREFIX);
        while text.len() < SECRET_PREFIX.len() + SECRET_CHARACTERS {
            let mut octet = [0];
            rand::fill(&mut octet).map_err(|_| NoRandomness)?;
            // 62 × 4 = 248: the eight octets above it would favour the first characters.
            let index = usize::from(octet[0]);
            if let Some(character) = ALPHABET.get(index % ALPHABET.len()).filter(|_| index < 248) {
                text.push(char::from(*character));
            }
        }
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Ok(Self(SecretString::from(text.as_str())))
    }

    /// What the store, the journal and the gateway know of it.
    pub fn hash(&self) -> Hash {
        Hash::of(self.0.expose_secret().as_bytes())
    }

    /// Hands the text to whoever writes it where it belongs.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ServiceTokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceTokenSecret(…)")
    }
}

/// A new client id: 32 hexadecimal digits and the suffix.
///
/// # Errors
/// When the system has no randomness.
pub fn new_client_id() -> Result<String, NoRandomness> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(|_| NoRandomness)?;
    Ok(format!(
        "{:032x}{CLIENT_ID_SUFFIX}",
        u128::from_be_bytes(octets)
    ))
}

/// Whether `text` has the shape and the checksum of one of our secrets: a scanner can tell a
/// leaked one from a look-alike without asking us.
pub fn is_well_formed_secret(text: &str) -> bool {
    let length = SECRET_PREFIX.len() + SECRET_CHARACTERS;
    text.len() == length + CHECKSUM_CHARACTERS
        && text.is_ascii()
        && text.starts_with(SECRET_PREFIX)
        && checksum(&text[..length]) == text[length..]
}

/// The first characters of the SHA-256, in our alphabet.
fn checksum(text: &str) -> String {
    let hash = Hash::of(text.as_bytes());
    let octets = hash.as_bytes().iter().take(CHECKSUM_CHARACTERS);
    let characters = octets.filter_map(|octet| ALPHABET.get(usize::from(*octet) % ALPHABET.len()));
    characters.map(|character| char::from(*character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_the_prefix_and_a_checksum_that_a_typo_breaks() {
        let secret = ServiceTokenSecret::generate().unwrap();
        assert!(is_well_formed_secret(secret.expose()));
        let mut wrong = secret.expose().to_owned();
        let tenth = if wrong.as_bytes()[10] == b'a' {
            "b"
        } else {
            "a"
        };
        wrong.replace_range(10..11, tenth);
        assert!(!is_well_formed_secret(&wrong));
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        let secret = ServiceTokenSecret::generate().unwrap();
        assert!(!format!("{secret:?}").contains(&secret.expose()[4..]));
    }
}
