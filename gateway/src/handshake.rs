//! TLS with a deadline: from a socket to an established peer, or to a refusal with its alert.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postern_pki::Rejection;
use postern_policy::{CertificateIdentity, ClientAuth, HostName};
use rustls::server::Acceptor;
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::peer::Peer;
use crate::state::Snapshot;
use crate::tls::{ALPN_H2, Transport};
use crate::verifier::{Observation, observed};

/// What ALPN agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A finished handshake, or a connection that needs none.
pub(crate) struct Established<S> {
    pub(crate) stream: S,
    pub(crate) scope: ClientAuth,
    pub(crate) peer: Peer,
    pub(crate) protocol: Protocol,
}

/// A handshake that led nowhere.
pub(crate) enum HandshakeEnd {
    /// Nobody asked for anything: a probe, or a client that left before its ClientHello.
    Silent,
    Refused(Box<Refused>),
}

/// A refused handshake, as the event tells it.
pub(crate) struct Refused {
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    pub(crate) host: Option<String>,
    /// What the refused certificate says of itself.
    pub(crate) leaf: Option<Box<CertificateIdentity>>,
    socket: Option<TcpStream>,
}

impl Refused {
    fn new(reason: &'static str, detail: impl Into<String>, host: Option<&str>) -> Self {
        let host = host.map(str::to_owned);
        Self {
            reason,
            detail: detail.into(),
            host,
            leaf: None,
            socket: None,
        }
    }

    /// A certificate that is refused after all.
    pub(crate) fn rejected(rejection: &Rejection, leaf: Option<Box<CertificateIdentity>>) -> Self {
        Self {
            leaf,
            ..Self::new(rejection.code(), rejection.to_string(), None)
        }
    }

    /// A connection from somebody who is not Cloudflare, and need not hear more.
    pub(crate) fn not_cloudflare(detail: impl Into<String>) -> Self {
        Self::new("peer_not_cloudflare", detail, None)
    }

    /// A handshake that did not come to its end before the gateway stopped.
    pub(crate) fn draining() -> Self {
        Self::new("draining", "the gateway is stopping", None)
    }

    /// Leaves the client time to read the alert: closing with unread octets would reset it away.
    pub(crate) async fn linger(mut self) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        let read_on = async {
            socket.shutdown().await?;
            let mut buffer = [0; 1024];
            for _ in 0..LINGER_READS {
                if socket.read(&mut buffer).await? == 0 {
                    break;
                }
            }
            io::Result::Ok(())
        };
        // Whatever goes wrong here, the socket is closed next.
        timeout(LINGER, read_on).await.ok();
    }
}

impl From<Refused> for HandshakeEnd {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

/// ClientHello, host, scope, handshake, gate: all within one deadline.
pub(crate) async fn handshake(
    socket: TcpStream,
    snapshot: &Snapshot,
    handshakes: &Semaphore,
) -> Result<Established<TlsStream<TcpStream>>, HandshakeEnd> {
    let deadline = Instant::now() + snapshot.settings.limits.handshake_timeout;
    let start = client_hello(socket, deadline).await?;
    let sni = start.client_hello().server_name().map(str::to_owned);
    let scope = match scope_of(sni.as_deref(), snapshot) {
        Ok(scope) => scope,
        Err(refused) => return Err(unrecognized_name(start, *refused).await.into()),
    };
    let slot = timeout_at(deadline, handshakes.acquire()).await;
    let _slot = slot.map_err(|_| Refused::new("busy", "too many handshakes", sni.as_deref()))?;
    let Some(config) = snapshot.transport.of(scope) else {
        return Err(Refused::not_cloudflare("cloudflared is to connect without TLS").into());
    };
    let accept = start.into_stream(Arc::clone(config)).into_fallible();
    let accept = timeout_at(deadline, accept);
    let (stream, observation) = observed(accept).await;
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, socket))) => {
            let refused = refused(&error, observation, sni.as_deref(), &snapshot.transport);
            return Err(Refused {
                socket: Some(socket),
                ..refused
            }
            .into());
        }
        Err(_elapsed) => return Err(too_slow(sni.as_deref()).into()),
    };
    let peer = peer(&stream, observation, snapshot)?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_H2) => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    Ok(Established {
        stream,
        scope,
        peer,
        protocol,
    })
}

async fn client_hello(
    socket: TcpStream,
    deadline: Instant,
) -> Result<StartHandshake<TcpStream>, HandshakeEnd> {
    let acceptor = LazyConfigAcceptor::new(Acceptor::default(), socket);
    match timeout_at(deadline, acceptor).await {
        Ok(Ok(start)) => Ok(start),
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Refused::new("not_tls", error.to_string(), None).into())
        }
        Ok(Err(_gone)) => Err(HandshakeEnd::Silent),
        Err(_elapsed) => Err(too_slow(None).into()),
    }
}

/// An unknown name is refused, never given a default; so is a missing one, unless one is set.
fn scope_of(sni: Option<&str>, snapshot: &Snapshot) -> Result<ClientAuth, Box<Refused>> {
    let settings = &snapshot.settings;
    let host = match (sni, &settings.default_host) {
        (Some(sni), _) => HostName::parse(sni)
            .map_err(|why| Refused::new("unknown_sni", why.to_string(), Some(sni)))?,
        (None, Some(host)) => host.clone(),
        (None, None) => {
            let detail = "the client sent no SNI and there is no `default_host`";
            return Err(Box::new(Refused::new("missing_sni", detail, None)));
        }
    };
    settings.applications.client_auth(&host).ok_or_else(|| {
        let detail = "no application answers for this host";
        Box::new(Refused::new("unknown_sni", detail, Some(host.as_str())))
    })
}

/// The alert by hand: rustls has none for a handshake that was never given a configuration.
async fn unrecognized_name(start: StartHandshake<TcpStream>, refused: Refused) -> Refused {
    let mut socket = start.io;
    match timeout(LINGER, socket.write_all(&UNRECOGNIZED_NAME)).await {
        Ok(Ok(())) => Refused {
            socket: Some(socket),
            ..refused
        },
        Ok(Err(_)) | Err(_) => refused,
    }
}

fn refused(
    error: &io::Error,
    observation: Observation,
    host: Option<&str>,
    transport: &Transport,
) -> Refused {
    if let Observation::Refused { rejection, leaf } = observation {
        let host = host.map(str::to_owned);
        return Refused {
            host,
            ..Refused::rejected(&rejection, leaf)
        };
    }
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let reason = match tls {
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))
            if matches!(transport, Transport::Cloudflare(_)) =>
        {
            "peer_not_cloudflare"
        }
        Some(rustls::Error::NoCertificatesPresented) => "certificate_required",
        Some(rustls::Error::AlertReceived(_)) => "client_alert",
        Some(_) => "tls_failed",
        None => "client_gone",
    };
    Refused::new(reason, error.to_string(), host)
}

fn too_slow(host: Option<&str>) -> Refused {
    Refused::new("handshake_timeout", "the handshake took too long", host)
}

/// The same gate after full and resumed handshakes alike; what the verifier found is not verified
/// twice. The handshake is over: whoever is there proved to hold the certificate's key, now or
/// when the session began.
fn peer(
    stream: &TlsStream<TcpStream>,
    observation: Observation,
    snapshot: &Snapshot,
) -> Result<Peer, HandshakeEnd> {
    if let Some(front) = &snapshot.settings.behind_cloudflare {
        return Ok(Peer::Cloudflare(Arc::clone(&front.peer)));
    }
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let Some(leaf) = chain.first() else {
        return Ok(Peer::Anonymous);
    };
    if let Observation::Accepted(shown) = observation
        && shown.path().leaf().der() == leaf
    {
        return Ok(Peer::Certificate(shown.proven()));
    }
    match snapshot.gate.load().verify(chain, UnixTime::now()) {
        Ok(shown) => Ok(Peer::Certificate(shown.proven())),
        Err(rejection) => Err(Refused::rejected(&rejection, None).into()),
    }
}

/// RFC 8446 section 6: alert (21), TLS 1.2 on the record layer, fatal (2), unrecognized_name (112).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 64;
