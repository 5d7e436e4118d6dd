//! Exchanges that do not end by themselves.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::answer::{Answer, Failure};
use super::client::{Client, empty};
use super::pki::Identity;
use super::suite::Suite;
use super::tls::{Protocol, Version};
use super::verdict::NotRun;

/// What is going on for a long time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    Response(Protocol),
    Upload,
    WebSocket,
}

/// One that was going on when it was last looked at.
pub(crate) struct Running {
    task: JoinHandle<String>,
}

impl Exchange {
    /// Begins one; it has to be going on for a moment.
    pub(crate) async fn begin(self, suite: &Suite, who: &Identity) -> Result<Running, NotRun> {
        let path = self.path(suite)?.to_owned();
        let protocol = match self {
            Self::Response(protocol) => protocol,
            Self::Upload | Self::WebSocket => Protocol::Http1,
        };
        let opened = suite.open(Some(who), Version::Any, protocol).await;
        let client = opened.map_err(|failure| NotRun::because(Answer::from(failure)))?;
        if protocol == Protocol::Http2 && !client.is_http2() {
            return Err(NotRun::not_applicable("the target does not speak HTTP/2"));
        }
        let task = match self {
            Self::Response(_) => read(client, &path).await?,
            Self::Upload => upload(client, path.clone()),
            Self::WebSocket => web_socket(client, &path).await?,
        };
        let mut running = Running { task };
        match running.ended_within(MOMENT).await {
            Some(how) => Err(NotRun::because(format!("{path} ends by itself: {how}"))),
            None => Ok(running),
        }
    }

    fn path(self, suite: &Suite) -> Result<&str, NotRun> {
        let paths = &suite.options.paths;
        let (flag, path) = match self {
            Self::Response(_) => ("--stream-path", &paths.stream),
            Self::Upload => ("--upload-path", &paths.upload),
            Self::WebSocket => ("--websocket-path", &paths.websocket),
        };
        let missing = || NotRun::because(format!("no {flag}"));
        path.as_deref().ok_or_else(missing)
    }

    /// For the evidence.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Response(_) => "streaming response",
            Self::Upload => "upload",
            Self::WebSocket => "WebSocket",
        }
    }
}

impl Running {
    /// How it ended, if it does within this time.
    pub(crate) async fn ended_within(&mut self, limit: Duration) -> Option<String> {
        let ended = timeout(limit, &mut self.task).await.ok()?;
        Some(ended.unwrap_or_else(|error| error.to_string()))
    }

    /// Whether it is still going on.
    pub(crate) fn goes_on(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut client: Client, path: &str) -> Result<JoinHandle<String>, NotRun> {
    let response = begun(
        client
            .send(Method::GET, path, HeaderMap::new(), empty())
            .await,
    )?;
    let mut body = response.into_body();
    Ok(tokio::spawn(async move {
        let how = loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break said(Failure::of(&error)),
                None => break "the answer ended".to_owned(),
            }
        };
        drop(client);
        how
    }))
}

fn upload(mut client: Client, path: String) -> JoinHandle<String> {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        let sent = client.send_unhurried(Method::POST, &path, HeaderMap::new(), body.boxed());
        tokio::select! {
            answer = sent => match answer {
                Ok(response) => format!("answered {}", response.status().as_u16()),
                Err(failure) => said(failure),
            },
            () = drip(&mut sender) => "the body was dropped".to_owned(),
        }
    })
}

/// A little now and then, for as long as somebody takes it.
async fn drip(sender: &mut Sender<Bytes, Infallible>) {
    while sender.send_data(Bytes::from_static(b"more")).await.is_ok() {
        sleep(DRIP).await;
    }
    // The request itself says more precisely how it ended.
    sleep(MOMENT).await;
}

async fn web_socket(mut client: Client, path: &str) -> Result<JoinHandle<String>, NotRun> {
    let headers = HeaderMap::from_iter([
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (
            SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        ),
    ]);
    let sent = client.send(Method::GET, path, headers, empty()).await;
    let response = sent.map_err(|failure| NotRun::because(Answer::from(failure)))?;
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let why = format!("no WebSocket at {path}: answered {}", status.as_u16());
        return Err(NotRun::not_applicable(why));
    }
    let upgraded = hyper::upgrade::on(response).await;
    let upgraded = upgraded.map_err(|error| NotRun::because(said(Failure::of(&error))))?;
    let mut octets = TokioIo::new(upgraded);
    Ok(tokio::spawn(async move {
        let mut block = [0; 4096];
        let how = loop {
            match octets.read(&mut block).await {
                Ok(0) => break "the connection ended".to_owned(),
                Ok(_) => {}
                Err(error) => break said(Failure::of(&error)),
            }
        };
        drop(client);
        how
    }))
}

fn begun(sent: Result<Response<Incoming>, Failure>) -> Result<Response<Incoming>, NotRun> {
    let response = sent.map_err(|failure| NotRun::because(Answer::from(failure)))?;
    Answer::of(response.status()).must_admit("the client, before it is revoked")?;
    Ok(response)
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::Refused(how) | Failure::Unclear(how) => how,
    }
}

/// What goes on for so long goes on.
const MOMENT: Duration = Duration::from_millis(500);
const DRIP: Duration = Duration::from_millis(20);
