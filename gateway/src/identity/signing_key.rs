//! A key that assertions are signed with, and what others need to verify them.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    SerialNumber,
};
use serde::Serialize;
use serde_json::json;

/// An RSA key: every verifier of Access's assertions takes RS256 and nothing else.
pub(crate) struct SigningKey {
    header: Header,
    key: EncodingKey,
    published: PublishedKey,
}

/// Its public half.
#[derive(Clone)]
pub(crate) struct PublishedKey {
    pub(crate) kid: String,
    pub(crate) jwk: Jwk,
    /// A certificate of the key, PEM, for verifiers that know no JWK.
    pub(crate) certificate: String,
}

/// Why something is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningKeyError {
    #[error("it is no RSA key in PEM: {0}")]
    NotRsa(String),
    #[error("it cannot sign with RS256, which takes 2048 bits at least: {0}")]
    CannotSign(String),
}

/// A fresh private key, PEM. It is shown to nobody.
pub(crate) struct PrivatePem(String);

impl PrivatePem {
    /// Makes one of 2048 bits, which is what Cloudflare's are.
    pub(crate) fn generate() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        Self(key.expect("the system has randomness").serialize_pem())
    }

    /// The text that goes into the file.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem(…)")
    }
}

impl SigningKey {
    /// Reads a private key and tries it. The certificate is made out to `issuer`.
    pub(crate) fn from_pem(pem: &[u8], issuer: &str) -> Result<Self, SigningKeyError> {
        let not_rsa = |why: &dyn fmt::Display| SigningKeyError::NotRsa(why.to_string());
        let key = EncodingKey::from_rsa_pem(pem).map_err(|why| not_rsa(&why))?;
        encode(&Header::new(Algorithm::RS256), &json!({}), &key)
            .map_err(|why| SigningKeyError::CannotSign(why.to_string()))?;
        let mut jwk =
            Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(|why| not_rsa(&why))?;
        let kid = jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|why| not_rsa(&why))?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let text = std::str::from_utf8(pem).map_err(|why| not_rsa(&why))?;
        let certificate = certificate(text, &kid, issuer).map_err(|why| not_rsa(&why))?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(kid.clone());
        let published = PublishedKey {
            kid,
            jwk,
            certificate,
        };
        Ok(Self {
            header,
            key,
            published,
        })
    }

    /// Signs claims: a JWT in its compact form.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> String {
        encode(&self.header, claims, &self.key).expect("the key signed when it was read")
    }

    /// What verifiers need.
    pub(crate) fn published(&self) -> &PublishedKey {
        &self.published
    }
}

/// The same at every start: nothing in it depends on when it is made, and the set of keys says how
/// long a key is good.
fn certificate(pem: &str, kid: &str, issuer: &str) -> Result<String, rcgen::Error> {
    let key = KeyPair::from_pem_and_sign_algo(pem, &PKCS_RSA_SHA256)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, issuer);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.serial_number = Some(SerialNumber::from_slice(
        kid.as_bytes().get(..SERIAL_OCTETS).unwrap_or_default(),
    ));
    Ok(params.self_signed(&key)?.pem())
}

const SERIAL_OCTETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://gateway.example.com";

    #[test]
    fn a_key_is_published_alike_at_every_start() {
        let pem = PrivatePem::generate();
        let read = || SigningKey::from_pem(pem.as_bytes(), ISSUER).unwrap();
        let (one, two) = (read(), read());
        assert_eq!(one.published().kid, two.published().kid);
        assert_eq!(one.published().certificate, two.published().certificate);
        let jwk = serde_json::to_value(&one.published().jwk).unwrap();
        let fields: Vec<_> = jwk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(fields, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(
            (&jwk["alg"], &jwk["kty"], &jwk["use"]),
            (&json!("RS256"), &json!("RSA"), &json!("sig"))
        );
    }

    #[test]
    fn no_debug_output_shows_a_private_key() {
        assert_eq!(format!("{:?}", PrivatePem::generate()), "PrivatePem(…)");
    }

    #[test]
    fn what_is_no_rsa_key_is_refused() {
        let ec = KeyPair::generate().unwrap().serialize_pem();
        for pem in [ec.as_bytes(), b"", b"-----BEGIN PRIVATE KEY-----\n\xff"] {
            let refused = SigningKey::from_pem(pem, ISSUER).err().unwrap();
            assert!(matches!(refused, SigningKeyError::NotRsa(_)), "{refused}");
        }
    }
}
