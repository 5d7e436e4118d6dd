//! One connection from its handshake to its end: drive HTTP, and know every reason to stop.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, Patience, Watched};
use crate::body::AnswerBody;
use crate::event::{Record, RecordKind, RequestId};
use crate::handshake::{Established, HandshakeEnd, Protocol, Refused, handshake};
use crate::peer::Connection;
use crate::registry::{Cut, CutReason};
use crate::settings::Limits;
use crate::state::{Snapshot, State};

/// Serves one accepted socket.
pub(crate) async fn serve(
    state: Arc<State>,
    socket: TcpStream,
    address: SocketAddr,
    handshakes: Arc<Semaphore>,
) {
    let accepted = Instant::now();
    let snapshot = state.snapshot();
    let established = tokio::select! {
        established = handshake(socket, &snapshot, &handshakes) => established,
        () = state.draining.cancelled() => Err(Refused::draining().into()),
    };
    match established {
        Ok(established) => {
            serve_established(state, &snapshot, established, address, accepted).await;
        }
        Err(HandshakeEnd::Silent) => {}
        Err(HandshakeEnd::Refused(refused)) => {
            write_refused(&state, &refused, address, accepted).await;
            refused.linger().await;
        }
    }
}

async fn serve_established(
    state: Arc<State>,
    snapshot: &Snapshot,
    established: Established,
    address: SocketAddr,
    accepted: Instant,
) {
    let Established {
        stream,
        scope,
        peer,
        protocol,
    } = established;
    let cut = Arc::new(Cut::default());
    // Registered first, looked up again afterwards: see `registry`.
    let _registered = peer.path().map(|path| state.registry.register(path, &cut));
    let activity = Activity::new();
    let address_ip = address.ip().to_canonical();
    let connection = Arc::new(Connection {
        address: address_ip,
        scope,
        peer,
        cut,
        activity,
    });
    if let Err(refused) = still_accepted(&state, snapshot, &connection) {
        return write_refused(&state, &refused, address, accepted).await;
    }
    let io = Watched {
        io: stream,
        activity: Arc::clone(&connection.activity),
    };
    let limits = &snapshot.settings.limits;
    let result = match protocol {
        Protocol::Http1 => drive_http1(&state, &connection, TokioIo::new(io), limits).await,
        Protocol::Http2 => drive_http2(&state, &connection, TokioIo::new(io), limits).await,
    };
    if let Err(error) = result
        && is_malformed(protocol, &error)
    {
        write_malformed(&state, &connection, &error).await;
    }
}

/// Whether the client broke the protocol, rather than the connection.
fn is_malformed(protocol: Protocol, error: &hyper::Error) -> bool {
    match protocol {
        Protocol::Http1 => error.is_parse(),
        Protocol::Http2 => {
            let first = error.source();
            let mut causes = std::iter::successors(first, |&cause| cause.source());
            first.is_some() && !error.is_timeout() && !causes.any(|cause| cause.is::<io::Error>())
        }
    }
}

/// What happened between the handshake and the registration is caught here.
fn still_accepted(
    state: &State,
    snapshot: &Snapshot,
    connection: &Connection,
) -> Result<(), Box<Refused>> {
    let Some(path) = connection.peer.path() else {
        return Ok(());
    };
    let current = state.snapshot();
    let gate = current.gate.load();
    let outcome = if current.generation == snapshot.generation {
        gate.recheck(path, UnixTime::now())
    } else {
        gate.recheck_trust(path, UnixTime::now())
    };
    outcome.map_err(|rejection| {
        let identity = connection.peer.identity().cloned().map(Box::new);
        Box::new(Refused::rejected(&rejection, identity))
    })
}

type Io = TokioIo<Watched<tokio_rustls::server::TlsStream<TcpStream>>>;

async fn drive_http1(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    io: Io,
    limits: &Limits,
) -> hyper::Result<()> {
    let max_header = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
    let service = service_fn(|request| serve_request(state, connection, request));
    let driven = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(max_header)
        .half_close(false)
        .serve_connection(io, service);
    let graceful = http1::Connection::graceful_shutdown;
    let patience = Patience::Http1 {
        idle: limits.idle_timeout,
        head: limits.header_timeout,
    };
    drive(driven, graceful, state, connection, limits, patience).await
}

async fn drive_http2(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    io: Io,
    limits: &Limits,
) -> hyper::Result<()> {
    // The streams are tasks of their own: they carry what they need with them.
    let (shared, own) = (Arc::clone(state), Arc::clone(connection));
    let service = service_fn(move |request| {
        let (state, connection) = (Arc::clone(&shared), Arc::clone(&own));
        async move { serve_request(&state, &connection, request).await }
    });
    let executor = CutExecutor {
        cut: Arc::clone(&connection.cut),
        tasks: state.tasks.clone(),
    };
    let driven = http2::Builder::new(executor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(limits.max_header_bytes)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .serve_connection(io, service);
    let graceful = http2::Connection::graceful_shutdown;
    let patience = Patience::Http2 {
        idle: limits.idle_timeout,
    };
    drive(driven, graceful, state, connection, limits, patience).await
}

async fn serve_request(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    Ok(crate::answer(state, connection, request).await)
}

/// Runs the connection until it ends by itself or there is a reason to end it.
///
/// Cut: at once, with everything in flight. Age and drain: no new requests, running ones finish,
/// within the drain or another life time.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    driven: C,
    graceful: impl Fn(Pin<&mut C>),
    state: &State,
    connection: &Connection,
    limits: &Limits,
    patience: Patience,
) -> hyper::Result<()> {
    tokio::pin!(driven);
    let closing = async {
        tokio::select! {
            () = state.draining.cancelled() => {}
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
            () = connection.cut.cancelled() => return Ok(()),
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

/// Runs the tasks of one HTTP/2 connection; they end with it.
#[derive(Clone)]
struct CutExecutor {
    cut: Arc<Cut>,
    tasks: TaskTracker,
}

impl<F: Future + Send + 'static> Executor<F> for CutExecutor {
    fn execute(&self, future: F) {
        let cut = Arc::clone(&self.cut);
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _output = future => {}
            }
        });
    }
}

/// Without room for its event a refused handshake is dropped like any other, and counted.
async fn write_refused(state: &State, refused: &Refused, address: SocketAddr, accepted: Instant) {
    let Ok(room) = state.log.room().await else {
        return;
    };
    let address = address.ip().to_canonical();
    let id = RequestId::random();
    let mut record = Record::open(room, RecordKind::Handshake, id, address, None);
    record.began(accepted);
    if let Some(host) = &refused.host {
        record.host(host);
    }
    if let Some(leaf) = &refused.leaf {
        record.certificate(leaf);
    }
    record.refused(refused.reason, &refused.detail);
    record.finish();
}

/// hyper answers what is no HTTP by itself; the event is ours all the same.
async fn write_malformed(state: &State, connection: &Connection, error: &hyper::Error) {
    let Ok(room) = state.log.room().await else {
        return;
    };
    let id = RequestId::random();
    let kind = RecordKind::Request;
    let mut record = Record::open(room, kind, id, connection.address, None);
    if let Some(identity) = connection.peer.identity() {
        record.certificate(identity);
    }
    record.refused("malformed_request", &error.to_string());
    record.finish();
}

const MAX_HEADERS: usize = 100;
const MAX_STREAMS: u32 = 128;
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 256;
const SEND_BUFFER: usize = 256 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client that was told to leave: long enough to read GOAWAY, no longer.
const GRACE: Duration = Duration::from_secs(1);
