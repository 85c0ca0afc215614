//! InjectionPolicy: who may be wired how. What it says, what holds where it says nothing, and when it is wrong.
//!
//! A rule stands in two forms side by side: in CEL for the API server, and in Rust for files and for policies that the API server took before it knew the
//! rule. `tests/cluster/policy.rs` holds the two against each other.

mod built_in;
mod definition;
mod faults;
mod pattern;
mod rules;
mod selector;
mod spec;
mod status;

pub use definition::definition;
pub use faults::Fault;
pub use pattern::{fits, fits_image};
pub use selector::selects;
pub use spec::{
    Amounts, Bounds, BrokerConfig, BrokerPolicy, Create, InjectionPolicy, InjectionPolicySpec, OnInvalid, OnMissing, OnUndrained,
    OnViolation, Placement, PullPolicy, ResourcesPolicy, SidecarPolicy, Startup,
};
pub use status::{InjectionPolicyStatus, WouldDeny};
