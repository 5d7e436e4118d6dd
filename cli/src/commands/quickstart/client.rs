//! One HTTPS request on a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::failure;
use super::make::Playground;
use crate::error::CommandError;

/// What the client shows.
pub(super) enum Credential {
    Certificate,
    Token,
    Nothing,
}

/// What came of it.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) request_id: String,
}

/// Asks the gateway for `/hello`; an error is a connection that was refused.
pub(super) async fn ask(
    playground: &Playground,
    address: SocketAddr,
    credential: &Credential,
) -> Result<Answer, CommandError> {
    let tls = TlsConnector::from(Arc::new(tls_config(playground, credential)?));
    let stream = TcpStream::connect(address).await.map_err(failure)?;
    let name = ServerName::try_from("localhost").map_err(failure)?;
    let stream = tls.connect(name, stream).await.map_err(failure)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failure)?;
    let driver = tokio::spawn(connection);
    let mut request = Request::get("/hello").header("host", "localhost");
    if let Credential::Token = credential {
        for (name, value) in token_headers(playground)? {
            request = request.header(name, value);
        }
    }
    let request = request
        .body(Empty::<bytes::Bytes>::new())
        .map_err(failure)?;
    let response = sender.send_request(request).await.map_err(failure)?;
    let request_id = response
        .headers()
        .get("x-request-id")
        .and_then(|id| id.to_str().ok());
    let answer = Answer {
        status: response.status(),
        request_id: request_id.unwrap_or_default().to_owned(),
    };
    response.into_body().collect().await.map_err(failure)?;
    drop(sender);
    drop(driver.await);
    Ok(answer)
}

fn tls_config(
    playground: &Playground,
    credential: &Credential,
) -> Result<ClientConfig, CommandError> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(playground.path("root/root.crt")).map_err(failure)?;
    roots.add(root).map_err(failure)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failure)?
        .with_root_certificates(roots);
    let Credential::Certificate = credential else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = CertificateDer::pem_file_iter(playground.path("dev-client.crt"))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failure)?;
    let key = PrivateKeyDer::from_pem_file(playground.path("dev-client.key")).map_err(failure)?;
    builder.with_client_auth_cert(chain, key).map_err(failure)
}

fn token_headers(playground: &Playground) -> Result<Vec<(String, String)>, CommandError> {
    let text = postern_ca::files::read(&playground.path("dev-token.headers"))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let headers = text.lines().filter_map(|line| line.split_once(": "));
    Ok(headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
