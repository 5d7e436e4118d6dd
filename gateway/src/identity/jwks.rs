//! The public keys, for whoever verifies our assertions: on a listener of their own, because no
//! client certificate is asked for and no application has a part in it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::state::State;

/// Listens, and has not served yet.
pub(crate) struct JwksListener(TcpListener);

impl JwksListener {
    /// Listens on an address of loopback.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self(TcpListener::from_std(listener)?))
    }

    /// Serves the keys of the configuration in force, for ever.
    pub(crate) async fn serve(self, state: Arc<State>) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await;
            let slot = slot.expect("the semaphore is never closed");
            match self.0.accept().await {
                Ok((socket, _)) => {
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        serve_connection(&state, socket).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection for keys: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn serve_connection(state: &State, socket: TcpStream) {
    let service = service_fn(|request| async move {
        let document = state.snapshot().minter.as_ref().map(|minter| minter.keys());
        let document = document.map(|keys| keys.document().clone());
        Ok::<_, Infallible>(answer(&request, document))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = served.await {
        tracing::debug!("a connection for keys ended: {error}");
    }
}

/// One document at one path, to be read.
fn answer(request: &Request<Incoming>, document: Option<Bytes>) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match document {
        Some(document) if request.uri().path() == PATH && is_read => {
            let mut response = Response::new(Full::new(document));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
            response
        }
        Some(_) if request.uri().path() == PATH => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
        Some(_) | None => empty(StatusCode::NOT_FOUND),
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Where verifiers look, below the issuer.
const PATH: &str = "/cdn-cgi/access/certs";
/// Shorter than keys are published before they sign.
const KEEP: &str = "public, max-age=300";
const MAX_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
