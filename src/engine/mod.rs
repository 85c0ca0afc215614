//! Decides. Values in, values out: nothing here reads a clock, a file or the environment, and nothing waits.
//!
//! ```text
//!   bytes ──▶ PodRequest ─┬─▶ intent ──▶ plan ──▶ inject ──▶ Patch
//!             Snapshot ───┘      └────────┴───────▶ findings
//!                                         └──▶ App ──▶ generate ──▶ objects
//! ```
//!
//! Three doors: [`admit`], [`review`] and [`reconcile`]. Beside them: [`migrate`], [`cost`], [`undo`], the catalogue of findings, and the values these take.

#![deny(clippy::disallowed_methods)]

mod admit;
mod app;
mod findings;
mod footprint;
mod generate;
mod governing;
mod inject;
mod intent;
mod laws;
mod migration;
mod observed;
mod plan;
mod reasons;
mod reconcile;
mod request;
mod review;
mod snapshot;
mod status;
mod survey;
mod topology;

pub use admit::{Decision, Untouched, Verdict, admit};
pub use app::{App, Member, Running, Workload, app_id};
pub use findings::{Code, Finding, Severity, Subject, page, summary, warnings};
pub use footprint::{Cost, Crossing, Footprint, Load, Platform, cost};
pub use governing::check_policy;
pub use inject::{Undone, undo};
pub use migration::{Advance, Edit, Gate, Migration, Move, Mover, Seen, Stage, migrate};
pub use observed::{Answers, Channel, Found, Kinds, Loaded, Memory, Observed};
pub use reasons::{Origin, Reason, Said};
pub use reconcile::{Reconciliation, reconcile};
pub use request::{Copied, Owner, PodRequest, Unreadable, copy_limits};
pub use review::{Change, review};
pub use snapshot::{
    Broker, Component, Condition, ControlPlane, Features, LimitRange, Namespace, NotTaken, Range, ResourceQuota, Scope, Settings, Snapshot,
    Wiring,
};
pub use status::{Notice, Question, Reading, Step};
pub use survey::survey;
pub use topology::{End, Flows, Role};

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read and write the files of the repository")]
mod tests;
