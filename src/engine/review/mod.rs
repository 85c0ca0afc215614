//! The third door: what would go wrong with a change of a workload or of a running pod, said before it happens.
//!
//! ```text
//!             ┌─▶ workload ──▶ admit ─┬─▶ moves, component, network, quality ──▶ warnings
//!   Change ───┤                       └─▶ what its pods will be told
//!             └─▶ pod: its labels, its annotations, its resize ──▶ refusals
//! ```

mod change;
mod component;
mod moves;
mod network;
mod pod;
mod quality;
mod workload;

pub use change::{Change, review};

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read and write the files of the repository")]
mod tests;
