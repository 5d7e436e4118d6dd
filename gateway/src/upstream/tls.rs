//! TLS with upstreams: whom we trust there, and who we say we are.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

/// How the upstreams of one application are spoken to over TLS.
#[derive(Clone)]
pub(crate) struct UpstreamTls {
    trust: Vec<CertificateDer<'static>>,
    identity: Option<Arc<CertifiedKey>>,
    /// The name that is asked for and checked, where it is not the URL's.
    pub(super) name: Option<ServerName<'static>>,
}

/// A certificate that nothing can lead to.
#[derive(Debug, thiserror::Error)]
#[error("one of the CA certificates for its upstream cannot be used: {0}")]
pub(crate) struct UnusableTrust(rustls::Error);

impl UpstreamTls {
    /// Checks that every certificate of `trust` can be used.
    pub(crate) fn new(
        trust: Vec<CertificateDer<'static>>,
        identity: Option<Arc<CertifiedKey>>,
        name: Option<ServerName<'static>>,
    ) -> Result<Self, UnusableTrust> {
        let mut roots = RootCertStore::empty();
        for certificate in &trust {
            roots.add(certificate.clone()).map_err(UnusableTrust)?;
        }
        Ok(Self {
            trust,
            identity,
            name,
        })
    }

    /// Whether connections made with the one are as good as those made with the other. Keys need
    /// not be compared: each fits its certificate.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let chain = |tls: &Self| tls.identity.as_ref().map(|identity| identity.cert.clone());
        self.trust == other.trust && self.name == other.name && chain(self) == chain(other)
    }

    /// The configuration, without ALPN.
    pub(super) fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.trust.iter().cloned());
        let config = builder().with_root_certificates(roots);
        match &self.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let key = SingleCertAndKey::from(CertifiedKey::clone(identity));
                config.with_client_cert_resolver(Arc::new(key))
            }
        }
    }
}

/// For upstreams without TLS: trusts nobody.
pub(super) fn no_tls() -> ClientConfig {
    builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the aws-lc-rs provider has suites for TLS 1.3 and 1.2")
}
