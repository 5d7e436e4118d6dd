//! What the targets forward to: fixed answers, and one that tells which headers arrived.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::error::{BenchError, Doing as _};

/// The running upstream; it lives as long as the process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts it on a free port, on a thread of its own.
    pub(crate) fn start() -> Result<Self, BenchError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").doing("bind the upstream")?;
        let address = listener.local_addr().doing("bind the upstream")?;
        listener.set_nonblocking(true).doing("bind the upstream")?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .doing("start the upstream")?;
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || runtime.block_on(serve(listener, counter)));
        Ok(Self { address, requests })
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve(listener: std::net::TcpListener, requests: Arc<AtomicU64>) {
    let listener = TcpListener::from_std(listener).expect("the runtime has I/O");
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        socket.set_nodelay(true).ok();
        let requests = Arc::clone(&requests);
        let service = service_fn(move |request| {
            requests.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, Infallible>(answer(&request)))
        });
        let serving = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        // A connection ends where its client wants; there is nothing to report.
        tokio::spawn(async { serving.await.unwrap_or(()) });
    }
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let body = match request.uri().path() {
        SMALL => Bytes::from_static(&[b'x'; 1024]),
        LARGE => Bytes::from_static(&[b'x'; 64 * 1024]),
        _ => {
            let fields = request.headers().iter();
            let lines = fields.map(|(name, value)| {
                format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
            });
            Bytes::from(lines.collect::<String>())
        }
    };
    Response::new(Full::new(body))
}

/// 1 KB.
pub(crate) const SMALL: &str = "/1k";
/// 64 KB.
pub(crate) const LARGE: &str = "/64k";
/// The header lines as they arrived.
pub(crate) const SEEN: &str = "/seen";
