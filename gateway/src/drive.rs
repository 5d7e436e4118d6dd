//! HTTP on one connection, and every reason to stop.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::activity::{Patience, Watched};
use crate::body::AnswerBody;
use crate::peer::Connection;
use crate::registry::{Cut, CutReason};
use crate::settings::Limits;
use crate::state::State;
use crate::tunnel::Tunnel;

type Io<S> = TokioIo<Watched<S>>;

/// Drives HTTP/1.1: one request at a time.
pub(crate) async fn drive_http1<S>(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    io: Io<S>,
    limits: &Limits,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let max_header = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
    // One request at a time: its end is the connection's.
    let (running, cuts) = watch::channel(Arc::clone(&connection.cut));
    let service = service_fn(|request| {
        let cut = connection.request_cut();
        // Mostly it is the same, and whoever waits for it need not wake.
        running.send_if_modified(|latest| {
            let is_other = !Arc::ptr_eq(latest, &cut);
            latest.clone_from(&cut);
            is_other
        });
        // hyper keeps room for the future between requests.
        Box::pin(serve_request(state, connection, cut, request))
    });
    let patience = Patience::Http1 {
        idle: limits.idle_timeout,
        head: limits.header_timeout,
    };
    let driven = {
        let driven = pin!(
            http1::Builder::new()
                // The watchdog times heads, without setting a timer for each.
                .header_read_timeout(None)
                .max_headers(MAX_HEADERS)
                .max_header_size(max_header)
                .half_close(false)
                .serve_connection(io, service)
                .with_upgrades()
        );
        let graceful = http1::UpgradeableConnection::graceful_shutdown;
        let cut = cut_of_latest(cuts);
        drive(driven, graceful, state, connection, cut, limits, patience).await
    };
    match connection.tunnel.take() {
        Some(tunnel) => Box::pin(drive_tunnel(tunnel, state, connection, limits, patience)).await,
        None => driven,
    }
}

/// Drives what a WebSocket's handshake left of the connection. Nothing can ask it to close: age and
/// drain let it run until they cut it.
async fn drive_tunnel(
    tunnel: Tunnel,
    state: &State,
    connection: &Connection,
    limits: &Limits,
    patience: Patience,
) -> hyper::Result<()> {
    let wire = Arc::clone(&tunnel.cut);
    let run = pin!(async {
        tunnel.run(limits.idle_timeout).await;
        Ok(())
    });
    let cut = wire.cancelled();
    drive(run, |_| {}, state, connection, cut, limits, patience).await
}

/// Waits until the latest of these is cut.
async fn cut_of_latest(mut cuts: watch::Receiver<Arc<Cut>>) {
    loop {
        let latest = Arc::clone(&cuts.borrow_and_update());
        tokio::select! {
            biased;
            Ok(()) = cuts.changed() => {}
            () = latest.cancelled() => return,
        }
    }
}

/// Drives HTTP/2: each stream is a task of its own.
pub(crate) async fn drive_http2<S>(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    io: Io<S>,
    limits: &Limits,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let executor = CutExecutor {
        connection: Arc::clone(&connection.cut),
        next: Arc::default(),
        tasks: state.tasks.clone(),
    };
    // The streams are tasks of their own: they carry what they need with them.
    let (shared, own, next) = (
        Arc::clone(state),
        Arc::clone(connection),
        Arc::clone(&executor.next),
    );
    let service = service_fn(move |request| {
        let (state, connection) = (Arc::clone(&shared), Arc::clone(&own));
        let cut = connection.request_cut();
        *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&cut));
        async move { serve_request(&state, &connection, cut, request).await }
    });
    let driven = pin!(
        http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(limits.max_header_bytes)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .serve_connection(io, service)
    );
    let graceful = http2::Connection::graceful_shutdown;
    let patience = Patience::Http2 {
        idle: limits.idle_timeout,
    };
    let cut = connection.cut.cancelled();
    drive(driven, graceful, state, connection, cut, limits, patience).await
}

async fn serve_request(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    cut: Arc<Cut>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    Ok(crate::answer(state, connection, &cut, request).await)
}

/// Runs the connection until it ends by itself or there is a reason to end it.
///
/// Cut: at once, with everything in flight. Age and drain: no new requests, running ones finish,
/// within the drain or another life time. A request is running that its connection was made for.
///
/// The connection is borrowed: a future that owned it would hold it twice.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut driven: Pin<&mut C>,
    graceful: impl Fn(Pin<&mut C>),
    state: &State,
    connection: &Connection,
    cut: impl Future<Output = ()>,
    limits: &Limits,
    patience: Patience,
) -> hyper::Result<()> {
    tokio::pin!(cut);
    let closing = async {
        tokio::select! {
            () = state.draining.cancelled() => connection.activity.first_request(UNDER_WAY).await,
            () = sleep(limits.max_age) => {}
        }
    };
    tokio::pin!(closing);
    let too_old = sleep(limits.max_age.saturating_mul(2));
    tokio::pin!(too_old);
    let mut asked_to_close = false;
    loop {
        tokio::select! {
            biased;
            () = &mut cut => return Ok(()),
            () = state.deadline.cancelled() => {
                connection.cut.now(CutReason::DrainDeadline);
            }
            () = &mut too_old, if connection.cut.reason().is_none() => {
                connection.cut.now(CutReason::MaxAge);
            }
            () = &mut closing, if !asked_to_close => {
                asked_to_close = true;
                graceful(driven.as_mut());
            }
            ended = &mut driven => return ended,
            () = connection.activity.worn_out(patience) => {
                graceful(driven.as_mut());
                let ended = timeout(GRACE, driven).await;
                connection.cut.now(CutReason::Idle);
                return ended.unwrap_or(Ok(()));
            }
        }
    }
}

/// Runs the streams of one HTTP/2 connection, each until it ends or is cut.
#[derive(Clone)]
struct CutExecutor {
    connection: Arc<Cut>,
    /// Of the request whose stream comes next: hyper hands a stream over right after it called
    /// the service for it, and a stream that is dropped is reset, and no other.
    next: Arc<Mutex<Option<Arc<Cut>>>>,
    tasks: TaskTracker,
}

impl<F: Future + Send + 'static> Executor<F> for CutExecutor {
    fn execute(&self, future: F) {
        let next = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let cut = next.unwrap_or_else(|| Arc::clone(&self.connection));
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _output = future => {}
            }
        });
    }
}

const MAX_HEADERS: usize = 100;
const MAX_STREAMS: u32 = 128;
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 256;
const SEND_BUFFER: usize = 256 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may still bring the request that it was made for when a drain begins.
pub(crate) const UNDER_WAY: Duration = Duration::from_secs(1);
/// For a client that was told to leave: long enough to read GOAWAY, no longer.
const GRACE: Duration = Duration::from_secs(1);
