//! A team with real RSA keys, for tests.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://example.cloudflareaccess.com";
pub(crate) const AUDIENCE: &str =
    "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
pub(crate) const NOW: u64 = 1_800_000_000;

/// One signing key of a team.
pub(crate) struct TeamKey {
    kid: String,
    key: KeyPair,
}

impl TeamKey {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            key: KeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    /// Signs claims as Access does.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        header
    }

    pub(crate) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        let pkcs8 = self.key.as_der().unwrap();
        let pem = pem(pkcs8.as_ref());
        encode(header, claims, &EncodingKey::from_rsa_pem(&pem).unwrap()).unwrap()
    }

    /// The public key, as whoever confuses HS256 with RS256 would use it.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    pub(crate) fn jwk(&self) -> String {
        let public = self.key.public_key();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
        .to_string()
    }

    /// The document at `/cdn-cgi/access/certs`.
    pub(crate) fn jwks(keys: &[&Self]) -> String {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        format!(
            r#"{{"keys":[{}],"public_cert":{{}},"public_certs":[]}}"#,
            keys.join(",")
        )
    }
}

/// The claims of a certificate login at [`NOW`].
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE], "exp": NOW + 60, "iat": NOW - 1,
        "type": "app", "sub": "", "common_name": "device-1.factory.corp",
    })
}

fn pem(pkcs8: &[u8]) -> Vec<u8> {
    use base64::engine::general_purpose::STANDARD;
    let text = STANDARD.encode(pkcs8);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n").into_bytes()
}
