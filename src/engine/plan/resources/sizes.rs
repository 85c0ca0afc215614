//! What the amounts of a pod are decided from.

use super::amounts::{Section, stated};
use super::arrived::{Arrived, pod_states};
use super::namespace::{Quotas, Ranges};
use crate::engine::Origin;
use crate::engine::plan::Case;

/// The pod as LimitRanger leaves it, and what its namespace allows.
pub(crate) struct Sizes<'a> {
    pub(super) case: Case<'a>,
    pub(super) arrived: Arrived<'a>,
    pub(super) ranges: Ranges<'a>,
    pub(super) quotas: Quotas<'a>,
    /// The pod is Guaranteed and stays so: what a container asks for is what it may use.
    pub(super) guaranteed: bool,
}

impl<'a> Sizes<'a> {
    pub(crate) fn of(case: Case<'a>) -> Self {
        let Case { request, snapshot, .. } = case;
        let ranges = Ranges::of(&request.namespace, snapshot);
        let arrived = Arrived::of(request, &ranges);
        let spec = request.view.spec.as_ref();
        let quotas = spec.map_or(Quotas(Vec::new()), |spec| Quotas::of(&request.namespace, spec, snapshot));
        let guaranteed = spec.is_some_and(|spec| arrived.is_guaranteed(spec));
        Sizes { case, arrived, ranges, quotas, guaranteed }
    }

    /// Who refuses a container without a limit, if anybody does.
    pub(super) fn demands_limit(&self, resource: &'static str) -> Option<Origin> {
        let spec = self.case.request.view.spec.as_ref()?;
        let range = |name: &str| Origin::LimitRange(Some(name.to_owned()));
        // A quota looks at no container of a pod that states resources of its own.
        let by_pod = ["cpu", "memory"].iter().any(|resource| pod_states(spec, resource));
        let quota = self.quotas.demands_limit(resource).filter(|_| !by_pod).map(|name| Origin::Quota(name.to_owned()));
        let limited = self.arrived.all().any(|held| held.amount(Section::Limits, resource).is_some())
            || stated(spec.resources.as_ref(), Section::Limits, resource).is_some();
        // A pod has a limit as soon as one container has.
        let mut pods = self.ranges.pods().filter(|_| !limited);
        let whole = || {
            let (name, _) = pods.find(|(_, pod)| pod.max.contains_key(resource) || pod.max_limit_request_ratio.contains_key(resource))?;
            Some(range(name))
        };
        quota.or_else(|| self.ranges.ratio(resource).map(|(_, name)| range(name))).or_else(whole)
    }
}
