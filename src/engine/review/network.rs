//! NetworkPolicies that keep Knative Eventing from the application.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::networking::v1::{NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::State;
use crate::api::annotations::{APP_ID_LABEL, STYLE_LABEL, SUBSCRIBE};
use crate::api::policy::selects;
use crate::api::style::Style;
use crate::engine::app::Member;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// The policies that isolate the pods of a consumer of Brokers, where none of them lets events in.
pub(super) fn find(member: &Member, new: &State, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let Some(port) = member.intent.app_port.filter(|_| member.listen.contains(&Style::Broker) && !member.intent.subscribe.is_empty())
    else {
        return;
    };
    let (namespace, app_id) = member.key();
    let mut labels = new.request.view.metadata.labels.clone().unwrap_or_default();
    labels.insert(APP_ID_LABEL.to_owned(), app_id.to_owned());
    labels.insert(STYLE_LABEL.to_owned(), member.publish.word().to_owned());
    let of_namespace = snapshot.network_policies.iter().flatten().filter(|((one, _), _)| one == namespace);
    let isolating: Vec<(&str, &NetworkPolicySpec)> =
        of_namespace.filter(|(_, spec)| isolates(spec, &labels)).map(|((_, name), spec)| (name.as_str(), spec.as_ref())).collect();
    let source = Source::of(namespace, snapshot);
    let port = i32::from(port.number());
    let lets_in = |rule: &NetworkPolicyIngressRule| {
        let from = rule.from.iter().flatten().any(|peer| source.is_in(peer)) || rule.from.iter().flatten().next().is_none();
        let to = rule.ports.iter().flatten().any(|one| opens(one, port, new.request.view.spec.as_ref()));
        from && (to || rule.ports.iter().flatten().next().is_none())
    };
    if isolating.is_empty() || isolating.iter().any(|(_, spec)| spec.ingress.iter().flatten().any(lets_in)) {
        return;
    }
    let names: Vec<&str> = isolating.iter().map(|(name, _)| *name).collect();
    let allowed = format!("NetworkPolicy {} lets nobody of {} reach port {port}", names.join(", "), source.namespace);
    let help = format!("allow ingress from namespaces with kubernetes.io/metadata.name: {}", source.namespace);
    findings.push(Finding::new(Code::BrokerShutOut, Subject::Annotation(SUBSCRIBE.to_owned()), allowed).help(help));
}

/// Whether the policy is about what comes to pods of these labels.
fn isolates(spec: &NetworkPolicySpec, labels: &BTreeMap<String, String>) -> bool {
    // A policy that names no types is about ingress, and about egress only where it has such rules.
    let ingress = spec.policy_types.as_ref().is_none_or(|types| types.is_empty() || types.iter().any(|one| one == "Ingress"));
    ingress && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, labels) == Some(true))
}

/// From where events come.
struct Source<'a> {
    namespace: &'a str,
    labels: BTreeMap<String, String>,
    /// The application runs there itself.
    same: bool,
}

impl<'a> Source<'a> {
    fn of(namespace: &str, snapshot: &'a Snapshot) -> Self {
        let knative = snapshot.settings.knative_namespace.as_str();
        let known = snapshot.namespaces.as_ref().and_then(|known| known.get(knative));
        let mut labels = known.map_or_else(BTreeMap::new, |namespace| namespace.labels.clone());
        labels.insert("kubernetes.io/metadata.name".to_owned(), knative.to_owned());
        Source { namespace: knative, labels, same: namespace == knative }
    }

    /// Whether a rule's peer can be a pod of it. Which pods it has, and at which addresses, is not known: a peer that depends on that is taken to fit.
    fn is_in(&self, peer: &NetworkPolicyPeer) -> bool {
        match (&peer.ip_block, &peer.namespace_selector) {
            (Some(_), _) => true,
            (None, Some(selector)) => selects(selector, &self.labels) != Some(false),
            (None, None) => self.same,
        }
    }
}

/// Whether a rule's port is the application's.
fn opens(one: &NetworkPolicyPort, port: i32, spec: Option<&PodSpec>) -> bool {
    if one.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
        return false;
    }
    match (&one.port, one.end_port) {
        (None, _) => true,
        (Some(IntOrString::Int(first)), last) => (*first..=last.unwrap_or(*first)).contains(&port),
        (Some(IntOrString::String(name)), _) => {
            let ports = spec.into_iter().flat_map(|spec| &spec.containers).flat_map(|container| container.ports.iter().flatten());
            ports.into_iter().any(|declared| declared.name.as_ref() == Some(name) && declared.container_port == port)
        }
    }
}
