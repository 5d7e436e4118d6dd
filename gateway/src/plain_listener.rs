//! Listeners beside the gateway's own, for small answers to GET: loopback, no TLS, no credentials.
//!
//! They answer when no client gets in, and no client gets to them.

use std::convert::Infallible;
use std::io;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::state::State;

/// What is answered at a path.
pub(crate) type Answer = fn(&State, &str) -> Response<Full<Bytes>>;

/// Listens, and has not served yet.
pub(crate) struct PlainListener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Serves until it is dropped.
pub(crate) struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl PlainListener {
    /// Listens.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where; the port is the real one where 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to answer.
    pub(crate) fn start(self, state: &Arc<State>, answer: Answer) -> Serving {
        Serving(tokio::spawn(self.accept(Arc::clone(state), answer)))
    }

    /// Never more than a few connections, and none for long: nothing here is worth waiting for.
    async fn accept(self, state: Arc<State>, answer: Answer) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        // Dropped with the listener, and the connections with it.
        let mut connections = JoinSet::new();
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await;
            let slot = slot.expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok((socket, _)) => {
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        serve(socket, &state, answer).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection on {}: {error}", self.address);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

async fn serve(socket: TcpStream, state: &State, answer: Answer) {
    let service = service_fn(|request| async move {
        Ok::<_, Infallible>(if_it_reads(&request, |path| answer(state, path)))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(socket), service);
    match timeout(CONNECTION, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!("a connection beside ended badly: {error}"),
    }
}

fn if_it_reads<B>(
    request: &Request<B>,
    answer: impl FnOnce(&str) -> Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(request.uri().path());
    }
    let mut refusal = document(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET or HEAD\n");
    let allowed = HeaderValue::from_static("GET, HEAD");
    refusal.headers_mut().insert(ALLOW, allowed);
    refusal
}

/// An answer that nobody keeps, unless its maker says otherwise.
pub(crate) fn document(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
const CONNECTIONS: usize = 64;
const HEADER: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
