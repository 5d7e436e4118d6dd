use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use postern_fixtures::TeamKey;
use serde_json::json;

use super::*;
use crate::cloudflare::key_set::KeySet;
use crate::cloudflare::testing::{AUDIENCE, ISSUER, NOW, claims};

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(
            CF_ACCESS_JWT_ASSERTION,
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn verify_headers(team: &TeamKey, headers: &HeaderMap) -> Result<Claims, AssertionError> {
    let keys = KeySet::parse(TeamKey::jwks(&[team]).as_bytes()).unwrap();
    let assertion = Assertion::of(headers)?;
    let key = keys.find(assertion.kid()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    assertion.verify(key, ISSUER, AUDIENCE, now)
}

fn verify(team: &TeamKey, token: &str) -> Result<Claims, AssertionError> {
    verify_headers(team, &headers(&[token]))
}

fn with(change: &str, value: serde_json::Value) -> serde_json::Value {
    let mut claims = claims();
    claims[change] = value;
    claims
}

fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn what_access_signs_is_believed() {
    let team = TeamKey::new("k1");
    let claims = verify(&team, &team.sign(&claims())).unwrap();
    assert!(claims.principal().is_ok());
}

#[test]
fn the_algorithm_is_ours_and_not_the_tokens() {
    let team = TeamKey::new("k1");
    let payload = base64(&claims().to_string());
    let none = format!("{}.{payload}.", base64(r#"{"alg":"none","kid":"k1"}"#));
    assert!(matches!(
        verify(&team, &none),
        Err(AssertionError::Malformed(_))
    ));
    let confused = team.sign_confused(&claims());
    let refused = AssertionError::Algorithm("HS256".to_owned());
    assert_eq!(verify(&team, &confused).unwrap_err(), refused);
    let mut header = team.header();
    header.alg = Algorithm::PS256;
    let other = team.sign_with(&header, &claims());
    let refused = AssertionError::Algorithm("PS256".to_owned());
    assert_eq!(verify(&team, &other).unwrap_err(), refused);
}

#[test]
fn the_claims_are_looked_at_after_the_signature() {
    let team = TeamKey::new("k1");
    for (claims, code) in [
        (
            with("iss", json!("https://evil.cloudflareaccess.com")),
            "jwt_wrong_issuer",
        ),
        (with("aud", json!(["0".repeat(64)])), "jwt_wrong_audience"),
        (with("exp", json!(NOW - 31)), "jwt_expired"),
        (with("nbf", json!(NOW + 31)), "jwt_not_yet_valid"),
        (with("exp", json!(null)), "jwt_invalid"),
    ] {
        let refused = verify(&team, &team.sign(&claims)).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        // Signed by nobody we know, none of that is even read.
        let forged = verify(&team, &TeamKey::new("k1").sign(&claims)).unwrap_err();
        assert_eq!(forged, AssertionError::BadSignature);
    }
}

#[test]
fn a_key_is_one_of_the_teams_whatever_the_token_brings_along() {
    let (team, evil) = (TeamKey::new("k1"), TeamKey::new("k2"));
    let mut header = team.header();
    header.jwk = serde_json::from_value(evil.jwk()).unwrap();
    header.jku = Some("https://evil.example/jwks".to_owned());
    let refused = verify(&team, &evil.sign_with(&header, &claims())).unwrap_err();
    assert_eq!(refused, AssertionError::BadSignature);
    let mut header = team.header();
    header.kid = None;
    let refused = verify(&team, &team.sign_with(&header, &claims())).unwrap_err();
    assert_eq!(refused, AssertionError::NoKeyId);
    let mut header = team.header();
    header.crit = Some(vec!["b64".to_owned()]);
    let refused = verify(&team, &team.sign_with(&header, &claims())).unwrap_err();
    assert_eq!(refused, AssertionError::Critical);
}

#[test]
fn there_is_one_token_in_one_header() {
    let team = TeamKey::new("k1");
    let good = team.sign(&claims());
    let none = verify_headers(&team, &HeaderMap::new()).unwrap_err();
    assert_eq!(none, AssertionError::Missing);
    let mut cookie = HeaderMap::new();
    let value = format!("CF_Authorization={good}");
    cookie.insert("cookie", HeaderValue::from_str(&value).unwrap());
    let refused = verify_headers(&team, &cookie).unwrap_err();
    assert_eq!(refused, AssertionError::Missing);
    let twice = verify_headers(&team, &headers(&[&good, &good])).unwrap_err();
    assert_eq!(twice, AssertionError::Duplicate);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let json = json!({ "payload": "x", "signatures": [signature, signature] }).to_string();
    for token in [
        format!("{good},{good}"),
        format!("{good}, {good}"),
        format!("{good}.{signature}"),
        format!("Bearer {good}"),
        format!("{good} "),
        head.to_owned(),
        json,
        String::new(),
        "..".to_owned(),
    ] {
        let refused = verify(&team, &token).unwrap_err();
        assert_eq!(refused.code(), "jwt_invalid", "{token}");
    }
    let large = format!("{good}{}", "A".repeat(16 * 1024));
    assert!(matches!(
        verify(&team, &large),
        Err(AssertionError::TooLarge(_))
    ));
}
