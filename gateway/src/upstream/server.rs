//! One server among an application's upstreams, with the connections to it that are used again.

use std::time::Duration;

use http::{Request, Response, uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Scheme, Upstream, UpstreamProtocol};

use super::connect::Connector;
use super::error::{Stage, UpstreamError};
use super::health::Health;
use super::http2::{Http2, Link};
use super::tls::UpstreamTls;
use crate::body::RequestBody;
use crate::tls::ALPN_HTTP11;
use crate::websocket::Handshake;

/// A server, its connections, and whether it can be connected to.
pub(super) struct Server {
    pub(super) upstream: Upstream,
    /// The upstream's own, parsed once for all requests.
    pub(super) scheme: uri::Scheme,
    pub(super) authority: uri::Authority,
    http1: Client<Connector, RequestBody>,
    http2: Option<Http2>,
    pub(super) health: Health,
}

impl Server {
    /// No connection is made before one is needed.
    pub(super) fn new(
        upstream: Upstream,
        protocol: UpstreamProtocol,
        tls: Option<&UpstreamTls>,
        connect_within: Duration,
    ) -> Self {
        let connector = Connector::new(tls, &[ALPN_HTTP11], connect_within);
        let http1 = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        Self {
            scheme: match upstream.scheme() {
                Scheme::Http => uri::Scheme::HTTP,
                Scheme::Https => uri::Scheme::HTTPS,
            },
            authority: upstream
                .authority()
                .parse()
                .expect("a parsed upstream has an authority"),
            http2: Http2::new(&upstream, protocol, tls, connect_within),
            upstream,
            http1,
            health: Health::default(),
        }
    }

    /// What the next request goes over. A WebSocket begins in HTTP/1.1.
    pub(super) async fn link(&self, handshake: Option<&Handshake>) -> Result<Link, UpstreamError> {
        match &self.http2 {
            Some(http2) if handshake.is_none() => http2
                .link()
                .await
                .map_err(|error| UpstreamError::of(&*error, Stage::Connecting, &self.upstream)),
            Some(_) | None => Ok(Link::Http1),
        }
    }

    /// Sends a request that was made for this link.
    pub(super) async fn send(
        &self,
        link: Link,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        match (link, &self.http2) {
            (Link::Http2(sender), Some(http2)) => http2
                .send(sender, request)
                .await
                .map_err(|(error, stage)| UpstreamError::of(&*error, stage, &self.upstream)),
            (Link::Http1 | Link::Http2(_), _) => {
                self.http1.request(request).await.map_err(|error| {
                    let stage = if error.is_connect() {
                        Stage::Connecting
                    } else {
                        Stage::Exchanging
                    };
                    UpstreamError::of(&error, stage, &self.upstream)
                })
            }
        }
    }

    /// Learns from what became of a request.
    pub(super) fn learn<T>(&self, outcome: &Result<T, UpstreamError>) {
        match outcome {
            Err(error) if error.is_no_connection() => {
                if self.health.failed() {
                    tracing::warn!("{error}; the others are asked in its place");
                }
            }
            Ok(_) | Err(_) => {
                if self.health.connected() {
                    tracing::info!("the upstream {} is back", self.upstream);
                }
            }
        }
    }
}

/// Shorter than the keep-alive of common servers, so that they seldom close under our request.
const POOL_IDLE: Duration = Duration::from_secs(15);
