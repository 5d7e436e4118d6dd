use postern_fixtures::{Issued, TestPki};
use postern_pki::{
    Certificate, IssuerId, RevocationEvent, RevocationIndex, RevocationReason, WhenStale,
};
use rustls::server::ProducesTickets as _;
use rustls::server::danger::ClientCertVerifier as _;

use super::*;
use crate::follow::View;
use crate::verifier::{ClientVerifier, observed};

const HOUR: Duration = Duration::from_secs(3600);
/// What rustls has sealed, as far as we are concerned.
const PLAIN: &[u8] = b"session";

struct World {
    pki: TestPki,
    gate: Arc<ArcSwap<Gate>>,
    own_keys: Arc<OwnKeys>,
}

impl World {
    fn new() -> Self {
        let pki = TestPki::new();
        let gate = Gate::new(&anchors(&[&pki]), Arc::default(), WhenStale::Admit);
        Self {
            pki,
            gate: Arc::new(ArcSwap::from_pointee(gate)),
            own_keys: Arc::default(),
        }
    }

    fn resumption(&self, longest: Duration, anchors: &TrustAnchors) -> Arc<Resumption> {
        let keys = TicketKeys::Own(Arc::clone(&self.own_keys));
        Resumption::new(keys, longest, anchors, Arc::clone(&self.gate))
    }

    /// A connection for one host, so many seconds after the PKI was made.
    fn tickets(&self, seconds: i64) -> Tickets {
        let resumption = self.resumption(HOUR, &anchors(&[&self.pki]));
        resumption.tickets(ClientAuth::Required, &host("a.example"), self.at(seconds))
    }

    fn at(&self, seconds: i64) -> UnixTime {
        self.pki.after(time::Duration::seconds(seconds))
    }

    /// The ticket that a full handshake with this certificate ends with.
    async fn full(&self, client: Option<&Issued>, tickets: &Tickets) -> Option<Vec<u8>> {
        let verifier = ClientVerifier::new(Arc::clone(&self.gate), true);
        let handshake = async {
            if let Some(client) = client {
                let chain = client.chain();
                let (leaf, rest) = chain.split_first().unwrap();
                let verified = verifier.verify_client_cert(leaf, rest, self.pki.now());
                verified.unwrap();
            }
            tickets.encrypt(PLAIN)
        };
        observed(handshake).await.0
    }

    fn revoke(&self, issuer: IssuerId, serial: postern_policy::SerialNumber) {
        let revoked = RevocationEvent::Revoked(RevocationReason::KeyCompromise);
        let view = View {
            index: RevocationIndex::new().with_event(issuer, serial, revoked),
            ..View::default()
        };
        let gate = self.gate.load().with_view(Arc::new(view));
        self.gate.store(Arc::new(gate));
    }
}

fn anchors(pkis: &[&TestPki]) -> TrustAnchors {
    let roots = pkis.iter().map(|pki| pki.root().der());
    TrustAnchors::new(
        roots
            .map(|der| Certificate::from_der(der).unwrap())
            .collect(),
    )
    .unwrap()
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

#[tokio::test]
async fn a_ticket_is_opened_on_another_connection_to_the_same_host() {
    let world = World::new();
    let client = world.pki.client("device-1");
    for client in [None, Some(&client)] {
        let ticket = world.full(client, &world.tickets(0)).await.unwrap();
        assert_eq!(world.tickets(10).decrypt(&ticket).unwrap(), PLAIN);
    }
}

#[tokio::test]
async fn another_host_scope_or_trust_opens_no_ticket() {
    let world = World::new();
    let client = world.pki.client("device-1");
    let ticket = world.full(Some(&client), &world.tickets(0)).await.unwrap();
    let (alone, other) = (anchors(&[&world.pki]), TestPki::new());
    let both = anchors(&[&world.pki, &other]);
    let opens = |anchors: &TrustAnchors, scope, name: &str| {
        let resumption = world.resumption(HOUR, anchors);
        let tickets = resumption.tickets(scope, &host(name), world.at(0));
        tickets.decrypt(&ticket).is_some()
    };
    assert!(opens(&alone, ClientAuth::Required, "a.example"));
    assert!(opens(&alone, ClientAuth::Required, "A.example"));
    assert!(!opens(&alone, ClientAuth::Required, "b.example"));
    assert!(!opens(&alone, ClientAuth::Requested, "a.example"));
    assert!(!opens(&both, ClientAuth::Required, "a.example"));
    assert!(!opens(
        &anchors(&[&other]),
        ClientAuth::Required,
        "a.example"
    ));
}

#[test]
fn the_order_of_the_anchors_is_no_matter() {
    let (one, other) = (TestPki::new(), TestPki::new());
    assert_eq!(
        trust(&anchors(&[&one, &other])),
        trust(&anchors(&[&other, &one]))
    );
    assert_ne!(trust(&anchors(&[&one, &other])), trust(&anchors(&[&one])));
}

#[tokio::test]
async fn the_ticket_of_a_revoked_client_or_intermediate_is_not_opened() {
    for link in 0..2 {
        let world = World::new();
        let client = world.pki.client("device-1");
        let ticket = world.full(Some(&client), &world.tickets(0)).await.unwrap();
        let shown = world.gate.load().verify(&client.chain(), world.at(0));
        let path = Arc::clone(shown.ok().unwrap().path());
        let (issuer, serial) = path.links().nth(link).unwrap();
        assert!(world.tickets(1).decrypt(&ticket).is_some());
        world.revoke(issuer, serial);
        assert!(world.tickets(1).decrypt(&ticket).is_none(), "link {link}");
    }
}

#[tokio::test]
async fn resuming_does_not_prolong_a_lineage() {
    let world = World::new();
    let client = world.pki.client("device-1");
    for client in [None, Some(&client)] {
        let mut ticket = world.full(client, &world.tickets(0)).await.unwrap();
        for seconds in [1500, 3000, 3599] {
            let resumed = world.tickets(seconds);
            assert_eq!(resumed.decrypt(&ticket).unwrap(), PLAIN);
            ticket = world.full(None, &resumed).await.unwrap();
            assert_eq!(i64::from(resumed.lifetime()), 3600 - seconds);
        }
        assert!(world.tickets(3600).decrypt(&ticket).is_none());
        // A full handshake begins another one, whatever was offered to it.
        let full = world.tickets(3599);
        assert!(full.decrypt(&ticket).is_some());
        let fresh = world.full(Some(&world.pki.client("device-2")), &full).await;
        assert!(world.tickets(3600).decrypt(&fresh.unwrap()).is_some());
    }
}

#[tokio::test]
async fn no_ticket_outlives_the_certificate() {
    let world = World::new();
    let ends = world.pki.date_time() + Duration::from_secs(100);
    let brief = |params: &mut rcgen::CertificateParams| params.not_after = ends;
    let client = world.pki.client_with("device-1", brief);
    let tickets = world.tickets(0);
    let ticket = world.full(Some(&client), &tickets).await.unwrap();
    assert!(world.tickets(100).decrypt(&ticket).is_some());
    assert!(world.tickets(101).decrypt(&ticket).is_none());
}

#[tokio::test]
async fn a_shorter_limit_counts_for_tickets_made_under_a_longer_one() {
    let world = World::new();
    let ticket = world.full(None, &world.tickets(0)).await.unwrap();
    let resumption = world.resumption(Duration::from_secs(60), &anchors(&[&world.pki]));
    let opens = |seconds| {
        let scope = ClientAuth::Required;
        let tickets = resumption.tickets(scope, &host("a.example"), world.at(seconds));
        tickets.decrypt(&ticket).is_some()
    };
    assert!(opens(59));
    assert!(!opens(60));
}

#[tokio::test]
async fn a_long_chain_gets_no_ticket() {
    let tickets = World::new().tickets(0);
    let seal = async |octets| {
        observed(async { tickets.encrypt(&vec![0; octets]) })
            .await
            .0
    };
    let ticket = seal(12 * 1024).await.unwrap();
    assert!(ticket.len() < usize::from(u16::MAX));
    assert_eq!(seal(12 * 1024 + 1).await, None);
}
