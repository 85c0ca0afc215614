//! The quality of service of a pod (`GetPodQOS`), before and after it is wired.

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use serde::Deserialize as _;

use super::workload::State;
use crate::api::quantity::Quantity;
use crate::engine::admit::Decision;
use crate::engine::{Code, Finding, Subject};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Quality {
    BestEffort,
    Burstable,
    Guaranteed,
}

/// A quality that wiring changes, but for the usual: podwire's requests make a BestEffort pod Burstable.
pub(super) fn find(place: Subject, new: &State, findings: &mut Vec<Finding>) {
    let Decision::Wired(patch) = &new.verdict.decision else { return };
    let mut wired = new.request.pod.clone();
    let Some(after) = json_patch::patch(&mut wired, patch).ok().and_then(|()| Pod::deserialize(&wired).ok()) else { return };
    let (before, after) = (quality(&new.request.view), quality(&after));
    if before != after && (before, after) != (Quality::BestEffort, Quality::Burstable) {
        let allowed = format!("wiring makes its {before:?} pods {after:?}");
        findings.push(Finding::new(Code::QosChanges, place, allowed).help("state requests and limits of every container"));
    }
}

fn quality(pod: &Pod) -> Quality {
    let Some(spec) = &pod.spec else { return Quality::BestEffort };
    let containers: Vec<&Container> = spec.containers.iter().chain(spec.init_containers.iter().flatten()).collect();
    let all: Vec<Option<&ResourceRequirements>> = match &spec.resources {
        // What the pod states for itself decides alone.
        Some(own) if !amounts(Some(own)).is_empty() => vec![Some(own)],
        _ => containers.iter().map(|container| container.resources.as_ref()).collect(),
    };
    if all.iter().all(|resources| amounts(*resources).is_empty()) {
        Quality::BestEffort
    } else if all.iter().all(|resources| is_guaranteed(*resources)) {
        Quality::Guaranteed
    } else {
        Quality::Burstable
    }
}

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// Requests and limits of CPU and memory that are more than nothing.
fn amounts(resources: Option<&ResourceRequirements>) -> Vec<Quantity> {
    let sections = resources.into_iter().flat_map(|resources| [&resources.requests, &resources.limits]);
    let all = sections.flatten().flatten().filter(|(resource, _)| COUNTED.contains(&resource.as_str()));
    all.filter_map(|(_, value)| Quantity::parse(&value.0).ok()).filter(|value| *value > Quantity::ZERO).collect()
}

/// Whether what is asked for is what may be used; a limit alone is its own request.
fn is_guaranteed(resources: Option<&ResourceRequirements>) -> bool {
    let Some(ResourceRequirements { limits: Some(limits), requests, .. }) = resources else { return false };
    COUNTED.iter().all(|resource| {
        let limit = limits.get(*resource).and_then(|limit| Quantity::parse(&limit.0).ok());
        let request = requests.as_ref().and_then(|requests| requests.get(*resource));
        let request = request.map_or(limit, |request| Quantity::parse(&request.0).ok());
        limit.is_some_and(|limit| limit > Quantity::ZERO) && request == limit
    })
}
