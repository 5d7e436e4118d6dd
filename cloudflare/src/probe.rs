//! Asks a protected URL with a service token and says what the answer means: the engine of
//! `token test`.

mod echo;
mod request;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Response, Url};
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::access::TokenSecret;
use crate::http;

pub use echo::{EchoError, EchoReport, EchoedHeader, Passage};
pub use verdict::{Phase, Verdict};

/// A token, and the URL that it is to open.
pub struct Probe {
    http: reqwest::Client,
    url: Url,
    credentials: HeaderMap,
    options: ProbeOptions,
}

/// How a token is sent, and how patiently.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Which headers carry the token.
    pub header: CredentialHeader,
    /// How many attempts there are; the first that passes is the last.
    pub attempts: u32,
    /// The pause between two attempts.
    pub interval: Duration,
    /// The limit on one attempt.
    pub timeout: Duration,
    /// How long after the first attempt a refusal may be a change that is still on its way to
    /// the edge; nothing for a token that has long been there.
    pub propagation: Duration,
    /// Roots to trust beside the system's, in PEM.
    pub extra_roots: Option<String>,
    /// Where to connect instead of where the host's name points.
    pub resolve: Option<SocketAddr>,
}

/// Which headers carry a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CredentialHeader {
    /// `CF-Access-Client-Id` and `CF-Access-Client-Secret`.
    Pair,
    /// `Authorization` with both as JSON, for an application with
    /// `read_service_tokens_from_header: "Authorization"`.
    Authorization,
}

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Seconds since the first.
    pub after_seconds: u64,
    /// What it means.
    pub verdict: Verdict,
    /// Cloudflare's name for the request, to be found in its logs.
    pub ray: Option<String>,
    /// Whether a `CF_Authorization` cookie came; a strict organization gives none, and where
    /// there are only Service Auth policies it does not replace the token.
    pub cookie: bool,
}

/// All attempts at one URL.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The URL.
    pub url: String,
    /// The attempts in their order; there is at least one.
    pub attempts: Vec<Attempt>,
    /// The verdict of the last.
    pub verdict: Verdict,
}

/// Why a probe cannot be made.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The URL is none, or has credentials in it.
    #[error("the URL is no good: {0}")]
    Url(String),
    /// The secret would be sent in the clear.
    #[error("a token is sent only over https (or to loopback); {0} is neither")]
    Cleartext(String),
    /// The client id or the secret cannot stand in a header.
    #[error("the {0} is not one word of printable ASCII")]
    Credential(&'static str),
    /// The extra roots are no PEM certificates.
    #[error("the extra roots cannot be read: {0}")]
    Roots(String),
    /// TLS cannot be set up.
    #[error("cannot set up HTTPS: {0}")]
    Setup(String),
}

impl Probe {
    /// Prepares a probe; nothing is sent yet.
    pub fn new(
        url: &str,
        client_id: &str,
        secret: &TokenSecret,
        options: ProbeOptions,
    ) -> Result<Self, ProbeError> {
        let url = request::checked(url)?;
        let credentials = request::credentials(options.header, client_id, secret)?;
        let http = request::http_client(&url, &options)?;
        Ok(Self {
            http,
            url,
            credentials,
            options,
        })
    }

    /// Tries until an attempt passes or there are none left. Each is told when it is over.
    pub async fn run(&self, mut told: impl FnMut(&Attempt)) -> ProbeReport {
        let start = Instant::now();
        let mut attempts = Vec::new();
        let mut number = 1;
        loop {
            let attempt = self.attempt(number, start).await;
            told(&attempt);
            let verdict = attempt.verdict.clone();
            attempts.push(attempt);
            if verdict == Verdict::Passed || number >= self.options.attempts {
                let url = self.url.to_string();
                return ProbeReport {
                    url,
                    attempts,
                    verdict,
                };
            }
            number += 1;
            sleep(self.options.interval).await;
        }
    }

    async fn attempt(&self, number: u32, start: Instant) -> Attempt {
        let answer = self.send().await;
        let after = start.elapsed();
        let phase = if after < self.options.propagation {
            Phase::Propagating
        } else {
            Phase::Settled
        };
        let headers = answer.as_ref().map(|it| it.headers().clone());
        let headers = headers.unwrap_or_default();
        Attempt {
            number,
            after_seconds: after.as_secs(),
            verdict: verdict_of(answer, phase),
            ray: text(&headers, "cf-ray"),
            cookie: sets_cookie(&headers),
        }
    }

    async fn send(&self) -> Result<Response, reqwest::Error> {
        let request = self.http.get(self.url.clone());
        request.headers(self.credentials.clone()).send().await
    }
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            header: CredentialHeader::Pair,
            attempts: 5,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            propagation: Duration::from_secs(30),
            extra_roots: None,
            resolve: None,
        }
    }
}

fn verdict_of(answer: Result<Response, reqwest::Error>, phase: Phase) -> Verdict {
    match answer {
        Ok(answer) => {
            let location = text(answer.headers(), LOCATION.as_str());
            Verdict::of(answer.status().as_u16(), location.as_deref(), phase)
        }
        Err(error) if error.is_connect() => Verdict::Unreachable(http::causes(&error)),
        Err(error) => Verdict::NoAnswer(http::causes(&error)),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn sets_cookie(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(SET_COOKIE).iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .any(|cookie| cookie.starts_with("CF_Authorization="))
}
