//! The amounts of the application, of the sidecar, and of the pod where it states its own.

use std::collections::BTreeMap;

use super::amounts::{Amount, BUILT_IN, Section, read, stated, written};
use super::arrived::pod_states;
use super::share::Share;
use super::sizes::Sizes;
use crate::api::names::SIDECAR;
use crate::api::quantity::Quantity;
use crate::engine::plan::Case;
use crate::engine::{Finding, Origin, Reason};

/// The amounts to write on the application container.
pub(crate) fn application(sizes: &Sizes, reasons: &mut Vec<Reason>, findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { request, governing, intent, .. } = sizes.case;
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let (Some(container), Some(held)) = (spec.containers.get(intent.application), sizes.arrived.main.get(intent.application)) else {
        return Vec::new();
    };
    let share = Share { container: &container.name, bounds: &governing.spec.resources.app, field: "resources.app", sizes };
    let mut amounts = Vec::new();
    for (resource, built_in, _) in BUILT_IN {
        let resources = container.resources.as_ref();
        for section in [Section::Requests, Section::Limits] {
            read(resources, Some(&container.name), section, resource, findings);
        }
        let (asked, allowed) = (held.amount(Section::Requests, resource), held.amount(Section::Limits, resource));
        let origin = |section| match section {
            _ if held.is_put(section, resource) => {
                Origin::LimitRange(sizes.ranges.default(section, resource).map(|(_, name)| name.to_owned()))
            }
            Section::Requests if asked == allowed => Origin::Limit,
            Section::Limits | Section::Requests => Origin::Manifest,
        };
        let present = |section, value: Option<Quantity>| value.map(|value| (value, origin(section)));
        let present = (present(Section::Requests, asked), present(Section::Limits, allowed));
        // What the pod states for itself is its containers' budget: none of them is given more of it.
        let by_pod = pod_states(spec, resource);
        let built_in = (!by_pod).then_some(built_in);
        let said = share.said(resource, &present, built_in);
        let (request, limit) = share.decide(resource, present, built_in, findings);
        for (section, decided, arrived) in [(Section::Requests, request, asked), (Section::Limits, limit, allowed)] {
            let Some((value, origin)) = decided else { continue };
            // Nobody wrote it, and the pod has its own budget: what podwire would write could be more than that.
            let written = stated(resources, section, resource).is_some();
            if by_pod && !written && arrived != Some(value) {
                continue;
            }
            let leave = by_pod && matches!(origin, Origin::LimitRange(_));
            reasons.push(Reason::new(format!("{} {} {resource}", container.name, section.word()), value, origin).over(said(section)));
            // What LimitRanger gives to a pod with a budget of its own, it may give.
            let there = arrived == Some(value) && (leave || written);
            if !there {
                amounts.push(Amount { section, resource: resource.to_owned(), value });
            }
        }
    }
    amounts
}

/// The amounts of the sidecar.
pub(crate) fn sidecar(sizes: &Sizes, reasons: &mut Vec<Reason>, findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { governing, intent, .. } = sizes.case;
    let share = Share { container: SIDECAR, bounds: &governing.spec.resources.sidecar, field: "resources.sidecar", sizes };
    let mut amounts = Vec::new();
    for (resource, _, built_in) in BUILT_IN {
        let stated = |amounts: &BTreeMap<&str, Quantity>| amounts.get(resource).map(|value| (*value, Origin::DaprAnnotation));
        let stated = (stated(&intent.sidecar.requests), stated(&intent.sidecar.limits));
        let said = share.said(resource, &stated, Some(built_in));
        let (request, limit) = share.decide(resource, stated, Some(built_in), findings);
        for (section, decided) in [(Section::Requests, request), (Section::Limits, limit)] {
            let Some((value, origin)) = decided else { continue };
            reasons.push(Reason::new(format!("{SIDECAR} {} {resource}", section.word()), value, origin).over(said(section)));
            amounts.push(Amount { section, resource: resource.to_owned(), value });
        }
    }
    amounts
}

/// What `spec.resources` of the pod becomes: each stated value grows by what the containers gain, the sidecar that is added and the application (KEP-2837).
pub(crate) fn pod(sizes: &Sizes, application: &[Amount], sidecar: &[Amount], findings: &mut Vec<Finding>) -> Vec<Amount> {
    let Case { request, intent, .. } = sizes.case;
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let held = sizes.arrived.main.get(intent.application);
    let more = |section, resource: &'static str| {
        let was = held.and_then(|held| held.amount(section, resource)).unwrap_or(Quantity::ZERO);
        written(application, section, resource).map_or(Quantity::ZERO, |value| (value - was).max(Quantity::ZERO))
    };
    let mut amounts = Vec::new();
    for (resource, _, _) in BUILT_IN {
        let mut read = |section| read(spec.resources.as_ref(), None, section, resource, findings);
        let (request, limit) = (read(Section::Requests), read(Section::Limits));
        let asks = written(sidecar, Section::Requests, resource).unwrap_or(Quantity::ZERO);
        let most = written(sidecar, Section::Limits, resource).unwrap_or(asks)
            + more(Section::Requests, resource).max(more(Section::Limits, resource));
        // A pod whose request equals its limit is Guaranteed by that alone, and stays so.
        let asks = if request == limit { most } else { asks + more(Section::Requests, resource) };
        for (section, present, more) in [(Section::Requests, request, asks), (Section::Limits, limit, most)] {
            let grown = present.filter(|_| more > Quantity::ZERO).map(|present| present + more);
            amounts.extend(grown.map(|value| Amount { section, resource: resource.to_owned(), value }));
        }
    }
    amounts
}
