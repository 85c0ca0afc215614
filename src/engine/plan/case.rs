//! What a plan is made from: four values that travel together.

use crate::engine::governing::Governing;
use crate::engine::intent::Intent;
use crate::engine::request::PodRequest;
use crate::engine::snapshot::Snapshot;

/// A pod that asks, what it asks for, the policy over it, and the cluster around it.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) request: &'a PodRequest,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) governing: &'a Governing,
    pub(crate) intent: &'a Intent,
}
