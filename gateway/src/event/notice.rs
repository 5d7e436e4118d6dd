//! What happens to the gateway itself, one line each.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::json::{self, rfc3339};
use super::log::EventLog;

/// What happens to the gateway itself.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Notice<'a> {
    Started {
        listen: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        metrics: Option<String>,
        applications: usize,
        generation: u64,
    },
    Reloaded {
        generation: u64,
        needs_restart: &'a [String],
    },
    ReloadRefused {
        generation: u64,
        reason: &'a str,
    },
    Revocation(RevocationNotice<'a>),
    /// The deny list changed.
    DenyList {
        entries: usize,
        connections_cut: usize,
        /// As in [`RevocationNotice`].
        #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
        duration: Duration,
    },
    SourceAlarm {
        source: &'a str,
        reason: &'a str,
    },
    SourceRecovered {
        source: &'a str,
    },
    /// Connections that were closed at once: their address has as many as it may.
    ConnectionsRefused {
        reason: &'static str,
        /// Of the last of them.
        peer: String,
        connections: u64,
    },
    /// Lines that could not be written, or were not because nobody took the ones before.
    EventsLost {
        lines: u64,
    },
    Stopping {
        in_flight: usize,
        drain_s: u64,
    },
    Stopped {
        cut: usize,
    },
}

/// One revoked or held serial, and how fast it bit.
#[derive(Serialize)]
pub(crate) struct RevocationNotice<'a> {
    pub(crate) reason: &'static str,
    pub(crate) issuer: String,
    pub(crate) serial: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) common_name: Option<&'a str>,
    pub(crate) connections_cut: usize,
    /// From the moment the gateway saw it to the moment the last connection was cut.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub(crate) duration: Duration,
}

#[derive(Serialize)]
struct TimedNotice<'a> {
    time: String,
    #[serde(flatten)]
    notice: &'a Notice<'a>,
}

impl EventLog {
    /// Queues the line of something that happened to the gateway; never waits.
    pub(crate) fn notice(&self, notice: &Notice<'_>) {
        self.metrics().notice(notice);
        self.write(&notice_line(notice));
    }
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u128(duration.as_millis())
}

/// The line as it stands in the log.
pub(super) fn notice_line(notice: &Notice<'_>) -> Vec<u8> {
    json::line(&TimedNotice {
        time: rfc3339(std::time::SystemTime::now()),
        notice,
    })
}
