use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::*;
use crate::identity::signing_key::{PrivatePem, SigningKey};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://gateway.example.com";

fn keys() -> Arc<Keys> {
    let key = SigningKey::from_pem(PrivatePem::generate().as_bytes(), ISSUER).unwrap();
    Arc::new(Keys::new(key, &[], 0..u64::MAX))
}

fn open(keys: KeySource, state: &Path) -> Minter {
    let issuer = ISSUER.to_owned();
    Minter::open(&AssertionSettings { issuer, keys }, state, NOW).unwrap()
}

fn minter() -> Minter {
    open(KeySource::Files(keys()), Path::new("/nowhere"))
}

fn device(name: &str) -> Subject {
    Subject {
        common_name: name.to_owned(),
        certificate: Some([7; 32].into()),
        not_after: u64::MAX,
    }
}

fn audience(values: &[&str]) -> Audience {
    Audience::new(values.iter().map(|value| (*value).to_owned()).collect()).unwrap()
}

/// The claims, their signature checked with the published set.
fn claims(minter: &Minter, assertion: &str) -> Value {
    let set: Value = serde_json::from_slice(minter.keys().document()).unwrap();
    let jwk = serde_json::from_value(set["keys"][0].clone()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    (validation.validate_aud, validation.validate_exp) = (false, false);
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let token = decode::<Value>(assertion, &key, &validation).unwrap();
    assert_eq!(token.header.kid.as_ref(), minter.keys().kids().first());
    token.claims
}

#[test]
fn an_assertion_claims_what_access_claims() {
    let minter = minter();
    let assertion = minter.assertion(device("device-1"), &audience(&["a", "b"]), NOW);
    assert_eq!(
        claims(&minter, &assertion),
        json!({
            "iss": ISSUER, "aud": ["a", "b"], "type": "app", "sub": "",
            "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 55, "common_name": "device-1",
            "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode([7; 32]) },
        })
    );
    let token = Subject {
        certificate: None,
        ..device("0123.access")
    };
    let assertion = minter.assertion(token, &audience(&["a"]), NOW);
    assert_eq!(claims(&minter, &assertion).get("cnf"), None);
}

#[test]
fn nobody_is_vouched_for_longer_than_the_certificate_lives() {
    let minter = minter();
    let ending = Subject {
        not_after: NOW + 10,
        ..device("device-1")
    };
    let assertion = minter.assertion(ending, &audience(&["a"]), NOW);
    assert_eq!(claims(&minter, &assertion)["exp"], NOW + 10);
}

#[test]
fn one_signature_serves_somebody_and_an_audience_until_half_its_life_is_over() {
    let minter = minter();
    let of = |name: &str, audiences: &[&str], now| {
        minter.assertion(device(name), &audience(audiences), now)
    };
    let first = of("device-1", &["a"], NOW);
    // The same allocation, so it was not signed again.
    assert!(Arc::ptr_eq(&first, &of("device-1", &["a"], NOW + 24)));
    for other in [
        of("device-2", &["a"], NOW),
        of("device-1", &["b"], NOW),
        of("device-1", &["a", "b"], NOW),
    ] {
        assert_ne!(first, other);
    }
    let second = of("device-1", &["a"], NOW + 25);
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(claims(&minter, &second)["iat"], NOW + 20);
    assert!(Arc::ptr_eq(&second, &of("device-1", &["a"], NOW + 26)));
    // A clock that goes back makes a new one: the old one begins in the future.
    let back = of("device-1", &["a"], NOW - 3600);
    assert_eq!(claims(&minter, &back)["exp"], NOW - 3600 + 55);
}

#[test]
fn many_requests_at_once_need_one_signature() {
    let minter = minter();
    let together: Vec<Arc<str>> = std::thread::scope(|scope| {
        let ask = || minter.assertion(device("device-1"), &audience(&["a"]), NOW);
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(together.iter().all(|one| Arc::ptr_eq(one, &together[0])));
}

#[test]
fn what_is_remembered_is_bounded() {
    let minter = Minter {
        minted: Cache::new(8),
        ..minter()
    };
    for number in 0..32 {
        minter.assertion(device(&number.to_string()), &audience(&["a"]), NOW);
    }
    assert!(minter.minted.len() <= 8, "{}", minter.minted.len());
}

#[test]
fn a_key_that_cannot_be_made_is_an_alarm_and_the_one_before_signs_on() {
    let state = tempfile::tempdir().unwrap();
    let rotate_every = Duration::from_secs(30 * 86_400);
    let minter = open(KeySource::Made { rotate_every }, state.path());
    let kids = minter.keys().kids();
    let due = NOW + 30 * 86_400;
    assert!(minter.keys().are_good(NOW) && !minter.keys().are_good(due));
    let folder = state.path().join("assertion-keys");
    let aside = state.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    minter.keep_keys(due);
    let alarm = minter.alarm().unwrap();
    assert!(alarm.contains("assertion-keys"), "{alarm}");
    assert_eq!(minter.keys().kids(), kids);
    claims(
        &minter,
        &minter.assertion(device("a"), &audience(&["a"]), due),
    );

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    minter.keep_keys(due);
    assert_eq!(minter.alarm(), None);
    assert_eq!(
        (minter.keys().kids().len(), &minter.keys().kids()[0]),
        (2, &kids[0])
    );
}
