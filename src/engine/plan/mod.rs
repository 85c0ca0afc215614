//! How a pod is wired: which policy governs, which style, which ports and resources. A plan says why.

mod environment;
mod governing;
mod make;
mod ports;
mod reasons;
mod resources;
mod sidecar;
mod style;

pub use reasons::{Origin, Reason};
pub use style::Style;

pub(crate) use environment::Variable;
pub(crate) use governing::Governing;
pub(crate) use make::{Plan, make};
pub(crate) use ports::Ports;
pub(crate) use resources::{Amount, Section};
pub(crate) use sidecar::{Place, SIDECAR, Sidecar, TOKEN_VOLUME};
