//! What one container has of one resource.

use std::cmp::Ordering;

use super::amounts::{Section, Value, amount, is_stated, subject};
use super::sizes::Sizes;
use crate::api::policy::{Bounds, OnViolation};
use crate::api::quantity::Quantity;
use crate::engine::{Code, Finding, Origin, Said};

/// One container's share of the decision.
pub(super) struct Share<'a> {
    pub(super) container: &'a str,
    pub(super) bounds: &'a Bounds,
    /// Where the bounds stand in a policy: `resources.app`.
    pub(super) field: &'static str,
    pub(super) sizes: &'a Sizes<'a>,
}

/// A request and a limit.
pub(super) type Pair = (Option<Value>, Option<Value>);

/// A value, and whether a bound moved it up or down.
struct Bounded {
    value: Value,
    moved: Ordering,
}

impl Share<'_> {
    /// What each rule of [`Share::decide`] would give, the strongest first.
    pub(super) fn said(&self, resource: &str, present: &Pair, built_in: Option<Quantity>) -> impl Fn(Section) -> Vec<Said> + use<> {
        let of = |section, present: &Option<Value>| {
            let default = amount(&self.bounds.default, section, resource).filter(|_| built_in.is_some());
            let default = default.map(|value| (value, self.sizes.case.governing.origin(true)));
            let built_in = built_in.filter(|_| section == Section::Requests).map(|value| (value, Origin::BuiltIn));
            let mut rules = vec![present.clone(), default, built_in];
            // What a LimitRange put there is the weakest of them.
            if present.as_ref().is_some_and(|(_, origin)| !is_stated(origin)) {
                rules.rotate_left(1);
            }
            rules.into_iter().flatten().map(|(value, origin)| (value.to_string(), origin)).collect::<Vec<Said>>()
        };
        let (requests, limits) = (of(Section::Requests, &present.0), of(Section::Limits, &present.1));
        move |section| if section == Section::Requests { requests.clone() } else { limits.clone() }
    }

    /// What is stated, else the policy's default, else the built-in request, else what a LimitRange gives; then the policy's bounds, then the LimitRange's; and never more asked for than allowed.
    pub(super) fn decide(
        &self,
        resource: &'static str,
        (asked, allowed): Pair,
        built_in: Option<Quantity>,
        findings: &mut Vec<Finding>,
    ) -> Pair {
        let default = |section| {
            let value = amount(&self.bounds.default, section, resource).filter(|_| built_in.is_some());
            value.map(|value| (value, self.sizes.case.governing.origin(true)))
        };
        let says = |value: &Option<Value>| value.as_ref().is_some_and(|(_, origin)| is_stated(origin));
        let stated = (says(&asked), says(&allowed));
        if let (Some((request, _)), Some((limit, _)), (true, true)) = (&asked, &allowed, stated)
            && request > limit
        {
            let subject = subject(Some(self.container), Section::Requests, resource);
            let finding = Finding::new(Code::RequestAboveLimit, subject, format!("the limit is {limit}"));
            findings.push(finding.read(request.to_string()).help("lower the request or raise the limit"));
        }
        let fallback = built_in.map(|value| (value, Origin::BuiltIn));
        let request = if stated.0 { asked } else { default(Section::Requests).or(fallback).or(asked) };
        let bounded = request.clone().map(|value| self.bound(resource, Section::Requests, value, findings));
        let limit = if stated.1 { allowed } else { default(Section::Limits).or_else(|| self.given(resource, allowed, request, &bounded)) };
        let limit = limit.map(|value| self.bound(resource, Section::Limits, value, findings));
        let pair = match (bounded, limit) {
            (Some(request), Some(limit)) => {
                let (request, limit) = self.reconcile(resource, request, limit, stated.0 && !stated.1, findings);
                let (request, limit) = self.in_ratio(resource, request, limit, findings);
                (Some(request), Some(limit))
            }
            (request, limit) => (request.map(|bounded| bounded.value), limit.map(|bounded| bounded.value)),
        };
        self.verify(resource, &pair, findings);
        pair
    }

    /// The limit that nobody stated: the request's in a Guaranteed pod, the one that LimitRanger would give or has given, or the request where there must be one.
    fn given(&self, resource: &'static str, put: Option<Value>, request: Option<Value>, bounded: &Option<Bounded>) -> Option<Value> {
        let default = self.sizes.ranges.default(Section::Limits, resource);
        let within = bounded.as_ref().map(|request| request.value.clone());
        let least = within.as_ref().filter(|_| default.is_some()).map_or(Quantity::ZERO, |(value, _)| *value);
        let guaranteed = if default.is_some() { within.clone() } else { request }.filter(|_| self.sizes.guaranteed);
        let default = default.map(|(value, name)| (value, Origin::LimitRange(Some(name.to_owned()))));
        let given = put.or(guaranteed).or(default).map(|(value, origin)| (value.max(least), origin));
        let demanded = || Some((within?.0, self.sizes.demands_limit(resource)?));
        given.or_else(demanded)
    }

    /// The request within the limit, and equal to it in a Guaranteed pod. The one that a bound moved wins, then the one that was stated, then the limit.
    fn reconcile(
        &self,
        resource: &str,
        request: Bounded,
        limit: Bounded,
        request_wins: bool,
        findings: &mut Vec<Finding>,
    ) -> (Value, Value) {
        let guaranteed = self.sizes.guaranteed;
        let raised = request.moved == Ordering::Greater || (request_wins && limit.moved != Ordering::Less);
        let winner = match request.value.0.cmp(&limit.value.0) {
            Ordering::Greater if raised => request,
            // What was stated and may not be moved is refused as it stands.
            Ordering::Greater if limit.moved == Ordering::Less && !self.may_move(&request.value) => return (request.value, limit.value),
            Ordering::Greater => limit,
            Ordering::Less if guaranteed && request.moved == Ordering::Less => request,
            Ordering::Less if guaranteed => limit,
            Ordering::Equal | Ordering::Less => return (request.value, limit.value),
        };
        // One value for both lies within the bounds of both, and within those of the limit where they have nothing in common.
        let within = self.bound(resource, Section::Requests, winner.value, findings);
        let value = self.bound(resource, Section::Limits, within.value, findings).value;
        (value.clone(), value)
    }

    fn on_violation(&self) -> OnViolation {
        self.sizes.case.governing.spec.resources.on_violation()
    }

    /// Whether podwire may move a value: one that nobody stated, or any where the policy adjusts.
    fn may_move(&self, value: &Value) -> bool {
        self.on_violation() == OnViolation::Adjust || !is_stated(&value.1)
    }

    /// The value within the policy's bounds and those of the LimitRanges, which have the last word. What the policy refuses is judged as they leave it.
    fn bound(&self, resource: &str, section: Section, value: Value, findings: &mut Vec<Finding>) -> Bounded {
        let before = value.0;
        let mut value = value;
        if self.on_violation() != OnViolation::Adjust && self.may_move(&value) {
            value = self.in_range(resource, section, value, findings);
        }
        value = self.in_policy(resource, section, value, findings);
        if self.may_move(&value) {
            value = self.in_range(resource, section, value, findings);
        }
        Bounded { moved: value.0.cmp(&before), value }
    }

    fn in_policy(&self, resource: &str, section: Section, value: Value, findings: &mut Vec<Finding>) -> Value {
        let governing = self.sizes.case.governing;
        let (min, max) = (amount(&self.bounds.min, section, resource), amount(&self.bounds.max, section, resource));
        let bound = match (min, max) {
            (Some(min), _) if value.0 < min => ("min", min),
            (_, Some(max)) if value.0 > max => ("max", max),
            _ => return value,
        };
        let (code, becomes, verb) = match self.on_violation() {
            // Nobody is to blame for a value that nobody stated.
            _ if self.may_move(&value) => (Code::ResourceAdjusted, (bound.1, governing.origin(true)), "set to"),
            OnViolation::Adjust | OnViolation::Deny => (Code::ResourceRefused, value.clone(), "must respect"),
            OnViolation::Warn => (Code::ResourceOutOfBounds, value.clone(), "left, against"),
        };
        let allowed = format!("{verb} {}, {}.{} of {}", bound.1, self.field, bound.0, governing.words());
        self.say(code, section, resource, value.0, allowed, findings);
        becomes
    }

    fn in_range(&self, resource: &str, section: Section, value: Value, findings: &mut Vec<Finding>) -> Value {
        let ranges = &self.sizes.ranges;
        let (word, (bound, name)) = match (ranges.min(resource), ranges.max(resource)) {
            (_, Some(max)) if value.0 > max.0 => ("max", max),
            (Some(min), _) if value.0 < min.0 => ("min", min),
            _ => return value,
        };
        self.say(Code::ResourceAdjusted, section, resource, value.0, format!("set to {word} {bound} of LimitRange {name}"), findings);
        (bound, Origin::LimitRange(Some(name.to_owned())))
    }

    fn say(&self, code: Code, section: Section, resource: &str, read: Quantity, allowed: String, findings: &mut Vec<Finding>) {
        let finding = Finding::new(code, subject(Some(self.container), section, resource), allowed).read(read.to_string());
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    /// The limit is not more times the request than a LimitRange allows: the limit that nobody stated comes down, else the request goes up, as far as the bounds let them.
    fn in_ratio(&self, resource: &str, request: Value, limit: Value, findings: &mut Vec<Finding>) -> (Value, Value) {
        let Some((ratio, name)) = self.sizes.ranges.ratio(resource) else { return (request, limit) };
        let lower = request.0.times(ratio);
        if limit.0 <= lower {
            return (request, limit);
        }
        let raised = limit.0.over(ratio);
        let fits = |section, value: Quantity| {
            let policy = [amount(&self.bounds.min, section, resource), amount(&self.bounds.max, section, resource)];
            let least = self.sizes.ranges.min(resource).map_or(Quantity::ZERO, |(min, _)| min);
            policy[0].is_none_or(|min| value >= min) && policy[1].is_none_or(|max| value <= max) && value >= least
        };
        let down = (Section::Limits, &limit, lower);
        let up = (Section::Requests, &request, raised);
        let order = if is_stated(&limit.1) { [up, down] } else { [down, up] };
        let chosen = order.into_iter().find(|(section, was, value)| self.may_move(was) && fits(*section, *value));
        let Some((section, was, value)) = chosen else { return (request, limit) };
        if !matches!(was.1, Origin::LimitRange(_) | Origin::Quota(_)) {
            let allowed = format!("set to {value}, for maxLimitRequestRatio {ratio} of LimitRange {name}");
            self.say(Code::ResourceAdjusted, section, resource, was.0, allowed, findings);
        }
        let moved = (value, Origin::LimitRange(Some(name.to_owned())));
        match section {
            Section::Limits => (request, moved),
            Section::Requests => (moved, limit),
        }
    }

    /// What LimitRanger will refuse all the same.
    fn verify(&self, resource: &'static str, (request, limit): &Pair, findings: &mut Vec<Finding>) {
        let ranges = &self.sizes.ranges;
        for (section, value) in [(Section::Requests, request), (Section::Limits, limit)] {
            let Some((value, _)) = value else { continue };
            let min = ranges.min(resource).filter(|(min, _)| value < min).map(|bound| ("min", bound));
            let max = ranges.max(resource).filter(|(max, _)| value > max).map(|bound| ("max", bound));
            if let Some((word, (bound, name))) = min.or(max) {
                let allowed = format!("{word} is {bound} in LimitRange {name}");
                self.say(Code::LimitRangeRefuses, section, resource, *value, allowed, findings);
            }
        }
        if let (Some((ratio, name)), Some((request, _)), Some((limit, _))) = (ranges.ratio(resource), request, limit)
            && *limit > request.times(ratio)
            && limit.over(ratio) > *request
        {
            let allowed = format!("maxLimitRequestRatio is {ratio} in LimitRange {name}, and the request {request}");
            self.say(Code::LimitRangeRefuses, Section::Limits, resource, *limit, allowed, findings);
        }
    }
}
