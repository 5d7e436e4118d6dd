//! The one thread that changes what is in force: news of the followed sources, reloads, expiry.
//!
//! One thread, so that a reload and a revocation never cross. If it dies the gateway stops: nothing
//! may be served while revocations are not seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postern_pki::Rejection;
use postern_policy::CommonName;
use rustls_pki_types::UnixTime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::event::{Notice, RevocationNotice};
use crate::follow::{Change, Follow};
use crate::gateway::Loader;
use crate::identity::Minter;
use crate::registry::{CutReason, Subject};
use crate::settings::Settings;
use crate::state::State;
use crate::state_folder::{ReloadOutcome, StateFolder};
use crate::verifier::Gate;

/// Why a configuration cannot be loaded again; the text is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(String);

impl LoadError {
    /// Says what is wrong, all of it.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// What the thread is asked for.
enum Command {
    Reload(oneshot::Sender<ReloadOutcome>),
    Stop,
}

/// Talks to the keeper; cheap to clone.
#[derive(Clone)]
pub(crate) struct KeeperHandle {
    commands: Sender<Command>,
    died: CancellationToken,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl KeeperHandle {
    /// Loads the configuration again. `None` when the gateway is gone.
    pub(crate) async fn reload(&self) -> Option<ReloadOutcome> {
        let (reply, outcome) = oneshot::channel();
        self.commands.send(Command::Reload(reply)).ok()?;
        outcome.await.ok()
    }

    /// Waits until the thread is gone, which it should not be.
    pub(crate) async fn died(&self) {
        self.died.cancelled().await;
    }

    /// Ends the thread.
    pub(crate) async fn stop(&self) {
        self.commands.send(Command::Stop).ok();
        self.died.cancelled().await;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the keeper's thread panicked");
        }
    }
}

/// The thread's own things.
pub(crate) struct Keeper {
    state: Arc<State>,
    follow: Follow,
    load: Loader,
    folder: Arc<StateFolder>,
    alarms: BTreeMap<String, String>,
    attempts: u64,
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start(
        state: Arc<State>,
        follow: Follow,
        load: Loader,
        folder: Arc<StateFolder>,
    ) -> KeeperHandle {
        let (commands, receiver) = channel();
        let died = CancellationToken::new();
        let on_exit = died.clone().drop_guard();
        let mut keeper = Self {
            state,
            follow,
            load,
            folder,
            alarms: BTreeMap::new(),
            attempts: 0,
        };
        let thread = std::thread::Builder::new()
            .name("postern-keeper".to_owned())
            .spawn(move || {
                let _on_exit = on_exit;
                keeper.run(&receiver);
            })
            .expect("the system can start one more thread");
        KeeperHandle {
            commands,
            died,
            thread: Arc::new(Mutex::new(Some(thread))),
        }
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        let mut next_sweep = Instant::now();
        loop {
            let pause = if self.follow.is_reading() { SOON } else { POLL };
            match commands.recv_timeout(pause) {
                Ok(Command::Reload(reply)) => {
                    let outcome = self.reload();
                    // Nobody waits for the answer where the caller went away.
                    reply.send(outcome).ok();
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.take_news();
            self.end_expiring();
            if Instant::now() >= next_sweep {
                self.sweep();
                self.report_alarms();
                next_sweep = Instant::now() + SWEEP;
            }
        }
    }

    /// The new gate first, then the cuts: see `registry`.
    fn take_news(&mut self) {
        let observed = Instant::now();
        let changes = self.follow.poll(UnixTime::now());
        let view = self.follow.view();
        let snapshot = self.state.snapshot();
        let gate = snapshot.gate.load_full();
        if gate.is_of(&view) {
            return;
        }
        let is_any = |wanted: fn(&Change) -> bool| changes.iter().any(wanted);
        let issuers_changed = is_any(|change| matches!(change, Change::IssuersChanged));
        let lists_changed = is_any(|change| matches!(change, Change::ListsChanged));
        let deny_list_changed = is_any(|change| matches!(change, Change::DenyListChanged));
        let settings = &snapshot.settings;
        snapshot.gate.store(Arc::new(if issuers_changed {
            Gate::new(&settings.anchors, view, settings.when_stale)
        } else {
            gate.with_view(view)
        }));
        self.cut(&snapshot.gate.load(), &changes, observed);
        // They name no connection: whoever they concern is found by looking.
        if issuers_changed || lists_changed || deny_list_changed {
            let connections_cut = self.sweep();
            if deny_list_changed {
                self.state.log.notice(&Notice::DenyList {
                    entries: snapshot.gate.load().view().denied.len(),
                    connections_cut,
                    duration: observed.elapsed(),
                });
            }
        }
    }

    /// All cuts first, then their notices: a revocation does not wait for the line of another.
    fn cut(&self, gate: &Gate, changes: &[Change], observed: Instant) {
        let mut notices = Vec::new();
        for change in changes {
            let (reason, issuer, serial, common_name) = match change {
                Change::Revoked {
                    issuer,
                    serial,
                    common_name,
                } => (CutReason::Revoked, issuer, serial, common_name),
                Change::Held {
                    issuer,
                    serial,
                    common_name,
                } => (CutReason::Held, issuer, serial, common_name),
                Change::IssuersChanged
                | Change::ListsChanged
                | Change::DenyListChanged
                | Change::TokensChanged
                | Change::Heard => continue,
            };
            let mut connections_cut = self.state.registry.cut(*issuer, *serial, reason);
            connections_cut += common_name
                .as_deref()
                .map_or(0, |name| self.cut_name(gate, name));
            notices.push(RevocationNotice {
                reason: reason.code(),
                issuer: issuer.to_string(),
                serial: serial.to_string(),
                common_name: common_name.as_deref(),
                connections_cut,
                duration: observed.elapsed(),
            });
        }
        for notice in notices {
            self.state.log.notice(&Notice::Revocation(notice));
        }
    }

    /// Requests of which only the name is known: not every revocation concerns the name.
    fn cut_name(&self, gate: &Gate, name: &str) -> usize {
        let name = CommonName::parse(name).ok();
        let refused = name.and_then(|name| {
            let refusal = gate.check_name(&name, UnixTime::now()).err()?;
            Some((name, refusal))
        });
        refused.map_or(0, |(name, refusal)| {
            let registry = &self.state.registry;
            registry.cut_name(name.as_str(), refusal.cut_reason())
        })
    }

    /// By the wall clock, a little early: no connection outlives its certificate.
    fn end_expiring(&self) {
        let soon = SystemTime::now() + EARLY;
        let since = soon.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.state.registry.cut_ending(since.as_secs());
    }

    /// Staleness and clock jumps: the wall clock is asked again each time. How many it cut.
    fn sweep(&self) -> usize {
        let snapshot = self.state.snapshot();
        let gate = snapshot.gate.load();
        let now = UnixTime::now();
        self.state.registry.sweep(|subject| match subject {
            Subject::Path(path) => gate.recheck(path, now).err().map(|why| reason(&why)),
            Subject::Name(name) => gate.check_name(name, now).err().map(|why| why.cut_reason()),
        })
    }

    fn report_alarms(&mut self) {
        let mut alarms = BTreeMap::new();
        let sources = self.follow.sources();
        self.state.metrics.sources(&sources);
        for source in sources {
            if let Some(alarm) = source.alarm {
                alarms.insert(source.name, alarm);
            }
        }
        if let Some(front) = &self.state.snapshot().settings.behind_cloudflare
            && let Some(alarm) = front.keys.alarm()
        {
            alarms.insert(front.keys.source().name(), alarm);
        }
        if let Some(minter) = &self.state.snapshot().minter
            && let Some(alarm) = minter.alarm()
        {
            alarms.insert("gateway.assertions".to_owned(), alarm);
        }
        for (source, alarm) in &alarms {
            if self.alarms.get(source) != Some(alarm) {
                tracing::warn!("{source}: {alarm}");
                self.state.log.notice(&Notice::SourceAlarm {
                    source,
                    reason: alarm,
                });
            }
        }
        for source in self
            .alarms
            .keys()
            .filter(|source| !alarms.contains_key(*source))
        {
            self.state.log.notice(&Notice::SourceRecovered { source });
        }
        self.alarms = alarms;
    }

    /// A whole new configuration, or the old one and a loud refusal.
    fn reload(&mut self) -> ReloadOutcome {
        // Also when the configuration is bad: the log may have been rotated.
        self.state.log.reopen();
        self.attempts += 1;
        let result = self.try_reload();
        let generation = self.state.snapshot().generation;
        let outcome = ReloadOutcome::now(self.attempts, generation, result);
        // First: whoever reads the event and asks for another reload must not find the one before.
        self.folder.write_reload(&outcome);
        match &outcome.error {
            None => self.state.log.notice(&Notice::Reloaded {
                generation,
                needs_restart: &outcome.needs_restart,
            }),
            Some(reason) => {
                tracing::error!("reload refused, the old configuration stays: {reason}");
                self.state
                    .log
                    .notice(&Notice::ReloadRefused { generation, reason });
            }
        }
        outcome
    }

    fn try_reload(&mut self) -> Result<Vec<String>, LoadError> {
        let old = self.state.snapshot();
        let new: Settings = (self.load)()?;
        let needs_restart = old.settings.needs_restart(&new);
        let new = new.keeping_what_needs_a_restart(&old.settings);
        let now = UnixTime::now();
        let follow = Follow::load(&new.follow, &new.anchors, now).map_err(LoadError::new)?;
        new.warn(now);
        let minter = Minter::for_settings(&new, now.as_secs());
        let minter = minter.map_err(LoadError::new)?;
        let next = old.next(new, follow.view(), minter);
        self.follow = follow;
        self.state.replace(next);
        let gate = self.state.snapshot().gate.load_full();
        self.state.registry.sweep(|subject| match subject {
            Subject::Path(path) => gate.recheck_trust(path, now).err().map(|why| reason(&why)),
            Subject::Name(name) => gate.check_name(name, now).err().map(|why| why.cut_reason()),
        });
        Ok(needs_restart.into_iter().map(str::to_owned).collect())
    }
}

/// Why a connection is cut whose certificate is not accepted any more.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other rejection is told apart in events"
)]
fn reason(rejection: &Rejection) -> CutReason {
    match rejection {
        Rejection::Expired { .. } => CutReason::Expired,
        Rejection::Revoked { .. } => CutReason::Revoked,
        Rejection::Held { .. } => CutReason::Held,
        Rejection::Denied { .. } => CutReason::Denied,
        _ => CutReason::NoLongerAccepted,
    }
}

/// How often the sources are looked at: a revocation takes effect within this time.
const POLL: Duration = Duration::from_millis(50);
/// A poll and some.
const EARLY: Duration = Duration::from_millis(80);
/// How often it is looked whether a large file has been read.
const SOON: Duration = Duration::from_millis(10);
const SWEEP: Duration = Duration::from_secs(1);
