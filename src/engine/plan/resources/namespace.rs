//! What the pod's namespace allows: its LimitRanges together, and the ResourceQuotas that count the pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;

use super::amounts::Section;
use crate::api::quantity::Quantity;
use crate::engine::snapshot::{LimitRange, Range, ResourceQuota, Scope, Snapshot};

/// A value of a LimitRange, and its name.
pub(super) type Bound<'a> = (Quantity, &'a str);

type Known<T> = Option<BTreeMap<(String, String), T>>;

/// The objects of a namespace, by name.
fn of<'a, T>(known: &'a Known<T>, namespace: &str) -> Vec<(&'a str, &'a T)> {
    let from = known.iter().flat_map(|known| known.range((namespace.to_owned(), String::new())..));
    from.take_while(|((of, _), _)| of == namespace).map(|((_, name), object)| (name.as_str(), object)).collect()
}

/// The LimitRanges of a namespace.
#[derive(Clone, Debug)]
pub(super) struct Ranges<'a>(Vec<(&'a str, &'a LimitRange)>);

impl<'a> Ranges<'a> {
    pub(super) fn of(namespace: &str, snapshot: &'a Snapshot) -> Self {
        Ranges(of(&snapshot.limit_ranges, namespace))
    }

    /// What LimitRanger gives a container that states nothing. Of several LimitRanges it takes any: here the first by name.
    pub(super) fn default(&self, section: Section, resource: &str) -> Option<Bound<'a>> {
        let of = |range: &'a Range| match section {
            Section::Limits => &range.default,
            Section::Requests => &range.default_request,
        };
        self.containers(resource, of).next()
    }

    /// The least of a container.
    pub(super) fn min(&self, resource: &str) -> Option<Bound<'a>> {
        self.containers(resource, |range| &range.min).max_by_key(|(value, _)| *value)
    }

    /// The most of a container.
    pub(super) fn max(&self, resource: &str) -> Option<Bound<'a>> {
        self.containers(resource, |range| &range.max).min_by_key(|(value, _)| *value)
    }

    /// How many times a container's request its limit may be.
    pub(super) fn ratio(&self, resource: &str) -> Option<Bound<'a>> {
        self.containers(resource, |range| &range.max_limit_request_ratio).min_by_key(|(value, _)| *value)
    }

    /// What holds for the pod as a whole.
    pub(super) fn pods(&self) -> impl Iterator<Item = (&'a str, &'a Range)> {
        self.0.iter().map(|(name, range)| (*name, &range.pod))
    }

    fn containers(&self, resource: &str, of: impl Fn(&'a Range) -> &'a BTreeMap<String, Quantity>) -> impl Iterator<Item = Bound<'a>> {
        self.0.iter().filter_map(move |(name, range)| Some((*of(&range.container).get(resource)?, *name)))
    }
}

/// The ResourceQuotas of a namespace that count a pod.
#[derive(Clone, Debug)]
pub(super) struct Quotas<'a>(pub(super) Vec<(&'a str, &'a ResourceQuota)>);

impl<'a> Quotas<'a> {
    pub(super) fn of(namespace: &str, spec: &PodSpec, snapshot: &'a Snapshot) -> Self {
        let mut all = of(&snapshot.quotas, namespace);
        all.retain(|(_, quota)| quota.scopes.iter().all(|scope| counts(scope, spec)));
        Quotas(all)
    }

    /// The first that refuses a container without this limit.
    pub(super) fn demands_limit(&self, resource: &str) -> Option<&'a str> {
        let limits = format!("limits.{resource}");
        self.0.iter().find(|(_, quota)| quota.hard.contains_key(&limits)).map(|(name, _)| *name)
    }
}

/// Whether a pod that podwire wires is in the scope: it always asks for something. What is not known counts nothing.
fn counts(scope: &Scope, spec: &PodSpec) -> bool {
    let class = spec.priority_class_name.as_deref().filter(|class| !class.is_empty());
    let listed = class.is_some_and(|class| scope.values.iter().any(|value| value == class));
    let terminating = spec.active_deadline_seconds.is_some_and(|seconds| seconds >= 0);
    match (scope.scope_name.as_str(), scope.operator.as_str()) {
        ("Terminating", _) => terminating,
        ("NotTerminating", _) => !terminating,
        ("NotBestEffort", _) => true,
        ("PriorityClass", "Exists") => class.is_some(),
        ("PriorityClass", "DoesNotExist") => class.is_none(),
        ("PriorityClass", "In") => listed,
        ("PriorityClass", "NotIn") => !listed,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_counted_where_all_that_is_known_says_so() {
        let plain = PodSpec::default();
        let job = PodSpec { active_deadline_seconds: Some(5), priority_class_name: Some("high".to_owned()), ..PodSpec::default() };
        let scope = |name: &str, operator: &str| Scope {
            scope_name: name.to_owned(),
            operator: operator.to_owned(),
            values: vec!["high".to_owned()],
        };
        for (name, operator, of_plain, of_job) in [
            ("BestEffort", "Exists", false, false),
            ("NotBestEffort", "Exists", true, true),
            ("Terminating", "Exists", false, true),
            ("NotTerminating", "Exists", true, false),
            ("PriorityClass", "Exists", false, true),
            ("PriorityClass", "DoesNotExist", true, false),
            ("PriorityClass", "In", false, true),
            ("PriorityClass", "NotIn", true, false),
            ("CrossNamespacePodAffinity", "Exists", false, false),
            ("OfTomorrow", "Exists", false, false),
        ] {
            let scope = scope(name, operator);
            assert_eq!((counts(&scope, &plain), counts(&scope, &job)), (of_plain, of_job), "{name} {operator}");
        }
    }
}
