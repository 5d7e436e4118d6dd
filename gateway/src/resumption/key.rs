//! One key that seals tickets.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use zeroize::Zeroizing;

/// Seals tickets and opens them again.
///
/// AES-GCM-SIV (RFC 8452) with random nonces: a key from a file may seal for as long as nobody
/// replaces it, and a nonce that occurs twice gives nothing away but that two tickets are equal.
pub(crate) struct TicketKey {
    name: [u8; NAME_LEN],
    aead: RandomizedNonceKey,
}

/// What a key is made from.
pub(crate) type Secret = Zeroizing<[u8; SECRET_LEN]>;

impl TicketKey {
    pub(super) fn new(secret: &Secret) -> Self {
        let derived = Salt::new(HKDF_SHA256, SALT).extract(&secret[..]);
        let mut name = [0; NAME_LEN];
        name.copy_from_slice(&expand(&derived, b"name")[..NAME_LEN]);
        let key = expand(&derived, b"key");
        let aead = RandomizedNonceKey::new(&AES_256_GCM_SIV, &key[..]);
        Self {
            name,
            aead: aead.expect("AES-256 has keys of 32 octets"),
        }
    }

    /// A key that nobody else has.
    pub(super) fn random() -> Self {
        let mut secret = Secret::default();
        aws_lc_rs::rand::fill(&mut secret[..]).expect("the system's random source works");
        Self::new(&secret)
    }

    /// Whether this key sealed the ticket, as far as its name says.
    pub(super) fn sealed(&self, ticket: &[u8]) -> bool {
        ticket.starts_with(&self.name)
    }

    /// The ticket: the key's name, the nonce, then `content`, readable and changeable by nobody
    /// else, and opened for this `context` only.
    pub(super) fn seal(&self, context: &[u8], mut content: Vec<u8>) -> Option<Vec<u8>> {
        let aad = Aad::from(context);
        let nonce = self.aead.seal_in_place_append_tag(aad, &mut content).ok()?;
        Some([&self.name[..], nonce.as_ref(), &content].concat())
    }

    /// What was sealed under this key for this context.
    pub(super) fn open(&self, context: &[u8], ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket
            .strip_prefix(&self.name)?
            .split_first_chunk::<NONCE_LEN>()?;
        let mut content = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(context);
        let opened = self
            .aead
            .open_in_place(nonce, aad, &mut content)
            .ok()?
            .len();
        content.truncate(opened);
        Some(content)
    }
}

/// One purpose, one key (RFC 5869): nothing is sealed with octets that also made a name.
fn expand(derived: &Prk, purpose: &[u8]) -> Secret {
    let mut octets = Secret::default();
    derived
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut octets[..]))
        .expect("HKDF gives 32 octets");
    octets
}

pub(super) const SECRET_LEN: usize = 32;
const NAME_LEN: usize = 16;
const SALT: &[u8] = b"postern ticket key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_with_its_key_in_its_context_and_unchanged_only() {
        let (key, other) = (TicketKey::random(), TicketKey::random());
        let ticket = key.seal(b"here", b"content".to_vec()).unwrap();
        assert_eq!(key.open(b"here", &ticket).unwrap(), b"content");
        assert_eq!(key.open(b"there", &ticket), None);
        assert_eq!(other.open(b"here", &ticket), None);
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(b"here", &changed), None, "octet {at}");
            assert_eq!(key.open(b"here", &ticket[..at]), None, "{at} octets");
        }
    }

    #[test]
    fn the_same_secret_is_the_same_key_and_no_ticket_is_made_twice() {
        let secret = Secret::new([7; SECRET_LEN]);
        let (one, same) = (TicketKey::new(&secret), TicketKey::new(&secret));
        let ticket = one.seal(b"", b"content".to_vec()).unwrap();
        assert_eq!(same.open(b"", &ticket).unwrap(), b"content");
        assert_ne!(one.seal(b"", b"content".to_vec()).unwrap(), ticket);
        assert!(!ticket.windows(7).any(|octets| octets == b"content"));
    }
}
