//! What the revocation index answers.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use postern_fixtures::rcgen::RevocationReason as Encoded;
use postern_fixtures::{Authority, Issued, TestPki};
use postern_pki::{
    Certificate, Crl, IndexError, IssuerId, LeafProfile, PathVerifier, Rejection, RevocationEvent,
    RevocationIndex, RevocationReason, RevocationStatus, TrustAnchors, VerifiedPath, WhenStale,
};
use postern_policy::SerialNumber;
use time::Duration;

const NAME: &str = "device-1.factory.corp";

fn read(authority: &Authority) -> Certificate {
    Certificate::from_der(authority.der()).unwrap()
}

fn issuer(pki: &TestPki) -> IssuerId {
    IssuerId::of(&read(pki.intermediate()))
}

fn serial(issued: &Issued) -> SerialNumber {
    SerialNumber::from_octets(issued.serial()).unwrap()
}

fn path(pki: &TestPki, client: &Issued) -> VerifiedPath {
    let anchors = TrustAnchors::new(vec![read(pki.root())]).unwrap();
    let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
    verifier.verify(&client.chain(), pki.now()).unwrap()
}

/// Both issuers' CRLs, the intermediate's with these entries.
fn index(pki: &TestPki, revoked: &[(&[u8], Encoded)]) -> RevocationIndex {
    let crl = Crl::verify(pki.crl(2, revoked).der(), &read(pki.intermediate())).unwrap();
    let root = Crl::verify(pki.root_crl(1, &[]).der(), &read(pki.root())).unwrap();
    RevocationIndex::new()
        .with_crl(crl)
        .unwrap()
        .with_crl(root)
        .unwrap()
}

fn refusal(index: &RevocationIndex, pki: &TestPki, client: &Issued) -> Option<&'static str> {
    let checked = index.check(&path(pki, client), WhenStale::Refuse, pki.now());
    checked.err().map(|refused| refused.code())
}

#[test]
fn a_revoked_leaf_is_refused_and_another_is_not() {
    let pki = TestPki::new();
    let (thief, honest) = (pki.client(NAME), pki.client(NAME));
    let index = index(&pki, &[(thief.serial(), Encoded::KeyCompromise)]);
    assert_eq!(
        index
            .check(&path(&pki, &thief), WhenStale::Admit, pki.now())
            .unwrap_err()
            .to_string(),
        format!(
            "the client certificate with serial number {} is revoked (key-compromise)",
            serial(&thief)
        )
    );
    assert_eq!(refusal(&index, &pki, &honest), None);
}

// A29
#[test]
fn a_revoked_intermediate_refuses_all_below_it() {
    let pki = TestPki::new();
    let entries = [(pki.intermediate().serial(), Encoded::CaCompromise)];
    let root = Crl::verify(pki.root_crl(2, &entries).der(), &read(pki.root())).unwrap();
    let index = index(&pki, &[]).with_crl(root).unwrap();
    let refused = index.check(&path(&pki, &pki.client(NAME)), WhenStale::Admit, pki.now());
    assert_eq!(refused.unwrap_err().code(), "revoked");
}

#[test]
fn a_held_certificate_is_refused_as_held_even_where_stale_is_admitted() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let index = index(&pki, &[(client.serial(), Encoded::CertificateHold)]);
    let late = pki.after(Duration::days(30));
    let refused = index.check(&path(&pki, &client), WhenStale::Admit, late);
    assert_eq!(refused.unwrap_err().code(), "held");
}

// A47
#[test]
fn past_next_update_when_stale_decides() {
    let pki = TestPki::new();
    let path = path(&pki, &pki.client(NAME));
    let index = index(&pki, &[]);
    let last = pki.after(Duration::days(7));
    let late = pki.after(Duration::days(7) + Duration::SECOND);
    assert!(index.check(&path, WhenStale::Refuse, last).is_ok());
    let refused = index.check(&path, WhenStale::Refuse, late).unwrap_err();
    let next_update = last.as_secs();
    assert_eq!(
        refused,
        Rejection::RevocationStale {
            issuer: issuer(&pki),
            next_update
        }
    );
    assert_eq!(refused.code(), "revocation_stale");
    assert!(index.check(&path, WhenStale::Admit, late).is_ok());
}

#[test]
fn a_source_not_heard_of_is_stale_before_its_crl_is() {
    let pki = TestPki::new();
    let silent = index(&pki, &[]).with_terms(issuer(&pki), Some(pki.now().as_secs() - 1), None);
    assert_eq!(
        refusal(&silent, &pki, &pki.client(NAME)),
        Some("revocation_stale")
    );
    let heard = silent.with_terms(issuer(&pki), None, None);
    assert_eq!(refusal(&heard, &pki, &pki.client(NAME)), None);
}

// A47
#[test]
fn without_any_source_when_stale_decides() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let nothing = RevocationIndex::new();
    assert_eq!(refusal(&nothing, &pki, &client), Some("revocation_unknown"));
    assert!(
        nothing
            .check(&path(&pki, &client), WhenStale::Admit, pki.now())
            .is_ok()
    );
}

// The root's CRL for the intermediate is needed too.
#[test]
fn the_whole_path_needs_a_source() {
    let pki = TestPki::new();
    let crl = Crl::verify(pki.crl(1, &[]).der(), &read(pki.intermediate())).unwrap();
    let index = RevocationIndex::new().with_crl(crl).unwrap();
    let refused = index.check(&path(&pki, &pki.client(NAME)), WhenStale::Refuse, pki.now());
    let issuer = IssuerId::of(&read(pki.root()));
    assert_eq!(
        refused.unwrap_err(),
        Rejection::RevocationUnknown { issuer }
    );
}

// A47
#[test]
fn an_older_crl_never_replaces_a_newer_one() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let index = index(&pki, &[(client.serial(), Encoded::KeyCompromise)]);
    let old = Crl::verify(pki.crl(1, &[]).der(), &read(pki.intermediate())).unwrap();
    let refused = index.with_crl(old).unwrap_err();
    assert_eq!(
        refused,
        IndexError::OlderCrl {
            issuer: issuer(&pki),
            held: 2,
            offered: 1
        }
    );
    assert_eq!(refusal(&index, &pki, &client), Some("revoked"));
}

#[test]
fn an_event_counts_at_once_and_the_index_before_it_is_unchanged() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let before = index(&pki, &[]);
    let revoked = RevocationEvent::Revoked(RevocationReason::KeyCompromise);
    let after = before.with_event(issuer(&pki), serial(&client), revoked);
    assert_eq!(refusal(&after, &pki, &client), Some("revoked"));
    assert_eq!(refusal(&before, &pki, &client), None);
}

#[test]
fn a_release_lifts_a_hold_and_never_a_revocation() {
    let pki = TestPki::new();
    let (held, revoked) = (pki.client(NAME), pki.client(NAME));
    let entries = [
        (held.serial(), Encoded::CertificateHold),
        (revoked.serial(), Encoded::Superseded),
    ];
    let listed = index(&pki, &entries);
    let released =
        [&held, &revoked].map(|client| (issuer(&pki), serial(client), RevocationEvent::Released));
    let index = listed.with_events(released);
    assert_eq!(refusal(&index, &pki, &held), None);
    assert_eq!(refusal(&index, &pki, &revoked), Some("revoked"));
    let again = index.with_event(issuer(&pki), serial(&held), RevocationEvent::Held);
    assert_eq!(refusal(&again, &pki, &held), Some("held"));
}

#[test]
fn a_revocation_event_survives_a_crl_that_does_not_list_it_and_a_release() {
    let pki = TestPki::new();
    let client = pki.client(NAME);
    let revoked = RevocationEvent::Revoked(RevocationReason::KeyCompromise);
    let newer = Crl::verify(pki.crl(3, &[]).der(), &read(pki.intermediate())).unwrap();
    let index = index(&pki, &[])
        .with_event(issuer(&pki), serial(&client), revoked)
        .with_crl(newer)
        .unwrap()
        .with_event(issuer(&pki), serial(&client), RevocationEvent::Released);
    assert_eq!(refusal(&index, &pki, &client), Some("revoked"));
}

#[test]
fn a_serial_number_of_another_issuer_says_nothing() {
    let (pki, other) = (TestPki::new(), TestPki::new());
    let client = pki.client(NAME);
    let index = index(&other, &[(client.serial(), Encoded::KeyCompromise)]);
    let status = index.status(issuer(&pki), &serial(&client), pki.now());
    assert_eq!(status, RevocationStatus::NoSource);
}
