//! Requests and limits: of the application container, of the sidecar, and of the pod where it states them itself.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use super::Case;
use crate::api::names::SIDECAR;
use crate::api::policy::{Amounts, Bounds, OnViolation};
use crate::api::quantity::Quantity;
use crate::engine::governing::Governing;
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding, Origin, Reason, Subject};

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
    /// The pod is Guaranteed and stays so: what the container asks for is what it may use.
    guaranteed: bool,
}

/// The amounts to write on the application container.
pub(super) fn application(case: Case, reasons: &mut Vec<Reason>, findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { request, governing, intent, .. } = case;
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let Some(container) = spec.containers.get(intent.application) else { return Vec::new() };
    let guaranteed = is_guaranteed(spec);
    let share = Share { container: &container.name, bounds: &governing.spec.resources.app, governing, guaranteed };
    let limited = limit_ranger(request, &container.name);
    let mut amounts = Vec::new();
    for (resource, built_in, _) in BUILT_IN {
        let mut read = |section| {
            let written = section_of(container.resources.as_ref(), section)?.get(resource)?;
            read(written, subject(Some(&container.name), section, resource), findings)
        };
        let (asked, allowed) = (read(Section::Requests), read(Section::Limits));
        let origin = |section| match section {
            _ if limited.contains(&(section, resource.to_owned())) => Origin::LimitRange,
            Section::Requests if asked == allowed => Origin::Limit,
            Section::Limits | Section::Requests => Origin::Manifest,
        };
        let present = |section, value: Option<Quantity>| value.map(|value| (value, origin(section)));
        let present = (present(Section::Requests, asked), present(Section::Limits, allowed));
        // What the pod states for itself is its containers' budget: none of them is given more of it.
        let built_in = (!pod_states(spec, resource)).then_some(built_in);
        let (request, limit) = share.decide(resource, present, built_in, findings);
        for (section, decided, present) in [(Section::Requests, request, asked), (Section::Limits, limit, allowed)] {
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
pub(super) fn sidecar(case: Case, reasons: &mut Vec<Reason>, findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { request, governing, intent, .. } = case;
    let guaranteed = request.view.spec.as_ref().is_some_and(is_guaranteed);
    let share = Share { container: SIDECAR, bounds: &governing.spec.resources.sidecar, governing, guaranteed };
    let mut amounts = Vec::new();
    for (resource, _, built_in) in BUILT_IN {
        let stated = |amounts: &BTreeMap<&str, Quantity>| amounts.get(resource).map(|value| (*value, Origin::DaprAnnotation));
        let stated = (stated(&intent.sidecar.requests), stated(&intent.sidecar.limits));
        let (request, limit) = share.decide(resource, stated, Some(built_in), findings);
        for (section, decided) in [(Section::Requests, request), (Section::Limits, limit)] {
            let Some((value, origin)) = decided else { continue };
            reasons.push(Reason::new(format!("{SIDECAR} {} {resource}", section.word()), value, origin));
            amounts.push(Amount { section, resource: resource.to_owned(), value });
        }
    }
    amounts
}

/// What `spec.resources` of the pod becomes: each stated value grows by what the containers gain, the sidecar that is added and the application (KEP-2837).
pub(super) fn pod(case: Case, application: &[Amount], sidecar: &[Amount], findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { request, intent, .. } = case;
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let container = spec.containers.get(intent.application).and_then(|container| container.resources.as_ref());
    let of = |amounts: &[Amount], section, resource: &str| {
        amounts.iter().find(|amount| amount.section == section && amount.resource == resource).map(|amount| amount.value)
    };
    let more = |section, resource: &str| {
        let was = section_of(container, section).and_then(|amounts| Quantity::parse(&amounts.get(resource)?.0).ok());
        of(application, section, resource).map_or(Quantity::ZERO, |value| (value - was.unwrap_or(Quantity::ZERO)).max(Quantity::ZERO))
    };
    let mut amounts = Vec::new();
    for (resource, _, _) in BUILT_IN {
        let mut read = |section| {
            let written = section_of(spec.resources.as_ref(), section)?.get(resource)?;
            read(written, subject(None, section, resource), findings)
        };
        let (request, limit) = (read(Section::Requests), read(Section::Limits));
        let asks = of(sidecar, Section::Requests, resource).unwrap_or(Quantity::ZERO);
        let most =
            of(sidecar, Section::Limits, resource).unwrap_or(asks) + more(Section::Requests, resource).max(more(Section::Limits, resource));
        // A pod whose request equals its limit is Guaranteed by that alone, and stays so.
        let asks = if request == limit { most } else { asks + more(Section::Requests, resource) };
        for (section, present, more) in [(Section::Requests, request, asks), (Section::Limits, limit, most)] {
            let grown = present.filter(|_| more > Quantity::ZERO).map(|present| present + more);
            amounts.extend(grown.map(|value| Amount { section, resource: resource.to_owned(), value }));
        }
    }
    amounts
}

impl Share<'_> {
    /// What is stated, else the policy's default, else the built-in request, else what a LimitRange put there; then the policy's bounds; and never more asked for than allowed.
    fn decide(
        &self,
        resource: &str,
        present: (Stated, Stated),
        built_in: Option<Quantity>,
        findings: &mut Vec<Finding>,
    ) -> (Stated, Stated) {
        let default = |section| {
            let value = amount(&self.bounds.default, section, resource).filter(|_| built_in.is_some());
            value.map(|value| (value, self.governing.origin(true)))
        };
        let is_stated = |value: &Stated| value.as_ref().is_some_and(|(_, origin)| *origin != Origin::LimitRange);
        let stated = (is_stated(&present.0), is_stated(&present.1));
        let (asked, allowed) = present;
        if let (Some((request, _)), Some((limit, _)), (true, true)) = (&asked, &allowed, stated)
            && request > limit
        {
            let subject = subject(Some(self.container), Section::Requests, resource);
            let finding = Finding::new(Code::RequestAboveLimit, subject, format!("the limit is {limit}"));
            findings.push(finding.read(request.to_string()).help("lower the request or raise the limit"));
        }
        let fallback = built_in.map(|value| (value, Origin::BuiltIn));
        let request = if stated.0 { asked } else { default(Section::Requests).or(fallback).or(asked) };
        let limit = if stated.1 { allowed } else { default(Section::Limits).or(allowed) };
        let limit = limit.or_else(|| request.clone().filter(|_| self.guaranteed));
        let request = request.map(|value| self.bound(resource, Section::Requests, value, findings));
        let limit = limit.map(|value| self.bound(resource, Section::Limits, value, findings));
        match (request, limit) {
            (Some(request), Some(limit)) => {
                let (request, limit) = self.reconcile(resource, request, limit, stated.0 && !stated.1, findings);
                (Some(request), Some(limit))
            }
            (request, limit) => (request.map(|bounded| bounded.value), limit.map(|bounded| bounded.value)),
        }
    }

    /// The request within the limit, and equal to it in a Guaranteed pod. The one that a bound moved wins, then the one that was stated, then the limit.
    fn reconcile(
        &self,
        resource: &str,
        request: Bounded,
        limit: Bounded,
        request_wins: bool,
        findings: &mut Vec<Finding>,
    ) -> ((Quantity, Origin), (Quantity, Origin)) {
        let raised = request.moved == Ordering::Greater || (request_wins && limit.moved != Ordering::Less);
        let winner = match request.value.0.cmp(&limit.value.0) {
            Ordering::Greater if raised => request,
            Ordering::Greater => limit,
            Ordering::Less if self.guaranteed && request.moved == Ordering::Less => request,
            Ordering::Less if self.guaranteed => limit,
            Ordering::Equal | Ordering::Less => return (request.value, limit.value),
        };
        // One value for both lies within the bounds of both, and within those of the limit where they have nothing in common.
        let within = self.bound(resource, Section::Requests, winner.value, findings);
        let value = self.bound(resource, Section::Limits, within.value, findings).value;
        (value.clone(), value)
    }

    fn bound(&self, resource: &str, section: Section, stated: (Quantity, Origin), findings: &mut Vec<Finding>) -> Bounded {
        let (min, max) = (amount(&self.bounds.min, section, resource), amount(&self.bounds.max, section, resource));
        let bound = match (min, max) {
            (Some(min), _) if stated.0 < min => ("min", min),
            (_, Some(max)) if stated.0 > max => ("max", max),
            _ => return Bounded { value: stated, moved: Ordering::Equal },
        };
        let (code, value, verb) = match self.governing.spec.resources.on_violation() {
            OnViolation::Adjust => (Code::ResourceAdjusted, (bound.1, self.governing.origin(true)), "set to"),
            OnViolation::Deny => (Code::ResourceRefused, stated.clone(), "must respect"),
            OnViolation::Warn => (Code::ResourceOutOfBounds, stated.clone(), "left, against"),
        };
        let subject = subject(Some(self.container), section, resource);
        let allowed = format!("{verb} {} {} of {}", bound.0, bound.1, self.governing.words());
        let finding = Finding::new(code, subject, allowed).read(stated.0.to_string());
        if !findings.contains(&finding) {
            findings.push(finding);
        }
        Bounded { moved: value.0.cmp(&stated.0), value }
    }
}

/// A value, and whether a bound moved it up or down.
struct Bounded {
    value: (Quantity, Origin),
    moved: Ordering,
}

fn amount(amounts: &Amounts, section: Section, resource: &str) -> Option<Quantity> {
    match section {
        Section::Limits => amounts.limits.get(resource).copied(),
        Section::Requests => amounts.requests.get(resource).copied(),
    }
}

fn section_of(resources: Option<&ResourceRequirements>, section: Section) -> Option<&BTreeMap<String, Written>> {
    match section {
        Section::Limits => resources?.limits.as_ref(),
        Section::Requests => resources?.requests.as_ref(),
    }
}

fn subject(container: Option<&str>, section: Section, resource: &str) -> Subject {
    Subject::Resource { container: container.map(str::to_owned), section: section.word(), resource: resource.to_owned() }
}

fn read(written: &Written, subject: Subject, findings: &mut Vec<Finding>) -> Option<Quantity> {
    let quantity = Quantity::parse(&written.0).ok().map(Quantity::round_to_milli);
    if quantity.is_none() {
        findings.push(Finding::new(Code::InvalidQuantity, subject, "allowed: 250m, 1.5, 128Mi, 1e3").read(&written.0));
    }
    quantity
}

/// Whether the pod's own `spec.resources` states the resource: its budget is the statement then.
fn pod_states(spec: &PodSpec, resource: &str) -> bool {
    let stated = |section| section_of(spec.resources.as_ref(), section).is_some_and(|amounts| amounts.contains_key(resource));
    stated(Section::Requests) || stated(Section::Limits)
}

/// Whether every container asks for exactly what it may use, of CPU and of memory (`GetPodQOS`); what the pod states for itself decides alone.
fn is_guaranteed(spec: &PodSpec) -> bool {
    let equal = |container: &Container, resource: &str| {
        let value = |section| Quantity::parse(&section_of(container.resources.as_ref(), section)?.get(resource)?.0).ok();
        matches!((value(Section::Requests), value(Section::Limits)), (Some(request), Some(limit)) if request == limit && limit > Quantity::ZERO)
    };
    let mut containers = spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter(|container| container.name != SIDECAR);
    let by_pod = BUILT_IN.iter().any(|(resource, _, _)| pod_states(spec, resource));
    !by_pod && containers.all(|container| equal(container, "cpu") && equal(container, "memory"))
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
