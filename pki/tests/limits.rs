//! What an unauthenticated peer can make the verifier do: little, and quickly.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use std::time::Instant;

use postern_fixtures::{Authority, Issued, TestPki, rcgen};
use postern_pki::{Certificate, LeafProfile, PathVerifier, Rejection, TrustAnchors, VerifiedPath};
use rustls_pki_types::CertificateDer;

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

// A33
#[test]
fn a_chain_of_too_many_certificates_is_refused_at_once() {
    let pki = TestPki::new();
    let mut chain = pki.client(NAME).chain();
    for _ in 0..100 {
        let same_name = Authority::root("Test Intermediate CA", pki.date_time(), |_| {});
        chain.push(same_name.der().clone());
    }
    let verifier = verifier(&pki);
    let start = Instant::now();
    let refused = verifier.verify(&chain, pki.now()).unwrap_err();
    println!("refused in {:?}", start.elapsed());
    assert_eq!(
        refused,
        Rejection::ChainTooLong {
            certificates: 102,
            limit: 8
        }
    );
}

// A33
#[test]
fn a_chain_of_too_many_octets_is_refused_before_it_is_parsed() {
    let pki = TestPki::new();
    let chain = [CertificateDer::from(vec![0; 64 * 1024 + 1])];
    assert_eq!(
        code(verifier(&pki).verify(&chain, pki.now())),
        "chain_too_large"
    );
}

// A33
#[test]
fn many_certificates_of_one_subject_are_refused_before_any_order_is_tried() {
    let pki = TestPki::new();
    let same_name = || Authority::root("Test Intermediate CA", pki.date_time(), |_| {});
    let crosses = (0..7).map(|_| same_name().der().clone()).collect();
    let client = pki.forged(NAME).presenting(crosses);
    assert_eq!(code(verify(&pki, &client)), "path_too_complex");
}

// A33: two names that sign each other, as many certificates of each as are let through.
#[test]
fn the_worst_chain_within_the_limits_is_refused_quickly() {
    let pki = TestPki::new();
    let root = |name: &str| Authority::root(name, pki.date_time(), |_| {});
    let below = |above: &str, name| {
        root(above)
            .subordinate(name, pki.date_time(), |_| {})
            .der()
            .clone()
    };
    let one = (0..4).map(|_| below("B", "Test Intermediate CA"));
    let other = (0..3).map(|_| below("Test Intermediate CA", "B"));
    let client = pki.forged(NAME).presenting(one.chain(other).collect());
    let start = Instant::now();
    assert_eq!(code(verify(&pki, &client)), "path_length");
    println!("refused in {:?}", start.elapsed());
}

// A33
#[test]
fn more_names_than_a_client_has_are_refused_before_they_are_compared() {
    let pki = TestPki::new();
    let name = |number| rcgen::SanType::DnsName(format!("n{number}.corp").try_into().unwrap());
    let named = |count| {
        pki.client_with(NAME, |params| {
            params.subject_alt_names = (0..count).map(name).collect();
        })
    };
    assert!(verify(&pki, &named(255)).is_ok());
    assert_eq!(code(verify(&pki, &named(256))), "too_many_names");
}

#[test]
fn octets_that_are_no_certificate_are_malformed() {
    let pki = TestPki::new();
    let mut trailing = pki.client(NAME).der().to_vec();
    trailing.push(0);
    for octets in [
        vec![],
        vec![0x30, 0x03, 1],
        b"not a certificate".to_vec(),
        trailing,
    ] {
        let chain = [CertificateDer::from(octets)];
        assert_eq!(code(verifier(&pki).verify(&chain, pki.now())), "malformed");
    }
}

#[test]
fn any_flipped_bit_of_a_leaf_is_refused() {
    let pki = TestPki::new();
    let der = pki.client(NAME).der().to_vec();
    let issuer = pki.intermediate().der().clone();
    for at in 0..der.len() {
        let mut altered = der.clone();
        altered[at] ^= 1;
        let chain = [CertificateDer::from(altered), issuer.clone()];
        assert!(
            verifier(&pki).verify(&chain, pki.now()).is_err(),
            "octet {at}"
        );
    }
}

#[test]
fn more_intermediates_than_the_limit_are_refused() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let limited = |depth| verifier(&pki).with_max_depth(Some(depth));
    assert!(limited(1).verify(&client.chain(), pki.now()).is_ok());
    assert_eq!(
        code(limited(0).verify(&client.chain(), pki.now())),
        "path_length"
    );
}
