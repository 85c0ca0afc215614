//! Requests and limits: of the application container, of the sidecar, and of the pod where it states them itself.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use super::{Governing, Origin, Reason, SIDECAR};
use crate::api::policy::{Bounds, OnViolation};
use crate::api::quantity::Quantity;
use crate::engine::intent::Intent;
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding, Subject};

/// One of the two halves of a container's resources.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Section {
    Limits,
    Requests,
}

impl Section {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Section::Limits => "limits",
            Section::Requests => "requests",
        }
    }
}

/// A request or a limit that is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    pub(crate) section: Section,
    pub(crate) resource: String,
    pub(crate) value: Quantity,
}

/// Requests and limits that always exist, by resource: of the application, of the sidecar.
const BUILT_IN: [(&str, Quantity, Quantity); 2] =
    [("cpu", Quantity::milli(100), Quantity::milli(100)), ("memory", Quantity::mebi(128), Quantity::mebi(250))];

/// What a value is and who said so.
type Stated = Option<(Quantity, Origin)>;

/// One container's share of the decision.
struct Share<'a> {
    container: &'a str,
    bounds: &'a Bounds,
    governing: &'a Governing,
}

/// The amounts to write on the application container.
pub(super) fn application(
    request: &PodRequest,
    governing: &Governing,
    intent: &Intent,
    reasons: &mut Vec<Reason>,
    findings: &mut Vec<Finding>,
) -> Vec<Amount> {
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let Some(container) = spec.containers.get(intent.application) else { return Vec::new() };
    let share = Share { container: &container.name, bounds: &governing.spec.resources.app, governing };
    let limited = limit_ranger(request, &container.name);
    let mut amounts = Vec::new();
    for (resource, built_in, _) in BUILT_IN {
        let mut read = |section| {
            let written = section_of(container.resources.as_ref(), section)?.get(resource)?;
            read(written, &format!("container {} {} {resource}", container.name, section.word()), findings)
        };
        let present = (read(Section::Requests), read(Section::Limits));
        let stated = |section, value: Option<Quantity>| {
            let by_user = !limited.contains(&(section, resource.to_owned()));
            let origin = if section == Section::Requests && present.0 == present.1 { Origin::Limit } else { Origin::Manifest };
            value.filter(|_| by_user).map(|value| (value, origin))
        };
        let (request, limit) = (stated(Section::Requests, present.0), stated(Section::Limits, present.1));
        let budget = pod_states(spec, resource);
        let default = (!budget).then_some(built_in);
        let (mut request, limit) = share.decide(resource, (request, limit), default, findings);
        // A limit that a LimitRange put there stays; what is requested fits below it.
        if let (Some((value, _)), Some(present), None) = (&mut request, present.1, &limit) {
            *value = (*value).min(present);
        }
        for (section, decided, present) in [(Section::Requests, request, present.0), (Section::Limits, limit, present.1)] {
            let Some((value, origin)) = decided else { continue };
            reasons.push(Reason::new(format!("{} {} {resource}", container.name, section.word()), value, origin));
            if present != Some(value) {
                amounts.push(Amount { section, resource: resource.to_owned(), value });
            }
        }
    }
    amounts
}

/// The amounts of the sidecar.
pub(super) fn sidecar(
    request: &PodRequest,
    governing: &Governing,
    intent: &Intent,
    reasons: &mut Vec<Reason>,
    findings: &mut Vec<Finding>,
) -> Vec<Amount> {
    let share = Share { container: SIDECAR, bounds: &governing.spec.resources.sidecar, governing };
    let guaranteed = request.view.spec.as_ref().is_some_and(|spec| spec.resources.is_none() && is_guaranteed(spec));
    let mut amounts = Vec::new();
    for (resource, _, built_in) in BUILT_IN {
        let stated = |amounts: &BTreeMap<&str, Quantity>| amounts.get(resource).map(|value| (*value, Origin::DaprAnnotation));
        let stated = (stated(&intent.sidecar.requests), stated(&intent.sidecar.limits));
        let (mut request, mut limit) = share.decide(resource, stated, Some(built_in), findings);
        if guaranteed {
            // The pod stays Guaranteed: what the sidecar may use is what it asks for.
            let equal = limit.or(request);
            (request, limit) = (equal.clone(), equal);
        }
        for (section, decided) in [(Section::Requests, request), (Section::Limits, limit)] {
            let Some((value, origin)) = decided else { continue };
            reasons.push(Reason::new(format!("{SIDECAR} {} {resource}", section.word()), value, origin));
            amounts.push(Amount { section, resource: resource.to_owned(), value });
        }
    }
    amounts
}

/// What `spec.resources` of the pod becomes when the sidecar is added: each stated value grows by the sidecar's (KEP-2837).
pub(super) fn pod(request: &PodRequest, sidecar: &[Amount], findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Some(stated) = request.view.spec.as_ref().and_then(|spec| spec.resources.as_ref()) else { return Vec::new() };
    let of = |section, resource: &str| sidecar.iter().find(|amount| amount.section == section && amount.resource == resource);
    let mut amounts = Vec::new();
    for (resource, _, _) in BUILT_IN {
        let mut read = |section| {
            let written = section_of(Some(stated), section)?.get(resource)?;
            read(written, &format!("spec.resources {} {resource}", section.word()), findings)
        };
        let (request, limit) = (read(Section::Requests), read(Section::Limits));
        let asks = of(Section::Requests, resource).map_or(Quantity::ZERO, |amount| amount.value);
        let most = of(Section::Limits, resource).map_or(asks, |amount| amount.value);
        // A pod whose request equals its limit is Guaranteed by that alone, and stays so.
        let asks = if request == limit { most } else { asks };
        for (section, present, more) in [(Section::Requests, request, asks), (Section::Limits, limit, most)] {
            let grown = present.map(|present| Amount { section, resource: resource.to_owned(), value: present + more });
            amounts.extend(grown);
        }
    }
    amounts
}

impl Share<'_> {
    /// What is stated, else the policy's default, else the built-in request; then the policy's bounds; and never more asked for than allowed.
    fn decide(
        &self,
        resource: &str,
        stated: (Stated, Stated),
        built_in: Option<Quantity>,
        findings: &mut Vec<Finding>,
    ) -> (Stated, Stated) {
        let default = |amounts: &BTreeMap<String, Quantity>| {
            let value = amounts.get(resource).copied().filter(|_| built_in.is_some());
            value.map(|value| (value, self.governing.origin(true)))
        };
        let fallback = built_in.map(|value| (value, Origin::BuiltIn));
        let request_stated = stated.0.is_some();
        let limit_stated = stated.1.is_some();
        let request = stated.0.or_else(|| default(&self.bounds.default.requests)).or(fallback);
        let limit = stated.1.or_else(|| default(&self.bounds.default.limits));
        let request = request.map(|value| self.bound(resource, Section::Requests, value, findings));
        let limit = limit.map(|value| self.bound(resource, Section::Limits, value, findings));
        match (request, limit) {
            (Some(request), Some(limit)) if request.0 > limit.0 && request_stated && !limit_stated => {
                (Some(request.clone()), Some(request))
            }
            (Some(request), Some(limit)) if request.0 > limit.0 => (Some(limit.clone()), Some(limit)),
            other => other,
        }
    }

    fn bound(&self, resource: &str, section: Section, stated: (Quantity, Origin), findings: &mut Vec<Finding>) -> (Quantity, Origin) {
        let amounts = |bound: &crate::api::policy::Amounts| match section {
            Section::Limits => bound.limits.get(resource).copied(),
            Section::Requests => bound.requests.get(resource).copied(),
        };
        let (min, max) = (amounts(&self.bounds.min), amounts(&self.bounds.max));
        let bound = match (min, max) {
            (Some(min), _) if stated.0 < min => ("min", min),
            (_, Some(max)) if stated.0 > max => ("max", max),
            _ => return stated,
        };
        let (code, value, verb) = match self.governing.spec.resources.on_violation() {
            OnViolation::Adjust => (Code::ResourceAdjusted, (bound.1, self.governing.origin(true)), "set to"),
            OnViolation::Deny => (Code::ResourceRefused, stated.clone(), "must respect"),
            OnViolation::Warn => (Code::ResourceOutOfBounds, stated.clone(), "left, against"),
        };
        let subject = Subject::Container(format!("{} {} {resource}", self.container, section.word()));
        let allowed = format!("{verb} {} {} of {}", bound.0, bound.1, self.governing.words());
        findings.push(Finding::new(code, subject, allowed).read(stated.0.to_string()));
        value
    }
}

fn section_of(resources: Option<&ResourceRequirements>, section: Section) -> Option<&BTreeMap<String, Written>> {
    match section {
        Section::Limits => resources?.limits.as_ref(),
        Section::Requests => resources?.requests.as_ref(),
    }
}

fn read(written: &Written, place: &str, findings: &mut Vec<Finding>) -> Option<Quantity> {
    let quantity = Quantity::parse(&written.0).ok().map(Quantity::round_to_milli);
    if quantity.is_none() {
        let finding = Finding::new(
            Code::InvalidQuantity,
            Subject::Container(place.trim_start_matches("container ").to_owned()),
            "allowed: 250m, 1.5, 128Mi, 1e3",
        );
        findings.push(finding.read(&written.0));
    }
    quantity
}

/// Whether the pod's own `spec.resources` states the resource: its budget is the statement then.
fn pod_states(spec: &PodSpec, resource: &str) -> bool {
    let stated = |section| section_of(spec.resources.as_ref(), section).is_some_and(|amounts| amounts.contains_key(resource));
    stated(Section::Requests) || stated(Section::Limits)
}

/// Whether every container asks for exactly what it may use, of CPU and of memory (`GetPodQOS`).
fn is_guaranteed(spec: &PodSpec) -> bool {
    let equal = |container: &Container, resource: &str| {
        let value = |section| Quantity::parse(&section_of(container.resources.as_ref(), section)?.get(resource)?.0).ok();
        matches!((value(Section::Requests), value(Section::Limits)), (Some(request), Some(limit)) if request == limit && limit > Quantity::ZERO)
    };
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter(|container| container.name != SIDECAR);
    containers.all(|container| equal(container, "cpu") && equal(container, "memory"))
}

/// What LimitRanger put into the container before podwire saw it, as its annotation records: `LimitRanger plugin set: cpu, memory request for container app; …`.
fn limit_ranger(request: &PodRequest, container: &str) -> Vec<(Section, String)> {
    let Some(record) = request.annotation("kubernetes.io/limit-ranger") else { return Vec::new() };
    let record = record.strip_prefix("LimitRanger plugin set: ").unwrap_or_default();
    let sections = [(" request for container ", Section::Requests), (" limit for container ", Section::Limits)];
    let mut set = Vec::new();
    for part in record.split("; ") {
        for (words, section) in sections {
            if let Some((resources, name)) = part.split_once(words)
                && name == container
            {
                set.extend(resources.split(", ").map(|resource| (section, resource.to_owned())));
            }
        }
    }
    set
}
