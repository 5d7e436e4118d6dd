//! What a client's own certificate must be, and the code of each refusal.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use postern_fixtures::{Authority, Issued, TestPki};
use postern_pki::{Certificate, LeafProfile, PathVerifier, Rejection, TrustAnchors, VerifiedPath};

const NAME: &str = "device-1.factory.corp";

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn anchors(authorities: &[&Authority]) -> TrustAnchors {
    TrustAnchors::new(authorities.iter().map(|it| read(it.der())).collect()).unwrap()
}

fn verifier(pki: &TestPki) -> PathVerifier {
    PathVerifier::new(anchors(&[pki.root()]), Vec::new(), LeafProfile::Strict)
}

fn verify(pki: &TestPki, client: &Issued) -> Result<VerifiedPath, Rejection> {
    verifier(pki).verify(&client.chain(), pki.now())
}

/// The code of the refusal.
fn code<T: std::fmt::Debug>(result: Result<T, Rejection>) -> &'static str {
    result.unwrap_err().code()
}

// A13
#[test]
fn a_ca_certificate_is_no_client_certificate() {
    let pki = TestPki::new();
    assert_eq!(code(verify(&pki, &pki.ca_as_leaf(NAME))), "ca_as_leaf");
    let itself = [pki.intermediate().der().clone()];
    assert_eq!(
        code(verifier(&pki).verify(&itself, pki.now())),
        "ca_as_leaf"
    );
}

// A14
#[test]
fn a_client_certificate_must_be_for_client_authentication() {
    let pki = TestPki::new();
    let cases = [
        pki.server_auth_only(NAME),
        pki.without_eku(NAME),
        pki.any_purpose(NAME),
        pki.code_signing_only(NAME),
        pki.server(&["gateway.factory.corp"]),
    ];
    for client in cases {
        assert_eq!(code(verify(&pki, &client)), "eku_missing");
    }
}

#[test]
fn the_rfc_profile_accepts_an_absent_eku_but_no_other_purpose() {
    let pki = TestPki::new();
    let lenient = PathVerifier::new(anchors(&[pki.root()]), Vec::new(), LeafProfile::Rfc5280);
    assert!(
        lenient
            .verify(&pki.without_eku(NAME).chain(), pki.now())
            .is_ok()
    );
    let server = pki.server_auth_only(NAME);
    assert_eq!(
        code(lenient.verify(&server.chain(), pki.now())),
        "eku_missing"
    );
}

// A15
#[test]
fn key_usage_must_fit_a_client() {
    let pki = TestPki::new();
    assert_eq!(
        code(verify(&pki, &pki.no_digital_signature(NAME))),
        "key_usage"
    );
    assert_eq!(code(verify(&pki, &pki.key_cert_sign(NAME))), "key_usage");
    assert!(verify(&pki, &pki.without_key_usage(NAME)).is_ok());
}

// A16
#[test]
fn validity_is_exact_to_the_second() {
    let pki = TestPki::new();
    assert_eq!(code(verify(&pki, &pki.expired(NAME))), "expired");
    assert_eq!(
        code(verify(&pki, &pki.not_yet_valid(NAME))),
        "not_yet_valid"
    );
    assert!(verify(&pki, &pki.valid_this_second(NAME)).is_ok());
}

// A23
#[test]
fn two_common_names_are_refused() {
    let pki = TestPki::new();
    let client = pki.two_common_names("device-1", "admin");
    assert_eq!(code(verify(&pki, &client)), "multiple_common_names");
}

#[test]
fn an_unknown_critical_extension_is_refused() {
    let pki = TestPki::new();
    let client = pki.unknown_critical_extension(NAME);
    assert_eq!(code(verify(&pki, &client)), "unknown_critical_extension");
}
