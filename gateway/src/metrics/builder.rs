//! How figures are made.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Makes and registers; every name is ours and stands here once, so neither can fail.
pub(super) struct Builder(pub(super) Registry);

impl Builder {
    fn keep<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> C {
        let made = made.expect("the name and labels are valid");
        let registered = self.0.register(Box::new(made.clone()));
        registered.expect("no two figures have one name");
        made
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.keep(Gauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, label: &str) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    pub(super) fn float_gauges(&self, name: &str, help: &str, label: &str) -> GaugeVec {
        self.keep(GaugeVec::new(Opts::new(name, help), &[label]))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(Histogram::with_opts(options))
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(HistogramVec::new(options, &[label]))
    }
}
