//! Which chains are accepted, and the code of each refusal.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use std::time::Duration;

use postern_fixtures::{Authority, Issued, TestPki, rcgen};
use postern_pki::{
    Certificate, LeafProfile, PathVerifier, Rejection, TrustAnchorError, TrustAnchors, VerifiedPath,
};
use rustls_pki_types::UnixTime;

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

#[test]
fn a_client_of_the_intermediate_is_accepted_with_its_path() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let path = verify(&pki, &client).unwrap();
    assert_eq!(path.leaf().der(), client.der());
    let issuers: Vec<_> = path.issuers().iter().map(Certificate::der).collect();
    assert_eq!(issuers, [pki.intermediate().der(), pki.root().der()]);
    assert_eq!(path.links().count(), 2);
    assert_eq!(path.not_after(), read(client.der()).not_after());
}

#[test]
fn nothing_presented_is_refused() {
    let pki = TestPki::new();
    assert_eq!(
        code(verifier(&pki).verify(&[], pki.now())),
        "no_certificate"
    );
}

#[test]
fn a_leaf_sent_alone_is_completed_from_held_issuers() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let alone = [client.der().clone()];
    assert_eq!(
        code(verifier(&pki).verify(&alone, pki.now())),
        "unknown_issuer"
    );
    let issuers = vec![read(pki.intermediate().der())];
    let verifier = PathVerifier::new(anchors(&[pki.root()]), issuers, LeafProfile::Strict);
    assert!(verifier.verify(&alone, pki.now()).is_ok());
}

#[test]
fn a_held_issuer_is_not_trusted_by_itself() {
    let (pki, other) = (TestPki::new(), TestPki::new());
    let issuers = vec![read(other.intermediate().der()), read(other.root().der())];
    let verifier = PathVerifier::new(anchors(&[pki.root()]), issuers, LeafProfile::Strict);
    let client = other.client(NAME);
    assert_eq!(
        code(verifier.verify(&client.chain(), pki.now())),
        "bad_signature"
    );
}

#[test]
fn an_intermediate_may_be_the_anchor() {
    let pki = TestPki::new();
    let anchors = anchors(&[pki.intermediate()]);
    let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
    let path = verifier
        .verify(&pki.client(NAME).chain(), pki.now())
        .unwrap();
    assert_eq!(path.issuers().len(), 1);
}

// A12
#[test]
fn only_the_leaf_gives_the_identity_whatever_else_is_presented() {
    let pki = TestPki::new();
    let (client, victim) = (
        pki.client("device-1.factory.corp"),
        pki.client("admin.factory.corp"),
    );
    for at in 1..=client.chain().len() {
        let mut chain = client.chain();
        chain.insert(at, victim.der().clone());
        let path = verifier(&pki).verify(&chain, pki.now()).unwrap();
        let name = path.identity().common_name.as_ref().unwrap();
        assert_eq!(name.as_str(), "device-1.factory.corp", "position {at}");
        assert_eq!(
            path.identity().fingerprint,
            read(client.der()).fingerprint()
        );
    }
}

// A12
#[test]
fn a_certificate_issued_by_another_client_is_refused() {
    let pki = TestPki::new();
    let client_as_ca = Authority::root("device-2.factory.corp", pki.date_time(), |_| {});
    let forged = pki.client_by(&client_as_ca, "admin.factory.corp");
    assert_eq!(code(verify(&pki, &forged)), "unknown_issuer");
}

#[test]
fn an_expired_root_ends_no_path() {
    let pki = TestPki::new();
    let issued = pki.date_time();
    let root = Authority::root("Old Root", issued, |params| {
        params.not_after = issued - time::Duration::SECOND;
    });
    let intermediate = root.subordinate("Intermediate", issued, |_| {});
    let pki = TestPki::of(root, intermediate, issued);
    let refused = verify(&pki, &pki.client(NAME)).unwrap_err();
    assert_eq!(refused.code(), "expired");
    assert!(
        refused.to_string().starts_with("the trust anchor"),
        "{refused}"
    );
    assert_eq!(anchors(&[pki.root()]).unusable(pki.now()).count(), 1);
}

// A29
#[test]
fn an_expired_intermediate_is_refused() {
    let now = time::OffsetDateTime::now_utc();
    let pki = TestPki::with_intermediate(now, |params| {
        params.not_after = now - time::Duration::SECOND;
    });
    assert_eq!(code(verify(&pki, &pki.client(NAME))), "expired");
}

// A29
#[test]
fn a_forged_issuer_of_the_same_name_is_refused() {
    let pki = TestPki::new();
    assert_eq!(code(verify(&pki, &pki.forged(NAME))), "bad_signature");
    assert_eq!(
        code(verify(&pki, &pki.by_unknown_ca(NAME))),
        "unknown_issuer"
    );
}

// A30
#[test]
fn an_untrusted_cross_certificate_before_the_trusted_one_does_no_harm() {
    let pki = TestPki::new();
    let stranger = Authority::root("Stranger", pki.date_time(), |_| {});
    let crossed = stranger.cross_sign(pki.intermediate());
    let client = pki.client(NAME);
    let good = pki.intermediate().der().clone();
    let chain = [client.der().clone(), crossed.clone(), good];
    assert!(verifier(&pki).verify(&chain, pki.now()).is_ok());
    let chain = [client.der().clone(), crossed];
    assert_eq!(
        code(verifier(&pki).verify(&chain, pki.now())),
        "unknown_issuer"
    );
}

// A32
#[test]
fn a_name_outside_the_constraints_of_an_issuer_is_refused() {
    let constrain = |params: &mut rcgen::CertificateParams| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("factory.corp".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    };
    let pki = TestPki::with_intermediate(time::OffsetDateTime::now_utc(), constrain);
    let named = |name: &str| {
        let name = rcgen::SanType::DnsName(name.try_into().unwrap());
        pki.client_with(NAME, |params| params.subject_alt_names.push(name))
    };
    assert!(verify(&pki, &named("device-1.factory.corp")).is_ok());
    assert_eq!(
        code(verify(&pki, &named("device-1.example.com"))),
        "name_constraints"
    );
}

#[test]
fn an_anchor_path_length_holds() {
    let now = time::OffsetDateTime::now_utc();
    let root = Authority::root("Root", now, |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    });
    let intermediate = root.subordinate("Intermediate", now, |_| {});
    let pki = TestPki::of(root, intermediate, now);
    assert_eq!(code(verify(&pki, &pki.client(NAME))), "path_length");
}

#[test]
fn an_anchor_that_is_no_ca_ends_no_path() {
    let now = time::OffsetDateTime::now_utc();
    let root = Authority::root("Root", now, |params| {
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
    });
    let intermediate = root.subordinate("Intermediate", now, |_| {});
    let pki = TestPki::of(root, intermediate, now);
    assert_eq!(code(verify(&pki, &pki.client(NAME))), "not_a_ca");
}

#[test]
fn an_intermediate_without_key_cert_sign_is_refused() {
    let pki = TestPki::with_intermediate(time::OffsetDateTime::now_utc(), |params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    });
    assert_eq!(code(verify(&pki, &pki.client(NAME))), "key_usage");
}

#[test]
fn an_intermediate_for_servers_only_is_refused() {
    let pki = TestPki::with_intermediate(time::OffsetDateTime::now_utc(), |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let refused = verify(&pki, &pki.client(NAME)).unwrap_err();
    assert_eq!(refused.code(), "eku_missing");
    assert!(
        refused
            .to_string()
            .starts_with("an intermediate certificate"),
        "{refused}"
    );
}

#[test]
fn an_empty_set_of_anchors_is_an_error_and_not_everybody() {
    assert_eq!(
        TrustAnchors::new(Vec::new()).unwrap_err(),
        TrustAnchorError::Empty
    );
}

#[test]
fn a_time_before_everything_is_not_yet_valid() {
    let pki = TestPki::new();
    let long_ago = UnixTime::since_unix_epoch(Duration::ZERO);
    let refused = verifier(&pki).verify(&pki.client(NAME).chain(), long_ago);
    assert_eq!(code(refused), "not_yet_valid");
}

/// What is presented is verified each time; what is held was verified in part when it was loaded.
#[test]
fn an_intermediate_we_hold_and_one_that_is_presented_come_to_the_same() {
    type Change = fn(&mut rcgen::CertificateParams);
    let changes: [(&str, Change); 6] = [
        ("", |_| {}),
        ("expired", |params| {
            params.not_after = params.not_before + Duration::from_secs(1);
        }),
        ("not_a_ca", |params| {
            params.is_ca = rcgen::IsCa::ExplicitNoCa;
        }),
        ("key_usage", |params| {
            params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        }),
        ("eku_missing", |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        }),
        ("name_constraints", |params| {
            let permitted = rcgen::GeneralSubtree::DnsName("other.example".to_owned());
            params.name_constraints = Some(rcgen::NameConstraints {
                permitted_subtrees: vec![permitted],
                excluded_subtrees: Vec::new(),
            });
        }),
    ];
    for (expected, change) in changes {
        let pki = TestPki::with_intermediate(TestPki::new().date_time(), change);
        let name = rcgen::SanType::DnsName("device.corp".try_into().unwrap());
        let named = |params: &mut rcgen::CertificateParams| params.subject_alt_names = vec![name];
        let client = pki.client_with(NAME, named);
        let presented = verify(&pki, &client).map(|path| path.issuers().to_vec());
        let held = vec![read(pki.intermediate().der())];
        let holding = PathVerifier::new(anchors(&[pki.root()]), held, LeafProfile::Strict);
        let alone = client.presenting(Vec::new()).chain();
        let held = holding.verify(&alone, pki.now());
        let held = held.map(|path| path.issuers().to_vec());
        assert_eq!(held, presented, "{expected}");
        match presented {
            Ok(issuers) => assert_eq!((issuers.len(), expected), (2, "")),
            Err(rejection) => assert_eq!(rejection.code(), expected),
        }
    }
}
