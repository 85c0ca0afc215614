//! An application's objects: in broker style its Brokers, Service and Triggers, in sidecar style its Resiliency, Subscriptions and the Service of its sidecars.

mod broker;
mod desired;
mod names;
mod retry;
mod sidecar;

pub(crate) use broker::{awaited, is_trigger_of, needed, service_name};
pub(crate) use desired::{Desired, Name, Role, desired, uses};
pub(crate) use names::{hashed, metadata};
pub(crate) use retry::{budget, delivery_budget, in_words};
pub(crate) use sidecar::expected;

#[cfg(test)]
mod tests;
