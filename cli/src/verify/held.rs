//! A connection that stops in the middle of its handshake, until it is let go on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Sends what comes before the peer's first octets, and holds back what comes after them: of a
/// handshake, the client's certificate.
pub(crate) struct Held {
    stream: TcpStream,
    peer_spoke: bool,
    reached: Option<oneshot::Sender<()>>,
    release: Option<oneshot::Receiver<()>>,
}

/// The other end of a held connection.
pub(crate) struct Hold {
    /// Resolves when the connection is being held.
    pub(crate) reached: oneshot::Receiver<()>,
    /// Lets it go on.
    pub(crate) release: oneshot::Sender<()>,
}

impl Held {
    pub(crate) fn new(stream: TcpStream) -> (Self, Hold) {
        let (reached_sender, reached) = oneshot::channel();
        let (release, release_receiver) = oneshot::channel();
        let held = Self {
            stream,
            peer_spoke: false,
            reached: Some(reached_sender),
            release: Some(release_receiver),
        };
        (held, Hold { reached, release })
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.peer_spoke = true;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.peer_spoke
            && let Some(release) = &mut self.release
        {
            let released = Pin::new(release).poll(cx).is_ready();
            if let Some(reached) = self.reached.take() {
                // Nobody needs to be waiting.
                reached.send(()).unwrap_or_default();
            }
            if !released {
                return Poll::Pending;
            }
            self.release = None;
        }
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
