//! Sends calls: a time limit on each, the budget over all, retries where they are right.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, sleep};
use tracing::debug;
use zeroize::Zeroizing;

use super::budget::Budget;
use super::call::Call;
use super::retry::{Next, Patience};
use super::{ApiToken, ClientOptions, Pace, connection, envelope};
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
        let base = connection::checked_base(&options.base).map_err(refused)?;
        let http = connection::http_client(&options).map_err(refused)?;
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
            return Err(call.failed(ApiErrorKind::Refused {
                status: 0,
                message: String::from("it names no object, and was not sent"),
            }));
        }
        let mut patience = Patience::new(call.repeat, &self.pace);
        loop {
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
        let exchange = self.exchange(call).await?;
        // Some failures come under a good status.
        if exchange.status.is_success() && !envelope::says_failure(&exchange.body) {
            return Ok(exchange.body);
        }
        Err(self.refusal(&exchange))
    }

    /// Sends the call once and reads whatever is answered.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Exchange, ApiErrorKind> {
        self.wait_for_budget().await;
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut request = self.http.request(call.method.clone(), self.url(call));
        if let Some(body) = &call.body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body.clone());
        }
        let response = request.send().await.map_err(|error| no_answer(&error));
        let status = response.as_ref().map_or(0, |it| it.status().as_u16());
        debug!(method = %call.method, path = call.path, status, "call to Cloudflare");
        read(response?).await
    }

    fn refusal(&self, exchange: &Exchange) -> ApiErrorKind {
        let status = exchange.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = exchange.retry_after.unwrap_or(UNTOLD_WAIT);
            return ApiErrorKind::LimitReached { retry_after };
        }
        envelope::refusal(status.as_u16(), self.redacted(&exchange.body).as_bytes())
    }

    /// Whatever stands between us and the API may echo what we sent.
    pub(super) fn redacted(&self, body: &[u8]) -> String {
        String::from_utf8_lossy(body).replace(self.token.expose(), "…")
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
}

/// What came back, whatever it is.
pub(super) struct Exchange {
    pub(super) status: StatusCode,
    pub(super) body: Answer,
    retry_after: Option<Duration>,
}

async fn read(response: Response) -> Result<Exchange, ApiErrorKind> {
    let status = response.status();
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let body = http::body(response, LONGEST_ANSWER).await;
    let body = body.map_err(|error| match error {
        BodyError::NoAnswer(why) => ApiErrorKind::NoAnswer(why),
        BodyError::TooLong { limit } => {
            ApiErrorKind::Unreadable(format!("it is over {} MiB", limit >> 20))
        }
    })?;
    Ok(Exchange {
        status,
        body,
        retry_after,
    })
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

/// The largest page of the largest groups is a tenth of it.
const LONGEST_ANSWER: usize = 32 << 20;
/// Where 429 does not say how long.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

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
