//! Paths that were verified before: a client that comes again costs its own signature only.
//!
//! What is remembered is the answer to exactly the octets that were presented. No intermediate
//! becomes an anchor for anything else that comes in. A cache belongs to the trust and the issuers
//! that its paths were verified under, and is dropped with them; whether a serial number was
//! revoked is never remembered.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use postern_pki::VerifiedPath;
use rustls_pki_types::{CertificateDer, UnixTime};

/// Verified paths, by what was presented. Never more than [`MOST`].
///
/// One lock: it is held for a look-up, well under a microsecond in a handshake of hundreds.
#[derive(Default)]
pub(crate) struct PathCache(Mutex<Generations>);

/// A path that verifies. Whoever showed it may not hold its key: certificates are public.
pub(crate) struct Shown {
    path: Arc<VerifiedPath>,
    /// Where it is to be remembered, unless it is already.
    unknown: Option<(Arc<PathCache>, ChainKey)>,
}

/// The paths seen lately, and those before them: what is not asked for again falls out.
#[derive(Default)]
struct Generations {
    young: Paths,
    old: Paths,
}

type Paths = HashMap<ChainKey, Arc<VerifiedPath>>;

/// SHA-256 over everything that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ChainKey([u8; 32]);

impl PathCache {
    /// The path of this chain: the one remembered, or the one that `verify` finds now.
    pub(crate) fn find_or<E>(
        self: &Arc<Self>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        verify: impl FnOnce() -> Result<VerifiedPath, E>,
    ) -> Result<Shown, E> {
        let key = ChainKey::of(chain);
        let known = self.lock().find(&key);
        match known.filter(|path| path.is_valid_at(now.as_secs())) {
            Some(path) => Ok(Shown {
                path,
                unknown: None,
            }),
            // One that ended is verified again: that says how it ended.
            None => Ok(Shown {
                path: Arc::new(verify()?),
                unknown: Some((Arc::clone(self), key)),
            }),
        }
    }

    fn remember(&self, key: ChainKey, path: Arc<VerifiedPath>) {
        let fallen_out = self.lock().insert(key, path);
        // Thousands at once, not under the lock.
        drop(fallen_out);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// The path, for looking at.
    pub(crate) fn path(&self) -> &Arc<VerifiedPath> {
        &self.path
    }

    /// The path, remembered from now on: whoever showed it proved that it is theirs. Without
    /// proof anybody could fill the cache with somebody's certificate and varying company.
    pub(crate) fn proven(self) -> Arc<VerifiedPath> {
        if let Some((cache, key)) = self.unknown {
            cache.remember(key, Arc::clone(&self.path));
        }
        self.path
    }
}

impl Generations {
    /// What is asked for moves to the young, while there is room.
    fn find(&mut self, key: &ChainKey) -> Option<Arc<VerifiedPath>> {
        if let Some(path) = self.young.get(key) {
            return Some(Arc::clone(path));
        }
        if self.young.len() >= MOST / 2 {
            return self.old.get(key).map(Arc::clone);
        }
        let path = self.old.remove(key)?;
        self.young.insert(*key, Arc::clone(&path));
        Some(path)
    }

    /// What falls out is returned.
    fn insert(&mut self, key: ChainKey, path: Arc<VerifiedPath>) -> Paths {
        let fallen_out = if self.young.len() < MOST / 2 {
            Paths::new()
        } else {
            mem::replace(&mut self.old, mem::take(&mut self.young))
        };
        self.young.insert(key, path);
        fallen_out
    }
}

impl ChainKey {
    fn of(chain: &[CertificateDer<'_>]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for der in chain {
            // With its length, so that no other division of the same octets has the same key.
            hash.update(&der.len().to_le_bytes());
            hash.update(der);
        }
        let octets = hash.finish().as_ref().try_into();
        Self(octets.expect("SHA-256 has 32 octets"))
    }
}

/// Some 3 KiB each.
const MOST: usize = 8192;

#[cfg(test)]
mod tests;
