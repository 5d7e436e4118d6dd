//! One connection from its socket to its end.

use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper_util::rt::TokioIo;
use postern_policy::ClientAuth;
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;

use crate::activity::{Activity, Watched};
use crate::arrival::arrive;
use crate::cloudflare::CloudflarePeer;
use crate::drive::{UNDER_WAY, drive_http1, drive_http2};
use crate::event::{Record, RecordKind, RequestId};
use crate::handshake::{Established, HandshakeEnd, Protocol, Refused, handshake};
use crate::listener::Socket;
use crate::peer::{Connection, Peer};
use crate::registry::{Cut, Subject};
use crate::state::{Snapshot, State};
use crate::tls::Transport;
use crate::tunnel::TunnelSlot;

/// Serves one accepted socket.
pub(crate) async fn serve(
    state: Arc<State>,
    mut socket: Socket,
    peer: IpAddr,
    handshakes: Arc<Semaphore>,
) {
    let accepted = Instant::now();
    let snapshot = state.snapshot();
    let deadline = accepted + snapshot.settings.limits.handshake_timeout;
    let arrival = tokio::select! {
        arrival = arrive(&state, &snapshot, &mut socket, peer, deadline.into()) => arrival,
        () = draining(&state) => Err(Refused::draining().into()),
    };
    let arrival = match arrival {
        Ok(arrival) => arrival,
        Err(end) => return turn_away(&state, end, peer, accepted).await,
    };
    let address = arrival.address;
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
            let shaking = handshake(socket, &snapshot, &handshakes, deadline.into());
            let established = tokio::select! {
                // Boxed, as what serves is: what one needs is not kept through the next.
                established = Box::pin(shaking) => established,
                () = draining(&state) => Err(Refused::draining().into()),
            };
            serve_tls(state, &snapshot, established, address, accepted).await;
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
    established: Result<Established<Box<TlsStream<TcpStream>>>, HandshakeEnd>,
    address: IpAddr,
    accepted: Instant,
) {
    match established {
        Ok(established) => {
            let client = established.peer.identity();
            let now = UnixTime::now().as_secs();
            state.metrics.handshake(accepted.elapsed(), client, now);
            serve_established(state, snapshot, established, address, accepted).await;
        }
        Err(end) => turn_away(&state, end, address, accepted).await,
    }
}

async fn turn_away(state: &State, end: HandshakeEnd, address: IpAddr, accepted: Instant) {
    match end {
        HandshakeEnd::Silent => {}
        HandshakeEnd::Refused(refused) => {
            write_refused(state, &refused, address, accepted).await;
            Box::pin(refused.linger()).await;
        }
    }
}

/// A drain, and time enough for whoever was let in before it.
async fn draining(state: &State) {
    state.draining.cancelled().await;
    tokio::time::sleep(UNDER_WAY).await;
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
    let _open = state.metrics.open_connection();
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
        tunnel: TunnelSlot::default(),
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
        Protocol::Http1 => {
            Box::pin(drive_http1(&state, &connection, TokioIo::new(io), limits)).await
        }
        Protocol::Http2 => {
            Box::pin(drive_http2(&state, &connection, TokioIo::new(io), limits)).await
        }
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
    state
        .recheck(path, snapshot, UnixTime::now())
        .map_err(|rejection| {
            let identity = connection.peer.identity().cloned().map(Box::new);
            Box::new(Refused::rejected(&rejection, identity))
        })
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
