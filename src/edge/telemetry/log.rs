//! The log: one line an event, on standard error.

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::TelemetryError;

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log of this process. `filter` is `info`, or `podwire=debug,kube=warn`. Panics go to the log too.
///
/// # Errors
/// [`TelemetryError`] where the filter cannot be read, or where the process has a log already.
pub fn log(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    // kube logs every failed try itself; `edge::watch` tells each failure once. What `filter` says of them wins.
    let directives = format!("kube_client=off,kube_runtime=off,{filter}");
    let filter = EnvFilter::try_new(directives).map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)).try_init(),
    };
    started.map_err(TelemetryError::Logging)?;
    std::panic::set_hook(Box::new(tell_panic));
    Ok(())
}

/// A panic's place and message as one line of the log, within the span in which it happened.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(place, message, "panic");
}
