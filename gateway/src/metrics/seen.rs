//! Which client certificates end soon, among those that connected.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use postern_policy::{CertificateIdentity, Fingerprint};

/// The horizons that are told, with their label.
pub(super) const HORIZONS: [(&str, u64); 3] = [("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)];

/// The certificates seen that end within the widest horizon. Bounded: where more are seen, the
/// count stays at the bound, and a thousand of them are alarm enough.
#[derive(Default)]
pub(super) struct SeenCertificates {
    ends: Mutex<HashMap<Fingerprint, u64>>,
}

impl SeenCertificates {
    /// Remembers a certificate that ends soon; others cost one comparison.
    pub(super) fn see(&self, certificate: &CertificateIdentity, now: u64) {
        if certificate.not_after > now.saturating_add(WIDEST) {
            return;
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() < BOUND {
            ends.insert(certificate.fingerprint, certificate.not_after);
        }
    }

    /// How many end within each horizon; those that have ended are forgotten.
    pub(super) fn ending(&self, now: u64) -> [(&'static str, i64); HORIZONS.len()] {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_, not_after| *not_after >= now);
        HORIZONS.map(|(label, within)| {
            let ending = ends
                .values()
                .filter(|end| **end <= now.saturating_add(within));
            (label, i64::try_from(ending.count()).unwrap_or(i64::MAX))
        })
    }
}

const DAY: u64 = 86_400;
const WIDEST: u64 = 30 * DAY;
const BOUND: usize = 100_000;
