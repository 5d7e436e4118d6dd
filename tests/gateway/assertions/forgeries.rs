//! Assertions that nobody is to believe, next to those that everybody is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::{AUDIENCE, Asserting, make_key, read, text};
use crate::behind_cloudflare::now;

/// Cases by name; no text where nothing is presented.
pub(super) type Cases = BTreeMap<&'static str, Option<String>>;

/// Everything that is wrong with something, each made from `good` and, where the signature is to be
/// right, signed with the gateway's own key.
pub(super) fn forgeries(asserting: &Asserting, good: &str) -> Cases {
    let site = &asserting.site;
    let own = Signer::of_file(asserting, "one.key", good);
    make_key(site, "stranger.key");
    let stranger = Signer::of_file(asserting, "stranger.key", good);
    let (header, claims) = read(good);
    let changed = |claim: &str, value: Value| own.sign(&with(&claims, claim, Some(value)));
    let without = |claim: &str| own.sign(&with(&claims, claim, None));
    let now = now();
    let mut parts = good.split('.');
    let mut part = || parts.next().unwrap();
    let (head, payload, signature) = (part(), part(), part());
    let admin = encoded(&with(&claims, "common_name", Some(json!("admin.access"))));
    let unsigned = encoded(&with(&header, "alg", Some(json!("none"))));
    let cases = [
        ("other aud", changed("aud", json!(["somebody-else"]))),
        (
            "aud as part of another",
            changed("aud", json!([format!("x{AUDIENCE}")])),
        ),
        (
            "aud as part of a text",
            changed("aud", json!(format!("x{AUDIENCE}x"))),
        ),
        ("no aud", without("aud")),
        (
            "other iss",
            changed("iss", json!("https://evil.example.com")),
        ),
        (
            "iss with a slash",
            changed("iss", json!(format!("{}/", asserting.issuer))),
        ),
        ("no iss", without("iss")),
        ("expired", changed("exp", json!(now - 3600))),
        ("no exp", without("exp")),
        ("nbf in the future", changed("nbf", json!(now + 3600))),
        ("wrong key", stranger.sign(&claims)),
        ("unknown kid", stranger.sign_as("unknown", &claims)),
        ("alg none", format!("{unsigned}.{payload}.")),
        (
            "alg none with a signature",
            format!("{unsigned}.{payload}.{signature}"),
        ),
        (
            "HS256 with the public key",
            own.confused(asserting, &claims),
        ),
        ("ES256", own.es256(asserting, &claims)),
        ("tampered payload", format!("{head}.{admin}.{signature}")),
        ("without its signature", format!("{head}.{payload}.")),
        ("two concatenated", format!("{good}, {good}")),
        ("two as one", format!("{good}.{good}")),
        ("not a token", "CF_Authorization".to_owned()),
        ("empty", String::new()),
    ];
    let mut cases: Cases = cases.map(|(name, token)| (name, Some(token))).into();
    cases.insert("missing", None);
    cases
}

struct Signer {
    key: EncodingKey,
    kid: String,
}

impl Signer {
    /// A key of the site's folder under the `kid` of the good assertion.
    fn of_file(asserting: &Asserting, name: &str, good: &str) -> Self {
        let pem = text(&asserting.site, name);
        Self {
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            kid: read(good).0["kid"].as_str().unwrap().to_owned(),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.kid, claims)
    }

    fn sign_as(&self, kid: &str, claims: &Value) -> String {
        encode(&header(Algorithm::RS256, kid), claims, &self.key).unwrap()
    }

    /// The public key in PEM, which anybody has, as the secret.
    fn confused(&self, asserting: &Asserting, claims: &Value) -> String {
        let public = asserting
            .site
            .shell("openssl pkey -in one.key -pubout")
            .stdout;
        let secret = EncodingKey::from_secret(public.as_bytes());
        encode(&header(Algorithm::HS256, &self.kid), claims, &secret).unwrap()
    }

    fn es256(&self, asserting: &Asserting, claims: &Value) -> String {
        let line = "openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
        let pem = asserting.site.shell(line).stdout;
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).unwrap();
        encode(&header(Algorithm::ES256, &self.kid), claims, &key).unwrap()
    }
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    header
}

fn with(claims: &Value, claim: &str, value: Option<Value>) -> Value {
    let mut changed = claims.as_object().unwrap().clone();
    match value {
        Some(value) => changed.insert(claim.to_owned(), value),
        None => changed.remove(claim),
    };
    Value::Object(changed)
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
