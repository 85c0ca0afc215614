//! A member of an application: a workload, or the pods of an owner that podwire does not watch.

use super::Running;
use super::seen::title;
use crate::api::names::BrokerName;
use crate::api::quantity::Quantity;
use crate::api::style::Style;
use crate::api::subscribe::Entry;
use crate::api::wiring::Requests;
use crate::engine::governing::Governing;
use crate::engine::inject::Found;
use crate::engine::intent::{self, Ask, Intent};
use crate::engine::plan::{self, Case, Plan, Ports, Section};
use crate::engine::request::PodRequest;
use crate::engine::snapshot::{Component, Snapshot};
use crate::engine::{Finding, Origin};

/// A workload that is wired.
#[derive(Clone, Debug)]
pub struct Member {
    /// `Deployment/orders`, for people.
    pub title: String,
    pub(crate) namespace: String,
    pub(crate) app_id: String,
    pub(crate) intent: Intent,
    pub(crate) publish: Style,
    /// The sides on which it listens.
    pub(crate) listen: Vec<Style>,
    /// The pub/sub component of the sidecar side.
    pub(crate) pubsub: String,
    /// Ports of podwire's own sidecar.
    pub(crate) ports: Option<Ports>,
    /// CPU and memory that podwire adds to the requests of a pod.
    pub(crate) added: Requests,
    /// CPU and memory that a pod asks of its node.
    pub(crate) counted: Requests,
    service_account: String,
}

impl Member {
    /// The member that a workload's template makes; `None` where its pods would not be wired, which `admit` explains.
    ///
    /// `listens_too` is `podwire.io/listen: both` on the workload itself.
    pub fn of(request: &PodRequest, snapshot: &Snapshot, title: &str, listens_too: bool) -> Option<Self> {
        let (intent, plan) = planned(request, snapshot)?;
        let plan = plan?;
        let listen = if listens_too { vec![Style::Sidecar, Style::Broker] } else { plan.listen.clone() };
        Some(Member {
            title: title.to_owned(),
            namespace: request.namespace.clone(),
            added: added(&plan),
            counted: plan.counted,
            app_id: plan.app_id,
            publish: plan.publish,
            listen,
            pubsub: plan.pubsub,
            ports: plan.sidecar.map(|sidecar| sidecar.ports),
            service_account: service_account(request),
            intent,
        })
    }

    /// The member that a running pod is, whatever a policy says today; `None` where its labels are not those with which podwire wired it.
    pub(crate) fn of_pod(pod: &Running, snapshot: &Snapshot) -> Option<Self> {
        let governing = Governing::of(&pod.request.namespace, snapshot);
        let Ask::Wire(intent) = intent::read(&pod.request, snapshot, &governing, &mut Vec::new()) else { return None };
        let app_id = intent.app_id.as_ref().map(ToString::to_string).filter(|app_id| Some(app_id.as_str()) == pod.app_id())?;
        let pubsub = intent.pubsub.as_ref().map(|name| name.as_str().to_owned()).or(governing.spec.sidecar.pubsub);
        Some(Member {
            title: title(&pod.owner),
            namespace: pod.request.namespace.clone(),
            app_id,
            publish: pod.style()?,
            listen: pod.sides(),
            pubsub: pubsub.unwrap_or_else(|| "pubsub".to_owned()),
            ports: pod.ports(),
            added: Requests::NONE,
            counted: Requests::NONE,
            service_account: service_account(&pod.request),
            intent: *intent,
        })
    }

    /// Namespace and app-id: the members of an application have both in common.
    pub fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.app_id)
    }

    /// Whether an annotation states the app-id.
    pub(crate) fn states_app_id(&self) -> bool {
        matches!(self.intent.app_id_by, Origin::Annotation | Origin::DaprAnnotation)
    }

    /// The Broker of an entry.
    pub(crate) fn broker_of(&self, entry: &Entry) -> Option<BrokerName> {
        self.intent.broker_of(&entry.topic)
    }

    /// The consumer groups that a sidecar of it uses: `pubsub/orders`.
    pub(crate) fn groups(&self) -> impl Iterator<Item = String> {
        self.intent.subscribe.iter().map(|entry| format!("{}/{}", self.pubsub, entry.topic))
    }

    /// The pub/sub component that a sidecar of it uses, where the snapshot knows components.
    pub(crate) fn component<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Component> {
        snapshot.components.as_ref()?.get(&(self.namespace.clone(), self.pubsub.clone())).map(AsRef::as_ref)
    }

    /// The first thing in which this member differs from another and may not.
    pub(super) fn difference(&self, other: &Member) -> Option<&'static str> {
        let both = [&self.intent, &other.intent];
        let subscribes = both.iter().all(|intent| !intent.subscribe.is_empty());
        [
            ("subscriptions", self.intent.subscribe != other.intent.subscribe),
            ("app port", subscribes && self.intent.app_port != other.intent.app_port),
            ("pub/sub component", subscribes && self.pubsub != other.pubsub),
            ("Broker", subscribes && self.intent.broker != other.intent.broker),
            ("retry", subscribes && self.intent.retry != other.intent.retry),
            ("service account", self.service_account != other.service_account),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what))
    }

    /// Whether a pod that is this member must be replaced to be the other.
    pub(super) fn is_outdated(&self, now: &Member) -> bool {
        let moved = self.publish != now.publish || self.intent.publish != now.intent.publish || self.intent.broker != now.intent.broker;
        // One that Dapr's own injector adds is not podwire's to see.
        let sidecar = self.ports.is_some() != now.ports.is_some() && !now.intent.dapr_injects;
        moved || sidecar || self.difference(now).is_some()
    }
}

fn planned(request: &PodRequest, snapshot: &Snapshot) -> Option<(Intent, Option<Plan>)> {
    let mut findings: Vec<Finding> = Vec::new();
    let governing = Governing::of(&request.namespace, snapshot);
    let Ask::Wire(intent) = intent::read(request, snapshot, &governing, &mut findings) else { return None };
    let case = Case { request, snapshot, governing: &governing, intent: &intent };
    let (plan, _, _) = plan::make(case, Found::of(request).ports(), &mut findings);
    Some((*intent, plan.filter(|_| !governing.none_fits)))
}

fn service_account(request: &PodRequest) -> String {
    let account = request.view.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
    account.unwrap_or_else(|| "default".to_owned())
}

fn added(plan: &Plan) -> Requests {
    let sidecar = plan.sidecar.iter().flat_map(|sidecar| &sidecar.amounts);
    let requests = plan.amounts.iter().chain(sidecar).filter(|amount| amount.section == Section::Requests);
    let of = |resource: &str| {
        requests.clone().filter(|amount| amount.resource == resource).fold(Quantity::ZERO, |sum, amount| sum + amount.value)
    };
    Requests { cpu: of("cpu"), memory: of("memory") }
}
