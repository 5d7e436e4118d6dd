//! Session resumption that carries nobody past the gate.
//!
//! rustls takes a resumed client's certificate out of the ticket and asks no verifier. So a ticket
//! is opened only for the host, the client-auth mode and the trust anchors that it was sealed
//! under, only while its client would be let in today, and only so long after the one full
//! handshake that its whole line of sessions goes back to. Whatever is wrong with a ticket, what
//! follows is a full handshake, with the answer that the client's certificate gets by itself. The
//! gate runs on the certificates once more when the handshake is over.
//!
//! There is no early data: it can be replayed. There is no session cache: what a ticket says is in
//! the ticket, so that gateways which share keys resume each other's sessions.

mod key;
mod keys;
mod lineage;
mod tickets;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use postern_pki::TrustAnchors;
use postern_policy::{ClientAuth, HostName};
use rustls_pki_types::UnixTime;

pub(crate) use self::keys::{OwnKeys, SharedKeys, TicketKeys};
use self::lineage::Lineage;
pub(crate) use self::tickets::Tickets;
use crate::verifier::Gate;

/// What the tickets of one configuration have in common.
pub(crate) struct Resumption {
    keys: TicketKeys,
    /// How long after its full handshake a session may be resumed.
    longest: Duration,
    trust: Digest,
    gate: Arc<ArcSwap<Gate>>,
}

type Digest = [u8; 32];

impl Resumption {
    pub(crate) fn new(
        keys: TicketKeys,
        longest: Duration,
        anchors: &TrustAnchors,
        gate: Arc<ArcSwap<Gate>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            keys,
            longest,
            trust: trust(anchors),
            gate,
        })
    }

    /// The tickets of one connection.
    pub(crate) fn tickets(
        self: &Arc<Self>,
        scope: ClientAuth,
        host: &HostName,
        now: UnixTime,
    ) -> Tickets {
        Tickets::new(Arc::clone(self), self.context(scope, host), now)
    }

    /// What a ticket is bound to. A digest of what is configured and not a count of reloads: other
    /// gateways with the same configuration come to the same.
    fn context(&self, scope: ClientAuth, host: &HostName) -> Digest {
        let scope: &[u8] = match scope {
            ClientAuth::NotAsked => b"none",
            ClientAuth::Requested => b"requested",
            ClientAuth::Required => b"required",
        };
        digest_of([CONTEXT, scope, &self.trust, host.as_str().as_bytes()])
    }

    /// Whether a session of this lineage may be resumed: what is cheap to see without its chain.
    fn accepts(&self, lineage: &Lineage, now: UnixTime) -> bool {
        let is_due = lineage.time_left(self.longest, now).is_zero();
        let links = lineage.links().iter().copied();
        !is_due && self.gate.load().check_links(links, now).is_ok()
    }
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resumption")
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

/// The anchors, in whatever order they are configured.
fn trust(anchors: &TrustAnchors) -> Digest {
    let certificates = anchors.certificates().iter();
    let mut fingerprints: Vec<_> = certificates
        .map(|one| *one.fingerprint().as_bytes())
        .collect();
    fingerprints.sort_unstable();
    digest_of(fingerprints.iter().map(|one| &one[..]))
}

/// Each part with its length: no other parts have the same digest.
fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&part.len().to_be_bytes());
        hash.update(part);
    }
    let octets = hash.finish().as_ref().try_into();
    octets.expect("SHA-256 has 32 octets")
}

/// What a ticket holds and is bound to; another version of either is another text.
const CONTEXT: &[u8] = b"postern ticket 1";

#[cfg(test)]
mod tests;
