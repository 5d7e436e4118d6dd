use postern_fixtures::{Issued, TestPki};
use postern_pki::{
    Certificate, Rejection, RevocationEvent, RevocationIndex, RevocationReason, TrustAnchors,
    WhenStale,
};
use time::Duration;

use super::*;
use crate::follow::View;
use crate::verifier::Gate;

fn anchors(pki: &TestPki) -> TrustAnchors {
    let root = Certificate::from_der(pki.root().der()).unwrap();
    TrustAnchors::new(vec![root]).unwrap()
}

fn gate(pki: &TestPki) -> Gate {
    Gate::new(&anchors(pki), Arc::default(), WhenStale::Admit)
}

fn remembered(gate: &Gate, pki: &TestPki, client: &Issued) -> Arc<VerifiedPath> {
    gate.verify(&client.chain(), pki.now()).unwrap().proven()
}

fn rejection(result: Result<Shown, Rejection>) -> Rejection {
    result.err().expect("it is refused")
}

#[test]
fn a_chain_whose_holder_proved_the_key_is_not_verified_again() {
    let pki = TestPki::new();
    let (gate, client) = (gate(&pki), pki.client("device-1"));
    let shown = gate.verify(&client.chain(), pki.now()).unwrap();
    let again = gate.verify(&client.chain(), pki.now()).unwrap();
    assert!(!Arc::ptr_eq(shown.path(), again.path()), "nothing proven");
    let first = shown.proven();
    let again = gate.verify(&client.chain(), pki.now()).unwrap();
    assert!(Arc::ptr_eq(&first, again.path()));
    assert!(again.unknown.is_none());
}

#[test]
fn a_remembered_client_is_refused_once_it_is_revoked() {
    let pki = TestPki::new();
    let (gate, client) = (gate(&pki), pki.client("device-1"));
    let path = remembered(&gate, &pki, &client);
    for (at, (issuer, serial)) in path.links().enumerate() {
        let revoked = RevocationEvent::Revoked(RevocationReason::KeyCompromise);
        let view = View {
            index: RevocationIndex::new().with_event(issuer, serial, revoked),
            ..View::default()
        };
        let gate = gate.with_view(Arc::new(view));
        let refused = rejection(gate.verify(&client.chain(), pki.now()));
        assert!(
            matches!(refused, Rejection::Revoked { .. }),
            "link {at}: {refused}"
        );
    }
}

#[test]
fn a_remembered_client_is_refused_outside_of_its_certificates_period() {
    let pki = TestPki::new();
    let (gate, fresh, client) = (gate(&pki), gate(&pki), pki.client("device-1"));
    remembered(&gate, &pki, &client);
    for later in [Duration::days(91), Duration::days(-400)] {
        let now = pki.after(later);
        let refused = rejection(gate.verify(&client.chain(), now));
        assert_eq!(refused, rejection(fresh.verify(&client.chain(), now)));
        assert!(matches!(
            refused,
            Rejection::Expired { .. } | Rejection::NotYetValid { .. }
        ));
    }
}

#[test]
fn another_trust_remembers_nothing() {
    let (pki, other) = (TestPki::new(), TestPki::new());
    let (gate, client) = (gate(&pki), pki.client("device-1"));
    remembered(&gate, &pki, &client);
    let reloaded = Gate::new(&anchors(&other), Arc::default(), WhenStale::Admit);
    let refused = rejection(reloaded.verify(&client.chain(), pki.now()));
    assert_eq!(
        refused,
        Rejection::BadSignature,
        "of the same name, by another key"
    );
}

#[test]
fn an_issuer_that_came_along_is_trusted_for_nothing_else() {
    let pki = TestPki::new();
    let (gate, one, other) = (gate(&pki), pki.client("device-1"), pki.client("device-2"));
    remembered(&gate, &pki, &one);
    let alone = other.chain().into_iter().take(1).collect::<Vec<_>>();
    let refused = rejection(gate.verify(&alone, pki.now()));
    assert!(
        matches!(refused, Rejection::UnknownIssuer { .. }),
        "{refused}"
    );
}

#[test]
fn the_same_octets_divided_otherwise_are_another_chain() {
    let chain = |parts: [&'static [u8]; 2]| parts.map(CertificateDer::from);
    let key = ChainKey::of(&chain([b"abc", b"d"]));
    assert_ne!(key, ChainKey::of(&chain([b"ab", b"cd"])));
    assert_ne!(key, ChainKey::of(&[CertificateDer::from(&b"abcd"[..])]));
    assert_ne!(key, ChainKey::of(&chain([b"d", b"abc"])));
    assert_eq!(key, ChainKey::of(&chain([b"abc", b"d"])));
}

#[test]
fn the_cache_is_bounded_and_keeps_what_is_asked_for() {
    let pki = TestPki::new();
    let path = remembered(&gate(&pki), &pki, &pki.client("device-1"));
    let mut generations = Generations::default();
    let key = |at: usize| {
        let mut octets = [0; 32];
        octets[..size_of::<usize>()].copy_from_slice(&at.to_le_bytes());
        ChainKey(octets)
    };
    for at in 0..3 * MOST {
        drop(generations.insert(key(at), Arc::clone(&path)));
        assert!(generations.young.len() + generations.old.len() <= MOST);
        assert!(generations.find(&key(0)).is_some(), "forgotten after {at}");
    }
    assert!(generations.find(&key(1)).is_none());
}
