//! The one door from HTTP to Access's words: a call is sent, its envelope opened, its result
//! typed.
//!
//! `transport` sends and repeats, within the `budget` and as `retry` says; `envelope` opens and
//! `classify` names what went wrong; `paging` reads lists to their end. The other modules are the
//! list of calls, one for each resource.

mod account;
mod apps;
mod budget;
mod call;
mod certificates;
mod classify;
mod connection;
mod envelope;
mod groups;
mod log;
mod options;
mod paging;
mod policies;
mod retry;
mod teardown;
mod tokens;
mod transport;

use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ApiError, ApiErrorKind};

use call::Call;
use transport::Transport;

pub use options::{ApiToken, ClientOptions, Pace, Scope};

/// The API client: paged lists, time limits, retries, and the budget of 1,200 calls in 5 minutes.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    pub fn new(options: ClientOptions) -> Result<Self, ApiError> {
        Self::with_pace(options, Pace::default())
    }

    /// Makes a client that keeps other waits and another budget than Cloudflare's.
    pub fn with_pace(options: ClientOptions, pace: Pace) -> Result<Self, ApiError> {
        let transport = Arc::new(Transport::new(options, pace)?);
        Ok(Self { transport })
    }

    /// Counts the calls sent so far, retries included.
    pub fn calls(&self) -> u64 {
        self.transport.calls()
    }

    pub(crate) fn pace(&self) -> &Pace {
        self.transport.pace()
    }

    async fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, ApiError> {
        let answer = self.transport.send(&call).await?;
        let opened = envelope::open(&answer);
        opened
            .map(|(result, _)| result)
            .map_err(|kind| call.failed(kind))
    }

    /// Sends a call once and tells what came back without judging it: for what is not documented.
    pub(crate) async fn observe(
        &self,
        scope: &Scope,
        method: Method,
        below: &[&str],
        body: Option<&Value>,
    ) -> Result<Observed, ApiError> {
        let call = Call::observed(method, call::access(scope, below), body);
        let exchange = self.transport.exchange(&call).await;
        let exchange = exchange.map_err(|kind| call.failed(kind))?;
        let body = self.transport.redacted(&exchange.body);
        let (message, result) = envelope::told(body.as_bytes());
        Ok(Observed {
            status: exchange.status.as_u16(),
            message,
            result,
        })
    }

    /// A list whose objects need no type.
    pub(crate) async fn documents(
        &self,
        scope: &Scope,
        below: &[&str],
    ) -> Result<Vec<Value>, ApiError> {
        self.list(call::access(scope, below)).await
    }

    /// A GET by id. Only the answer 404 says that there is no such object.
    async fn find<T: DeserializeOwned>(&self, call: Call) -> Result<Option<T>, ApiError> {
        match self.call(call).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if matches!(error.kind, ApiErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The answers to a DELETE differ (the object, its id, nothing): its status is what counts.
    async fn delete(&self, call: Call) -> Result<bool, ApiError> {
        match self.transport.send(&call).await {
            Ok(answer) if envelope::is_cloudflares(&answer) => Ok(true),
            Ok(_) => {
                let what = String::from("it is not of Cloudflare's API");
                Err(call.failed(ApiErrorKind::Unreadable(what)))
            }
            Err(error) if matches!(error.kind, ApiErrorKind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// An answer as it came.
pub(crate) struct Observed {
    pub(crate) status: u16,
    /// What the errors of its envelope say.
    pub(crate) message: String,
    pub(crate) result: Value,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
