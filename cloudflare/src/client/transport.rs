//! Sends calls: a time limit on each, the budget over all, retries where they are right.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url, redirect};
use tokio::time::{Instant, sleep};
use tracing::debug;
use zeroize::Zeroizing;

use super::budget::Budget;
use super::call::Call;
use super::retry::{Next, Patience};
use super::{ApiToken, ClientOptions, Pace, envelope};
use crate::error::{ApiError, ApiErrorKind};
use crate::http::{self, BodyError};

/// The octets of a success. They may hold a secret (a minted token).
pub(super) type Answer = Zeroizing<Vec<u8>>;

/// The connection to the API.
pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    token: ApiToken,
    pace: Pace,
    budget: Mutex<Budget>,
    sent: AtomicU64,
    /// Held over a write of mTLS settings: Cloudflare refuses one while another deploys (12132).
    pub(super) settings: tokio::sync::Mutex<()>,
}

impl Transport {
    pub(super) fn new(options: ClientOptions, pace: Pace) -> Result<Self, ApiError> {
        let refused = |why: String| ApiError {
            method: "CONNECT",
            path: "/".to_owned(),
            kind: ApiErrorKind::Unreachable(why),
        };
        let base = checked_base(&options.base).map_err(refused)?;
        let http = http_client(&options).map_err(refused)?;
        Ok(Self {
            http,
            base,
            token: options.token,
            pace,
            budget: Mutex::new(Budget::new(&pace)),
            sent: AtomicU64::new(0),
            settings: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) fn calls(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Sends the call until it succeeds, is refused, or patience ends.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, ApiError> {
        if !call.names_an_object() {
            return Err(call.failed(ApiErrorKind::NotFound));
        }
        let mut patience = Patience::new(call.repeat, &self.pace);
        loop {
            self.wait_for_budget().await;
            let failure = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match patience.after(&failure) {
                Next::Wait(wait) => sleep(wait).await,
                Next::HoldAll(wait) => self.hold(wait),
                Next::GiveUp => return Err(call.failed(failure)),
            }
        }
    }

    async fn wait_for_budget(&self) {
        loop {
            let taken = self.with_budget(|budget| budget.take(Instant::now()));
            let Err(wait) = taken else { return };
            debug!(seconds = wait.as_secs_f32(), "waiting for the call budget");
            sleep(wait).await;
        }
    }

    fn hold(&self, wait: Duration) {
        self.with_budget(|budget| budget.hold(Instant::now() + wait));
    }

    fn with_budget<T>(&self, use_it: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut budget)
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, ApiErrorKind> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut request = self.http.request(call.method.clone(), self.url(call));
        if let Some(body) = &call.body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body.clone());
        }
        let response = request.send().await.map_err(|error| no_answer(&error));
        let status = response.as_ref().map_or(0, |it| it.status().as_u16());
        debug!(method = %call.method, path = call.path, status, "call to Cloudflare");
        self.read(response?).await
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        let below = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{below}{}", call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    async fn read(&self, response: Response) -> Result<Answer, ApiErrorKind> {
        let status = response.status();
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let body = http::body(response, LONGEST_ANSWER)
            .await
            .map_err(|error| match error {
                BodyError::NoAnswer(why) => ApiErrorKind::NoAnswer(why),
                BodyError::TooLong { limit } => {
                    ApiErrorKind::Unreadable(format!("it is over {} MiB", limit >> 20))
                }
            })?;
        if status.is_success() {
            return Ok(body);
        }
        // Whatever stands between us and the API may echo what we sent.
        let told = String::from_utf8_lossy(&body).replace(self.token.expose(), "…");
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => ApiErrorKind::LimitReached {
                retry_after: retry_after.unwrap_or(UNTOLD_WAIT),
            },
            _ => envelope::refusal(status.as_u16(), told.as_bytes()),
        })
    }
}

fn http_client(options: &ClientOptions) -> Result<reqwest::Client, String> {
    let bearer = Zeroizing::new(format!("Bearer {}", options.token.expose()));
    let mut bearer = HeaderValue::from_str(&bearer)
        .map_err(|_| "the API token is not one word of printable ASCII".to_owned())?;
    bearer.set_sensitive(true);
    let client = reqwest::Client::builder()
        .user_agent(http::USER_AGENT)
        .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
        .timeout(options.timeout)
        // Shorter, so that "never sent" can be told from "no answer".
        .connect_timeout(options.timeout / 2)
        .pool_idle_timeout(POOL_IDLE)
        // The token goes where `base` says and nowhere else.
        .redirect(redirect::Policy::none())
        .no_proxy();
    client.build().map_err(|error| http::causes(&error))
}

/// The token is worth an account: it travels in the clear only within this machine.
fn checked_base(base: &str) -> Result<Url, String> {
    let url = Url::parse(base.trim_end_matches('/'))
        .map_err(|error| format!("the API's address: {error}"))?;
    if http::has_credentials(&url) || url.query().is_some() {
        return Err("the API's address has a user, a password or a query in it".to_owned());
    }
    if !http::keeps_secrets(&url) {
        let host = url.host_str().unwrap_or_default();
        return Err(format!(
            "the API's address must be https; {host} is not loopback"
        ));
    }
    Ok(url)
}

fn no_answer(error: &reqwest::Error) -> ApiErrorKind {
    if error.is_connect() || error.is_builder() {
        return ApiErrorKind::Unreachable(http::causes(error));
    }
    ApiErrorKind::NoAnswer(http::causes(error))
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Before the servers' own limit, so that a call is not sent on a connection that is being closed.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// The largest page of the largest groups is a tenth of it.
const LONGEST_ANSWER: usize = 32 << 20;
/// Where 429 does not say how long.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_https_or_loopback() {
        for good in [
            "https://api.cloudflare.com/client/v4",
            "https://api.cloudflare.com/client/v4/",
            "http://127.0.0.1:8080/client/v4",
            "http://[::1]:8080/client/v4",
        ] {
            assert_eq!(checked_base(good).unwrap().path(), "/client/v4");
        }
        for bad in [
            "http://api.cloudflare.com/client/v4",
            "http://127.0.0.1.example.com/client/v4",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "https://user:canary@example.com/client/v4",
            "https://example.com/client/v4?key=canary",
            "api.cloudflare.com",
        ] {
            let refused = checked_base(bad).unwrap_err();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]), now)
        };
        assert_eq!(read("300"), Some(Duration::from_secs(300)));
        let date = read("Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(date, Some(Duration::from_secs(30)));
        let passed = read("Sun, 06 Nov 1994 08:00:00 GMT");
        assert_eq!(passed, Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
