//! The built-in upstream: answers with what reached it.

use std::convert::Infallible;
use std::fmt::Write as _;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::error::{CommandError, Kind};

pub(super) async fn bind(port: u16) -> Result<TcpListener, CommandError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        CommandError::new(Kind::Conflict, format!("the echo cannot listen on 127.0.0.1:{port}: {error}"))
            .hint("stop what uses the port, or make another playground with --dir and --upstream-port")
    })
}

pub(super) async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut text = format!(
        "{} {} reached the upstream with\n",
        request.method(),
        request.uri()
    );
    for (name, value) in request.headers() {
        let line = writeln!(
            text,
            "{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        );
        line.unwrap_or_default();
    }
    Ok(Response::new(Full::from(text)))
}
