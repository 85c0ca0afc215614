//! Metrics as text.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::TelemetryError;

/// The content type of the metrics.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of the registry as [`OPENMETRICS`] text.
pub(super) fn text(registry: &Registry) -> Result<String, TelemetryError> {
    let mut text = String::new();
    encode(&mut text, registry).map_err(TelemetryError::Exposition)?;
    Ok(text)
}
