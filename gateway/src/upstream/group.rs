//! The upstreams of one application. Takes a [`Permitted`] request and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use postern_policy::{Permitted, UpstreamGroup, UpstreamHealth};

use super::error::UpstreamError;
use super::http2::{self, Link};
use super::server::Server;
use super::tls::UpstreamTls;
use crate::body::{RequestBody, Trailers};
use crate::headers::{self, Assertions, Framing};
use crate::settings::Limits;
use crate::tunnel::Ends;
use crate::websocket::{self, Disagreement, Handshake};

/// The servers that one application's requests go to, in turn.
pub(crate) struct Group {
    definition: UpstreamGroup,
    tls: Option<UpstreamTls>,
    servers: Vec<Server>,
    /// Whose turn it is.
    next: AtomicUsize,
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
        let protocol = definition.protocol();
        let servers = definition.servers().iter().map(|server| {
            let server = server.clone();
            Server::new(server, protocol, tls.as_ref(), limits.connect_timeout)
        });
        Self {
            servers: servers.collect(),
            next: AtomicUsize::new(0),
            definition,
            tls,
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

    /// Sends a permitted request on; the answer's head is ready to go out. Where a server is not
    /// there, another gets the request, unless what it asks for could have been done already.
    pub(crate) async fn forward(
        &self,
        permitted: Permitted<Request<Incoming>>,
        handshake: Option<&Handshake>,
        assertions: &Assertions<'_>,
    ) -> Result<Forwarded, UpstreamError> {
        let mut request = permitted.into_inner();
        let client = hyper::upgrade::on(&mut request);
        let has_body = !request.body().is_end_stream();
        let framing = if has_body {
            Framing::Body
        } else {
            Framing::NoBody
        };
        let takes_trailers = http2::takes_trailers(request.headers());
        headers::prepare_request(request.headers_mut(), framing, assertions);
        let (parts, body) = request.into_parts();
        let mut retries = if has_body || !parts.method.is_idempotent() {
            0
        } else {
            RETRIES.min(self.servers.len() - 1)
        };
        let ask = Ask {
            handshake,
            authority: assertions.authority,
            takes_trailers,
        };
        let mut body = Some(body);
        let mut server = self.pick(None);
        while retries > 0 {
            let outcome = self
                .exchange(server, &ask, parts.clone(), body.take())
                .await;
            match outcome {
                Err(error) if error.is_no_connection() => server = self.pick(Some(server)),
                Ok(response) => return finish(server, handshake, response, client),
                Err(error) => return Err(error),
            }
            retries -= 1;
        }
        let response = self.exchange(server, &ask, parts, body).await?;
        finish(server, handshake, response, client)
    }

    /// How its servers are asked whether they are well.
    pub(super) fn health(&self) -> Option<&UpstreamHealth> {
        self.definition.health()
    }

    pub(super) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// A request of our own.
    pub(super) async fn ask_for(
        &self,
        server: &Server,
        parts: Parts,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let ask = Ask {
            handshake: None,
            authority: &server.upstream.authority(),
            takes_trailers: false,
        };
        self.exchange(server, &ask, parts, None).await
    }

    /// The next one in turn that can be connected to; where none can, the next one.
    fn pick(&self, failed: Option<&Server>) -> &Server {
        let count = self.servers.len();
        let start = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let mut order = self.servers.iter().cycle().skip(start).take(count);
        let is_other = |server: &Server| failed.is_none_or(|failed| !std::ptr::eq(failed, server));
        let found = order
            .clone()
            .find(|server| is_other(server) && server.health.admits());
        found
            .or_else(|| order.next())
            .expect("an application has an upstream")
    }

    /// One request to one server. The time a client takes to send its body does not count.
    async fn exchange(
        &self,
        server: &Server,
        ask: &Ask<'_>,
        parts: Parts,
        body: Option<Incoming>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let link = server.link(ask.handshake).await;
        if link.is_err() {
            server.learn(&link);
        }
        let link = link?;
        let (parts, trailers) = ask.for_link(parts, &link, server);
        let (body, progress) = RequestBody::new(body, trailers, self.body_within);
        let outcome = tokio::select! {
            response = server.send(link, Request::from_parts(parts, body)) => {
                response.map_err(|error| {
                    let client = progress.failure().map(UpstreamError::ClientBody);
                    client.unwrap_or(error)
                })
            }
            () = progress.rested(self.answer_within) => Err(UpstreamError::AnswerTimeout {
                upstream: server.upstream.authority(),
                seconds: self.answer_within.as_secs(),
            }),
        };
        server.learn(&outcome);
        outcome
    }
}

/// What a request is beside its head, whichever server it goes to.
struct Ask<'a> {
    handshake: Option<&'a Handshake>,
    authority: &'a str,
    takes_trailers: bool,
}

impl Ask<'_> {
    /// The head as the link's HTTP wants it, and what becomes of trailers.
    fn for_link(&self, mut parts: Parts, link: &Link, server: &Server) -> (Parts, Trailers) {
        if self.handshake.is_some() {
            websocket::nominate(&mut parts.headers);
        }
        match link {
            Link::Http1 => {
                parts.version = Version::HTTP_11;
                parts.uri = uri(&parts.uri, server, server.authority.clone());
                (parts, Trailers::End)
            }
            Link::Http2(_) => {
                http2::prepare(&mut parts.headers, self.takes_trailers);
                parts.version = Version::HTTP_2;
                let authority = self.authority.parse();
                let authority = authority.expect("a parsed host is an authority");
                parts.uri = uri(&parts.uri, server, authority);
                (parts, Trailers::Pass)
            }
        }
    }
}

/// Makes an upstream's answer fit for the client, or the two ends of a WebSocket of it.
fn finish(
    server: &Server,
    handshake: Option<&Handshake>,
    mut response: Response<Incoming>,
    client: OnUpgrade,
) -> Result<Forwarded, UpstreamError> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        headers::prepare_response(response.headers_mut());
        return Ok(Forwarded::Answer(response));
    }
    handshake
        .ok_or(Disagreement::Unasked)
        .and_then(|handshake| handshake.agrees(response.headers()))
        .map_err(|why| UpstreamError::SwitchedProtocols {
            upstream: server.upstream.authority(),
            why,
        })?;
    Ok(switched(response, client))
}

/// What goes out for an upstream's 101, and the two connections it is about.
fn switched(mut response: Response<Incoming>, client: OnUpgrade) -> Forwarded {
    let upstream = hyper::upgrade::on(&mut response);
    headers::prepare_response(response.headers_mut());
    websocket::nominate(response.headers_mut());
    Forwarded::Switched(response.map(|_no_body| ()), Ends { client, upstream })
}

/// The path and query as they were received: what policy looked at is what is forwarded.
fn uri(received: &Uri, server: &Server, authority: Authority) -> Uri {
    let path = received
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(server.scheme.clone());
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).expect("scheme, authority and path make a URI")
}

/// Other servers that are asked after the first.
const RETRIES: usize = 2;
