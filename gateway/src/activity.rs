//! What a connection is doing, for the watchdog that ends idle and stalled ones.
//!
//! hyper has no idle timeout and TLS hides who is slow, so the octets are watched here. In HTTP/2
//! octets tell too little: a client may answer every ping and take nothing of an answer, because
//! its window is shut. So it is noticed when an answer's next piece is not taken.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::registry::{Cut, CutReason};

/// The clock marks of one connection. Marks are milliseconds since it began, plus one; 0 is none.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    requests: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    blocked_since: AtomicU64,
    has_begun: AtomicBool,
    /// A handful at most times: as many as streams that run.
    answers: Mutex<Vec<Arc<Answer>>>,
}

/// The answer to one request in flight.
#[derive(Debug)]
struct Answer {
    /// Since when its client could take more of it and does not.
    untaken_since: AtomicU64,
    /// What ends the request alone, where others share the connection.
    alone: Option<Arc<Cut>>,
}

/// What a connection may be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// One request at a time: the octets that arrive between two are the head of the next.
    Http1 { idle: Duration, head: Duration },
    /// Many streams: octets belong to any of them, so no head is timed, but every answer is.
    Http2 { idle: Duration },
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            has_begun: AtomicBool::new(false),
            answers: Mutex::default(),
        })
    }

    /// Counts a request until the guard is dropped. `alone` ends it and nothing else; without it
    /// the connection ends where its answer is not taken.
    pub(crate) fn begin(self: &Arc<Self>, alone: Option<Arc<Cut>>) -> InFlight {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.head_since.store(0, Ordering::Release);
        self.has_begun.store(true, Ordering::Release);
        let answer = Arc::new(Answer {
            untaken_since: AtomicU64::new(0),
            alone,
        });
        self.answers().push(Arc::clone(&answer));
        InFlight {
            activity: Arc::clone(self),
            answer,
        }
    }

    /// Returns once the first request has begun, or has not within this time.
    pub(crate) async fn first_request(&self, within: Duration) {
        let last = Instant::now() + within;
        while !self.has_begun.load(Ordering::Acquire) && Instant::now() < last {
            tokio::time::sleep(FIRST_REQUEST_POLL).await;
        }
    }

    /// Returns once the connection has been idle, stuck in a request's head, stuck in sending, or
    /// has left an answer untaken, for longer than it may.
    pub(crate) async fn worn_out(&self, patience: Patience) {
        let (idle, shortest) = match patience {
            Patience::Http1 { idle, head } => (idle, head.min(idle)),
            Patience::Http2 { idle } => (idle, idle),
        };
        loop {
            let now = self.mark();
            // First of all: a request that ends meanwhile has renewed the marks by then.
            let resting = self.requests.load(Ordering::Acquire) == 0;
            let due = match patience {
                Patience::Http1 { head, .. } => {
                    let in_head = self.head_since.load(Ordering::Acquire) != 0;
                    let (limit, since) = if in_head {
                        (head, &self.head_since)
                    } else {
                        (idle, &self.idle_since)
                    };
                    resting && expired(since, now, limit)
                }
                Patience::Http2 { .. } => {
                    resting && expired(&self.idle_since, now, idle) || self.untaken_for(now, idle)
                }
            };
            if due || expired(&self.blocked_since, now, idle) {
                return;
            }
            tokio::time::sleep(shortest / 2).await;
        }
    }

    /// Whether an answer is left untaken that the connection is to end for.
    fn untaken_for(&self, now: u64, limit: Duration) -> bool {
        let answers = self.answers();
        let mut stalled = answers
            .iter()
            .filter(|answer| expired(&answer.untaken_since, now, limit));
        stalled.any(|answer| match &answer.alone {
            Some(cut) => {
                cut.now(CutReason::Idle);
                false
            }
            None => true,
        })
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Arc<Answer>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
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

fn expired(since: &AtomicU64, now: u64, limit: Duration) -> bool {
    let since = since.load(Ordering::Acquire);
    since != 0 && u128::from(now.saturating_sub(since)) >= limit.as_millis()
}

/// One request in flight.
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    answer: Arc<Answer>,
}

impl InFlight {
    /// A piece of the answer went out, or its head did: the client is to take the next.
    pub(crate) fn offers(&self) {
        let mark = self.activity.mark();
        self.answer.untaken_since.store(mark, Ordering::Release);
    }

    /// The next piece was asked for: whatever is waited for now, it is not the client.
    pub(crate) fn taken(&self) {
        self.answer.untaken_since.store(0, Ordering::Release);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.activity;
        let mut answers = activity.answers();
        if let Some(at) = answers
            .iter()
            .position(|answer| Arc::ptr_eq(answer, &self.answer))
        {
            answers.swap_remove(at);
        }
        drop(answers);
        activity
            .idle_since
            .store(activity.mark(), Ordering::Release);
        activity.head_since.store(0, Ordering::Release);
        activity.requests.fetch_sub(1, Ordering::AcqRel);
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

const FIRST_REQUEST_POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(40);
    const HTTP1: Patience = Patience::Http1 {
        idle: IDLE,
        head: IDLE,
    };
    const HTTP2: Patience = Patience::Http2 { idle: IDLE };

    async fn wears_out(activity: &Activity, patience: Patience) {
        tokio::time::timeout(Duration::from_secs(20), activity.worn_out(patience))
            .await
            .unwrap();
    }

    async fn lasts(activity: &Activity, patience: Patience) {
        let waiting = tokio::time::timeout(IDLE * 5, activity.worn_out(patience)).await;
        assert!(waiting.is_err());
    }

    #[tokio::test]
    async fn an_idle_connection_wears_out() {
        wears_out(&Activity::new(), HTTP1).await;
        wears_out(&Activity::new(), HTTP2).await;
    }

    #[tokio::test]
    async fn a_request_in_flight_keeps_it_alive() {
        for patience in [HTTP1, HTTP2] {
            let activity = Activity::new();
            let request = activity.begin(None);
            lasts(&activity, patience).await;
            drop(request);
            wears_out(&activity, patience).await;
        }
    }

    #[tokio::test]
    async fn no_head_is_timed_while_a_request_runs() {
        for patience in [HTTP1, HTTP2] {
            let activity = Activity::new();
            // Read and not yet counted as a request, then counted: the mark may come late.
            let request = activity.begin(None);
            activity.head_since.store(1, Ordering::Release);
            lasts(&activity, patience).await;
            drop(request);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_wears_an_http2_connection_out() {
        let activity = Activity::new();
        let (stalled, other) = (activity.begin(None), activity.begin(None));
        stalled.offers();
        stalled.taken();
        lasts(&activity, HTTP2).await;
        stalled.offers();
        lasts(&activity, HTTP1).await;
        wears_out(&activity, HTTP2).await;
        drop(other);
    }
}
