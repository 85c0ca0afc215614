//! A change that somebody asks for, and what is said about it.

use serde_json::Value;

use super::{pod, workload};
use crate::api::templates::Holder;
use crate::engine::admit::{Decision, Untouched, Verdict, excluded, unheard_of};
use crate::engine::snapshot::Snapshot;

/// A workload or a pod that is created or changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Namespace of the request.
    pub namespace: String,
    /// The object as it would be.
    pub object: Value,
    /// The object as it is; nothing where it is created.
    pub old: Option<Value>,
    /// The change is asked for by the pod's subresource `resize`.
    pub resize: bool,
}

/// What is said about a change. A workload is never refused, but where its policy says `onUndrained: Deny`; a pod is refused for its labels, its annotations and its resize.
pub fn review(change: &Change, snapshot: &Snapshot) -> Verdict {
    if excluded(&change.namespace, snapshot) {
        return Verdict::of(Decision::Untouched(Untouched::Excluded));
    }
    if let Some(refusal) = unheard_of(&change.namespace, snapshot) {
        return refusal;
    }
    let text = |field: &str| change.object[field].as_str().unwrap_or_default();
    let mut verdict = match Holder::of(text("apiVersion"), text("kind")) {
        Some(kind) if !kind.fields.is_empty() => workload::review(change, kind, snapshot),
        Some(_) | None => pod::review(change, snapshot),
    };
    let mut findings = std::mem::take(&mut verdict.findings);
    // The order within one weight is that of making, and each is said once.
    findings.sort_by_key(|finding| finding.severity());
    for finding in findings {
        if !verdict.findings.contains(&finding) {
            verdict.findings.push(finding);
        }
    }
    verdict
}
