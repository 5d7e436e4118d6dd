//! rustls server configurations: one per client-auth mode, with tickets of each connection's own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_policy::{ClientAuth, HostName};
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{NoKeyLog, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::cloudflare::CloudflarePeer;
use crate::resumption::{OwnKeys, Resumption, TicketKeys, Tickets};
use crate::settings::{Settings, TicketSettings};
use crate::verifier::{ClientVerifier, Gate};

/// How connections are taken.
pub(crate) enum Transport {
    /// TLS with clients, by the scope of the host.
    Clients {
        not_asked: Arc<ServerConfig>,
        requested: Arc<ServerConfig>,
        required: Arc<ServerConfig>,
        /// None: every handshake is a full one.
        resumption: Option<Arc<Resumption>>,
    },
    /// TLS with Cloudflare, whatever the host: the client's certificate ended at the edge.
    Cloudflare(Arc<ServerConfig>),
    /// Plain HTTP with `cloudflared` on this machine.
    Plain,
}

impl Transport {
    /// The configurations over one gate and one server certificate.
    pub(crate) fn new(
        settings: &Settings,
        gate: &Arc<ArcSwap<Gate>>,
        own_keys: &Arc<OwnKeys>,
    ) -> Self {
        let Some(key) = &settings.server_key else {
            return Self::Plain;
        };
        let client = |mandatory| Arc::new(ClientVerifier::new(Arc::clone(gate), mandatory));
        match settings
            .behind_cloudflare
            .as_ref()
            .map(|front| &*front.peer)
        {
            None => Self::Clients {
                not_asked: server_config(key, Arc::new(NoClientAuth)),
                requested: server_config(key, client(false)),
                required: server_config(key, client(true)),
                resumption: resumption(settings, gate, own_keys),
            },
            Some(CloudflarePeer::OriginPull(roots)) => {
                Self::Cloudflare(server_config(key, origin_pull(roots)))
            }
            Some(CloudflarePeer::Addresses(_) | CloudflarePeer::Tunnel) => {
                Self::Cloudflare(server_config(key, Arc::new(NoClientAuth)))
            }
        }
    }

    /// The configuration for a connection; none where there is no TLS.
    pub(crate) fn config(
        &self,
        scope: ClientAuth,
        host: &HostName,
        now: UnixTime,
    ) -> Option<Arc<ServerConfig>> {
        match self {
            Self::Clients {
                not_asked,
                requested,
                required,
                resumption,
            } => {
                let config = match scope {
                    ClientAuth::NotAsked => not_asked,
                    ClientAuth::Requested => requested,
                    ClientAuth::Required => required,
                };
                Some(match resumption {
                    Some(resumption) => resumable(config, resumption.tickets(scope, host, now)),
                    None => Arc::clone(config),
                })
            }
            Self::Cloudflare(config) => Some(Arc::clone(config)),
            Self::Plain => None,
        }
    }
}

fn resumption(
    settings: &Settings,
    gate: &Arc<ArcSwap<Gate>>,
    own_keys: &Arc<OwnKeys>,
) -> Option<Arc<Resumption>> {
    let keys = match &settings.tickets {
        TicketSettings::None => return None,
        TicketSettings::OwnKeys => TicketKeys::Own(Arc::clone(own_keys)),
        TicketSettings::SharedKeys(shared) => TicketKeys::Shared(Arc::clone(shared)),
    };
    let longest = settings.limits.max_resumption;
    let gate = Arc::clone(gate);
    Some(Resumption::new(keys, longest, &settings.anchors, gate))
}

/// A copy for one connection: a ticket has to know whose it is, and rustls asks the configuration.
/// Everything large in it is shared: the copy costs a quarter of a microsecond.
fn resumable(config: &ServerConfig, tickets: Tickets) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.ticketer = Arc::new(tickets);
    // A client that wants another one gets it with the connection it opens with this one.
    config.send_tls13_tickets = 1;
    Arc::new(config)
}

/// Authenticated origin pulls: the certificate is Cloudflare's, never an identity of a client.
fn origin_pull(roots: &[CertificateDer<'static>]) -> Arc<dyn ClientCertVerifier> {
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(roots.iter().cloned());
    let provider = Arc::new(aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider)
        .build()
        .expect("the anchors were tried when the configuration was checked")
}

fn server_config(
    key: &Arc<CertifiedKey>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the aws-lc-rs provider has suites for TLS 1.3 and 1.2")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::clone(key))));
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP11.to_vec()];
    // No resumption but with the tickets of `resumable`.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // No 0-RTT: it can be replayed. No key log: SSLKEYLOGFILE is not honoured.
    config.max_early_data_size = 0;
    config.key_log = Arc::new(NoKeyLog {});
    Arc::new(config)
}

/// HTTP/2, RFC 9113 section 3.2.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1, RFC 9112.
pub(crate) const ALPN_HTTP11: &[u8] = b"http/1.1";
