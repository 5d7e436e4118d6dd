//! Who the handshake established, once per connection.

use std::net::IpAddr;
use std::sync::Arc;

use postern_pki::VerifiedPath;
use postern_policy::{CertificateIdentity, ClientAuth};

use crate::activity::{Activity, InFlight};
use crate::cloudflare::CloudflarePeer;
use crate::registry::Cut;
use crate::tunnel::TunnelSlot;

/// The other end: a verified certificate, Cloudflare, or nobody in particular. A bad certificate is neither:
/// it ended the handshake.
#[derive(Clone)]
pub(crate) enum Peer {
    Certificate(Arc<VerifiedPath>),
    /// Checked as this says. Many clients: nothing that is known of one is kept here.
    Cloudflare(Arc<CloudflarePeer>),
    Anonymous,
}

impl Peer {
    /// The verified path, where there is one.
    pub(crate) fn path(&self) -> Option<&Arc<VerifiedPath>> {
        match self {
            Self::Certificate(path) => Some(path),
            Self::Cloudflare(_) | Self::Anonymous => None,
        }
    }

    /// What rules look at.
    pub(crate) fn identity(&self) -> Option<&CertificateIdentity> {
        self.path().map(|path| &**path.identity())
    }
}

/// What every request of one connection shares.
pub(crate) struct Connection {
    pub(crate) address: IpAddr,
    /// The client-auth mode of the handshake; a host of another one is misdirected.
    pub(crate) scope: ClientAuth,
    pub(crate) peer: Peer,
    pub(crate) cut: Arc<Cut>,
    pub(crate) activity: Arc<Activity>,
    /// Filled by the last request, where that is a WebSocket's handshake.
    pub(crate) tunnel: TunnelSlot,
}

impl Connection {
    /// The wire for the next request: the connection's own, unless other clients are on it too.
    pub(crate) fn request_cut(&self) -> Arc<Cut> {
        match &self.peer {
            Peer::Cloudflare(_) => Arc::new(Cut::of_request_on(&self.cut)),
            Peer::Certificate(_) | Peer::Anonymous => Arc::clone(&self.cut),
        }
    }

    /// Counts a request with this wire until the guard is dropped.
    pub(crate) fn begin(&self, cut: &Arc<Cut>) -> InFlight {
        let is_alone = !Arc::ptr_eq(cut, &self.cut);
        self.activity.begin(is_alone.then(|| Arc::clone(cut)))
    }
}
