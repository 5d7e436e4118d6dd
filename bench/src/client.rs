//! The load's client: one TLS connection, HTTP/1.1 or HTTP/2 on it, and what was negotiated.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs::{self, kx_group};
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::authority::Identity;
use crate::error::BenchError;

/// The one host of every target.
pub(crate) const BENCH_HOST: &str = "bench.example.com";

/// What is spoken over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

/// The only group that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    X25519,
    X25519MlKem768,
}

/// Whether tickets are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tickets {
    Ignored,
    Used,
}

/// What all clients share: the trust in the servers.
#[derive(Clone)]
pub(crate) struct ClientTls {
    servers: Arc<WebPkiServerVerifier>,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no handshake: {0}")]
    Handshake(io::Error),
    #[error("no answer: {0:?}")]
    Http(#[from] hyper::Error),
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error("the body has {found} octets, not {expected}")]
    Length { found: usize, expected: usize },
}

/// An open connection.
pub(crate) struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
    pub(crate) is_resumed: bool,
}

#[derive(Clone)]
enum Sender {
    One(Arc<tokio::sync::Mutex<http1::SendRequest<Empty<Bytes>>>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

/// Sends requests on a connection; clones share it.
#[derive(Clone)]
pub(crate) struct Requester(Sender);

impl ClientTls {
    /// Clients that trust servers of this root.
    pub(crate) fn new(root: &CertificateDer<'static>) -> Result<Self, BenchError> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let servers = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { servers })
    }

    /// How one client connects; without an identity it has no certificate.
    pub(crate) fn config(
        &self,
        identity: Option<&Identity>,
        http: Http,
        group: Group,
        tickets: Tickets,
    ) -> Result<Arc<ClientConfig>, BenchError> {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![match group {
            Group::X25519 => kx_group::X25519,
            Group::X25519MlKem768 => kx_group::X25519MLKEM768,
        }];
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_webpki_verifier(Arc::clone(&self.servers));
        let mut config = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![match http {
            Http::One => b"http/1.1".to_vec(),
            Http::Two => b"h2".to_vec(),
        }];
        config.resumption = match tickets {
            Tickets::Ignored => Resumption::disabled(),
            Tickets::Used => Resumption::in_memory_sessions(8),
        };
        Ok(Arc::new(config))
    }
}

impl Connection {
    /// Connects and shakes hands. With TLS 1.3 a refused client learns of it with its first
    /// request.
    pub(crate) async fn open(
        address: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let is_h2 = config.alpn_protocols == [b"h2"];
        let socket = TcpStream::connect(address)
            .await
            .map_err(ClientError::Connect)?;
        socket.set_nodelay(true).map_err(ClientError::Connect)?;
        let name = ServerName::try_from(BENCH_HOST).expect("the constant is a DNS name");
        let stream = TlsConnector::from(config)
            .connect(name, socket)
            .await
            .map_err(ClientError::Handshake)?;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let io = TokioIo::new(stream);
        // How a connection ends is seen by its requests.
        let (sender, driver) = if is_h2 {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await?;
            let driver = tokio::spawn(async { driver.await.unwrap_or(()) });
            (Sender::Two(sender), driver)
        } else {
            let (sender, driver) = http1::handshake(io).await?;
            let driver = tokio::spawn(async { driver.await.unwrap_or(()) });
            let sender = Arc::new(tokio::sync::Mutex::new(sender));
            (Sender::One(sender), driver)
        };
        Ok(Self {
            sender,
            driver,
            is_resumed,
        })
    }

    /// A handle to send requests with.
    pub(crate) fn requester(&self) -> Requester {
        Requester(self.sender.clone())
    }

    /// Closes the connection and waits until that is done.
    pub(crate) async fn close(self) {
        drop(self.sender);
        // It only ends by itself; there is nothing to learn from how.
        self.driver.await.ok();
    }

    /// Waits until the server closes it.
    pub(crate) async fn wait_until_closed(self) {
        let Self { sender, driver, .. } = self;
        driver.await.ok();
        drop(sender);
    }

    /// Whether the server closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }
}

impl Requester {
    /// One GET; anything but 200 with a whole body is an error.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes, ClientError> {
        let response = match &mut self.0 {
            Sender::One(sender) => {
                let request = Request::get(path)
                    .header(HOST, BENCH_HOST)
                    .body(Empty::new())
                    .expect("the paths of the rows are paths");
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Two(sender) => {
                let request = Request::get(format!("https://{BENCH_HOST}{path}"))
                    .body(Empty::new())
                    .expect("the paths of the rows are paths");
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(ClientError::Status(status))
        }
    }
}

/// A connection, one request, and the end of it. Returns the answer and whether it was resumed.
pub(crate) async fn visit(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    path: &str,
) -> Result<(Bytes, bool), ClientError> {
    let connection = Connection::open(address, config).await?;
    let answer = connection.requester().get(path).await;
    let is_resumed = connection.is_resumed;
    connection.close().await;
    Ok((answer?, is_resumed))
}
