//! HTTP over one TLS connection that stays open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::{Answer, Failure};
use super::tls::{Dialer, Protocol, Stream, is_resumed, within};

/// A request's body.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// One connection.
pub(crate) struct Client {
    sender: Sender,
    /// None once it has ended and said why.
    driver: Option<JoinHandle<Result<(), hyper::Error>>>,
    authority: String,
    resumed: bool,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    /// Connects in the target's name.
    pub(crate) async fn connect(
        dialer: &Dialer,
        config: &Arc<ClientConfig>,
    ) -> Result<Self, Failure> {
        let stream = dialer.tls(config).await?;
        Self::over(stream, dialer.target.authority.clone()).await
    }

    /// Speaks what ALPN settled on; `authority` is what requests say they are for.
    pub(crate) async fn over(stream: Stream, authority: String) -> Result<Self, Failure> {
        let resumed = is_resumed(&stream);
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        let io = TokioIo::new(stream);
        let (sender, driver) = match protocol {
            Protocol::Http1 => {
                let made = within(http1::handshake(io)).await?;
                let (sender, connection) = made.map_err(|error| Failure::of(&error))?;
                let driver = tokio::spawn(connection.with_upgrades());
                (Sender::Http1(sender), driver)
            }
            Protocol::Http2 => {
                let made = within(http2::handshake(TokioExecutor::new(), io)).await?;
                let (sender, connection) = made.map_err(|error| Failure::of(&error))?;
                (Sender::Http2(sender), tokio::spawn(connection))
            }
        };
        Ok(Self {
            sender,
            driver: Some(driver),
            authority,
            resumed,
        })
    }

    /// Whether its handshake was an abbreviated one.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Asks for `path`, reads the answer, and keeps the connection.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        match self.fetch(path, HeaderMap::new()).await {
            Ok((status, _)) => Answer::of(status),
            Err(failure) => failure.into(),
        }
    }

    /// The whole answer to a request with more headers.
    pub(crate) async fn fetch(
        &mut self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<(StatusCode, String), Failure> {
        let response = self.send(Method::GET, path, headers, empty()).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect();
        let body = within(body).await?.map_err(|error| Failure::of(&*error))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok((status, text))
    }

    /// The head of the answer; its body is still to come.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        within(self.send_unhurried(method, path, headers, body)).await?
    }

    /// The same for a request whose body may take for ever.
    pub(crate) async fn send_unhurried(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let builder = Request::builder().method(method);
        let request = match &self.sender {
            Sender::Http1(_) => builder.uri(path).header("host", &self.authority),
            Sender::Http2(_) => builder.uri(format!("https://{}{path}", self.authority)),
        };
        let mut request = request
            .body(body)
            .map_err(|error| Failure::Unclear(error.to_string()))?;
        request.headers_mut().extend(headers);
        let sent = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        match sent {
            Ok(response) => Ok(response),
            Err(error) => Err(self.cause(&error).await),
        }
    }

    /// The connection knows of an alert what its requests do not.
    async fn cause(&mut self, error: &hyper::Error) -> Failure {
        let of_request = Failure::of(error);
        let Some(mut driver) = self.driver.take() else {
            return of_request;
        };
        match timeout(MOMENT, &mut driver).await {
            Ok(Ok(Err(error))) => match Failure::of(&error) {
                of_connection @ Failure::Refused(_) => of_connection,
                Failure::Unclear(_) => of_request,
            },
            Ok(Ok(Ok(())) | Err(_)) => of_request,
            Err(_still_running) => {
                self.driver = Some(driver);
                of_request
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().boxed()
}

/// More of an answer than this is not read.
const MOST: usize = 1 << 20;
const MOMENT: Duration = Duration::from_millis(200);
