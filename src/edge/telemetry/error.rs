//! Why nothing can be told.

/// Why a log or metrics cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log's filter cannot be read.
    #[error("the log filter {filter:?} cannot be read")]
    Filter {
        /// The filter.
        filter: String,
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
    /// This process has a log already.
    #[error("this process has a log already")]
    Logging(#[source] tracing_subscriber::util::TryInitError),
    /// The metrics could not be written as text.
    #[error("the metrics cannot be written")]
    Exposition(#[source] std::fmt::Error),
}
