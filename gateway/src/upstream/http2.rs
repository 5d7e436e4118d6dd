//! HTTP/2 with an upstream: one connection for all requests, made anew when it is gone.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{HOST, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postern_policy::{Scheme, Upstream, UpstreamProtocol};
use tower_service::Service as _;

use super::connect::Connector;
use super::error::Stage;
use super::tls::UpstreamTls;
use crate::body::RequestBody;
use crate::tls::{ALPN_H2, ALPN_HTTP11};

type Sender = SendRequest<RequestBody>;
type BoxError = Box<dyn Error + Send + Sync>;

/// What a request goes over.
pub(super) enum Link {
    Http1,
    Http2(Sender),
}

/// HTTP/2 with one server.
pub(super) struct Http2 {
    connector: Connector,
    uri: Uri,
    protocol: UpstreamProtocol,
    known: Mutex<Known>,
}

/// What the last connection taught.
enum Known {
    Nothing,
    /// The server prefers HTTP/1.1, and is not asked again before a reload.
    Http1,
    Http2(Sender),
}

impl Http2 {
    /// None where HTTP/1.1 is spoken whatever the server prefers.
    pub(super) fn new(
        server: &Upstream,
        protocol: UpstreamProtocol,
        tls: Option<&UpstreamTls>,
        within: Duration,
    ) -> Option<Self> {
        let protocols: &[&[u8]] = match (protocol, server.scheme()) {
            (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Auto, Scheme::Http) => return None,
            (UpstreamProtocol::Auto, Scheme::Https) => &[ALPN_H2, ALPN_HTTP11],
            (UpstreamProtocol::H2, _) => &[ALPN_H2],
        };
        let uri = server.to_string().parse();
        Some(Self {
            connector: Connector::new(tls, protocols, within),
            uri: uri.expect("a parsed upstream is a URI"),
            protocol,
            known: Mutex::new(Known::Nothing),
        })
    }

    /// The connection that is there, or a new one.
    pub(super) async fn link(&self) -> Result<Link, BoxError> {
        let known = match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Known::Http1 => Some(Link::Http1),
            Known::Http2(sender) if !sender.is_closed() => Some(Link::Http2(sender.clone())),
            Known::Http2(_) | Known::Nothing => None,
        };
        match known {
            Some(link) => Ok(link),
            None => self.connect().await,
        }
    }

    /// Sends a request. One that a closing connection never took goes over a new one.
    pub(super) async fn send(
        &self,
        mut sender: Sender,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, (BoxError, Stage)> {
        let exchanging = |error: hyper::Error| (error.into(), Stage::Exchanging);
        let mut refused = match sender.try_send_request(request).await {
            Ok(response) => return Ok(response),
            Err(refused) => refused,
        };
        let Some(request) = refused.take_message() else {
            return Err(exchanging(refused.into_error()));
        };
        match self.connect().await {
            Ok(Link::Http2(mut sender)) => sender.send_request(request).await.map_err(exchanging),
            // It was made for HTTP/2, and the server has just changed its mind: the next one fits.
            Ok(Link::Http1) => Err(exchanging(refused.into_error())),
            Err(error) => Err((error, Stage::Connecting)),
        }
    }

    /// Whoever connects at the same time has a connection of its own; the last one is kept.
    async fn connect(&self) -> Result<Link, BoxError> {
        let stream = self.connector.clone().call(self.uri.clone()).await?;
        let agreed = stream.connected().is_negotiated_h2();
        match (self.protocol, &stream) {
            (UpstreamProtocol::Auto | UpstreamProtocol::Http1, _) if !agreed => {
                self.learn(Known::Http1);
                return Ok(Link::Http1);
            }
            (UpstreamProtocol::H2, MaybeHttpsStream::Https(_)) if !agreed => {
                return Err("it does not speak HTTP/2".into());
            }
            (UpstreamProtocol::Auto | UpstreamProtocol::Http1 | UpstreamProtocol::H2, _) => {}
        }
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .handshake(stream)
            .await?;
        // Its requests are told how it ends.
        tokio::spawn(async { drop(connection.await) });
        self.learn(Known::Http2(sender.clone()));
        Ok(Link::Http2(sender))
    }

    fn learn(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Whether a client says that it reads trailers.
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).into_iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// What HTTP/2 says elsewhere, or not at all; and the one `TE` that it knows, which gRPC insists on
/// (RFC 9113 section 8.2.2).
pub(super) fn prepare(headers: &mut HeaderMap, takes_trailers: bool) {
    headers.remove(HOST);
    headers.remove(TRANSFER_ENCODING);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// A server that does not answer a ping is gone, and with it whoever waits for it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What waits of one answer for a client that does not take it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// RFC 9113 section 6.9.1: the largest. Clients share the connection, and those that take nothing
/// must not use up the window of the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const SEND_BUFFER: usize = 256 * 1024;
