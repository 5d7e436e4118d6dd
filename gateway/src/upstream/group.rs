//! One application's upstream. Takes a [`Permitted`] request and nothing else.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Permitted, Upstream, UpstreamGroup};

use super::connect::Connector;
use super::error::{Stage, UpstreamError};
use super::http2::{self, Http2, Link};
use super::tls::UpstreamTls;
use crate::body::{Progress, RequestBody, Trailers};
use crate::headers::{self, Assertions, Framing};
use crate::settings::Limits;
use crate::tls::ALPN_HTTP11;
use crate::tunnel::Ends;
use crate::websocket::{self, Disagreement, Handshake};

/// An application's upstream, with the connections to it that are used again.
pub(crate) struct Group {
    definition: UpstreamGroup,
    tls: Option<UpstreamTls>,
    http1: Client<Connector, RequestBody>,
    http2: Option<Http2>,
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
        let http1 = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        let http2 = Http2::new(&definition, tls.as_ref(), limits.connect_timeout);
        Self {
            definition,
            tls,
            http1,
            http2,
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
        let takes_trailers = http2::takes_trailers(request.headers());
        headers::prepare_request(request.headers_mut(), framing, assertions);
        let link = self.link(handshake).await?;
        let trailers = match &link {
            Link::Http1 => {
                *request.version_mut() = Version::HTTP_11;
                *request.uri_mut() = uri(request.uri(), upstream, &upstream.authority());
                Trailers::End
            }
            Link::Http2(_) => {
                http2::prepare(request.headers_mut(), takes_trailers);
                *request.version_mut() = Version::HTTP_2;
                *request.uri_mut() = uri(request.uri(), upstream, assertions.authority);
                Trailers::Pass
            }
        };
        if handshake.is_some() {
            websocket::nominate(request.headers_mut());
        }
        let (parts, body) = request.into_parts();
        let (body, progress) = RequestBody::new(body, trailers, self.body_within);
        let request = Request::from_parts(parts, body);
        let mut response = self.answer(link, request, &progress).await?;
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

    /// What the next request goes over. A WebSocket begins in HTTP/1.1.
    async fn link(&self, handshake: Option<&Handshake>) -> Result<Link, UpstreamError> {
        match &self.http2 {
            Some(http2) if handshake.is_none() => http2.link().await.map_err(|error| {
                UpstreamError::of(&*error, Stage::Connecting, self.definition.server())
            }),
            Some(_) | None => Ok(Link::Http1),
        }
    }

    /// Waits for the answer's head. The time a client takes to send its body does not count.
    async fn answer(
        &self,
        link: Link,
        request: Request<RequestBody>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let upstream = self.definition.server();
        tokio::select! {
            response = self.send(link, request) => response.map_err(|error| {
                let client = progress.failure().map(UpstreamError::ClientBody);
                client.unwrap_or(error)
            }),
            () = progress.rested(self.answer_within) => Err(UpstreamError::AnswerTimeout {
                upstream: upstream.authority(),
                seconds: self.answer_within.as_secs(),
            }),
        }
    }

    async fn send(
        &self,
        link: Link,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let upstream = self.definition.server();
        match (link, &self.http2) {
            (Link::Http2(sender), Some(http2)) => http2
                .send(sender, request)
                .await
                .map_err(|(error, stage)| UpstreamError::of(&*error, stage, upstream)),
            (Link::Http1 | Link::Http2(_), _) => {
                self.http1.request(request).await.map_err(|error| {
                    let stage = if error.is_connect() {
                        Stage::Connecting
                    } else {
                        Stage::Exchanging
                    };
                    UpstreamError::of(&error, stage, upstream)
                })
            }
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
fn uri(received: &Uri, upstream: &Upstream, authority: &str) -> Uri {
    let path = received
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(upstream.scheme().as_str())
        .authority(authority)
        .path_and_query(path)
        .build()
        .expect("a parsed host and a parsed path make a URI")
}

/// Shorter than the keep-alive of common servers, so that they seldom close under our request.
const POOL_IDLE: Duration = Duration::from_secs(15);
