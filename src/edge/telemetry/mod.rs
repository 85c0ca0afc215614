//! What operators see: lines in the log, and metrics.

mod chain;
mod controller;
mod error;
mod exposition;
mod log;
mod metrics;

pub use controller::{ControllerFacts, ControllerMetrics, Reconciled, Wirings};
pub use error::TelemetryError;
pub use exposition::OPENMETRICS;
pub use log::{LogFormat, log};
pub use metrics::{Facts, InFlight, Metrics, Outcome};

pub(crate) use chain::chain;
