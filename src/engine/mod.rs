//! Decides. Values in, values out: nothing here reads a clock, a file or the environment, and nothing waits.
//!
//! ```text
//!   bytes ──▶ PodRequest ─┬─▶ intent ──▶ plan ──▶ inject ──▶ Patch
//!             Snapshot ───┘      └────────┴───────▶ findings
//!                                         └──▶ App ──▶ generate ──▶ objects
//! ```
//!
//! Two doors: [`admit`] and [`reconcile`]. Beside them: [`undo`], the catalogue of findings, and the values these take.

#![deny(clippy::disallowed_methods)]

mod admit;
mod app;
mod findings;
mod generate;
mod governing;
mod inject;
mod intent;
mod laws;
mod plan;
mod reasons;
mod reconcile;
mod request;
mod snapshot;

pub use admit::{Decision, Untouched, Verdict, admit};
pub use app::{App, Member};
pub use findings::{Code, Finding, Severity, Subject, page, summary, warnings};
pub use inject::{Undone, undo};
pub use reasons::{Origin, Reason};
pub use reconcile::{Reconciliation, reconcile};
pub use request::{Copied, Owner, PodRequest, Unreadable, copy_limits};
pub use snapshot::{Broker, ControlPlane, Namespace, NotTaken, Settings, Snapshot};

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read and write the files of the repository")]
mod tests;
