//! What the tests with a cluster and the demo share: a real control plane, podwire on it, and a few words to speak to both.
#![allow(dead_code)] // Each uses a part of it.

pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod control_plane;
pub(crate) mod controller;
pub(crate) mod egress;
pub(crate) mod failure;
pub(crate) mod http;
pub(crate) mod knative;
pub(crate) mod lab;
pub(crate) mod node;
pub(crate) mod podwire;
pub(crate) mod sidecars;
