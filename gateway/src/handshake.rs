//! TLS with a deadline: from a socket to an established peer, or to a refusal with its alert.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use postern_pki::Rejection;
use postern_policy::{CertificateIdentity, ClientAuth, HostName};
use rustls::server::Acceptor;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::peer::Peer;
use crate::proxy_protocol::ProxyHeaderError;
use crate::state::Snapshot;
use crate::tls::{ALPN_H2, Transport};
use crate::verifier::{Gate, Observation, leaf_identity, observed};

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
    /// Nobody asked for anything: a probe, or a client that left before its ClientHello. Or there
    /// is no room for it, which is told of many at once.
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

    /// A connection of a balancer that does not say whose it is.
    pub(crate) fn proxy_header(error: &ProxyHeaderError) -> Self {
        let reason = match error {
            ProxyHeaderError::Missing(_) => "proxy_header_missing",
            ProxyHeaderError::Gone(_)
            | ProxyHeaderError::TooLong(_)
            | ProxyHeaderError::Invalid(_)
            | ProxyHeaderError::NotTcp => "proxy_header_invalid",
        };
        Self::new(reason, error.to_string(), None)
    }

    /// A connection that is not through its handshake at the deadline.
    pub(crate) fn too_slow(host: Option<&str>) -> Self {
        Self::new("handshake_timeout", "the handshake took too long", host)
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

/// ClientHello, host, scope, handshake, gate: all before the deadline.
pub(crate) async fn handshake(
    socket: TcpStream,
    snapshot: &Snapshot,
    handshakes: &Semaphore,
    deadline: Instant,
) -> Result<Established<Box<TlsStream<TcpStream>>>, HandshakeEnd> {
    let start = client_hello(socket, deadline).await?;
    let sni = start.client_hello().server_name().map(str::to_owned);
    let (host, scope) = match host_of(sni.as_deref(), snapshot) {
        Ok(found) => found,
        Err(refused) => return Err(unrecognized_name(start, *refused).await.into()),
    };
    let slot = timeout_at(deadline, handshakes.acquire()).await;
    let _slot = slot.map_err(|_| Refused::new("busy", "too many handshakes", sni.as_deref()))?;
    let Some(config) = snapshot.transport.config(scope, &host, UnixTime::now()) else {
        return Err(Refused::not_cloudflare("cloudflared is to connect without TLS").into());
    };
    let accept = start.into_stream(config).into_fallible();
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
        Err(_elapsed) => return Err(Refused::too_slow(sni.as_deref()).into()),
    };
    let peer = peer(&stream, observation, snapshot)?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_H2) => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    Ok(Established {
        // It is a kilobyte and more, and every future that takes it on has room for it.
        stream: Box::new(stream),
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
        Err(_elapsed) => Err(Refused::too_slow(None).into()),
    }
}

/// An unknown name is refused, never given a default; so is a missing one, unless one is set.
fn host_of(sni: Option<&str>, snapshot: &Snapshot) -> Result<(HostName, ClientAuth), Box<Refused>> {
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
    match settings.applications.client_auth(&host) {
        Some(scope) => Ok((host, scope)),
        None => {
            let detail = "no application answers for this host";
            let refused = Refused::new("unknown_sni", detail, Some(host.as_str()));
            Err(Box::new(refused))
        }
    }
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

fn peer(
    stream: &TlsStream<TcpStream>,
    observation: Observation,
    snapshot: &Snapshot,
) -> Result<Peer, HandshakeEnd> {
    if let Some(front) = &snapshot.settings.behind_cloudflare {
        return Ok(Peer::Cloudflare(Arc::clone(&front.peer)));
    }
    let tls = stream.get_ref().1;
    let chain = tls.peer_certificates().unwrap_or_default();
    admit(chain, observation, &snapshot.gate.load(), UnixTime::now()).map_err(|refused| {
        let host = tls.server_name().map(str::to_owned);
        Refused { host, ..refused }.into()
    })
}

/// The same gate after full and resumed handshakes alike; what the verifier found is not verified
/// twice. The handshake is over: whoever is there proved to hold the certificate's key, now or
/// when the session began.
fn admit(
    chain: &[CertificateDer<'_>],
    observation: Observation,
    gate: &Gate,
    now: UnixTime,
) -> Result<Peer, Refused> {
    let Some(leaf) = chain.first() else {
        return Ok(Peer::Anonymous);
    };
    if let Observation::Accepted(shown) = observation
        && shown.path().leaf().der() == leaf
    {
        return Ok(Peer::Certificate(shown.proven()));
    }
    match gate.verify(chain, now) {
        Ok(shown) => Ok(Peer::Certificate(shown.proven())),
        Err(rejection) => Err(Refused::rejected(&rejection, leaf_identity(leaf))),
    }
}

/// RFC 8446 section 6: alert (21), TLS 1.2 on the record layer, fatal (2), unrecognized_name (112).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use postern_fixtures::TestPki;
    use postern_pki::{
        Certificate, RevocationEvent, RevocationIndex, RevocationReason, TrustAnchors, WhenStale,
    };

    use super::*;
    use crate::follow::View;

    #[test]
    fn a_certificate_that_no_verifier_saw_passes_the_gate_or_is_refused() {
        let pki = TestPki::new();
        let root = Certificate::from_der(pki.root().der()).unwrap();
        let anchors = TrustAnchors::new(vec![root]).unwrap();
        let gate = Gate::new(&anchors, Arc::default(), WhenStale::Admit);
        let client = pki.client("device-1");
        let resumed = |gate: &Gate, now| {
            let admitted = admit(&client.chain(), Observation::NoCertificate, gate, now);
            admitted.map_err(|refused| (refused.reason, refused.leaf.unwrap().serial))
        };
        let path = match resumed(&gate, pki.now()) {
            Ok(Peer::Certificate(path)) => path,
            Ok(Peer::Cloudflare(_) | Peer::Anonymous) | Err(_) => panic!("it is a good one"),
        };
        let (issuer, serial) = path.links().next().unwrap();

        let late = resumed(&gate, pki.after(time::Duration::days(91)));
        assert_eq!(late.err(), Some(("expired", serial)));

        let event = RevocationEvent::Revoked(RevocationReason::KeyCompromise);
        let view = View {
            index: RevocationIndex::new().with_event(issuer, serial, event),
            ..View::default()
        };
        let revoked = resumed(&gate.with_view(Arc::new(view)), pki.now());
        assert_eq!(revoked.err(), Some(("revoked", serial)));

        let other = Certificate::from_der(TestPki::new().root().der()).unwrap();
        let others = TrustAnchors::new(vec![other]).unwrap();
        let gate = Gate::new(&others, Arc::default(), WhenStale::Admit);
        let untrusted = resumed(&gate, pki.now());
        assert_eq!(untrusted.err(), Some(("bad_signature", serial)));
    }
}
