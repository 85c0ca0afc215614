//! What the pod has as a whole, and what LimitRanges of pods and ResourceQuotas make of it.

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};

use super::amounts::{Amount, RESOURCES, Section, amount, stated, subject, written};
use super::arrived::Held;
use super::containers;
use super::namespace::Bound;
use super::sizes::Sizes;
use crate::api::names::SIDECAR;
use crate::api::quantity::Quantity;
use crate::api::wiring::Requests;
use crate::engine::plan::Place;
use crate::engine::{Code, Finding, Origin, Reason, Subject};

/// A sidecar that is added to the pod.
#[derive(Clone, Copy)]
pub(crate) struct Added<'a> {
    pub(crate) amounts: &'a [Amount],
    pub(crate) place: Place,
}

/// What the pod will have, as the plugins count it.
struct Whole<'a> {
    sizes: &'a Sizes<'a>,
    init: Vec<Held<'a>>,
    main: Vec<Held<'a>>,
    pod: &'a [Amount],
}

/// Two amounts together, of which either may not be there.
fn plus(one: Option<Quantity>, other: Option<Quantity>) -> Option<Quantity> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

impl<'a> Whole<'a> {
    fn of(sizes: &'a Sizes<'a>, application: &[Amount], added: Option<Added>, pod: &'a [Amount]) -> Self {
        let (mut init, mut main) = (sizes.arrived.init.clone(), sizes.arrived.main.clone());
        if let Some(held) = main.get_mut(sizes.case.intent.application) {
            fill(held, application);
        }
        if let Some(added) = added {
            let mut sidecar = Held::new(SIDECAR, matches!(added.place, Place::Native(_)));
            fill(&mut sidecar, added.amounts);
            match added.place {
                Place::Container => main.insert(0, sidecar),
                Place::Native(at) => init.insert(at.min(init.len()), sidecar),
            }
        }
        Whole { sizes, init, main, pod }
    }

    /// All containers together; what the pod states for itself decides alone.
    fn amount(&self, section: Section, resource: &'static str) -> Option<Quantity> {
        let spec = self.sizes.case.request.view.spec.as_ref();
        let own = written(self.pod, section, resource).or_else(|| stated(spec?.resources.as_ref(), section, resource));
        if own.is_some() {
            return own;
        }
        let init = self.init.iter().map(|held| (held.restarts, held.amount(section, resource)));
        together(init, self.main.iter().map(|held| held.amount(section, resource)))
    }

    /// The same with what the pod costs its node besides, which a ResourceQuota counts.
    fn counted(&self, section: Section, resource: &'static str) -> Option<Quantity> {
        let amount = self.amount(section, resource);
        let overhead = self.sizes.case.request.view.spec.as_ref().and_then(|spec| overhead(spec, resource));
        if amount.is_none() && section == Section::Limits { None } else { plus(amount, overhead) }
    }
}

/// What the containers of a pod need at one time: all that stay, or an init container with the native sidecars before it.
fn together(init: impl Iterator<Item = (bool, Option<Quantity>)>, main: impl Iterator<Item = Option<Quantity>>) -> Option<Quantity> {
    let (mut sidecars, mut peak) = (None, None);
    for (restarts, here) in init {
        let before = plus(sidecars, here);
        sidecars = if restarts { before } else { sidecars };
        peak = peak.max(before);
    }
    main.fold(sidecars, plus).max(peak)
}

fn overhead(spec: &PodSpec, resource: &str) -> Option<Quantity> {
    Quantity::parse(&spec.overhead.as_ref()?.get(resource)?.0).ok()
}

/// CPU and memory that a pod asks of its node which is none of podwire's.
pub(crate) fn asked(spec: &PodSpec) -> Requests {
    let [cpu, memory] = RESOURCES.map(|resource| {
        let of = |resources: Option<&ResourceRequirements>| stated(resources, Section::Requests, resource);
        let init = spec.init_containers.iter().flatten();
        let init = init.map(|one| (one.restart_policy.as_deref() == Some("Always"), of(one.resources.as_ref())));
        let whole = of(spec.resources.as_ref()).or_else(|| together(init, spec.containers.iter().map(|one| of(one.resources.as_ref()))));
        plus(whole, overhead(spec, resource)).unwrap_or(Quantity::ZERO)
    });
    Requests { cpu, memory }
}

/// CPU and memory that the pod asks of its node, as the scheduler counts them (`k8s.io/component-helpers/resource`, `PodRequests`).
pub(crate) fn counted(sizes: &Sizes, application: &[Amount], added: Option<Added>, pod: &[Amount]) -> Requests {
    let whole = Whole::of(sizes, application, added, pod);
    let [cpu, memory] = RESOURCES.map(|resource| whole.counted(Section::Requests, resource).unwrap_or(Quantity::ZERO));
    Requests { cpu, memory }
}

fn fill(held: &mut Held, amounts: &[Amount]) {
    for resource in RESOURCES {
        for section in [Section::Requests, Section::Limits] {
            if let Some(value) = written(amounts, section, resource) {
                held.set(section, resource, value);
            }
        }
    }
}

/// Which resource a name in a ResourceQuota means; `None` where it is none of a pod's.
fn named(name: &str) -> Option<(Section, &'static str)> {
    Some(match name {
        "cpu" | "requests.cpu" => (Section::Requests, "cpu"),
        "memory" | "requests.memory" => (Section::Requests, "memory"),
        "limits.cpu" => (Section::Limits, "cpu"),
        "limits.memory" => (Section::Limits, "memory"),
        _ => return None,
    })
}

/// A sidecar's limit that nobody stated gives way where the pod would have too much of it; never below what the sidecar asks for.
pub(crate) fn spare(sizes: &Sizes, application: &[Amount], sidecar: &mut [Amount], place: Place, reasons: &mut [Reason]) {
    let bounds = &sizes.case.governing.spec.resources.sidecar;
    let pod = containers::pod(sizes, application, sidecar, &mut Vec::new());
    for resource in RESOURCES {
        let said = sizes.case.intent.sidecar.limits.contains_key(resource) || amount(&bounds.default, Section::Limits, resource).is_some();
        let whole = Whole::of(sizes, application, Some(Added { amounts: sidecar, place }), &pod);
        let (Some(total), Some((most, origin))) = (whole.counted(Section::Limits, resource), most(sizes, resource)) else { continue };
        if said || sizes.guaranteed || total <= most {
            continue;
        }
        let least = [
            written(sidecar, Section::Requests, resource),
            amount(&bounds.min, Section::Limits, resource),
            sizes.ranges.min(resource).map(|(min, _)| min),
        ];
        let least = least.into_iter().flatten().max().unwrap_or(Quantity::ZERO);
        let limit = sidecar.iter_mut().find(|amount| amount.section == Section::Limits && amount.resource == resource);
        let Some(limit) = limit.filter(|limit| limit.value > least) else { continue };
        limit.value = (limit.value - (total - most)).max(least);
        let what = format!("{SIDECAR} {} {resource}", Section::Limits.word());
        let reason = reasons.iter_mut().find(|reason| reason.what == what);
        reason.into_iter().for_each(|reason| {
            let lost = std::iter::once((reason.value.clone(), reason.origin.clone())).chain(reason.instead.clone());
            *reason = Reason::new(&what, limit.value, origin.clone()).over(lost);
        });
    }
}

/// The greatest limit that a pod may have, and who says so.
fn most(sizes: &Sizes, resource: &'static str) -> Option<(Quantity, Origin)> {
    let ranges = sizes.ranges.pods().filter_map(|(name, pod)| Some((*pod.max.get(resource)?, Origin::LimitRange(Some(name.to_owned())))));
    let limits = format!("limits.{resource}");
    let quotas = sizes.quotas.0.iter().filter_map(|(name, quota)| Some((*quota.hard.get(&limits)?, Origin::Quota((*name).to_owned()))));
    ranges.chain(quotas).min_by_key(|(value, _)| *value)
}

/// What the plugins will refuse, whatever else happens in the namespace, and what a ResourceQuota may have no room for.
pub(crate) fn check(sizes: &Sizes, application: &[Amount], added: Option<Added>, pod: &[Amount], findings: &mut Vec<Finding>) {
    let whole = Whole::of(sizes, application, added, pod);
    for resource in RESOURCES {
        in_ranges(&whole, added, resource, findings);
    }
    for (name, quota) in &sizes.quotas.0 {
        for (counted, hard) in &quota.hard {
            let (subject, amount) = match named(counted) {
                Some((section, resource)) => (subject(None, section, resource), whole.counted(section, resource)),
                None if matches!(counted.as_str(), "pods" | "count/pods") => (Subject::Pod, Some(Quantity::milli(1000))),
                None => continue,
            };
            let Some(amount) = amount.filter(|amount| *amount > Quantity::ZERO) else { continue };
            let used = quota.used.get(counted).copied().unwrap_or(Quantity::ZERO);
            let finding = if amount > *hard {
                Finding::new(Code::QuotaRefuses, subject, format!("hard is {hard} in ResourceQuota {name}"))
            } else if used + amount > *hard {
                Finding::new(Code::QuotaUsedUp, subject, format!("{used} of {hard} are used in ResourceQuota {name}"))
            } else {
                continue;
            };
            findings.push(with_share(finding.read(amount.to_string()), named(counted), added));
        }
    }
}

/// The finding with the sidecar's share, where it has one.
fn with_share(finding: Finding, what: Option<(Section, &'static str)>, added: Option<Added>) -> Finding {
    let share = added.zip(what).and_then(|(added, (section, resource))| written(added.amounts, section, resource));
    match share {
        Some(share) => finding.help(format!("{share} of it is the sidecar's")),
        None => finding,
    }
}

/// The LimitRanges of pods.
fn in_ranges(whole: &Whole, added: Option<Added>, resource: &'static str, findings: &mut Vec<Finding>) {
    let (request, limit) = (whole.amount(Section::Requests, resource), whole.amount(Section::Limits, resource));
    let mut refuse = |section, value: Option<Quantity>, word: &str, (bound, name): Bound| {
        let allowed = format!("{word} is {bound} in LimitRange {name}");
        let finding = Finding::new(Code::LimitRangeRefuses, subject(None, section, resource), allowed);
        let read = value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        findings.push(with_share(finding.read(read), Some((section, resource)), added));
    };
    for (name, range) in whole.sizes.ranges.pods() {
        if let Some(min) = range.min.get(resource) {
            let too_little = [(Section::Requests, request), (Section::Limits, limit)];
            let found = too_little.into_iter().find(|(_, value)| value.is_some_and(|value| value < *min));
            found.into_iter().for_each(|(section, value)| refuse(section, value, "min", (*min, name)));
        }
        if let Some(max) = range.max.get(resource) {
            match limit {
                None => refuse(Section::Limits, None, "max", (*max, name)),
                Some(value) if value > *max => refuse(Section::Limits, limit, "max", (*max, name)),
                Some(_) if request > Some(*max) => refuse(Section::Requests, request, "max", (*max, name)),
                Some(_) => {}
            }
        }
        if let Some(ratio) = range.max_limit_request_ratio.get(resource) {
            let least = limit.map_or(Quantity::ZERO, |limit| limit.over(*ratio));
            let kept = limit.is_some() && request.is_some_and(|request| request > Quantity::ZERO && request >= least);
            if !kept {
                refuse(Section::Limits, limit, "maxLimitRequestRatio", (*ratio, name));
            }
        }
    }
}
