//! The entries of one CRL, as they are searched.

use std::sync::Arc;

use postern_policy::SerialNumber;

use crate::RevokedEntry;

/// How many entries lie between two fences.
const FENCE: usize = 64;

/// Entries sorted by serial number, each once. Cloning shares them: a list of a million is
/// arranged once, by whoever reads it.
#[derive(Debug, Clone)]
pub(crate) struct RevokedEntries {
    /// The first serial number of every [`FENCE`] entries: small enough for a processor's cache,
    /// so that a search among a million entries waits for memory a few times and not twenty.
    fences: Arc<[SerialNumber]>,
    entries: Arc<[RevokedEntry]>,
}

impl RevokedEntries {
    /// Of entries that are sorted, each serial number once.
    pub(crate) fn sorted(entries: Vec<RevokedEntry>) -> Self {
        let fences = entries
            .chunks(FENCE)
            .filter_map(|chunk| Some(chunk.first()?.serial));
        Self {
            fences: fences.collect(),
            entries: entries.into(),
        }
    }

    pub(crate) fn as_slice(&self) -> &[RevokedEntry] {
        &self.entries
    }

    pub(crate) fn find(&self, serial: &SerialNumber) -> Option<&RevokedEntry> {
        let fence = self
            .fences
            .partition_point(|first| first <= serial)
            .checked_sub(1)?;
        let chunk = self.entries.chunks(FENCE).nth(fence)?;
        let at = chunk
            .binary_search_by_key(serial, |entry| entry.serial)
            .ok()?;
        chunk.get(at)
    }
}
