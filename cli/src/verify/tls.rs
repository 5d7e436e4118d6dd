//! TLS as a client: who shows what, in which version, over which octets.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::answer::Failure;
use super::pki::Identity;
use super::target::Target;

/// The version of TLS that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Whichever the target takes.
    Any,
    Tls12,
    Tls13,
}

/// The version of HTTP that is asked for by ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Octets in both directions.
pub(crate) trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// A TLS connection over anything.
pub(crate) type Stream = TlsStream<Box<dyn Octets>>;

/// Makes connections to the target.
#[derive(Debug, Clone)]
pub(crate) struct Dialer {
    pub(crate) target: Target,
    roots: RootCertStore,
}

impl Dialer {
    pub(crate) fn new(target: Target, roots: RootCertStore) -> Self {
        Self { target, roots }
    }

    /// A configuration without resumption.
    pub(crate) fn config(
        &self,
        who: Option<&Identity>,
        version: Version,
        protocol: Protocol,
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(version.offered())
            .expect("the aws-lc-rs provider has suites for both versions")
            .with_root_certificates(self.roots.clone());
        let mut config = match who {
            // Not `with_client_auth_cert`, which refuses what is to be refused by the target.
            Some(who) => builder.with_client_cert_resolver(Arc::new(who.shown())),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![protocol.alpn().to_vec()];
        config
    }

    /// The same, keeping the sessions that the target gives.
    pub(crate) fn resuming(&self, who: &Identity, version: Version) -> Arc<ClientConfig> {
        let mut config = self.config(Some(who), version, Protocol::Http1);
        config.resumption = Resumption::in_memory_sessions(8);
        Arc::new(config)
    }

    /// A TCP connection.
    pub(crate) async fn tcp(&self) -> Result<TcpStream, Failure> {
        let connected = within(TcpStream::connect(self.target.address)).await?;
        let stream = connected
            .map_err(|error| Failure::Unclear(format!("{}: {error}", self.target.address)))?;
        stream.set_nodelay(true).unwrap_or_default();
        Ok(stream)
    }

    /// A TLS connection in the target's name.
    pub(crate) async fn tls(&self, config: &Arc<ClientConfig>) -> Result<Stream, Failure> {
        self.tls_as(config, self.target.name.clone()).await
    }

    /// A TLS connection with another name in its SNI.
    pub(crate) async fn tls_as(
        &self,
        config: &Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Stream, Failure> {
        let octets = Box::new(self.tcp().await?);
        within(connect(config, name, octets)).await?
    }
}

/// A handshake over octets that may be anything, and may take any time.
pub(crate) async fn connect(
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    octets: Box<dyn Octets>,
) -> Result<Stream, Failure> {
    let connected = TlsConnector::from(Arc::clone(config)).connect(name, octets);
    connected.await.map_err(|error| Failure::of(&error))
}

/// Whether the handshake was an abbreviated one.
pub(crate) fn is_resumed(stream: &Stream) -> bool {
    stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Nothing is waited for longer than this.
pub(crate) async fn within<F: Future>(future: F) -> Result<F::Output, Failure> {
    let silence = |_| Failure::Unclear(format!("no answer within {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, future).await.map_err(silence)
}

impl Version {
    fn offered(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Any => rustls::DEFAULT_VERSIONS,
            Self::Tls12 => ONLY_TLS12,
            Self::Tls13 => ONLY_TLS13,
        }
    }
}

impl Protocol {
    fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
static ONLY_TLS12: &[&SupportedProtocolVersion] = &[&TLS12];
static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&TLS13];
