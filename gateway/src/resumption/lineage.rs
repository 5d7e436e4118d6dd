//! The full handshake that a line of resumed sessions goes back to.

use std::time::Duration;

use postern_pki::{IssuerId, VerifiedPath};
use postern_policy::{Fingerprint, SerialNumber};
use rustls_pki_types::UnixTime;

/// Who authenticated, and when: kept in every ticket of the line, and never renewed by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    authenticated: u64,
    /// The last second in which the path is valid.
    not_after: u64,
    /// What must not be revoked; nothing where the client showed no certificate.
    links: Vec<(IssuerId, SerialNumber)>,
}

impl Lineage {
    /// Begins with a full handshake now.
    pub(super) fn new(path: Option<&VerifiedPath>, now: UnixTime) -> Self {
        Self {
            authenticated: now.as_secs(),
            not_after: path.map_or(u64::MAX, VerifiedPath::not_after),
            links: path.into_iter().flat_map(VerifiedPath::links).collect(),
        }
    }

    /// What must not be revoked.
    pub(super) fn links(&self) -> &[(IssuerId, SerialNumber)] {
        &self.links
    }

    /// How much longer sessions may be resumed: never beyond the certificates. Nothing where the
    /// full handshake is yet to come: then a clock is wrong, ours or another gateway's.
    pub(super) fn time_left(&self, longest: Duration, now: UnixTime) -> Duration {
        let now = now.as_secs();
        let end = self.authenticated.saturating_add(longest.as_secs());
        let end = end.min(self.not_after.saturating_add(1));
        if self.authenticated > now.saturating_add(SKEW) {
            return Duration::ZERO;
        }
        Duration::from_secs(end.saturating_sub(now))
    }

    /// Appends the octets that [`read`](Self::read) takes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.authenticated.to_be_bytes());
        out.extend(self.not_after.to_be_bytes());
        out.push(length(self.links.len()));
        for (issuer, serial) in &self.links {
            out.extend(issuer.fingerprint().as_bytes());
            let serial = serial.as_octets();
            out.push(length(serial.len()));
            out.extend(serial);
        }
    }

    /// Takes one from the front; the rest.
    pub(super) fn read(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (authenticated, octets) = octets.split_first_chunk()?;
        let (not_after, octets) = octets.split_first_chunk()?;
        let (count, mut octets) = octets.split_first()?;
        let mut links = Vec::new();
        for _ in 0..*count {
            let (issuer, rest) = octets.split_first_chunk::<32>()?;
            let (length, rest) = rest.split_first()?;
            let (serial, rest) = rest.split_at_checked(usize::from(*length))?;
            let issuer = IssuerId::new(Fingerprint::from(*issuer));
            links.push((issuer, SerialNumber::from_octets(serial).ok()?));
            octets = rest;
        }
        let lineage = Self {
            authenticated: u64::from_be_bytes(*authenticated),
            not_after: u64::from_be_bytes(*not_after),
            links,
        };
        Some((lineage, octets))
    }
}

fn length(length: usize) -> u8 {
    u8::try_from(length).expect("a path has at most 8 certificates, a serial number 20 octets")
}

/// How far apart the clocks of gateways that share keys may be.
const SKEW: u64 = 60;

#[cfg(test)]
mod tests {
    use postern_fixtures::TestPki;
    use postern_pki::{Certificate, LeafProfile, PathVerifier, TrustAnchors};

    use super::*;

    fn path(pki: &TestPki) -> VerifiedPath {
        let root = Certificate::from_der(pki.root().der()).unwrap();
        let anchors = TrustAnchors::new(vec![root]).unwrap();
        let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
        let client = pki.client("device-1");
        verifier.verify(&client.chain(), pki.now()).unwrap()
    }

    fn after(pki: &TestPki, seconds: i64) -> UnixTime {
        pki.after(time::Duration::seconds(seconds))
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let pki = TestPki::new();
        for path in [None, Some(path(&pki))] {
            let lineage = Lineage::new(path.as_ref(), pki.now());
            let mut octets = Vec::new();
            lineage.write(&mut octets);
            for length in 0..octets.len() {
                assert_eq!(Lineage::read(&octets[..length]), None);
            }
            octets.extend(b"rest");
            assert_eq!(Lineage::read(&octets), Some((lineage, &b"rest"[..])));
        }
    }

    #[test]
    fn it_ends_after_the_longest_time_or_with_the_certificate() {
        let pki = TestPki::new();
        let path = path(&pki);
        let lineage = Lineage::new(Some(&path), pki.now());
        let hour = Duration::from_secs(3600);
        let left = |seconds| lineage.time_left(hour, after(&pki, seconds));
        assert_eq!(left(0), hour);
        assert_eq!(left(3599), Duration::from_secs(1));
        assert_eq!(left(3600), Duration::ZERO);
        let valid = path.not_after() - pki.now().as_secs();
        let last = i64::try_from(valid).unwrap();
        let ever = Duration::from_secs(10 * valid);
        assert_eq!(lineage.time_left(ever, after(&pki, last)).as_secs(), 1);
        assert!(lineage.time_left(ever, after(&pki, last + 1)).is_zero());
    }

    #[test]
    fn one_that_begins_in_the_future_is_over() {
        let pki = TestPki::new();
        let lineage = Lineage::new(None, pki.now());
        let hour = Duration::from_secs(3600);
        assert!(!lineage.time_left(hour, after(&pki, -60)).is_zero());
        assert!(lineage.time_left(hour, after(&pki, -61)).is_zero());
    }
}
