//! Whether an API token and its account can do what Postern needs, before anything is written.
//!
//! [`examine`] only reads. What reading cannot tell is said to be unknown; what only a live account
//! can settle are the [`live_probe_questions`], some of which [`live_probe`] tries.

mod account;
mod live;
mod mtls;
mod permissions;
mod questions;

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;

use crate::client::{Client, Scope};
use crate::error::{ApiError, ApiErrorKind};

pub use live::{LiveAnswer, LiveReport, Throwaway, live_probe};
pub use mtls::{LAYOUTS_WITHOUT_MTLS, MtlsAvailability, mtls_availability};
pub use questions::{How, LiveQuestion, live_probe_questions};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// One line for each thing that was looked at.
    pub findings: Vec<Finding>,
    /// Whether the account has Access mTLS.
    pub mtls: MtlsAvailability,
    /// `<team>.cloudflareaccess.com`, where the organization could be read.
    pub team_domain: Option<String>,
    /// Whether service tokens get 401 and 403 rather than a login page, where it could be read.
    pub strict_service_token_auth: Option<bool>,
}

/// One thing that was looked at. There is no secret in it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What it is: a permission group by Cloudflare's name, or a part of the account.
    pub what: String,
    /// Whether Postern cannot do without it.
    pub weight: Weight,
    /// How it stands.
    pub standing: Standing,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Standing {
    /// As it is needed.
    Ok,
    /// Not there.
    Missing,
    /// There, but less than is needed.
    Insufficient,
    /// Reading does not tell.
    Unknown,
}

/// Whether something is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Without it some command fails.
    Needed,
    /// It would be better.
    Advice,
}

impl DoctorReport {
    /// Whether nothing that is needed is known to be missing.
    pub fn is_healthy(&self) -> bool {
        let mut needed = self
            .findings
            .iter()
            .filter(|it| it.weight == Weight::Needed);
        needed.all(|it| matches!(it.standing, Standing::Ok | Standing::Unknown))
    }
}

impl Finding {
    fn new(what: &str, standing: Standing, detail: impl Into<String>) -> Self {
        Self {
            what: what.to_owned(),
            weight: Weight::Needed,
            standing,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn advice(mut self) -> Self {
        self.weight = Weight::Advice;
        self
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Missing => "MISSING",
            Self::Insufficient => "INSUFFICIENT",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// Looks at the API token, the account and each permission by reading.
///
/// # Errors
/// Where nothing can be said at all: the API is out of reach, fails, or its limit is used up.
pub async fn examine(
    client: &Client,
    scope: &Scope,
    now: OffsetDateTime,
) -> Result<DoctorReport, ApiError> {
    let account = account::id(client, scope).await?;
    let (token, verified) = account::api_token(client, &account, now).await?;
    let mut findings = vec![token];
    let Some(verified) = verified else {
        return Ok(nothing_more(findings));
    };
    findings.push(account::visibility(client, &account).await?);
    let organization = account::organization(client, scope).await?;
    findings.extend(organization.findings);
    findings.push(account::zones(client).await?);
    findings.push(account::expiry_alert(client, &account).await?);
    let allowed = permissions::allowed(client, &account, &verified.id).await?;
    findings.extend(permissions::examine(client, scope, &account, allowed.as_deref(), now).await?);
    Ok(DoctorReport {
        findings,
        mtls: mtls_availability(client, scope).await?,
        team_domain: organization.team_domain,
        strict_service_token_auth: organization.strict,
    })
}

/// A token that is not accepted reads nothing.
fn nothing_more(findings: Vec<Finding>) -> DoctorReport {
    DoctorReport {
        findings,
        mtls: MtlsAvailability::Unknown("the API token is not accepted".to_owned()),
        team_domain: None,
        strict_service_token_auth: None,
    }
}

/// What an answer says about what was asked; a failure that says nothing about it is passed on.
enum Seen<T> {
    Answer(T),
    Refused(ApiErrorKind),
}

fn seen<T>(answer: Result<T, ApiError>) -> Result<Seen<T>, ApiError> {
    let error = match answer {
        Ok(answer) => return Ok(Seen::Answer(answer)),
        Err(error) => error,
    };
    match error.kind {
        ApiErrorKind::NoAnswer(_)
        | ApiErrorKind::Unreachable(_)
        | ApiErrorKind::LimitReached { .. }
        | ApiErrorKind::ServerFailed { .. } => Err(error),
        ApiErrorKind::Unauthenticated(_)
        | ApiErrorKind::Forbidden(_)
        | ApiErrorKind::NotFound
        | ApiErrorKind::NotEnabled(_)
        | ApiErrorKind::SettingsBusy
        | ApiErrorKind::ActiveAssociations
        | ApiErrorKind::TokenInUse
        | ApiErrorKind::Conflict(_)
        | ApiErrorKind::Refused { .. }
        | ApiErrorKind::Unreadable(_) => Ok(Seen::Refused(error.kind)),
    }
}

/// Whether the answer says that the token may not do it.
fn is_denied(kind: &ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::Forbidden(_) | ApiErrorKind::Unauthenticated(_)
    )
}
