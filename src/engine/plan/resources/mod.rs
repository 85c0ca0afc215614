//! Requests and limits: of the application container, of the sidecar, and of the pod where it states them itself; as its author, the policy and the namespace have it.

mod amounts;
mod arrived;
mod containers;
mod namespace;
mod share;
mod sizes;
mod whole;

pub(crate) use amounts::{Amount, Section};
pub(crate) use containers::{application, pod, sidecar};
pub(crate) use sizes::Sizes;
pub(crate) use whole::{Added, asked, check, counted, spare};
