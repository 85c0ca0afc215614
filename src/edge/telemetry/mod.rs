//! What operators see: lines in the log, and metrics.

mod chain;
mod error;
mod log;
mod metrics;

pub use error::TelemetryError;
pub use log::{LogFormat, log};
pub use metrics::{Facts, InFlight, Metrics, OPENMETRICS, Outcome};

pub(crate) use chain::chain;
