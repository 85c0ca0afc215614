//! The metrics of the controller, in the names that dashboards and alerts know.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{TelemetryError, exposition};

/// Seconds: from a reconciliation that writes nothing to one whose every write is slow.
const DURATIONS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// How a reconciliation ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reconciled {
    /// It went through, and may have asked to be run again.
    Done,
    /// It is tried again later.
    Failed,
    /// podwire panicked; it is tried again later.
    Panicked,
}

impl Reconciled {
    /// The word of the outcome, for logs and labels.
    pub fn word(self) -> &'static str {
        match self {
            Reconciled::Done => "done",
            Reconciled::Failed => "failed",
            Reconciled::Panicked => "panicked",
        }
    }
}

/// How many Wirings there are, by what their condition `Ready` says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wirings {
    /// `True`.
    pub ready: usize,
    /// `False`.
    pub not_ready: usize,
    /// `Unknown`, or no condition yet.
    pub unknown: usize,
}

/// What is asked for at the time of a scrape, and not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ControllerFacts {
    /// Keys that wait to be reconciled.
    pub queue_waiting: usize,
    /// Whether this replica leads.
    pub leading: bool,
    /// The Wirings that this replica sees.
    pub wirings: Wirings,
    /// For how long the slowest watch has brought no news.
    pub snapshot_age: Duration,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ReconcileLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WriteLabels {
    verb: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WiringLabels {
    ready: &'static str,
}

/// The metrics of one controller.
pub struct ControllerMetrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    duration: Histogram,
    writes: Family<WriteLabels, Counter>,
    queue_waiting: Gauge,
    leading: Gauge,
    wirings: Family<WiringLabels, Gauge>,
    snapshot_age: Gauge<f64, AtomicU64>,
}

impl ControllerMetrics {
    /// Metrics that have counted nothing yet.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("podwire");
        let (reconciles, writes, wirings) = (Family::default(), Family::default(), Family::default());
        let duration = Histogram::new(DURATIONS);
        let (queue_waiting, leading, snapshot_age) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("reconciles", "Reconciliations by how they ended", reconciles.clone());
        registry.register("reconcile_duration_seconds", "Time from the beginning of a reconciliation to its end", duration.clone());
        registry.register("writes", "Requests that change the cluster by verb and kind", writes.clone());
        registry.register("queue_waiting", "Keys that wait to be reconciled", queue_waiting.clone());
        registry.register("leading", "1 where this replica leads, else 0", leading.clone());
        registry.register("wirings", "Wirings by their condition Ready; every replica sees all of them", wirings.clone());
        registry.register("snapshot_age_seconds", "For how long the slowest watch has brought no news", snapshot_age.clone());
        Arc::new(ControllerMetrics { registry, reconciles, duration, writes, queue_waiting, leading, wirings, snapshot_age })
    }

    /// Counts a reconciliation, which took `took`.
    pub fn record(&self, outcome: Reconciled, took: Duration) {
        self.reconciles.get_or_create(&ReconcileLabels { outcome: outcome.word() }).inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a request that changes the cluster: `apply` of a `Trigger`.
    pub fn wrote(&self, verb: &'static str, kind: &'static str) {
        self.writes.get_or_create(&WriteLabels { verb, kind }).inc();
    }

    /// The metrics as [`OPENMETRICS`](super::OPENMETRICS) text.
    ///
    /// # Errors
    /// [`TelemetryError::Exposition`] where a metric cannot be written.
    pub fn expose(&self, facts: ControllerFacts) -> Result<String, TelemetryError> {
        let Wirings { ready, not_ready, unknown } = facts.wirings;
        for (word, count) in [("True", ready), ("False", not_ready), ("Unknown", unknown)] {
            self.wirings.get_or_create(&WiringLabels { ready: word }).set(whole(count));
        }
        self.queue_waiting.set(whole(facts.queue_waiting));
        self.leading.set(facts.leading.into());
        self.snapshot_age.set(facts.snapshot_age.as_secs_f64());
        exposition::text(&self.registry)
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_dashboards_know() {
        let metrics = ControllerMetrics::new();
        metrics.record(Reconciled::Done, Duration::from_millis(2));
        metrics.record(Reconciled::Panicked, Duration::from_millis(2));
        metrics.wrote("apply", "Trigger");
        let wirings = Wirings { ready: 4, not_ready: 1, unknown: 0 };
        let facts = ControllerFacts { queue_waiting: 3, leading: true, wirings, snapshot_age: Duration::from_secs(2) };
        let text = metrics.expose(facts).unwrap();
        for line in [
            r#"podwire_reconciles_total{outcome="done"} 1"#,
            r#"podwire_reconciles_total{outcome="panicked"} 1"#,
            "podwire_reconcile_duration_seconds_count 2",
            r#"podwire_writes_total{verb="apply",kind="Trigger"} 1"#,
            "podwire_queue_waiting 3",
            "podwire_leading 1",
            r#"podwire_wirings{ready="True"} 4"#,
            r#"podwire_wirings{ready="False"} 1"#,
            r#"podwire_wirings{ready="Unknown"} 0"#,
            "podwire_snapshot_age_seconds 2.0",
        ] {
            assert!(text.lines().any(|said| said == line), "{line} is not in\n{text}");
        }
    }
}
