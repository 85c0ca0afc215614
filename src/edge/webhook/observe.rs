//! What the metrics port tells of a webhook.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::edge::certs::Certificates;
use crate::edge::http::Probed;
use crate::edge::telemetry::{Facts, Metrics, TelemetryError};
use crate::edge::watch::Snapshots;

/// What the metrics port tells about.
pub(super) struct Observed {
    pub(super) certificates: Arc<Certificates>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) metrics: Arc<Metrics>,
    /// Whether the webhook was asked to stop.
    pub(super) stopping: AtomicBool,
}

impl Probed for Observed {
    fn missing(&self) -> Vec<String> {
        let stopping = self.stopping.load(Ordering::Relaxed).then(|| "shutting down".to_owned());
        let certificates = self.certificates.problem().map(|problem| format!("certificates: {problem}"));
        let snapshot = self.snapshots.missing().into_iter().map(|part| format!("snapshot: {part}"));
        stopping.into_iter().chain(certificates).chain(snapshot).collect()
    }

    fn metrics(&self) -> Result<String, TelemetryError> {
        self.metrics.expose(Facts { certificate_expires_at: self.certificates.expires_at(), snapshot_age: self.snapshots.age() })
    }
}
