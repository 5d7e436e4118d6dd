//! A WebSocket after its handshake: octets both ways, unread, until one side ends or it is cut.
//!
//! It is the last request of its connection, and runs where the connection ran: under the same
//! registration, the same limits and the same cut.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use crate::activity::InFlight;
use crate::event::Record;
use crate::moved::Moved;
use crate::registry::{Cut, CutReason, Registered};

/// Both connections of an agreed handshake, as soon as HTTP lets go of them.
pub(crate) struct Ends {
    pub(crate) client: OnUpgrade,
    pub(crate) upstream: OnUpgrade,
}

/// A WebSocket that is open, and everything that lasts until its end.
pub(crate) struct Tunnel {
    pub(crate) ends: Ends,
    pub(crate) cut: Arc<Cut>,
    /// Written at the end, whichever it is.
    pub(crate) record: Record,
    /// Keeps the connection from being taken for an idle one.
    pub(crate) in_flight: InFlight,
    /// Where a revocation finds it, where the connection is shared.
    pub(crate) registered: Option<Registered>,
}

/// Where a connection's driver finds the tunnel that its last request opened.
#[derive(Default)]
pub(crate) struct TunnelSlot(Mutex<Option<Tunnel>>);

impl TunnelSlot {
    /// Leaves the tunnel for the driver.
    pub(crate) fn put(&self, tunnel: Tunnel) {
        *self.lock() = Some(tunnel);
    }

    /// The tunnel, if one was opened.
    pub(crate) fn take(&self) -> Option<Tunnel> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Tunnel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a tunnel ends by itself.
enum End {
    /// One side closed its direction, and the other was told.
    Closed,
    ClientGone,
    UpstreamBroke(io::Error),
    Silent,
}

impl Tunnel {
    /// Copies until the end, or until nothing has moved for `patience`, and writes the record.
    /// Dropped before, the record says why.
    pub(crate) async fn run(self, patience: Duration) {
        let Self {
            ends,
            cut,
            mut record,
            in_flight: _in_flight,
            registered: _registered,
        } = self;
        // An error is the client's: it left before the 101 was out.
        let Ok((client, upstream)) = tokio::try_join!(ends.client, ends.upstream) else {
            return;
        };
        match copy_both(client, upstream, patience).await {
            End::Closed => record.finish(),
            End::ClientGone => {}
            End::UpstreamBroke(error) => record.failed("upstream_aborted", &error.to_string()),
            End::Silent => {
                cut.now(CutReason::Idle);
            }
        }
    }
}

/// One direction's end is the tunnel's: WebSocket says goodbye in frames, before either side closes.
async fn copy_both(client: Upgraded, upstream: Upgraded, patience: Duration) -> End {
    let moved = Moved::new();
    let (mut from_client, mut to_client) = split(TokioIo::new(client));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    tokio::select! {
        ended = copy(&mut from_client, &mut to_upstream, &moved) => match ended {
            Ok(()) => End::Closed,
            Err(Broken::Reading(_)) => End::ClientGone,
            Err(Broken::Writing(error)) => End::UpstreamBroke(error),
        },
        ended = copy(&mut from_upstream, &mut to_client, &moved) => match ended {
            Ok(()) => End::Closed,
            Err(Broken::Reading(error)) => End::UpstreamBroke(error),
            Err(Broken::Writing(_)) => End::ClientGone,
        },
        () = moved.rested(patience) => End::Silent,
    }
}

/// Which end of a direction broke.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

/// One direction to its end, in a buffer of fixed size: a slow reader holds the writer back.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    moved: &Moved,
) -> Result<(), Broken> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await.map_err(Broken::Reading)?;
        if count == 0 {
            return to.shutdown().await.map_err(Broken::Writing);
        }
        moved.now();
        let octets = buffer.get(..count).unwrap_or_default();
        to.write_all(octets).await.map_err(Broken::Writing)?;
        to.flush().await.map_err(Broken::Writing)?;
        moved.now();
    }
}

const BUFFER: usize = 16 * 1024;
