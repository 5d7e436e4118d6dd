//! One application's upstream. Takes a [`Permitted`] request and nothing else.

use std::time::Duration;

use http::uri::{PathAndQuery, Scheme as UriScheme};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Permitted, Scheme, Upstream, UpstreamGroup};

use super::connect::Connector;
use super::error::{Stage, UpstreamError};
use super::tls::UpstreamTls;
use crate::body::{Progress, RequestBody};
use crate::headers::{self, Assertions, Framing};
use crate::settings::Limits;
use crate::tls::ALPN_HTTP11;
use crate::tunnel::Ends;
use crate::websocket::{self, Disagreement, Handshake};

/// An application's upstream, with the connections to it that are used again.
pub(crate) struct Group {
    definition: UpstreamGroup,
    tls: Option<UpstreamTls>,
    client: Client<Connector, RequestBody>,
    connect_within: Duration,
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

impl Group {
    /// No connection is made before one is needed.
    pub(super) fn new(
        definition: UpstreamGroup,
        tls: Option<UpstreamTls>,
        limits: &Limits,
    ) -> Self {
        let connector = Connector::new(tls.as_ref(), &[ALPN_HTTP11], limits.connect_timeout);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        Self {
            definition,
            tls,
            client,
            connect_within: limits.connect_timeout,
            answer_within: limits.upstream_timeout,
            body_within: limits.idle_timeout,
        }
    }

    /// Whether the other is made of the same, so that its connections can live on.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (Some(one), Some(other)) => one.is_as(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_tls
            && self.definition == other.definition
            && self.connect_within == other.connect_within
            && self.answer_within == other.answer_within
            && self.body_within == other.body_within
    }

    /// Sends a permitted request on; the answer's head is ready to go out.
    pub(crate) async fn forward(
        &self,
        permitted: Permitted<Request<Incoming>>,
        handshake: Option<&Handshake>,
        assertions: &Assertions<'_>,
    ) -> Result<Forwarded, UpstreamError> {
        let upstream = self.definition.server();
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
                response.map_err(|error| {
                    let stage = if error.is_connect() {
                        Stage::Connecting
                    } else {
                        Stage::Exchanging
                    };
                    let client = progress.failure().map(UpstreamError::ClientBody);
                    client.unwrap_or_else(|| UpstreamError::of(&error, stage, upstream))
                })
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
        .scheme(match upstream.scheme() {
            Scheme::Http => UriScheme::HTTP,
            Scheme::Https => UriScheme::HTTPS,
        })
        .authority(upstream.authority())
        .path_and_query(path)
        .build()
        .expect("a parsed upstream and a parsed path make a URI")
}

/// Shorter than the keep-alive of common servers, so that they seldom close under our request.
const POOL_IDLE: Duration = Duration::from_secs(15);
