//! Decides. Values in, values out: nothing here reads a clock, a file or the environment, and nothing waits.
//!
//! ```text
//!   bytes ──▶ PodRequest ─┬─▶ intent ──▶ plan ──▶ inject ──▶ Patch
//!             Snapshot ───┘      └────────┴───────▶ findings
//! ```
//!
//! One door: [`admit`]. Beside it: [`undo`], the catalogue of findings, and the values these take.

#![deny(clippy::disallowed_methods)]

mod admit;
mod findings;
mod governing;
mod inject;
mod intent;
mod laws;
mod plan;
mod reasons;
mod request;
mod snapshot;

pub use admit::{Decision, Untouched, Verdict, admit};
pub use findings::{Code, Finding, Severity, Subject, page, summary, warnings};
pub use inject::{Undone, undo};
pub use reasons::{Origin, Reason};
pub use request::{Copied, Owner, PodRequest, Unreadable, copy_limits};
pub use snapshot::{Broker, ControlPlane, Namespace, NotTaken, Settings, Snapshot};

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read and write the files of the repository")]
mod tests;
