//! What all connections share: the configuration of the moment, swapped whole, and the live list.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_pki::{Rejection, VerifiedPath};
use rustls_pki_types::UnixTime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::event::EventLog;
use crate::follow::View;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::tls::Transport;
use crate::upstream::Upstreams;
use crate::verifier::Gate;

/// One configuration in force. Only the gate inside moves: with the news of the followed sources.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) gate: Arc<ArcSwap<Gate>>,
    pub(crate) upstreams: Upstreams,
    /// Counts configurations from 1; a reload that is refused does not count.
    pub(crate) generation: u64,
}

impl Snapshot {
    /// The first configuration of a process.
    pub(crate) fn first(settings: Settings, view: Arc<View>) -> Self {
        let upstreams = Upstreams::new(&settings, None);
        Self::with_upstreams(settings, view, upstreams, 1)
    }

    /// The configuration after `self`; connections to upstreams live on where they can.
    pub(crate) fn next(&self, settings: Settings, view: Arc<View>) -> Self {
        let upstreams = Upstreams::new(&settings, Some(&self.upstreams));
        Self::with_upstreams(settings, view, upstreams, self.generation + 1)
    }

    fn with_upstreams(
        settings: Settings,
        view: Arc<View>,
        upstreams: Upstreams,
        generation: u64,
    ) -> Self {
        let gate = Gate::new(&settings.anchors, view, settings.when_stale);
        let gate = Arc::new(ArcSwap::from_pointee(gate));
        let transport = Transport::new(&settings, &gate);
        Self {
            settings,
            transport,
            gate,
            upstreams,
            generation,
        }
    }
}

/// Shared by the listener, the connections and the keeper.
pub(crate) struct State {
    snapshot: ArcSwap<Snapshot>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: EventLog,
    /// Cancelled when no new request should begin.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the time to finish is over.
    pub(crate) deadline: CancellationToken,
    /// Everything that runs for clients.
    pub(crate) tasks: TaskTracker,
}

impl State {
    pub(crate) fn new(snapshot: Snapshot, log: EventLog) -> Arc<Self> {
        Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            registry: Arc::default(),
            log,
            draining: CancellationToken::new(),
            deadline: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// The configuration in force now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Looks at a path again that `accepted` let in: as things are now, which may be under another
    /// configuration.
    pub(crate) fn recheck(
        &self,
        path: &VerifiedPath,
        accepted: &Snapshot,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let current = self.snapshot();
        let gate = current.gate.load();
        if current.generation == accepted.generation {
            gate.recheck(path, now)
        } else {
            gate.recheck_trust(path, now)
        }
    }

    /// Puts another configuration in force.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }
}
