//! TLS clients over HTTP/1.1 and HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern_fixtures::{Issued, TestPki};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) type AnyBody = BoxBody<Bytes, io::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) enum Client {
    Http1(http1::SendRequest<AnyBody>),
    Http2(http2::SendRequest<AnyBody>),
}

impl Client {
    /// Sends a request; the error is the connection's end.
    pub(crate) async fn send(
        &mut self,
        request: Request<AnyBody>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// GET; status and JSON body.
    pub(crate) async fn get(
        &mut self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> hyper::Result<(StatusCode, Value)> {
        let response = self
            .send(self.request("GET", host, path, headers, empty()))
            .await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) fn request(
        &self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: AnyBody,
    ) -> Request<AnyBody> {
        let mut request = Request::builder().method(method);
        request = match self {
            Self::Http1(_) => request.uri(path).header("host", host),
            Self::Http2(_) => request.uri(format!("https://{host}{path}")),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).unwrap()
    }
}

pub(crate) fn empty() -> AnyBody {
    full("")
}

pub(crate) fn full(text: &'static str) -> AnyBody {
    Full::new(Bytes::from_static(text.as_bytes()))
        .map_err(|never| match never {})
        .boxed()
}

/// A client after its handshake. In TLS 1.3 a refusal shows at the first request only.
pub(crate) async fn connect(
    address: SocketAddr,
    pki: &TestPki,
    sni: &str,
    certificate: Option<&Issued>,
    protocol: Protocol,
) -> io::Result<Client> {
    let alpn: &[u8] = match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    };
    let io = TokioIo::new(raw(address, pki, sni, certificate, alpn).await?);
    Ok(match protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Client::Http1(sender)
        }
        Protocol::Http2 => {
            let handshake = http2::handshake(TokioExecutor::new(), io).await;
            let (sender, connection) = handshake.map_err(io::Error::other)?;
            tokio::spawn(connection);
            Client::Http2(sender)
        }
    })
}

/// The TLS stream alone.
pub(crate) async fn raw(
    address: SocketAddr,
    pki: &TestPki,
    sni: &str,
    certificate: Option<&Issued>,
    alpn: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    raw_version(address, pki, sni, certificate, alpn, &TLS13).await
}

/// As [`raw`], over another version of TLS.
pub(crate) async fn raw_version(
    address: SocketAddr,
    pki: &TestPki,
    sni: &str,
    certificate: Option<&Issued>,
    alpn: &[u8],
    version: &'static SupportedProtocolVersion,
) -> io::Result<TlsStream<TcpStream>> {
    let config = client_config(pki, certificate, alpn, &[version]);
    let name = ServerName::try_from(sni.to_owned()).unwrap();
    let socket = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}

/// What a client trusts, shows and speaks.
pub(crate) fn client_config(
    pki: &TestPki,
    certificate: Option<&Issued>,
    alpn: &[u8],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        Some(issued) => config
            .with_client_auth_cert(issued.chain(), issued.key_der())
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}
