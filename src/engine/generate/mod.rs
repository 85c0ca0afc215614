//! An application's objects: in broker style its Service and Triggers, in sidecar style its Resiliency, Subscriptions and the Service of its sidecars.

mod broker;
mod names;
mod retry;
mod sidecar;

pub(crate) use broker::broker_side;
pub(crate) use sidecar::sidecar_side;

#[cfg(test)]
mod tests;
