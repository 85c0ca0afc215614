//! What the kubelet and Prometheus ask: is it alive, is it ready, what did it count.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::edge::telemetry::{OPENMETRICS, TelemetryError};

/// What the plain port tells about.
pub(crate) trait Probed: Send + Sync + 'static {
    /// What readiness still waits for, a line each; empty where it is ready.
    fn missing(&self) -> Vec<String>;

    /// The metrics as [`OPENMETRICS`] text.
    fn metrics(&self) -> Result<String, TelemetryError>;
}

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn probes<P: Probed>(probed: Arc<P>) -> Router {
    let (readyz, metrics) = (get(readyz::<P>), get(metrics::<P>));
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", readyz).route("/metrics", metrics).with_state(probed)
}

async fn readyz<P: Probed>(State(probed): State<Arc<P>>) -> Response {
    let missing = probed.missing();
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", missing.join("\n"))).into_response()
}

async fn metrics<P: Probed>(State(probed): State<Arc<P>>) -> Response {
    match probed.metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
