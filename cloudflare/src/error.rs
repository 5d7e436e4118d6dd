//! What can go wrong between us and the API.

use std::time::Duration;

use thiserror::Error;

/// A call that failed, and what it was.
#[derive(Clone, Debug, Error)]
#[error("{method} {path}: {kind}")]
pub struct ApiError {
    /// `GET`, `POST`, `PUT`, `DELETE`; `CONNECT` where the address itself is no good.
    pub method: &'static str,
    /// The path below the API's base, ids included; no secret ever stands in one.
    pub path: String,
    /// What happened.
    pub kind: ApiErrorKind,
}

/// What happened to a call. Envelope errors are told by their text key as well as their number,
/// because Cloudflare reuses numbers.
#[derive(Clone, Debug, Error)]
pub enum ApiErrorKind {
    /// No answer came: name, connection, TLS or time limit. Whether the call took effect is not
    /// known.
    #[error("no answer: {0}; whether it took effect is not known")]
    NoAnswer(String),
    /// The call was never sent: the name does not resolve, nobody listens, TLS failed.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The limit on calls is used up (429), also after waiting.
    #[error("the call limit is used up; try again in {} s", retry_after.as_secs())]
    LimitReached {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The API token is not accepted (10000, 1000, 9109 and 401).
    #[error("the API token is not accepted: {0}")]
    Unauthenticated(String),
    /// The API token may not do this (403).
    #[error("the API token may not do this: {0}")]
    Forbidden(String),
    /// There is no such object (404, `access.api.error.not_found`). 7003 is another thing: the path
    /// or the account's id is wrong, and nothing is said about objects.
    #[error("there is no such object")]
    NotFound,
    /// `access.api.error.not_enabled`, or mTLS is no part of the account's plan.
    #[error("the account does not have this feature: {0}")]
    NotEnabled(String),
    /// 12132: the last change of the settings is still being deployed.
    #[error("Cloudflare is still deploying the last change of the mTLS settings")]
    SettingsBusy,
    /// The CA still has hostnames, or had until a moment ago.
    #[error("the CA still has active associations")]
    ActiveAssociations,
    /// 12139: a policy, a group or a SCIM setting names the token.
    #[error("the service token is still in use")]
    TokenInUse,
    /// Another conflict (409, `access.api.error.conflict`).
    #[error("conflict: {0}")]
    Conflict(String),
    /// Any other refusal (4xx).
    #[error("refused with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the envelope says.
        message: String,
    },
    /// Cloudflare failed (5xx). Whether the call took effect is not known.
    #[error("Cloudflare failed with {status}: {message}; whether it took effect is not known")]
    ServerFailed {
        /// The HTTP status.
        status: u16,
        /// What the envelope says.
        message: String,
    },
    /// The answer is not what the API documents.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl ApiErrorKind {
    /// Whether the call may have taken effect although it failed.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::ServerFailed { .. } | Self::Unreadable(_) => true,
            Self::Unreachable(_)
            | Self::LimitReached { .. }
            | Self::Unauthenticated(_)
            | Self::Forbidden(_)
            | Self::NotFound
            | Self::NotEnabled(_)
            | Self::SettingsBusy
            | Self::ActiveAssociations
            | Self::TokenInUse
            | Self::Conflict(_)
            | Self::Refused { .. } => false,
        }
    }
}
