//! One connection to an upstream: TCP, TLS where its URL says so, all within one time limit.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, MaybeHttpsStream,
    ResolveServerName,
};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::tls::{UpstreamTls, no_tls};

/// A connection to an upstream.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn Error + Send + Sync>;

/// Connects to wherever a URI leads.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    within: Duration,
}

impl Connector {
    /// Offers these protocols over TLS, the preferred one first.
    pub(super) fn new(tls: Option<&UpstreamTls>, protocols: &[&[u8]], within: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(within));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let mut config = tls.map_or_else(no_tls, UpstreamTls::client_config);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let names: Arc<dyn ResolveServerName + Send + Sync> =
            match tls.and_then(|tls| tls.name.clone()) {
                Some(name) => Arc::new(FixedServerNameResolver::new(name)),
                None => Arc::new(DefaultServerNameResolver::default()),
            };
        Self {
            inner: HttpsConnector::new(tcp, config, false, names),
            within,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.within, self.inner.call(uri));
        Box::pin(async move {
            connecting
                .await
                .unwrap_or_else(|_elapsed| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        })
    }
}
