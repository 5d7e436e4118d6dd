//! Bodies in both directions: streamed, never collected, and the end of one noticed.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::activity::InFlight;
use crate::event::Record;
use crate::headers;
use crate::moved::Moved;
use crate::registry::Registered;

/// What becomes of a client's trailers.
#[derive(Clone, Copy)]
pub(crate) enum Trailers {
    /// HTTP/1.1 upstreams merge them into headers, or choke.
    End,
    Pass,
}

/// A client's body on its way to the upstream.
pub(crate) struct RequestBody {
    /// None: an empty one, in place of another empty one that went to a server that is not there.
    inner: Option<Incoming>,
    trailers: Trailers,
    patience: Duration,
    /// None until something is waited for: most requests have no body.
    deadline: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
}

/// How far the client's body has come, for whoever waits for the upstream's answer.
pub(crate) struct Progress {
    moved: Moved,
    failure: OnceLock<ClientBodyError>,
}

/// Why a client's body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientBodyError {
    #[error("the client stopped sending its request body")]
    Idle,
    #[error("the client's request body broke off")]
    Broken,
}

impl RequestBody {
    /// Passes the body on, as long as something arrives within `patience`.
    pub(crate) fn new(
        inner: Option<Incoming>,
        trailers: Trailers,
        patience: Duration,
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress {
            moved: Moved::new(),
            failure: OnceLock::new(),
        });
        (
            Self {
                inner,
                trailers,
                patience,
                deadline: None,
                progress: Arc::clone(&progress),
            },
            progress,
        )
    }

    fn fail(&self, error: ClientBodyError) -> ClientBodyError {
        *self.progress.failure.get_or_init(|| error)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        loop {
            let Some(inner) = &mut self.inner else {
                return Poll::Ready(None);
            };
            let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) else {
                let patience = self.patience;
                let deadline = self
                    .deadline
                    .get_or_insert_with(|| Box::pin(sleep(patience)));
                ready!(deadline.as_mut().poll(cx));
                return Poll::Ready(Some(Err(self.fail(ClientBodyError::Idle))));
            };
            self.progress.moved.now();
            let last = Instant::now() + self.patience;
            if let Some(deadline) = &mut self.deadline {
                deadline.as_mut().reset(last);
            }
            match frame {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(self.fail(ClientBodyError::Broken)))),
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(frame)) => match self.trailers {
                    Trailers::End => {}
                    Trailers::Pass => return Poll::Ready(Some(Ok(prepared(frame)))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let empty = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(empty, Incoming::size_hint)
    }
}

impl Progress {
    /// Returns once the body has not moved for this long.
    pub(crate) async fn rested(&self, patience: Duration) {
        self.moved.rested(patience).await;
    }

    /// Why it ended early, if it did.
    pub(crate) fn failure(&self) -> Option<ClientBodyError> {
        self.failure.get().copied()
    }
}

/// The body of an answer; carries the request's record to its end.
pub(crate) struct AnswerBody {
    source: Source,
    /// What is left of a frame that is too large to be handed out at once.
    rest: Bytes,
    record: Option<Record>,
    request: InFlight,
    /// Where a revocation finds the request, until its answer is out.
    _registered: Option<Registered>,
}

/// Where an answer comes from.
pub(crate) enum Source {
    Own(Full<Bytes>),
    Upstream(Incoming),
}

impl AnswerBody {
    /// Sends `source`; the record is finished when its last octet is taken. There is none where
    /// the event log is stalled, which is what the answer says then.
    pub(crate) fn new(
        source: Source,
        record: Option<Record>,
        request: InFlight,
        registered: Option<Registered>,
    ) -> Self {
        request.offers();
        Self {
            source,
            rest: Bytes::new(),
            record,
            request,
            _registered: registered,
        }
    }

    /// The next piece, at most [`PIECE`]: a slow client takes small ones often enough to be told
    /// from one that takes nothing.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.rest.is_empty() {
            let frame = match &mut self.source {
                Source::Own(body) => ready!(Pin::new(body).poll_frame(cx))
                    .map(|frame| frame.map_err(|never| match never {})),
                Source::Upstream(body) => ready!(Pin::new(body).poll_frame(cx)),
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Ok(Ok(data))) => self.rest = data,
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn finish(&mut self) {
        if let Some(record) = self.record.take() {
            record.finish();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.request.taken();
        let frame = ready!(self.poll_piece(cx));
        self.request.offers();
        Poll::Ready(match frame {
            None => {
                self.finish();
                None
            }
            Some(Ok(frame)) => Some(Ok(filtered(frame))),
            Some(Err(error)) => {
                if let Some(record) = &mut self.record {
                    record.failed("upstream_aborted", &error.to_string());
                }
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        let ended = match &self.source {
            Source::Own(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
        };
        ended && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = match &self.source {
            Source::Own(body) => body.size_hint(),
            Source::Upstream(body) => body.size_hint(),
        };
        with_more(&hint, u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for AnswerBody {
    // With a known length hyper takes the last octet and never asks for the end. In HTTP/2 it may
    // hold that octet until the client's window opens; after a cut nobody knows.
    fn drop(&mut self) {
        if self.is_end_stream() && !self.record.as_ref().is_some_and(Record::is_cut) {
            self.finish();
        }
    }
}

/// The hint for a body that begins with `more` octets.
fn with_more(hint: &SizeHint, more: u64) -> SizeHint {
    let mut sum = SizeHint::new();
    sum.set_lower(hint.lower().saturating_add(more));
    if let Some(upper) = hint.upper() {
        sum.set_upper(upper.saturating_add(more));
    }
    sum
}

/// A client cannot speak with our voice in trailers either.
fn prepared(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::prepare_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

/// Trailers are headers: ours are not to be set by an upstream there either.
fn filtered(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            headers::strip_identity(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

const PIECE: usize = 16 * 1024;
