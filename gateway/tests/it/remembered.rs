//! A chain that was seen before is as good as its key, and no better.

use std::sync::Arc;

use http::StatusCode;
use postern_fixtures::Issued;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{DEVICES, Protocol, World, client_config};

/// One client's certificate, another one's key.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl Thief {
    fn with(certificate: &Issued, key: &Issued) -> Self {
        let key = any_supported_type(&key.key_der()).unwrap();
        Self(Arc::new(CertifiedKey::new(certificate.chain(), key)))
    }
}

impl ResolvesClientCert for Thief {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The alert that the thief gets.
async fn attempt(
    world: &World,
    thief: Thief,
    version: &'static SupportedProtocolVersion,
) -> String {
    let mut config = client_config(&world.pki, None, b"http/1.1", &[version]);
    config.client_auth_cert_resolver = Arc::new(thief);
    let socket = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from(DEVICES).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
    let exchange = async {
        let mut stream = connecting.await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
        stream.read_u8().await
    };
    exchange.await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_remembered_chain_with_another_key_is_refused() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let other = world.pki.client("device-2.factory.corp");
    for version in [&TLS13, &TLS12] {
        // Twice: after the first time the chain is remembered.
        for _ in 0..2 {
            let mut client = world
                .connect(DEVICES, Some(&device), Protocol::Http1)
                .await
                .unwrap();
            let answer = client.get(DEVICES, "/", &[]).await.unwrap();
            assert_eq!(answer.0, StatusCode::OK);
        }
        let before = world.upstream.requests();
        let thief = Thief::with(&device, &other);
        let alert = attempt(&world, thief, version).await;
        assert!(alert.contains("DecryptError"), "{alert}");
        assert_eq!(world.upstream.requests(), before);
    }
    let event = world.event(|event| event["event"] == "handshake").await;
    assert_eq!(event["reason"], "tls_failed");
}
