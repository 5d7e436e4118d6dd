//! The tickets of one connection, as rustls asks for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::server::ProducesTickets;
use rustls_pki_types::UnixTime;

use super::{Digest, Lineage, Resumption};
use crate::verifier::accepted_path;

/// One connection's tickets: bound to its host, and of the lineage of the one it resumes.
#[derive(Debug)]
pub(crate) struct Tickets {
    resumption: Arc<Resumption>,
    context: Digest,
    /// When the connection began.
    now: UnixTime,
    resumed: Mutex<Option<Lineage>>,
}

impl Tickets {
    pub(super) fn new(resumption: Arc<Resumption>, context: Digest, now: UnixTime) -> Self {
        Self {
            resumption,
            context,
            now,
            resumed: Mutex::default(),
        }
    }

    /// A certificate was verified: this handshake is a full one, and begins a lineage. Otherwise
    /// the one resumed goes on. With neither the client has no certificate.
    fn lineage(&self) -> Lineage {
        let path = accepted_path();
        let resumed = self.resumed.lock().unwrap_or_else(PoisonError::into_inner);
        match (path, &*resumed) {
            (None, Some(lineage)) => lineage.clone(),
            (path, _) => Lineage::new(path.as_deref(), self.now),
        }
    }

    fn time_left(&self, lineage: &Lineage) -> Duration {
        lineage.time_left(self.resumption.longest, self.now)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        let left = self.time_left(&self.lineage()).min(LONGEST_HINT);
        u32::try_from(left.as_secs()).expect("a week fits")
    }

    /// Asked when the handshake is finished: certificate and key are proven.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let lineage = self.lineage();
        if plain.len() > MOST_OCTETS || self.time_left(&lineage).is_zero() {
            return None;
        }
        let mut content = Vec::with_capacity(plain.len() + ROOM);
        lineage.write(&mut content);
        content.extend(plain);
        let key = self.resumption.keys.sealing(self.now);
        key.seal(&self.context, content)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let key = self.resumption.keys.opening(ticket, self.now)?;
        let content = key.open(&self.context, ticket)?;
        let (lineage, plain) = Lineage::read(&content)?;
        if !self.resumption.accepts(&lineage, self.now) {
            return None;
        }
        let plain = plain.to_vec();
        let mut resumed = self.resumed.lock().unwrap_or_else(PoisonError::into_inner);
        *resumed = Some(lineage);
        Some(plain)
    }
}

/// RFC 8446 section 4.6.1: seven days at most.
const LONGEST_HINT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The client's chain is in its ticket, and the ticket comes with each ClientHello. A client with
/// a longer chain makes full handshakes.
const MOST_OCTETS: usize = 12 * 1024;
/// For lineage and tag.
const ROOM: usize = 512;
