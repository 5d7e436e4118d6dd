//! How the gateway itself is: revocations, sources, reloads, events.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::builder::Builder;
use crate::event::Notice;
use crate::follow::SourceStatus;

pub(super) struct Condition {
    revocation_effect: Histogram,
    connections_cut: IntCounter,
    reloads: IntCounterVec,
    reload_succeeded: IntGauge,
    generation: Gauge,
    pub(super) events_lost: IntCounter,
    connections_refused: IntCounter,
    source_age: GaugeVec,
    source_alarm: IntGaugeVec,
    /// The sources that were told last.
    sources: Mutex<BTreeSet<String>>,
}

impl Condition {
    pub(super) fn new(new: &Builder) -> Self {
        let condition = Self {
            revocation_effect: new.histogram(
                "postern_revocation_effect_seconds",
                "From seeing a revocation to having cut the last connection it concerns.",
                EFFECT,
            ),
            connections_cut: new.counter(
                "postern_revocation_connections_cut_total",
                "Connections, or requests on shared ones, that revocations cut.",
            ),
            reloads: new.counters(
                "postern_reloads_total",
                "Configuration reloads by result.",
                &["result"],
            ),
            reload_succeeded: new.gauge(
                "postern_reload_success",
                "Whether the last reload was taken: 0 while an older configuration is in force.",
            ),
            generation: new.float_gauge(
                "postern_configuration_generation",
                "Which configuration of this process is in force, counted from 1.",
            ),
            events_lost: new.counter(
                "postern_events_lost_total",
                "Event lines that could not be written.",
            ),
            connections_refused: new.counter(
                "postern_connections_refused_total",
                "Connections closed at once because their address has as many as it may.",
            ),
            source_age: new.float_gauges(
                "postern_source_age_seconds",
                "Age of the newest list of each revocation source.",
                "source",
            ),
            source_alarm: new.gauges(
                "postern_source_alarm",
                "Whether something is wrong with a revocation source; the event source_alarm says what.",
                "source",
            ),
            sources: Mutex::default(),
        };
        condition.reload_succeeded.set(1);
        condition
    }

    pub(super) fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Started { generation, .. } => self.in_force(*generation),
            Notice::Reloaded { generation, .. } => {
                self.reloads.with_label_values(&["taken"]).inc();
                self.reload_succeeded.set(1);
                self.in_force(*generation);
            }
            Notice::ReloadRefused { .. } => {
                self.reloads.with_label_values(&["refused"]).inc();
                self.reload_succeeded.set(0);
            }
            Notice::Revocation(revocation) => {
                self.cut(revocation.connections_cut, revocation.duration);
            }
            Notice::DenyList {
                connections_cut,
                duration,
                ..
            } => self.cut(*connections_cut, *duration),
            Notice::ConnectionsRefused { connections, .. } => {
                self.connections_refused.inc_by(*connections);
            }
            Notice::EventsLost { .. }
            | Notice::SourceAlarm { .. }
            | Notice::SourceRecovered { .. }
            | Notice::Stopping { .. }
            | Notice::Stopped { .. } => {}
        }
    }

    pub(super) fn sources(&self, sources: &[SourceStatus]) {
        let names = sources.iter().map(|source| source.name.clone()).collect();
        let mut told = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in told.difference(&names) {
            // One without an age has no such figure.
            self.source_age.remove_label_values(&[gone]).ok();
            self.source_alarm.remove_label_values(&[gone]).ok();
        }
        *told = names;
        for source in sources {
            let label = [source.name.as_str()];
            if let Some(age) = source.age {
                let ages = self.source_age.with_label_values(&label);
                ages.set(age.as_secs_f64());
            }
            let alarm = i64::from(source.alarm.is_some());
            self.source_alarm.with_label_values(&label).set(alarm);
        }
    }

    fn in_force(&self, generation: u64) {
        // Exact up to 2^53 reloads.
        let generation = u32::try_from(generation).unwrap_or(u32::MAX);
        self.generation.set(f64::from(generation));
    }

    fn cut(&self, connections: usize, after: Duration) {
        self.revocation_effect.observe(after.as_secs_f64());
        let cut = u64::try_from(connections).unwrap_or(u64::MAX);
        self.connections_cut.inc_by(cut);
    }
}

const EFFECT: &[f64] = &[0.000_1, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
