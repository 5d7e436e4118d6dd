//! An upstream that tells what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

type Answer = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, opened) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::SeqCst);
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        answer(request)
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(socket), service);
                    connection.await.ok();
                });
            }
        });
        Self {
            address,
            requests,
            connections,
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = match parts.uri.path() {
        "/drip" => return Ok(Response::new(Drip::default().boxed_unsync())),
        "/hang" => std::future::pending().await,
        _ => body.collect().await,
    };
    let (octets, trailers) = match body {
        Ok(body) => {
            let trailers = body.trailers().cloned();
            (body.to_bytes().len(), trailers)
        }
        Err(_) => (0, None),
    };
    let headers = |headers: &HeaderMap| -> Vec<(String, String)> {
        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    };
    let told = serde_json::json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "headers": headers(&parts.headers),
        "trailers": trailers.as_ref().map(headers),
        "octets": octets,
    });
    let response = Response::builder()
        .header("client-cert", ":forged:")
        .header("x-request-id", "forged")
        .header("x-application", "kept")
        .body(Full::new(Bytes::from(told.to_string())).boxed_unsync());
    Ok(response.unwrap())
}

/// A body without end, a few octets at a time.
#[derive(Default)]
struct Drip(Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let pause = || Box::pin(tokio::time::sleep(Duration::from_millis(50)));
        std::task::ready!(self.0.get_or_insert_with(pause).as_mut().poll(cx));
        self.0 = None;
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"drip\n")))))
    }
}
