//! How a pod is wired: which policy governs, which style, which ports and resources. A plan says why.

mod case;
mod environment;
mod make;
mod ports;
mod resources;
mod shared;
mod sidecar;
mod style;
mod variable;

pub(crate) use case::Case;
pub(crate) use make::{Plan, make};
pub(crate) use ports::Ports;
pub(crate) use resources::{Amount, Section, asked};
pub(crate) use sidecar::{Place, Sidecar};
pub(crate) use variable::{Content, Fact, Variable};
