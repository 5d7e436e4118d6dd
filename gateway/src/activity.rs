//! What a connection is doing, for the watchdog that ends idle and stalled ones.
//!
//! hyper has no idle timeout and TLS hides who is slow, so the octets are watched here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The clock marks of one connection. Marks are milliseconds since it began, plus one; 0 is none.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    requests: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    blocked_since: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
        })
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        InFlight(Arc::clone(self))
    }

    /// Returns once the connection has been idle, stuck in a request's head, or stuck in sending,
    /// for longer than it may be.
    pub(crate) async fn worn_out(&self, idle: Duration, head: Option<Duration>) {
        let slice = head.map_or(idle, |head| head.min(idle));
        loop {
            let now = self.mark();
            let head = head.unwrap_or(idle);
            let due = [
                self.expired(&self.idle_since, now, idle)
                    && self.requests.load(Ordering::Acquire) == 0,
                self.expired(&self.head_since, now, head),
                self.expired(&self.blocked_since, now, idle),
            ];
            if due.contains(&true) {
                return;
            }
            tokio::time::sleep(slice).await;
        }
    }

    fn expired(&self, since: &AtomicU64, now: u64, limit: Duration) -> bool {
        let since = since.load(Ordering::Acquire);
        since != 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis()
    }

    fn mark(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    fn has_read(&self) {
        if self.requests.load(Ordering::Acquire) == 0
            && self.head_since.load(Ordering::Acquire) == 0
        {
            self.head_since.store(self.mark(), Ordering::Release);
        }
    }

    fn has_written(&self, blocked: bool) {
        if !blocked {
            self.blocked_since.store(0, Ordering::Release);
        } else if self.blocked_since.load(Ordering::Acquire) == 0 {
            self.blocked_since.store(self.mark(), Ordering::Release);
        }
    }
}

/// One request in flight.
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.mark(), Ordering::Release);
        self.0.head_since.store(0, Ordering::Release);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A stream whose octets are noticed.
pub(crate) struct Watched<IO> {
    pub(crate) io: IO,
    pub(crate) activity: Arc<Activity>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.has_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.activity.has_written(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.activity.has_written(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.activity.has_written(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn an_idle_connection_wears_out() {
        let activity = Activity::new();
        tokio::time::timeout(Duration::from_secs(20), activity.worn_out(IDLE, None))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_request_in_flight_keeps_it_alive() {
        let activity = Activity::new();
        let request = activity.begin();
        let waiting = tokio::time::timeout(IDLE * 5, activity.worn_out(IDLE, None)).await;
        assert!(waiting.is_err());
        drop(request);
        tokio::time::timeout(Duration::from_secs(20), activity.worn_out(IDLE, None))
            .await
            .unwrap();
    }
}
