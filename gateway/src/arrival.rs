//! A connection before anything of its own was read: whose it is, and whether there is room for it.

use std::net::IpAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::handshake::{HandshakeEnd, Refused};
use crate::listener::Socket;
use crate::places::Place;
use crate::proxy_protocol::{self, ProxyHeaderError};
use crate::settings::Settings;
use crate::state::{Snapshot, State};

/// A connection that may go on.
pub(crate) struct Arrival {
    /// The client's, also where a load balancer passed its connection on.
    pub(crate) address: IpAddr,
    /// None where the address is not one client's.
    _place: Option<Place>,
}

/// Finds out whose connection it is, before the deadline of the handshake. One too many of an
/// address is closed, counted, and told together with its like.
pub(crate) async fn arrive(
    state: &State,
    snapshot: &Snapshot,
    socket: &mut Socket,
    peer: IpAddr,
    deadline: Instant,
) -> Result<Arrival, HandshakeEnd> {
    let settings = &snapshot.settings;
    let client = match socket {
        Socket::Tcp(socket) if settings.proxy_protocol.contains(peer) => {
            announced(socket, peer, deadline).await?
        }
        Socket::Tcp(_) => Some(peer),
        Socket::Unix(_) => None,
    };
    let address = client.unwrap_or(peer);
    let limit = settings.limits.max_connections_per_address;
    let place = match client.filter(|client| !stands_for_many(settings, *client)) {
        Some(client) => Some(
            state
                .places
                .take(client, limit)
                .ok_or(HandshakeEnd::Silent)?,
        ),
        None => None,
    };
    Ok(Arrival {
        address,
        _place: place,
    })
}

/// The client that a balancer announces; none where it speaks for itself.
async fn announced(
    socket: &mut TcpStream,
    balancer: IpAddr,
    deadline: Instant,
) -> Result<Option<IpAddr>, HandshakeEnd> {
    match timeout_at(deadline, proxy_protocol::read(socket, balancer)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(ProxyHeaderError::Gone(_))) => Err(HandshakeEnd::Silent),
        Ok(Err(error)) => Err(Refused::proxy_header(&error).into()),
        Err(_elapsed) => Err(Refused::too_slow(None).into()),
    }
}

/// Whether many clients have this address: somebody's who passes their requests on.
fn stands_for_many(settings: &Settings, address: IpAddr) -> bool {
    let front = settings.behind_cloudflare.as_ref();
    settings.forwarded_for.contains(address)
        || front.is_some_and(|front| front.peer.is_known_by(address))
}
