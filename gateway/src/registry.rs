//! What runs for a client, so that exactly that can be cut: its connections, or, on connections
//! that several clients share, its requests.
//!
//! No race: a connection registers first and looks the certificate up again afterwards; whoever
//! swaps the revocation index does so first and cuts afterwards. Both sides take the same lock, so
//! either the cut finds the connection or the connection finds the new index.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use postern_pki::{IssuerId, VerifiedPath};
use postern_policy::{CommonName, SerialNumber};
use tokio_util::sync::CancellationToken;

/// Why a connection ends before its client wanted it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutReason {
    Revoked,
    Held,
    /// On the operator's deny list.
    Denied,
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
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::NoLongerAccepted => "no_longer_accepted",
            Self::Idle => "idle",
            Self::MaxAge => "max_age",
            Self::DrainDeadline => "drain_deadline",
        }
    }
}

/// The wire that ends one connection at once: its streams, uploads and responses with it. Or one
/// request alone.
#[derive(Default, Debug)]
pub(crate) struct Cut {
    token: CancellationToken,
    reason: OnceLock<CutReason>,
    /// The connection that a request is on, and ends with.
    connection: Option<Arc<Self>>,
}

impl Cut {
    /// The wire of one request on a connection that goes on without it.
    pub(crate) fn of_request_on(connection: &Arc<Self>) -> Self {
        Self {
            token: connection.token.child_token(),
            reason: OnceLock::new(),
            connection: Some(Arc::clone(connection)),
        }
    }

    /// Cuts it; the first reason is the one that is told. Whether it was us.
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
        let connection = || self.connection.as_ref()?.reason();
        self.reason.get().copied().or_else(connection)
    }
}

/// Whom something runs for, as a revocation would say it.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Whoever holds this certificate.
    Path(Arc<VerifiedPath>),
    /// Whoever has this name: which certificate it is, nobody told us.
    Name(CommonName),
}

/// One connection or request.
#[derive(Debug)]
struct Live {
    subject: Subject,
    cut: Arc<Cut>,
}

/// Everything live that a revocation can concern, by every certificate of its path or by name.
#[derive(Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    live: HashMap<u64, Arc<Live>>,
    by_link: HashMap<(IssuerId, SerialNumber), HashSet<u64>>,
    by_name: HashMap<String, HashSet<u64>>,
    /// By the last second in which the path is valid.
    by_end: BTreeSet<(u64, u64)>,
}

impl Registry {
    /// Enters what runs under leaf and each intermediate, or under the name, until the guard is
    /// dropped.
    pub(crate) fn register(self: &Arc<Self>, subject: Subject, cut: &Arc<Cut>) -> Registered {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        match &subject {
            Subject::Path(path) => {
                for link in path.links() {
                    inner.by_link.entry(link).or_default().insert(id);
                }
                inner.by_end.insert((path.not_after(), id));
            }
            Subject::Name(name) => {
                let name = name.as_str().to_owned();
                inner.by_name.entry(name).or_default().insert(id);
            }
        }
        let cut = Arc::clone(cut);
        inner.live.insert(id, Arc::new(Live { subject, cut }));
        Registered {
            registry: Arc::clone(self),
            id,
        }
    }

    /// Cuts everything whose path holds this certificate; how many those were. Under the lock:
    /// a request that has ended is not cut, nor the next one on its connection.
    pub(crate) fn cut(&self, issuer: IssuerId, serial: SerialNumber, reason: CutReason) -> usize {
        let inner = self.lock();
        let ids = inner.by_link.get(&(issuer, serial));
        inner.cut(ids.into_iter().flatten(), reason)
    }

    /// Cuts everything that runs under this name.
    pub(crate) fn cut_name(&self, name: &str, reason: CutReason) -> usize {
        let inner = self.lock();
        let ids = inner.by_name.get(name);
        inner.cut(ids.into_iter().flatten(), reason)
    }

    /// Cuts everything whose last second has begun at `second`; how many those were. Cheap where
    /// nothing has.
    pub(crate) fn cut_ending(&self, second: u64) -> usize {
        let inner = self.lock();
        let ending = inner.by_end.range(..=(second, u64::MAX));
        inner.cut(ending.map(|(_, id)| id), CutReason::Expired)
    }

    /// Looks at everyone live again and cuts those that `recheck` gives a reason for.
    pub(crate) fn sweep(&self, recheck: impl Fn(&Subject) -> Option<CutReason>) -> usize {
        let live: Vec<(u64, Arc<Live>)> = {
            let inner = self.lock();
            let live = inner.live.iter();
            live.map(|(id, live)| (*id, Arc::clone(live))).collect()
        };
        let cut = |(id, live): &&(u64, Arc<Live>)| {
            recheck(&live.subject).is_some_and(|reason| {
                let inner = self.lock();
                inner.live.contains_key(id) && live.cut.now(reason)
            })
        };
        // Others may run in between: this is long where many are connected, and they wait for
        // answers.
        let chunk_cut = |chunk: &[(u64, Arc<Live>)]| {
            let count = chunk.iter().filter(cut).count();
            std::thread::yield_now();
            count
        };
        live.chunks(SWEPT_AT_ONCE).map(chunk_cut).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some hundred microseconds' worth of looking up.
const SWEPT_AT_ONCE: usize = 256;

impl Inner {
    fn cut<'a>(&self, ids: impl Iterator<Item = &'a u64>, reason: CutReason) -> usize {
        let live = ids.filter_map(|id| self.live.get(id));
        live.filter(|live| live.cut.now(reason)).count()
    }
}

/// Keeps one connection or request in the registry.
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
        match &live.subject {
            Subject::Path(path) => {
                for link in path.links() {
                    leave(&mut inner.by_link, &link, self.id);
                }
                inner.by_end.remove(&(path.not_after(), self.id));
            }
            Subject::Name(name) => leave(&mut inner.by_name, name.as_str(), self.id),
        }
    }
}

fn leave<K, Q>(entries: &mut HashMap<K, HashSet<u64>>, key: &Q, id: u64)
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    if let Some(ids) = entries.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            entries.remove(key);
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

    fn name(name: &str) -> Subject {
        Subject::Name(CommonName::parse(name).unwrap())
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
            .map(|(path, cut)| registry.register(Subject::Path(Arc::clone(path)), cut))
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
    fn a_name_cuts_its_requests_and_neither_their_connection_nor_others_on_it() {
        let registry = Arc::new(Registry::default());
        let connection = Arc::new(Cut::default());
        let request = || Arc::new(Cut::of_request_on(&connection));
        let (bad, good) = (request(), request());
        let _guards = [
            registry.register(name("device-bad"), &bad),
            registry.register(name("device-good"), &good),
        ];
        assert_eq!(registry.cut_name("device-bad", CutReason::Revoked), 1);
        assert_eq!(bad.reason(), Some(CutReason::Revoked));
        assert_eq!((good.reason(), connection.reason()), (None, None));
        // What ends the connection ends whatever is on it.
        connection.now(CutReason::Idle);
        assert_eq!(good.reason(), Some(CutReason::Idle));
        assert!(good.token.is_cancelled());
    }

    #[test]
    fn what_has_ended_is_forgotten() {
        let pki = TestPki::new();
        let registry = Arc::new(Registry::default());
        let path = path(&pki, "device-1");
        let cut = Arc::new(Cut::default());
        let guards = [
            registry.register(Subject::Path(Arc::clone(&path)), &cut),
            registry.register(name("device-1"), &cut),
        ];
        assert_eq!(registry.sweep(|_| None), 0);
        drop(guards);
        assert_eq!(registry.cut_name("device-1", CutReason::Held), 0);
        let (issuer, serial) = path.links().next().unwrap();
        assert_eq!(registry.cut(issuer, serial, CutReason::Held), 0);
        let inner = registry.lock();
        assert!(inner.by_link.is_empty() && inner.by_name.is_empty() && inner.by_end.is_empty());
        assert_eq!(cut.reason(), None);
    }

    #[test]
    fn a_connection_ends_as_the_last_second_of_its_path_begins() {
        let pki = TestPki::new();
        let registry = Arc::new(Registry::default());
        let path = path(&pki, "device-1");
        let end = path.not_after();
        let (certificate, request) = (Arc::new(Cut::default()), Arc::new(Cut::default()));
        let _guards = [
            registry.register(Subject::Path(path), &certificate),
            registry.register(name("device-1"), &request),
        ];
        assert_eq!(registry.cut_ending(end - 1), 0);
        assert_eq!(registry.cut_ending(end), 1);
        assert_eq!(registry.cut_ending(end), 0);
        assert_eq!(certificate.reason(), Some(CutReason::Expired));
        assert_eq!(request.reason(), None);
    }
}
