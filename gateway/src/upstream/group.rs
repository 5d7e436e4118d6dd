//! To the upstream and back. Takes a [`Permitted`] request and nothing else.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Permitted, Upstream};

use crate::body::{ClientBodyError, Progress, RequestBody};
use crate::headers::{self, Assertions, Framing};
use crate::settings::Limits;
use crate::tunnel::Ends;
use crate::websocket::{self, Disagreement, Handshake};

/// Connections to upstreams, reused between requests.
#[derive(Clone)]
pub(crate) struct Upstreams {
    client: Client<HttpConnector, RequestBody>,
    answer_within: Duration,
    body_within: Duration,
}

/// What an upstream made of a request.
pub(crate) enum Forwarded {
    /// An answer: its head, and its body as it comes.
    Answer(Response<Incoming>),
    /// It agreed to a WebSocket.
    Switched(Response<()>, Ends),
}

/// Why a permitted request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("cannot connect to the upstream {upstream}: {reason}")]
    Unreachable { upstream: String, reason: String },
    #[error("the upstream {upstream} did not accept the connection in time")]
    ConnectTimeout { upstream: String },
    #[error("the upstream {upstream} did not answer within {seconds} s")]
    AnswerTimeout { upstream: String, seconds: u64 },
    #[error("the upstream {upstream} gave no usable answer: {reason}")]
    Failed { upstream: String, reason: String },
    #[error("the upstream {upstream} switched protocols, but {why}")]
    SwitchedProtocols { upstream: String, why: Disagreement },
    #[error("{0}")]
    ClientBody(ClientBodyError),
}

impl Upstreams {
    /// An empty pool.
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.connect_timeout));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        let body_within = limits.idle_timeout;
        Self {
            client,
            answer_within: limits.upstream_timeout,
            body_within,
        }
    }

    /// Sends a permitted request on; the answer's head is ready to go out.
    pub(crate) async fn forward(
        &self,
        permitted: Permitted<Request<Incoming>>,
        handshake: Option<&Handshake>,
        upstream: &Upstream,
        assertions: &Assertions<'_>,
    ) -> Result<Forwarded, UpstreamError> {
        let mut request = permitted.into_inner();
        let client = hyper::upgrade::on(&mut request);
        let framing = if request.body().is_end_stream() {
            Framing::NoBody
        } else {
            Framing::Body
        };
        headers::prepare_request(request.headers_mut(), framing, assertions);
        if handshake.is_some() {
            websocket::nominate(request.headers_mut());
        }
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = upstream_uri(request.uri(), upstream);
        let (parts, body) = request.into_parts();
        let (body, progress) = RequestBody::new(body, self.body_within);
        let mut response = self
            .answer(Request::from_parts(parts, body), &progress, upstream)
            .await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            headers::prepare_response(response.headers_mut());
            return Ok(Forwarded::Answer(response));
        }
        handshake
            .ok_or(Disagreement::Unasked)
            .and_then(|handshake| handshake.agrees(response.headers()))
            .map_err(|why| UpstreamError::SwitchedProtocols {
                upstream: upstream.authority(),
                why,
            })?;
        Ok(switched(response, client))
    }

    /// Waits for the answer's head. The time a client takes to send its body does not count.
    async fn answer(
        &self,
        request: Request<RequestBody>,
        progress: &Progress,
        upstream: &Upstream,
    ) -> Result<Response<Incoming>, UpstreamError> {
        tokio::select! {
            response = self.client.request(request) => {
                response.map_err(|error| explain(&error, progress, upstream))
            }
            () = progress.rested(self.answer_within) => Err(UpstreamError::AnswerTimeout {
                upstream: upstream.authority(),
                seconds: self.answer_within.as_secs(),
            }),
        }
    }
}

/// What goes out for an upstream's 101, and the two connections it is about.
fn switched(mut response: Response<Incoming>, client: OnUpgrade) -> Forwarded {
    let upstream = hyper::upgrade::on(&mut response);
    headers::prepare_response(response.headers_mut());
    websocket::nominate(response.headers_mut());
    Forwarded::Switched(response.map(|_no_body| ()), Ends { client, upstream })
}

/// The path and query as they were received: what policy looked at is what is forwarded.
fn upstream_uri(uri: &Uri, upstream: &Upstream) -> Uri {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(upstream.authority())
        .path_and_query(path)
        .build()
        .expect("a parsed upstream and a parsed path make a URI")
}

fn explain(
    error: &hyper_util::client::legacy::Error,
    progress: &Progress,
    upstream: &Upstream,
) -> UpstreamError {
    if let Some(failure) = progress.failure() {
        return UpstreamError::ClientBody(failure);
    }
    let upstream = upstream.authority();
    let mut reason = error.to_string();
    let mut timed_out = false;
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        timed_out |= cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        source = cause.source();
    }
    match (error.is_connect(), timed_out) {
        (true, true) => UpstreamError::ConnectTimeout { upstream },
        (true, false) => UpstreamError::Unreachable { upstream, reason },
        (false, _) => UpstreamError::Failed { upstream, reason },
    }
}

/// Shorter than the keep-alive of common servers, so that they seldom close under our request.
const POOL_IDLE: Duration = Duration::from_secs(15);
