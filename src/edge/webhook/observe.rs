//! What the kubelet and Prometheus ask: is it alive, is it ready, what did it count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::edge::certs::Certificates;
use crate::edge::telemetry::{Facts, Metrics, OPENMETRICS};
use crate::edge::watch::Snapshots;

/// What the metrics port tells about.
pub(super) struct Observed {
    pub(super) certificates: Arc<Certificates>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) metrics: Arc<Metrics>,
    /// Whether the webhook was asked to stop.
    pub(super) stopping: AtomicBool,
}

impl Observed {
    /// What readiness still waits for, a line each; empty where the webhook is ready.
    fn missing(&self) -> Vec<String> {
        let stopping = self.stopping.load(Ordering::Relaxed).then(|| "shutting down".to_owned());
        let certificates = self.certificates.problem().map(|problem| format!("certificates: {problem}"));
        let snapshot = self.snapshots.missing().into_iter().map(|part| format!("snapshot: {part}"));
        stopping.into_iter().chain(certificates).chain(snapshot).collect()
    }
}

/// The routes of the metrics port.
pub(super) fn router(observed: Arc<Observed>) -> Router {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz)).route("/metrics", get(metrics)).with_state(observed)
}

async fn readyz(State(observed): State<Arc<Observed>>) -> Response {
    let missing = observed.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join("\n"))).into_response()
}

async fn metrics(State(observed): State<Arc<Observed>>) -> Response {
    let facts = Facts { certificate_expires_at: observed.certificates.expires_at(), snapshot_age: observed.snapshots.age() };
    match observed.metrics.expose(facts) {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
