//! The metrics of the webhook, in the names that dashboards and alerts know.

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
use crate::api::style::Style;
use crate::engine::{Decision, Finding, Verdict};

/// Seconds: from the time of a small pod to the longest that an API server waits by default.
const DURATIONS: [f64; 16] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How an admission request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// The pod was refused.
    Denied,
    /// It was nothing that podwire decides about.
    Ignored,
    /// It was no AdmissionReview that could be answered.
    Malformed,
    /// A change was reviewed and may be made.
    Passed,
    /// podwire had nothing to do with the pod.
    Untouched,
    /// The pod asked and was admitted as it is.
    Unwired,
    /// The pod was wired.
    Wired,
}

impl Outcome {
    /// The outcome of a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        match verdict.decision {
            Decision::Denied => Outcome::Denied,
            Decision::Passed => Outcome::Passed,
            Decision::Untouched(_) => Outcome::Untouched,
            Decision::Unwired => Outcome::Unwired,
            Decision::Wired(_) => Outcome::Wired,
        }
    }

    /// The word of the outcome, for logs and labels.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Denied => "denied",
            Outcome::Ignored => "ignored",
            Outcome::Malformed => "malformed",
            Outcome::Passed => "passed",
            Outcome::Untouched => "untouched",
            Outcome::Unwired => "unwired",
            Outcome::Wired => "wired",
        }
    }
}

/// What is asked for at the time of a scrape, and not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// When the served certificate ends, in seconds since 1970.
    pub certificate_expires_at: Option<i64>,
    /// For how long the slowest watch has brought no news.
    pub snapshot_age: Duration,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    outcome: &'static str,
    path: &'static str,
    style: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FindingLabels {
    code: &'static str,
}

/// The metrics of one webhook.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    duration: Histogram,
    in_flight: Gauge,
    certificate_expiry: Gauge,
    snapshot_age: Gauge<f64, AtomicU64>,
}

/// A request that is being answered, counted until it is dropped.
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Metrics that have counted nothing yet.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("podwire");
        let requests = Family::default();
        let findings = Family::default();
        let duration = Histogram::new(DURATIONS);
        let (in_flight, certificate_expiry, snapshot_age) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("admission_requests", "Admission requests by how they ended", requests.clone());
        registry.register("admission_findings", "Findings about admitted, reviewed and refused objects by code", findings.clone());
        registry.register("admission_duration_seconds", "Time from an admission request's head to its answer", duration.clone());
        registry.register("requests_in_flight", "Admission requests that are being answered", in_flight.clone());
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the served certificate ends, in seconds since 1970; 0 while none is served",
            certificate_expiry.clone(),
        );
        registry.register("snapshot_age_seconds", "For how long the slowest watch has brought no news", snapshot_age.clone());
        Arc::new(Metrics { registry, requests, findings, duration, in_flight, certificate_expiry, snapshot_age })
    }

    /// Counts a request as being answered.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts an answered request to `path`, which took `took`.
    pub fn record(&self, path: &'static str, outcome: Outcome, style: Option<Style>, findings: &[Finding], took: Duration) {
        let style = style.map_or("none", Style::word);
        self.requests.get_or_create(&RequestLabels { outcome: outcome.word(), path, style }).inc();
        for finding in findings {
            self.findings.get_or_create(&FindingLabels { code: finding.code.id() }).inc();
        }
        self.duration.observe(took.as_secs_f64());
    }

    /// The metrics as [`OPENMETRICS`](super::OPENMETRICS) text.
    ///
    /// # Errors
    /// [`TelemetryError::Exposition`] where a metric cannot be written.
    pub fn expose(&self, facts: Facts) -> Result<String, TelemetryError> {
        self.certificate_expiry.set(facts.certificate_expires_at.unwrap_or_default());
        self.snapshot_age.set(facts.snapshot_age.as_secs_f64());
        exposition::text(&self.registry)
    }
}
