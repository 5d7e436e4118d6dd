//! The live connections that a certificate opened, so that exactly those can be cut.
//!
//! No race: a connection registers first and looks the certificate up again afterwards; whoever
//! swaps the revocation index does so first and cuts afterwards. Both sides take the same lock, so
//! either the cut finds the connection or the connection finds the new index.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use postern_pki::{IssuerId, VerifiedPath};
use postern_policy::SerialNumber;
use tokio_util::sync::CancellationToken;

/// Why a connection ends before its client wanted it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutReason {
    Revoked,
    Held,
    Expired,
    /// A reload took the trust away, or the revocation source went stale.
    NoLongerAccepted,
    Idle,
    /// It was asked to end because of its age, and did not.
    MaxAge,
    DrainDeadline,
}

impl CutReason {
    /// The stable reason in events.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Held => "held",
            Self::Expired => "expired",
            Self::NoLongerAccepted => "no_longer_accepted",
            Self::Idle => "idle",
            Self::MaxAge => "max_age",
            Self::DrainDeadline => "drain_deadline",
        }
    }
}

/// The wire that ends one connection at once: its streams, uploads and responses with it.
#[derive(Default, Debug)]
pub(crate) struct Cut {
    token: CancellationToken,
    reason: OnceLock<CutReason>,
}

impl Cut {
    /// Cuts the connection; the first reason is the one that is told. Whether it was us.
    pub(crate) fn now(&self, reason: CutReason) -> bool {
        let first = self.reason.set(reason).is_ok();
        self.token.cancel();
        first
    }

    /// Waits for the cut.
    pub(crate) async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Why, once it is cut.
    pub(crate) fn reason(&self) -> Option<CutReason> {
        self.reason.get().copied()
    }
}

/// One connection that a certificate opened.
#[derive(Debug)]
struct Live {
    path: Arc<VerifiedPath>,
    cut: Arc<Cut>,
}

/// All live connections with a certificate, by every certificate of their paths.
#[derive(Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    live: HashMap<u64, Arc<Live>>,
    by_link: HashMap<(IssuerId, SerialNumber), HashSet<u64>>,
}

impl Registry {
    /// Enters a connection under its leaf and each intermediate, until the guard is dropped.
    pub(crate) fn register(
        self: &Arc<Self>,
        path: &Arc<VerifiedPath>,
        cut: &Arc<Cut>,
    ) -> Registered {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        for link in path.links() {
            inner.by_link.entry(link).or_default().insert(id);
        }
        inner.live.insert(
            id,
            Arc::new(Live {
                path: Arc::clone(path),
                cut: Arc::clone(cut),
            }),
        );
        Registered {
            registry: Arc::clone(self),
            id,
        }
    }

    /// Cuts every connection whose path holds this certificate; how many those were.
    pub(crate) fn cut(&self, issuer: IssuerId, serial: SerialNumber, reason: CutReason) -> usize {
        let doomed: Vec<Arc<Live>> = {
            let inner = self.lock();
            let ids = inner.by_link.get(&(issuer, serial)).into_iter().flatten();
            ids.filter_map(|id| inner.live.get(id)).cloned().collect()
        };
        doomed.iter().filter(|live| live.cut.now(reason)).count()
    }

    /// Looks at every live path again and cuts those that `recheck` gives a reason for.
    pub(crate) fn sweep(&self, recheck: impl Fn(&VerifiedPath) -> Option<CutReason>) -> usize {
        let live: Vec<Arc<Live>> = self.lock().live.values().cloned().collect();
        let cut = |live: &&Arc<Live>| recheck(&live.path).is_some_and(|why| live.cut.now(why));
        live.iter().filter(cut).count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps one connection in the registry.
pub(crate) struct Registered {
    registry: Arc<Registry>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        let Some(live) = inner.live.remove(&self.id) else {
            return;
        };
        for link in live.path.links() {
            if let Some(ids) = inner.by_link.get_mut(&link) {
                ids.remove(&self.id);
                if ids.is_empty() {
                    inner.by_link.remove(&link);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use postern_fixtures::TestPki;
    use postern_pki::{Certificate, LeafProfile, PathVerifier, TrustAnchors};

    use super::*;

    fn path(pki: &TestPki, common_name: &str) -> Arc<VerifiedPath> {
        let root = Certificate::from_der(pki.root().der()).unwrap();
        let anchors = TrustAnchors::new(vec![root]).unwrap();
        let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
        Arc::new(
            verifier
                .verify(&pki.client(common_name).chain(), pki.now())
                .unwrap(),
        )
    }

    #[test]
    fn a_serial_cuts_its_connections_and_an_intermediate_cuts_all_below_it() {
        let pki = TestPki::new();
        let registry = Arc::new(Registry::default());
        let paths = [
            path(&pki, "device-1"),
            path(&pki, "device-1"),
            path(&pki, "device-2"),
        ];
        let cuts: Vec<_> = paths.iter().map(|_| Arc::new(Cut::default())).collect();
        let _guards: Vec<_> = paths
            .iter()
            .zip(&cuts)
            .map(|(path, cut)| registry.register(path, cut))
            .collect();

        let (issuer, serial) = paths[0].links().next().unwrap();
        assert_eq!(registry.cut(issuer, serial, CutReason::Revoked), 1);
        assert_eq!(registry.cut(issuer, serial, CutReason::Revoked), 0);
        assert_eq!(cuts[0].reason(), Some(CutReason::Revoked));
        assert_eq!(cuts[1].reason(), None);

        let (issuer, serial) = paths[0].links().nth(1).unwrap();
        assert_eq!(registry.cut(issuer, serial, CutReason::Revoked), 2);
        assert_eq!(cuts[2].reason(), Some(CutReason::Revoked));
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let pki = TestPki::new();
        let registry = Arc::new(Registry::default());
        let path = path(&pki, "device-1");
        let guard = registry.register(&path, &Arc::new(Cut::default()));
        assert_eq!(registry.sweep(|_| None), 0);
        drop(guard);
        let (issuer, serial) = path.links().next().unwrap();
        assert_eq!(registry.cut(issuer, serial, CutReason::Held), 0);
        assert!(registry.lock().by_link.is_empty());
    }
}
