//! Bind, run, drain.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use sd_notify::NotifyState;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::connection::serve;
use crate::event::{EventLogThread, Notice, OpenEventsError};
use crate::follow::Follow;
use crate::identity::{Minter, jwks};
use crate::keeper::{Keeper, KeeperHandle, LoadError};
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::monitor;
use crate::plain_listener::PlainListener;
use crate::settings::{ListenAddress, Settings};
use crate::state::{Snapshot, State};
use crate::state_folder::{ReloadOutcome, StateFolder, StateFolderError};
use crate::upstream::check_upstreams;

/// Reads the whole configuration again; what SIGHUP calls.
pub type Loader = Arc<dyn Fn() -> Result<Settings, LoadError> + Send + Sync>;

/// A gateway that listens and has not served yet.
pub struct Gateway {
    state: Arc<State>,
    listener: Listener,
    address: ListenAddress,
    /// For figures and health.
    monitor: Option<PlainListener>,
    /// For the keys of assertions.
    jwks: Option<PlainListener>,
    keeper: KeeperHandle,
    events: EventLogThread,
    folder: Arc<StateFolder>,
}

/// Asks a running gateway for things; cheap to clone.
#[derive(Clone)]
pub struct GatewayHandle {
    keeper: KeeperHandle,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another program using the port?")]
    Listen {
        /// The address that was asked for.
        address: ListenAddress,
        /// What the system says.
        source: io::Error,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateFolderError),
    /// The event file cannot be opened.
    #[error(transparent)]
    Events(#[from] OpenEventsError),
    /// An address beside it cannot be listened on.
    #[error(
        "cannot listen on {address} for `{setting}`: {source}; is another program using the port?"
    )]
    ListenBeside {
        /// The setting that it stands in.
        setting: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Assertions cannot be signed.
    #[error("{reason}")]
    Assertions {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// What CAs publish cannot be followed.
    #[error("{reason}")]
    Follow {
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// Why a running gateway stopped without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Without it no revocation would take effect, so nothing is served.
    #[error("the thread that follows revocations died; see the log above, then start again")]
    KeeperDied,
}

impl GatewayHandle {
    /// Loads the configuration again and puts it in force whole; a bad one is refused.
    pub async fn reload(&self) -> Option<ReloadOutcome> {
        self.keeper.reload().await
    }
}

impl Gateway {
    /// Opens everything that must work before the first client is served.
    ///
    /// # Errors
    ///
    /// A gateway with a bad configuration refuses to start; a running one keeps the last good.
    pub fn bind(settings: Settings, load: Loader) -> Result<Self, StartError> {
        let folder = Arc::new(StateFolder::open(&settings.state)?);
        let follow = Follow::load(&settings.follow, &settings.anchors, UnixTime::now()).map_err(
            |error| StartError::Follow {
                reason: error.to_string(),
            },
        )?;
        let (listener, address) =
            Listener::open(&settings.listen).map_err(|source| StartError::Listen {
                address: settings.listen.clone(),
                source,
            })?;
        let monitor = beside("metrics", settings.metrics)?;
        let metrics = Arc::<Metrics>::default();
        let jwks = beside("jwks_listen", settings.jwks_listen)?;
        let minter = Minter::for_settings(&settings, UnixTime::now().as_secs());
        let minter = minter.map_err(|error| StartError::Assertions {
            reason: error.to_string(),
        })?;
        let events = EventLogThread::start(&settings.events, Arc::clone(&metrics))?;
        settings.warn(UnixTime::now());
        let state = State::new(
            Snapshot::first(settings, follow.view(), minter),
            events.log().clone(),
            metrics,
        );
        folder.write_pid()?;
        let keeper = Keeper::start(Arc::clone(&state), follow, load, Arc::clone(&folder));
        Ok(Self {
            state,
            listener,
            address,
            monitor,
            jwks,
            keeper,
            events,
            folder,
        })
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// A handle that outlives `run`.
    #[must_use]
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle {
            keeper: self.keeper.clone(),
        }
    }

    /// Serves until `shutdown` is ready, then drains.
    ///
    /// # Errors
    ///
    /// Only when serving on would be unsafe.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self {
            state,
            listener,
            address,
            monitor,
            jwks,
            keeper,
            events,
            folder,
        } = self;
        // Not before: whoever reads it may send a signal, which is handled by now.
        let snapshot = state.snapshot();
        state.log.notice(&Notice::Started {
            listen: address.to_string(),
            metrics: monitor.as_ref().map(|it| it.address().to_string()),
            applications: snapshot.settings.applications.iter().count(),
            generation: snapshot.generation,
        });
        drop(snapshot);
        tell_supervisor(&[
            NotifyState::Ready,
            NotifyState::Status(&format!("listening on {address}")),
        ]);
        // To the very end: whoever watches sees it drain, and upstreams verify what is in flight.
        let beside = [
            monitor.map(|listener| listener.start(&state, monitor::answer)),
            jwks.map(|listener| listener.start(&state, jwks::answer)),
        ];
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            () = keeper.died() => Err(RunError::KeeperDied),
            () = accept(&state, &listener) => Ok(()),
            () = keep_keys(&state) => Ok(()),
            () = check_upstreams(&state) => Ok(()),
            () = tell_of_turned_away(&state) => Ok(()),
        };
        drop(listener);
        drain(&state).await;
        keeper.stop().await;
        drop(beside);
        folder.clear_pid();
        drop(state);
        events.close().await;
        ended
    }
}

/// Tells systemd, where it is systemd that waits to hear it.
fn tell_supervisor(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("cannot tell systemd: {error}");
    }
}

fn beside(
    setting: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<PlainListener>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let listener = PlainListener::bind(address).map_err(|source| StartError::ListenBeside {
        setting,
        address,
        source,
    })?;
    Ok(Some(listener))
}

/// Accepts for ever. Out of descriptors it waits, longer each time, instead of spinning.
async fn accept(state: &Arc<State>, listener: &Listener) {
    let limits = state.snapshot().settings.limits.clone();
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    let handshakes = Arc::new(Semaphore::new(limits.max_handshakes));
    let mut pause = FIRST_PAUSE;
    loop {
        let slot = Arc::clone(&connections).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((socket, address)) => {
                pause = FIRST_PAUSE;
                let served = serve(Arc::clone(state), socket, address, Arc::clone(&handshakes));
                // Boxed: the task would hold it twice.
                let served = Box::pin(served);
                state.tasks.spawn(async move {
                    served.await;
                    drop(slot);
                });
            }
            Err(error) if is_about_the_client(&error) => {}
            Err(error) => {
                tracing::error!("cannot accept a connection: {error}; trying again in {pause:?}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Reads the keys of Cloudflare's assertions, and replaces those of ours, when it is time to, for ever.
async fn keep_keys(state: &State) {
    loop {
        if let Some(front) = &state.snapshot().settings.behind_cloudflare {
            front.keys.refresh_if_due().await;
        }
        let now = UnixTime::now().as_secs();
        let minter = state.snapshot().minter.clone();
        if let Some(minter) = minter.filter(|minter| !minter.keys().are_good(now)) {
            let kept = tokio::task::spawn_blocking(move || minter.keep_keys(now));
            if let Err(error) = kept.await {
                tracing::error!("the keys of assertions cannot be kept: {error}");
            }
        }
        tokio::time::sleep(KEYS).await;
    }
}

/// One line for all connections that found no place, however many; for ever.
async fn tell_of_turned_away(state: &State) {
    loop {
        tokio::time::sleep(TURNED_AWAY).await;
        if let Some(turned_away) = state.places.turned_away() {
            state.log.notice(&Notice::ConnectionsRefused {
                reason: "too_many_of_address",
                peer: turned_away.network.to_string(),
                connections: turned_away.connections,
            });
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// No new requests; running ones have `drain` to finish, then they are cut.
async fn drain(state: &State) {
    let drain = state.snapshot().settings.drain;
    let in_flight = state.tasks.len();
    state.log.notice(&Notice::Stopping {
        in_flight,
        drain_s: drain.as_secs(),
    });
    tell_supervisor(&[NotifyState::Stopping]);
    state.draining.cancel();
    state.tasks.close();
    let mut cut = 0;
    if timeout(drain, state.tasks.wait()).await.is_err() {
        cut = state.tasks.len();
        state.deadline.cancel();
        timeout(AFTER_CUT, state.tasks.wait()).await.ok();
    }
    state.log.notice(&Notice::Stopped { cut });
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is looked whether keys are due.
const KEYS: Duration = Duration::from_secs(1);
/// How often it is told that connections were turned away.
const TURNED_AWAY: Duration = Duration::from_secs(1);
const AFTER_CUT: Duration = Duration::from_secs(5);
