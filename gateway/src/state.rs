//! What all connections share: the configuration of the moment, swapped whole, and the live list.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_pki::{Rejection, VerifiedPath};
use postern_policy::{Application, Method};
use rustls_pki_types::UnixTime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::caller::Caller;
use crate::event::EventLog;
use crate::follow::View;
use crate::identity::{Minter, Subject};
use crate::metrics::Metrics;
use crate::places::Places;
use crate::registry::Registry;
use crate::resumption::OwnKeys;
use crate::settings::Settings;
use crate::throttle::Throttle;
use crate::tls::Transport;
use crate::upstream::Upstreams;
use crate::verifier::Gate;

/// One configuration in force. Only the gate inside moves: with the news of the followed sources.
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) gate: Arc<ArcSwap<Gate>>,
    pub(crate) upstreams: Upstreams,
    /// Kept over reloads, so that sessions are.
    ticket_keys: Arc<OwnKeys>,
    /// Signs assertions, where an application may ask for them.
    pub(crate) minter: Option<Arc<Minter>>,
    /// Counts configurations from 1; a reload that is refused does not count.
    pub(crate) generation: u64,
}

impl Snapshot {
    /// The first configuration of a process.
    pub(crate) fn first(settings: Settings, view: Arc<View>, minter: Option<Arc<Minter>>) -> Self {
        let upstreams = Upstreams::new(&settings, None);
        Self::with(settings, view, upstreams, Arc::default(), minter, 1)
    }

    /// The configuration after `self`; connections to upstreams live on where they can.
    pub(crate) fn next(
        &self,
        settings: Settings,
        view: Arc<View>,
        minter: Option<Arc<Minter>>,
    ) -> Self {
        let upstreams = Upstreams::new(&settings, Some(&self.upstreams));
        let ticket_keys = Arc::clone(&self.ticket_keys);
        let generation = self.generation + 1;
        Self::with(settings, view, upstreams, ticket_keys, minter, generation)
    }

    /// What is signed about a permitted caller, where the application's upstream wants it.
    pub(crate) fn assertion(
        &self,
        application: &Application,
        caller: &Caller,
        admitted_by: Method,
        now: UnixTime,
    ) -> Option<Arc<str>> {
        let audience = application.identity().audience()?;
        let subject = Subject::of(caller, admitted_by)?;
        let minter = self.minter.as_ref()?;
        Some(minter.assertion(subject, audience, now.as_secs()))
    }

    fn with(
        settings: Settings,
        view: Arc<View>,
        upstreams: Upstreams,
        ticket_keys: Arc<OwnKeys>,
        minter: Option<Arc<Minter>>,
        generation: u64,
    ) -> Self {
        let gate = Gate::new(&settings.anchors, view, settings.when_stale);
        let gate = Arc::new(ArcSwap::from_pointee(gate));
        let transport = Transport::new(&settings, &gate, &ticket_keys);
        Self {
            settings,
            transport,
            gate,
            upstreams,
            ticket_keys,
            minter,
            generation,
        }
    }
}

/// Shared by the listener, the connections and the keeper.
pub(crate) struct State {
    snapshot: ArcSwap<Snapshot>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: EventLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) throttle: Throttle,
    pub(crate) places: Arc<Places>,
    /// Cancelled when no new request should begin.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the time to finish is over.
    pub(crate) deadline: CancellationToken,
    /// Everything that runs for clients.
    pub(crate) tasks: TaskTracker,
}

impl State {
    pub(crate) fn new(snapshot: Snapshot, log: EventLog, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            registry: Arc::default(),
            log,
            metrics,
            throttle: Throttle::default(),
            places: Arc::default(),
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
