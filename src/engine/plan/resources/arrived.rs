//! The pod as LimitRanger leaves it. In the cluster it was there before podwire, and a file will meet it: so both are looked at as it makes them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::amounts::{RESOURCES, Section, stated};
use super::namespace::Ranges;
use crate::api::names::SIDECAR;
use crate::api::quantity::Quantity;
use crate::engine::request::PodRequest;

/// What a container has, and whether LimitRanger put it there.
#[derive(Clone, Debug)]
pub(super) struct Held<'a> {
    pub(super) name: &'a str,
    /// A native sidecar, where it is among the init containers.
    pub(super) restarts: bool,
    amounts: BTreeMap<(Section, &'static str), (Quantity, bool)>,
}

/// The containers of a pod, in order.
#[derive(Clone, Debug)]
pub(super) struct Arrived<'a> {
    pub(super) init: Vec<Held<'a>>,
    pub(super) main: Vec<Held<'a>>,
}

impl<'a> Arrived<'a> {
    pub(super) fn of(request: &'a PodRequest, ranges: &Ranges) -> Self {
        let Some(spec) = &request.view.spec else { return Arrived { init: Vec::new(), main: Vec::new() } };
        let init = spec.init_containers.iter().flatten().map(|container| Held::of(container, ranges)).collect();
        let mut main: Vec<Held> = spec.containers.iter().map(|container| Held::of(container, ranges)).collect();
        let record = request.annotation("kubernetes.io/limit-ranger").unwrap_or_default();
        main.iter_mut().for_each(|held| held.mark(record));
        Arrived { init, main }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Held<'a>> {
        self.init.iter().chain(&self.main)
    }

    /// Whether every container asks for exactly what it may use, of CPU and of memory (`GetPodQOS`); what the pod states for itself decides alone.
    pub(super) fn is_guaranteed(&self, spec: &PodSpec) -> bool {
        let equal = |held: &Held, resource: &'static str| {
            let limit = held.amount(Section::Limits, resource).filter(|limit| *limit > Quantity::ZERO);
            limit.is_some() && held.amount(Section::Requests, resource) == limit
        };
        let mut containers = self.all().filter(|held| held.name != SIDECAR);
        let by_pod = RESOURCES.iter().any(|resource| pod_states(spec, resource));
        !by_pod && containers.all(|held| RESOURCES.iter().all(|resource| equal(held, resource)))
    }
}

impl<'a> Held<'a> {
    fn of(container: &'a Container, ranges: &Ranges) -> Self {
        let restarts = container.restart_policy.as_deref() == Some("Always");
        let mut held = Held { name: &container.name, restarts, amounts: BTreeMap::new() };
        for section in [Section::Limits, Section::Requests] {
            for resource in RESOURCES {
                let value = stated(container.resources.as_ref(), section, resource).map(|value| (value, false));
                let put = || ranges.default(section, resource).map(|(value, _)| (value, true));
                held.amounts.extend(value.or_else(put).map(|value| ((section, resource), value)));
            }
        }
        held
    }

    pub(super) fn amount(&self, section: Section, resource: &'static str) -> Option<Quantity> {
        self.amounts.get(&(section, resource)).map(|(value, _)| *value)
    }

    /// Whether LimitRanger put it there.
    pub(super) fn is_put(&self, section: Section, resource: &'static str) -> bool {
        self.amounts.get(&(section, resource)).is_some_and(|(_, put)| *put)
    }

    /// With an amount, in the place of what was there.
    pub(super) fn set(&mut self, section: Section, resource: &'static str, value: Quantity) {
        self.amounts.insert((section, resource), (value, false));
    }

    pub(super) fn new(name: &'a str, restarts: bool) -> Self {
        Held { name, restarts, amounts: BTreeMap::new() }
    }

    /// What LimitRanger put there before podwire saw it, as its annotation records: `LimitRanger plugin set: cpu, memory request for container app; …`.
    fn mark(&mut self, record: &str) {
        let record = record.strip_prefix("LimitRanger plugin set: ").unwrap_or_default();
        let sections = [(" request for container ", Section::Requests), (" limit for container ", Section::Limits)];
        for part in record.split("; ") {
            for (words, section) in sections {
                let Some((resources, _)) = part.split_once(words).filter(|(_, name)| *name == self.name) else { continue };
                let set = |resource: &str| resources.split(", ").any(|one| one == resource);
                self.amounts.iter_mut().for_each(|((of, resource), (_, put))| *put |= *of == section && set(resource));
            }
        }
    }
}

/// Whether the pod's own `spec.resources` states the resource: its budget is the statement then.
pub(super) fn pod_states(spec: &PodSpec, resource: &str) -> bool {
    [Section::Requests, Section::Limits].into_iter().any(|section| stated(spec.resources.as_ref(), section, resource).is_some())
}
