//! rustls server configurations: one per client-auth mode, with tickets of each connection's own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_policy::{ClientAuth, HostName};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, NoKeyLog, RootCertStore, ServerConfig};
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the aws-lc-rs provider has suites for TLS 1.3 and 1.2")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::clone(key))));
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP11.to_vec()];
    config.ignore_client_order = true;
    // No resumption but with the tickets of `resumable`.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // No 0-RTT: it can be replayed. No key log: SSLKEYLOGFILE is not honoured.
    config.max_early_data_size = 0;
    config.key_log = Arc::new(NoKeyLog {});
    Arc::new(config)
}

/// All suites of rustls, with AES-128 before the others: the key schedule of AES-256 is SHA-384's,
/// which costs more in every handshake, and 128 bits are what P-256 and X25519 have as well.
/// Whoever offers the others alone gets them.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    // Stable: `false` first, and the order of all others stays.
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

/// HTTP/2, RFC 9113 section 3.2.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1, RFC 9112.
pub(crate) const ALPN_HTTP11: &[u8] = b"http/1.1";

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, ClientConnection, ServerConnection};
    use rustls_pki_types::{PrivateKeyDer, ServerName};

    use super::*;

    /// The suite that a client gets which offers these, the one it likes best first.
    fn agreed(offered: &[CipherSuite]) -> CipherSuite {
        let issued = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(issued.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
        let chain = vec![issued.cert.der().clone()];
        let key = CertifiedKey::from_der(chain, key, &provider()).unwrap();
        let config = server_config(&Arc::new(key), Arc::new(NoClientAuth));
        let mut server = ServerConnection::new(config).unwrap();

        let all = provider().cipher_suites;
        let find = |name| all.iter().copied().find(|suite| suite.suite() == name);
        let offer = CryptoProvider {
            cipher_suites: offered.iter().copied().filter_map(find).collect(),
            ..provider()
        };
        let config = ClientConfig::builder_with_provider(Arc::new(offer))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("a.example").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();

        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut wire = Vec::new();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        server.negotiated_cipher_suite().unwrap().suite()
    }

    #[test]
    fn the_cheapest_suite_is_taken_and_every_other_one_where_it_is_the_only_one() {
        const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
        const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
        const CHACHA: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
        const OLD: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384;
        assert_eq!(agreed(&[AES_256, CHACHA, AES_128]), AES_128);
        for only in [AES_256, CHACHA, OLD] {
            assert_eq!(agreed(&[only]), only);
        }
    }
}
