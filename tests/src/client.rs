//! TLS clients over HTTP/1.1 and HTTP/2, and without HTTP.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Identity, PATIENCE, Site, TestGateway, certificates};

/// A body of whatever kind.
pub type AnyBody = BoxBody<Bytes, io::Error>;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// One connection.
pub struct Client {
    sender: Sender,
    host: String,
}

enum Sender {
    Http1(http1::SendRequest<AnyBody>),
    Http2(http2::SendRequest<AnyBody>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The request id that it carries.
    ///
    /// # Panics
    /// Where it has none.
    pub fn request_id(&self) -> String {
        let id = self
            .headers
            .get("x-request-id")
            .expect("every answer has a request id");
        id.to_str().expect("hex digits").to_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

impl Client {
    /// Connects with this SNI; in TLS 1.3 a refusal shows at the first request only.
    ///
    /// # Errors
    /// Where the handshake fails.
    pub async fn connect(
        site: &Site,
        gateway: &TestGateway,
        sni: &str,
        identity: Option<&Identity>,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let socket = TcpStream::connect(gateway.address).await?;
        Self::over(socket, site, sni, identity, protocol).await
    }

    /// The same over a socket that was opened before.
    ///
    /// # Errors
    /// Where the handshake fails.
    pub async fn over(
        socket: TcpStream,
        site: &Site,
        sni: &str,
        identity: Option<&Identity>,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let alpn: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        let config = tls(site, identity, alpn, &[&TLS13, &TLS12]);
        let io = TokioIo::new(handshake(socket, Arc::new(config), sni).await?);
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), io).await;
                let (sender, connection) = handshake.map_err(io::Error::other)?;
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Ok(Self {
            sender,
            host: sni.to_owned(),
        })
    }

    /// Asks other hosts than the SNI's from now on.
    #[must_use]
    pub fn asking(self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self
        }
    }

    /// GET.
    ///
    /// # Errors
    /// Where the connection ends before the answer.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.get_with(path, &[]).await
    }

    /// GET with headers.
    ///
    /// # Errors
    /// Where the connection ends before the answer.
    pub async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        let request = self.request("GET", path, headers, full(""));
        let response = self.send(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    /// Sends any request; the answer's body is still to be read.
    ///
    /// # Errors
    /// Where the connection ends before the answer, or nothing comes for too long.
    pub async fn send(&mut self, request: Request<AnyBody>) -> io::Result<Response<Incoming>> {
        let sending = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        };
        let response = timeout(PATIENCE, sending)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?;
        response.map_err(io::Error::other)
    }

    /// A request to the client's host.
    ///
    /// # Panics
    /// Where a header is none.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: AnyBody,
    ) -> Request<AnyBody> {
        let host = &self.host;
        let mut request = Request::builder().method(method);
        request = match self.sender {
            Sender::Http1(_) => request.uri(path).header("host", host),
            Sender::Http2(_) => request.uri(format!("https://{host}{path}")),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).expect("a request")
    }
}

/// A body that is there already.
pub fn full(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed()
}

/// The TLS stream alone.
///
/// # Errors
/// Where the handshake fails.
///
/// # Panics
/// Where certificate and key do not fit.
pub async fn dial(
    site: &Site,
    gateway: &TestGateway,
    sni: &str,
    identity: Option<&Identity>,
    alpn: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    let config = tls(site, identity, alpn, &[&TLS13, &TLS12]);
    connect(gateway, Arc::new(config), sni).await
}

/// A TLS client's configuration, for many connections.
///
/// # Panics
/// Where certificate and key do not fit.
pub fn tls(
    site: &Site,
    identity: Option<&Identity>,
    alpn: &[u8],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&site.path("root/root.crt")));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has suites")
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => config
            .with_client_auth_cert(identity.chain(), identity.private_key())
            .expect("certificate and key fit"),
        None => config.with_no_client_auth(),
    };
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.to_vec()];
    }
    config
}

/// Connects with a configuration made by [`tls`].
///
/// # Errors
/// Where the handshake fails.
///
/// # Panics
/// Where the SNI is no name.
pub async fn connect(
    gateway: &TestGateway,
    config: Arc<ClientConfig>,
    sni: &str,
) -> io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(gateway.address).await?, config, sni).await
}

async fn handshake(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    sni: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(sni.to_owned()).expect("a server name");
    socket.set_nodelay(true)?;
    let connecting = TlsConnector::from(config).connect(name, socket);
    timeout(PATIENCE, connecting)
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

/// What a handshake ends in: `Ok`, or the name of the alert that the client got.
///
/// # Panics
/// Where it is neither.
pub async fn verdict(gateway: &TestGateway, config: ClientConfig, sni: &str) -> Result<(), String> {
    let error = match connect(gateway, Arc::new(config), sni).await {
        Err(error) => error,
        Ok(mut stream) => {
            let request =
                format!("GET /verdict HTTP/1.1\r\nHost: {sni}\r\nConnection: close\r\n\r\n");
            let mut answer = [0; 12];
            let asked = async {
                stream.write_all(request.as_bytes()).await?;
                stream.read_exact(&mut answer).await
            };
            match timeout(PATIENCE, asked)
                .await
                .expect("an answer or an alert")
            {
                Ok(_) => return Ok(()),
                Err(error) => error,
            }
        }
    };
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => Err(format!("{alert:?}")),
        Some(_) | None => Err(format!("no alert: {error}")),
    }
}
