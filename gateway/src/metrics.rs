//! What the gateway counts, in Prometheus' words.
//!
//! Counters are a projection of the events: whatever writes a line is counted where the line is
//! made, so the two never tell different stories. No label names a client: their number is bounded
//! by the configuration and by the reasons in the code.

mod builder;
mod condition;
mod seen;
mod traffic;

use std::time::Duration;

use postern_policy::CertificateIdentity;
use prometheus::{Encoder as _, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};

use self::builder::Builder;
use self::condition::Condition;
use self::seen::SeenCertificates;
use self::traffic::Traffic;
use crate::event::{Notice, RecordDecision, RecordKind};
use crate::follow::SourceStatus;

/// Every figure of one gateway.
pub(crate) struct Metrics {
    registry: Registry,
    traffic: Traffic,
    condition: Condition,
    seen: SeenCertificates,
    expiring: IntGaugeVec,
}

/// What one written record says, as far as it is counted.
pub(crate) struct Exchange<'a> {
    pub(crate) kind: RecordKind,
    pub(crate) application: Option<&'a str>,
    pub(crate) decision: RecordDecision,
    pub(crate) reason: &'a str,
    pub(crate) took: Duration,
}

/// One open connection, for as long as this is held.
pub(crate) struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    /// All figures at zero.
    fn default() -> Self {
        let new = Builder(Registry::new());
        let build = new.gauges(
            "postern_build_info",
            "The running version; always 1.",
            "version",
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            traffic: Traffic::new(&new),
            condition: Condition::new(&new),
            seen: SeenCertificates::default(),
            expiring: new.gauges(
                "postern_certificates_seen_expiring",
                "Client certificates seen by this process that end within so many days.",
                "within",
            ),
            registry: new.0,
        }
    }
}

impl Metrics {
    /// Counts a record that is being written.
    pub(crate) fn exchange(&self, exchange: &Exchange<'_>) {
        self.traffic.exchange(exchange);
    }

    /// Counts something that happened to the gateway.
    pub(crate) fn notice(&self, notice: &Notice<'_>) {
        self.condition.notice(notice);
    }

    /// Counts an accepted handshake, and remembers whose certificate it was until it ends.
    /// `now` in Unix seconds.
    pub(crate) fn handshake(&self, took: Duration, client: Option<&CertificateIdentity>, now: u64) {
        self.traffic.accepted(took);
        if let Some(client) = client {
            self.seen.see(client, now);
        }
    }

    /// Counts a connection while the guard is held.
    pub(crate) fn open_connection(&self) -> OpenConnection {
        self.traffic.connections.inc();
        OpenConnection(self.traffic.connections.clone())
    }

    /// Takes over how the revocation sources stand; those that are followed no more are forgotten.
    pub(crate) fn sources(&self, sources: &[SourceStatus]) {
        self.condition.sources(sources);
    }

    /// Where the event log counts the lines that were not written.
    pub(crate) fn events_lost(&self) -> &IntCounter {
        &self.condition.events_lost
    }

    /// Everything in Prometheus' text format; `now` in Unix seconds.
    pub(crate) fn render(&self, now: u64) -> String {
        for (within, count) in self.seen.ending(now) {
            self.expiring.with_label_values(&[within]).set(count);
        }
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("what was registered can be written");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}

#[cfg(test)]
mod tests;
