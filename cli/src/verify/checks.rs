//! The checks: what each is called, and the function that makes it.

mod live;
mod new;
mod resumed;

use super::suite::Suite;
use super::tls::{Protocol, Version};
use super::verdict::{Finding, NotRun};

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    NewHandshake,
    Resumed(Version),
    KeepAlive,
    NewStream,
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
            "a revoked client's new handshake is refused",
        ),
        row(
            Self::Resumed(Version::Tls13),
            "R2-tls13",
            "a revoked client's resumed session is refused, TLS 1.3",
        ),
        row(
            Self::Resumed(Version::Tls12),
            "R2-tls12",
            "a revoked client's resumed session is refused, TLS 1.2",
        ),
        row(
            Self::KeepAlive,
            "R3",
            "the next request on a revoked client's live connection is refused",
        ),
        row(
            Self::NewStream,
            "R4-new",
            "a new stream on a revoked client's HTTP/2 connection is refused",
        ),
    ];

    /// Makes it.
    pub(crate) async fn run(self, suite: &mut Suite) -> Finding {
        self.try_run(suite).await.unwrap_or_else(Finding::from)
    }

    async fn try_run(self, suite: &mut Suite) -> Result<Finding, NotRun> {
        match self {
            Self::NewHandshake => new::revoked(suite).await,
            Self::Resumed(version) => resumed::revoked(suite, version).await,
            Self::KeepAlive => live::next_request(suite, Protocol::Http1).await,
            Self::NewStream => live::next_request(suite, Protocol::Http2).await,
        }
    }
}

const fn row(check: Check, id: &'static str, promise: &'static str) -> Row {
    Row { check, id, promise }
}
