//! One connection from its handshake to its end: drive HTTP, and know every reason to stop.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_policy::ClientAuth;
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::activity::{Activity, Patience, Watched};
use crate::body::AnswerBody;
use crate::cloudflare::CloudflarePeer;
use crate::event::{Record, RecordKind, RequestId};
use crate::handshake::{Established, HandshakeEnd, Protocol, Refused, handshake};
use crate::listener::Socket;
use crate::peer::{Connection, Peer};
use crate::registry::{Cut, CutReason, Subject};
use crate::settings::Limits;
use crate::state::{Snapshot, State};
use crate::tls::Transport;

/// Serves one accepted socket.
pub(crate) async fn serve(
    state: Arc<State>,
    socket: Socket,
    address: IpAddr,
    handshakes: Arc<Semaphore>,
) {
    let accepted = Instant::now();
    let snapshot = state.snapshot();
    if let Err(refused) = may_connect(&snapshot, address) {
        return write_refused(&state, &refused, address, accepted).await;
    }
    match (socket, &snapshot.settings.behind_cloudflare) {
        (Socket::Tcp(socket), Some(front)) if matches!(snapshot.transport, Transport::Plain) => {
            let established = plain(socket, &front.peer);
            serve_established(state, &snapshot, established, address, accepted).await;
        }
        (Socket::Unix(socket), Some(front)) if matches!(snapshot.transport, Transport::Plain) => {
            let established = plain(socket, &front.peer);
            serve_established(state, &snapshot, established, address, accepted).await;
        }
        (Socket::Tcp(socket), Some(_) | None) => {
            serve_tls(state, &snapshot, socket, address, accepted, &handshakes).await;
        }
        // The configuration changed, and what it listens on cannot without a restart.
        (Socket::Unix(_), Some(_) | None) => {
            let refused = Refused::not_cloudflare("only a tunnel connects to a Unix socket");
            write_refused(&state, &refused, address, accepted).await;
        }
    }
}

/// Asked before the first octet is read.
fn may_connect(snapshot: &Snapshot, address: IpAddr) -> Result<(), Refused> {
    match &snapshot.settings.behind_cloudflare {
        Some(front) if !front.peer.admits(address) => {
            let detail = format!("{address} is not an address that may connect");
            Err(Refused::not_cloudflare(detail))
        }
        Some(_) | None => Ok(()),
    }
}

/// A connection of `cloudflared`, which speaks HTTP/1.1 where there is no TLS.
fn plain<S>(stream: S, peer: &Arc<CloudflarePeer>) -> Established<S> {
    Established {
        stream,
        scope: ClientAuth::Requested,
        peer: Peer::Cloudflare(Arc::clone(peer)),
        protocol: Protocol::Http1,
    }
}

async fn serve_tls(
    state: Arc<State>,
    snapshot: &Snapshot,
    socket: TcpStream,
    address: IpAddr,
    accepted: Instant,
    handshakes: &Semaphore,
) {
    let established = tokio::select! {
        established = handshake(socket, snapshot, handshakes) => established,
        () = state.draining.cancelled() => Err(Refused::draining().into()),
    };
    match established {
        Ok(established) => {
            serve_established(state, snapshot, established, address, accepted).await;
        }
        Err(HandshakeEnd::Silent) => {}
        Err(HandshakeEnd::Refused(refused)) => {
            write_refused(&state, &refused, address, accepted).await;
            refused.linger().await;
        }
    }
}

async fn serve_established<S>(
    state: Arc<State>,
    snapshot: &Snapshot,
    established: Established<S>,
    address: IpAddr,
    accepted: Instant,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Established {
        stream,
        scope,
        peer,
        protocol,
    } = established;
    let cut = Arc::new(Cut::default());
    // Registered first, looked up again afterwards: see `registry`.
    let subject = peer.path().map(|path| Subject::Path(Arc::clone(path)));
    let _registered = subject.map(|subject| state.registry.register(subject, &cut));
    let activity = Activity::new();
    let connection = Arc::new(Connection {
        address,
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

type Io<S> = TokioIo<Watched<S>>;

async fn drive_http1<S>(
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
        running.send_replace(Arc::clone(&cut));
        serve_request(state, connection, cut, request)
    });
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
    let cut = cut_of_latest(cuts);
    drive(driven, graceful, state, connection, cut, limits, patience).await
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

async fn drive_http2<S>(
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
/// within the drain or another life time.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    driven: C,
    graceful: impl Fn(Pin<&mut C>),
    state: &State,
    connection: &Connection,
    cut: impl Future<Output = ()>,
    limits: &Limits,
    patience: Patience,
) -> hyper::Result<()> {
    tokio::pin!(driven, cut);
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

/// Without room for its event a refused handshake is dropped like any other, and counted.
async fn write_refused(state: &State, refused: &Refused, address: IpAddr, accepted: Instant) {
    let Ok(room) = state.log.room().await else {
        return;
    };
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
