//! What each style costs: the requests of pods in either one, and of what all applications share there.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::annotations::{LISTEN, STYLE};
use crate::api::quantity::Quantity;
use crate::api::style::Style;
use crate::api::wiring::Requests;
use crate::engine::admit::{Decision, admit};
use crate::engine::app::Member;
use crate::engine::findings::Finding;
use crate::engine::inject::undo;
use crate::engine::plan;
use crate::engine::request::PodRequest;
use crate::engine::snapshot::Snapshot;

/// A workload and its template.
#[derive(Clone, Debug)]
pub struct Load {
    /// `Deployment/orders`.
    pub title: String,
    /// Its template.
    pub request: PodRequest,
    /// How many pods it has at a time.
    pub pods: u64,
}

/// What a workload costs.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Its namespace.
    pub namespace: String,
    /// `Deployment/orders`.
    pub title: String,
    /// How many pods it has at a time.
    pub pods: u64,
    /// What one pod requests as it stands, which is what it costs where podwire does not wire it.
    pub bare: Requests,
    /// The style in which it publishes now, and what one pod requests in it; or why podwire would not wire it.
    pub now: Result<(Style, Requests), Vec<Finding>>,
    /// What one pod requests in each style and in no other; or why podwire would not wire it there.
    pub styles: BTreeMap<Style, Result<Requests, Vec<Finding>>>,
}

/// The parts of a runtime that all applications share.
#[derive(Clone, Debug)]
pub struct Platform {
    /// What they request together.
    pub requests: Requests,
    /// Who says so.
    pub origin: String,
}

/// What applications cost, and what they share.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// The workloads.
    pub costs: Vec<Cost>,
    /// What is shared in each style.
    pub platforms: BTreeMap<Style, Platform>,
}

/// From which number of pods on the broker style requests less than the sidecar style.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Crossing {
    /// From the first one on.
    Always,
    /// From this one on; with fewer it requests as much or more.
    From(u64),
    /// From none on.
    Never,
}

/// What a workload costs: now, and in each style; `None` where podwire leaves it alone. Runtimes and Brokers that are not there are taken for present.
pub fn cost(load: &Load, snapshot: &Snapshot) -> Option<Cost> {
    let snapshot = &present(snapshot);
    let verdict = admit(&load.request, snapshot);
    if let Decision::Untouched(_) = verdict.decision {
        return None;
    }
    let styles = [Style::Broker, Style::Sidecar]
        .map(|style| (style, member(&moved(load, style), &load.title, snapshot).map(|member| member.counted)));
    Some(Cost {
        namespace: load.request.namespace.clone(),
        title: load.title.clone(),
        pods: load.pods,
        bare: bare(&load.request),
        now: member(&load.request, &load.title, snapshot).map(|member| (member.publish, member.counted)),
        styles: styles.into(),
    })
}

fn present(snapshot: &Snapshot) -> Snapshot {
    let mut snapshot = snapshot.clone();
    snapshot.dapr.trust_anchors.get_or_insert_with(|| "those of a Dapr that is not there yet".to_owned());
    // Pods wait for a Broker of which nothing is known, unless a policy would have it otherwise.
    snapshot.brokers = None;
    snapshot.policies.iter_mut().flat_map(|all| all.values_mut()).for_each(|policy| policy.broker.on_missing = None);
    snapshot
}

/// The workload in a style and in no other, as it was before podwire.
fn moved(load: &Load, style: Style) -> PodRequest {
    let mut pod = load.request.pod.clone();
    // A record that cannot be read is left as it is.
    let _ = undo(&mut pod);
    pod["metadata"]["annotations"][STYLE] = style.word().into();
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(LISTEN);
    }
    let request = PodRequest::new(&load.request.namespace, pod);
    // A pod that could be read can be read with another word in an annotation.
    request.map_or_else(|_| load.request.clone(), |request| PodRequest { owner: load.request.owner.clone(), ..request })
}

fn member(request: &PodRequest, title: &str, snapshot: &Snapshot) -> Result<Member, Vec<Finding>> {
    let verdict = admit(request, snapshot);
    let wired = matches!(verdict.decision, Decision::Wired(_)).then(|| Member::of(request, snapshot, title, false)).flatten();
    wired.ok_or_else(|| verdict.findings.into_iter().filter(Finding::prevents).collect())
}

/// What a pod requests as it stands.
fn bare(request: &PodRequest) -> Requests {
    request.view.spec.as_ref().map_or(Requests::NONE, plan::asked)
}

impl Platform {
    /// What is shared in a style, as it is shipped: in Knative Eventing 0.47.0's manifests five Deployments request 100m each and 450Mi together, the
    /// two of the in-memory channel and Dapr 1.18.1's chart nothing.
    pub fn shipped(style: Style) -> Self {
        match style {
            Style::Broker => Platform {
                requests: Requests { cpu: Quantity::milli(500), memory: Quantity::mebi(450) },
                origin: "Knative Eventing 0.47.0's manifests".to_owned(),
            },
            Style::Sidecar => Platform { requests: Requests::NONE, origin: "Dapr 1.18.1's chart, which states none".to_owned() },
        }
    }

    /// What is shared: these parts, none of which podwire wires.
    pub fn of(parts: &[Load], origin: String) -> Self {
        Platform { requests: parts.iter().map(|part| bare(&part.request).many(part.pods)).sum(), origin }
    }
}

impl Cost {
    /// What one pod requests now.
    fn pod(&self) -> Requests {
        self.now.as_ref().map_or(self.bare, |(_, requests)| *requests)
    }

    /// What one pod requests in a style. One that cannot be there stays as it is.
    fn pod_in(&self, style: Style) -> Requests {
        self.styles.get(&style).and_then(|requests| requests.as_ref().ok()).copied().unwrap_or_else(|| self.pod())
    }
}

impl Footprint {
    /// How many pods there are.
    pub fn pods(&self) -> u64 {
        self.costs.iter().map(|cost| cost.pods).sum()
    }

    /// What the applications request now, and the styles in which they are.
    pub fn now(&self) -> (Requests, BTreeSet<Style>) {
        let styles = self.costs.iter().filter_map(|cost| cost.now.as_ref().ok()).map(|(style, _)| *style);
        (self.costs.iter().map(|cost| cost.pod().many(cost.pods)).sum(), styles.collect())
    }

    /// What the applications would request in a style, without what they share. One that cannot be there stays as it is.
    pub fn applications(&self, style: Style) -> Requests {
        self.costs.iter().map(|cost| cost.pod_in(style).many(cost.pods)).sum()
    }

    /// What the applications of a style share.
    pub fn platform(&self, style: Style) -> Requests {
        self.platforms.get(&style).map_or(Requests::NONE, |platform| platform.requests)
    }

    /// The same of the workloads alone that can be in both styles.
    pub fn movable(&self) -> Footprint {
        let movable = self.costs.iter().filter(|cost| cost.styles.values().all(Result::is_ok));
        Footprint { costs: movable.cloned().collect(), platforms: self.platforms.clone() }
    }

    /// Where the two styles cross, with pods that are on the average as large as those of [`Footprint::movable`]; `None` where there are none.
    pub fn crossing(&self, of: fn(Requests) -> Quantity) -> Option<Crossing> {
        let movable = self.movable();
        let pods = movable.pods();
        if pods == 0 {
            return None;
        }
        let more = of(movable.applications(Style::Sidecar)) - of(movable.applications(Style::Broker));
        let shared = of(self.platform(Style::Broker)) - of(self.platform(Style::Sidecar));
        Some(match (more > Quantity::ZERO, shared >= Quantity::ZERO) {
            (true, true) => Crossing::From(shared.many(pods).holds(more) + 1),
            (_, false) => Crossing::Always,
            (false, true) => Crossing::Never,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(pods: u64, sidecar: i64, broker: i64, platform: i64) -> Footprint {
        let cpu = |milli| Requests { cpu: Quantity::milli(milli), memory: Quantity::ZERO };
        let styles = BTreeMap::from([(Style::Broker, Ok(cpu(broker))), (Style::Sidecar, Ok(cpu(sidecar)))]);
        let cost = Cost {
            namespace: "shop".into(),
            title: "Deployment/a".into(),
            pods,
            bare: cpu(0),
            now: Ok((Style::Broker, cpu(broker))),
            styles,
        };
        let shared = Platform { requests: cpu(platform), origin: "a test".into() };
        Footprint { costs: vec![cost], platforms: BTreeMap::from([(Style::Broker, shared)]) }
    }

    #[test]
    fn the_styles_cross_where_sidecars_cost_more_than_what_brokers_share() {
        let crosses = |pods, sidecar, broker, platform| footprint(pods, sidecar, broker, platform).crossing(|all| all.cpu);
        // Four sidecars of 100m request 400m, five request as much as the platform, and six more.
        assert_eq!(crosses(2, 150, 50, 500), Some(Crossing::From(6)));
        assert_eq!(crosses(7, 150, 50, 500), Some(Crossing::From(6)));
        assert_eq!(crosses(3, 150, 50, 499), Some(Crossing::From(5)));
        assert_eq!(crosses(2, 150, 50, 0), Some(Crossing::From(1)));
        assert_eq!(crosses(2, 150, 50, -10), Some(Crossing::Always));
        assert_eq!(crosses(2, 50, 50, 500), Some(Crossing::Never));
        assert_eq!(crosses(0, 150, 50, 500), None);
    }
}
