//! The checks: what each is called, and the function that makes it.

mod expiry;
mod large;
mod live;
mod new;
mod race;
mod resumed;

use super::stream::Exchange;
use super::suite::Suite;
use super::tls::{Protocol, Version};
use super::verdict::{Finding, NotRun};

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    NewHandshake,
    Resumed(Version),
    NextRequest(Protocol),
    Running(Exchange),
    HeldHandshake,
    Storm,
    Expired,
    ExpiredSession,
    ExpiredStream,
    Intermediate,
    IntermediateLive,
    StaleCrl,
    OtherIssuer,
    Hold,
    DeltaCrl,
    Ocsp,
    LargeCrl,
}

/// A check with its name in reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) check: Check,
    pub(crate) id: &'static str,
    pub(crate) promise: &'static str,
}

impl Check {
    /// Every check, in the order they are made.
    pub(crate) const ALL: &[Row] = &[
        row(
            Self::NewHandshake,
            "R1",
            "revoked: a new handshake is refused",
        ),
        row(
            Self::Resumed(Version::Tls13),
            "R2-tls13",
            "revoked: a session from before is refused, TLS 1.3",
        ),
        row(
            Self::Resumed(Version::Tls12),
            "R2-tls12",
            "revoked: a session from before is refused, TLS 1.2",
        ),
        row(
            Self::NextRequest(Protocol::Http1),
            "R3",
            "revoked: the next request on a live connection is refused",
        ),
        row(
            Self::NextRequest(Protocol::Http2),
            "R4-new",
            "revoked: a new HTTP/2 stream is refused",
        ),
        row(
            Self::Running(Exchange::Response(Protocol::Http2)),
            "R4-running",
            "revoked: a running HTTP/2 stream is cut",
        ),
        row(
            Self::Running(Exchange::Response(Protocol::Http1)),
            "R5-response",
            "revoked: a streaming response is cut",
        ),
        row(
            Self::Running(Exchange::Upload),
            "R5-upload",
            "revoked: an upload is cut",
        ),
        row(
            Self::Running(Exchange::WebSocket),
            "R5-websocket",
            "revoked: a WebSocket is cut",
        ),
        row(
            Self::HeldHandshake,
            "R6-held",
            "a handshake begun before the CRL and finished after it is refused",
        ),
        row(
            Self::Storm,
            "R6-storm",
            "once the CRL is in force, no handshake of many is let in",
        ),
        row(
            Self::Expired,
            "R7",
            "expired: the next request on a live connection is refused",
        ),
        row(
            Self::ExpiredSession,
            "R7-resumed",
            "expired: a session from before is refused",
        ),
        row(
            Self::ExpiredStream,
            "R7-stream",
            "expired: a streaming response is cut",
        ),
        row(
            Self::Intermediate,
            "R8",
            "intermediate revoked: a new handshake is refused",
        ),
        row(
            Self::IntermediateLive,
            "R8-live",
            "intermediate revoked: the next request on a live connection is refused",
        ),
        row(
            Self::StaleCrl,
            "R9",
            "past the CRL's nextUpdate nobody is let in",
        ),
        row(
            Self::OtherIssuer,
            "R10",
            "a CRL of another issuer that names the serial revokes nobody",
        ),
        row(
            Self::Hold,
            "R11",
            "certificateHold refuses, and releasing it lets in again",
        ),
        row(Self::DeltaCrl, "R12", "a delta CRL adds to its base"),
        row(
            Self::Ocsp,
            "R13",
            "OCSP: revoked, unknown and silence, by policy",
        ),
        row(
            Self::LargeCrl,
            "R14",
            "a CRL of 1,000,000 entries comes into force and turns nobody else away",
        ),
    ];

    /// Makes it.
    pub(crate) async fn run(self, suite: &mut Suite) -> Finding {
        let finding = self.try_run(suite).await.unwrap_or_else(Finding::from);
        match self {
            // These turn everybody away, or make everything slow.
            Self::Intermediate | Self::IntermediateLive | Self::StaleCrl | Self::LargeCrl => {
                match suite.reset().await {
                    Ok(()) => finding,
                    Err(why) => finding.but(format_args!("and did not recover: {why}")),
                }
            }
            _ => finding,
        }
    }

    async fn try_run(self, suite: &mut Suite) -> Result<Finding, NotRun> {
        match self {
            Self::NewHandshake => new::revoked(suite).await,
            Self::Resumed(version) => resumed::revoked(suite, version).await,
            Self::NextRequest(protocol) => live::next_request(suite, protocol).await,
            Self::Running(exchange) => live::running(suite, exchange).await,
            Self::HeldHandshake => race::held(suite).await,
            Self::Storm => race::storm(suite).await,
            Self::Expired => expiry::next_request(suite).await,
            Self::ExpiredSession => expiry::session(suite).await,
            Self::ExpiredStream => expiry::stream(suite).await,
            Self::Intermediate => new::intermediate(suite).await,
            Self::IntermediateLive => new::intermediate_live(suite).await,
            Self::StaleCrl => expiry::stale_crl(suite).await,
            Self::OtherIssuer => new::other_issuer(suite).await,
            Self::Hold => new::hold(suite).await,
            Self::DeltaCrl => Err(NotRun::because("the suite makes no delta CRLs yet")),
            Self::Ocsp => Err(NotRun::because("the suite runs no OCSP responder yet")),
            Self::LargeCrl => large::million(suite).await,
        }
    }
}

const fn row(check: Check, id: &'static str, promise: &'static str) -> Row {
    Row { check, id, promise }
}
