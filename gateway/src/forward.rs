//! To the upstream and back. Takes a [`Permitted`] request and nothing else.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Permitted, Upstream};

use crate::body::{ClientBodyError, Progress, RequestBody};
use crate::headers::{self, Assertions, Framing};
use crate::settings::Limits;

/// Connections to upstreams, reused between requests.
#[derive(Clone)]
pub(crate) struct Upstreams {
    client: Client<HttpConnector, RequestBody>,
    answer_within: Duration,
    body_within: Duration,
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
    #[error("the upstream {upstream} wanted to switch protocols")]
    SwitchedProtocols { upstream: String },
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
        upstream: &Upstream,
        assertions: &Assertions<'_>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = permitted.into_inner();
        let framing = if request.body().is_end_stream() {
            Framing::NoBody
        } else {
            Framing::Body
        };
        headers::prepare_request(request.headers_mut(), framing, assertions);
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = upstream_uri(request.uri(), upstream);
        let (parts, body) = request.into_parts();
        let (body, progress) = RequestBody::new(body, self.body_within);
        let mut response = self
            .answer(Request::from_parts(parts, body), &progress, upstream)
            .await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::SwitchedProtocols {
                upstream: upstream.authority(),
            });
        }
        headers::prepare_response(response.headers_mut());
        Ok(response)
    }

    /// Waits for the answer's head. The time a client takes to send its body does not count.
    async fn answer(
        &self,
        request: Request<RequestBody>,
        progress: &Progress,
        upstream: &Upstream,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let response = self.client.request(request);
        tokio::pin!(response);
        loop {
            let moved = progress.last();
            tokio::select! {
                response = &mut response => {
                    return response.map_err(|error| explain(&error, progress, upstream));
                }
                () = tokio::time::sleep_until(moved + self.answer_within) => {
                    if progress.last() == moved {
                        let seconds = self.answer_within.as_secs();
                        let upstream = upstream.authority();
                        return Err(UpstreamError::AnswerTimeout { upstream, seconds });
                    }
                }
            }
        }
    }
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
