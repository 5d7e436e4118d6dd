//! What is told to whoever watches the gateway: figures, and whether it lives and takes requests.
//!
//! A listener of its own on a loopback address, without TLS and without credentials, so that it
//! answers when no client gets in, and no client gets to it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::StartError;
use crate::listener::{Listener, Socket};
use crate::settings::ListenAddress;
use crate::state::State;

/// A listener that has not served yet.
pub(crate) struct Monitor {
    listener: Listener,
    address: ListenAddress,
}

/// Serves until it is dropped.
pub(crate) struct RunningMonitor(JoinHandle<()>);

impl Drop for RunningMonitor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Monitor {
    /// Listens.
    pub(crate) fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let address = ListenAddress::Tcp(address);
        let bound = Listener::bind(&address);
        let (listener, address) = bound.map_err(|source| StartError::Listen { address, source })?;
        Ok(Self { listener, address })
    }

    /// Where it listens; the port is the real one where 0 was asked for.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Starts to answer.
    pub(crate) fn start(self, state: &Arc<State>) -> RunningMonitor {
        RunningMonitor(tokio::spawn(accept(self.listener, Arc::clone(state))))
    }
}

/// Never more than a few connections, and none for long: nothing here is worth waiting for.
async fn accept(listener: Listener, state: Arc<State>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((socket, _)) => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    match socket {
                        Socket::Tcp(socket) => serve(socket, &state).await,
                        Socket::Unix(socket) => serve(socket, &state).await,
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::debug!("cannot accept a connection for `metrics`: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(socket: S, state: &State) {
    let answer = service_fn(|request| async move { Ok::<_, Infallible>(answer(state, &request)) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(socket), answer);
    match timeout(CONNECTION, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!("a connection to `metrics` ended badly: {error}"),
    }
}

fn answer<B>(state: &State, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(ALLOW, allowed);
        return refusal;
    }
    match request.uri().path() {
        "/metrics" => text(
            StatusCode::OK,
            state.metrics.render(UnixTime::now().as_secs()),
        ),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        // A drain is what a load balancer has to see before the connections end.
        "/readyz" if state.draining.is_cancelled() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        }
        "/readyz" => text(StatusCode::OK, "ok\n"),
        _ => text(StatusCode::NOT_FOUND, "/metrics, /healthz or /readyz\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(prometheus::TEXT_FORMAT),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const CONNECTIONS: usize = 16;
const HEADER: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
