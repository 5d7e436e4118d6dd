//! rustls server configurations: one per client-auth mode, never shared sessions.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_policy::ClientAuth;
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{NoKeyLog, ServerConfig};

use crate::verifier::{ClientVerifier, Gate};

/// The server configuration of each scope.
pub(crate) struct ServerConfigs {
    requested: Arc<ServerConfig>,
    required: Arc<ServerConfig>,
}

impl ServerConfigs {
    /// Both configurations over one gate and one server certificate.
    pub(crate) fn new(key: &Arc<CertifiedKey>, gate: &Arc<ArcSwap<Gate>>) -> Self {
        Self {
            requested: server_config(key, ClientVerifier::new(Arc::clone(gate), false)),
            required: server_config(key, ClientVerifier::new(Arc::clone(gate), true)),
        }
    }

    /// The configuration for a scope.
    pub(crate) fn of(&self, scope: ClientAuth) -> &Arc<ServerConfig> {
        match scope {
            ClientAuth::Requested => &self.requested,
            ClientAuth::Required => &self.required,
        }
    }
}

fn server_config(key: &Arc<CertifiedKey>, verifier: ClientVerifier) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the aws-lc-rs provider has suites for TLS 1.3 and 1.2")
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::clone(key))));
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP11.to_vec()];
    // No resumption: a resumed session does not call the client verifier.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // No 0-RTT: it can be replayed. No key log: SSLKEYLOGFILE is not honoured.
    config.max_early_data_size = 0;
    config.key_log = Arc::new(NoKeyLog {});
    Arc::new(config)
}

/// HTTP/2, RFC 9113 section 3.2.
pub(crate) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP11: &[u8] = b"http/1.1";
