//! What clients do, and what becomes of it.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge};

use super::Exchange;
use super::builder::Builder;
use crate::event::{RecordDecision, RecordKind};

pub(super) struct Traffic {
    requests: IntCounterVec,
    request_duration: HistogramVec,
    refusals: IntCounterVec,
    aborts: IntCounterVec,
    upstream_failures: IntCounterVec,
    handshakes: IntCounterVec,
    handshake_duration: Histogram,
    pub(super) connections: IntGauge,
}

impl Traffic {
    pub(super) fn new(new: &Builder) -> Self {
        Self {
            requests: new.counters(
                "postern_requests_total",
                "Requests by application and decision.",
                &["application", "decision"],
            ),
            request_duration: new.histograms(
                "postern_request_duration_seconds",
                "From a request's head to the end of its answer.",
                "application",
                SHORT_AND_LONG,
            ),
            refusals: new.counters(
                "postern_refusals_total",
                "Refused requests and handshakes by reason, as in the events.",
                &["event", "reason"],
            ),
            aborts: new.counters(
                "postern_aborts_total",
                "Requests that did not come to their end, by reason: cut, or left by the client.",
                &["reason"],
            ),
            upstream_failures: new.counters(
                "postern_upstream_failures_total",
                "Permitted requests that the upstream did not answer, by reason.",
                &["application", "reason"],
            ),
            handshakes: new.counters(
                "postern_handshakes_total",
                "TLS handshakes by result.",
                &["result"],
            ),
            handshake_duration: new.histogram(
                "postern_handshake_duration_seconds",
                "From accepting a connection to the end of its TLS handshake, accepted ones.",
                SHORT_AND_LONG,
            ),
            connections: new.gauge("postern_connections", "Open connections."),
        }
    }

    /// Counts a record that is being written.
    pub(super) fn exchange(&self, it: &Exchange<'_>) {
        let application = it.application.unwrap_or_default();
        match it.kind {
            RecordKind::Request => {
                let labels = [application, it.decision.as_str()];
                self.requests.with_label_values(&labels).inc();
                let durations = &self.request_duration;
                let durations = durations.with_label_values(&[application]);
                durations.observe(it.took.as_secs_f64());
            }
            RecordKind::Handshake => {
                self.handshakes.with_label_values(&["refused"]).inc();
            }
        }
        match it.decision {
            RecordDecision::Deny => {
                let labels = [it.kind.as_str(), it.reason];
                self.refusals.with_label_values(&labels).inc();
            }
            RecordDecision::Aborted => self.aborts.with_label_values(&[it.reason]).inc(),
            RecordDecision::Permit if it.reason == PERMITTED => {}
            RecordDecision::Permit => {
                let failures = &self.upstream_failures;
                failures.with_label_values(&[application, it.reason]).inc();
            }
        }
    }

    pub(super) fn accepted(&self, took: Duration) {
        self.handshakes.with_label_values(&["accepted"]).inc();
        self.handshake_duration.observe(took.as_secs_f64());
    }
}

/// The reason of a request that went as it should.
const PERMITTED: &str = "permitted";
const SHORT_AND_LONG: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
