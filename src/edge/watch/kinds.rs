//! What is watched, as a table, and the part of the snapshot that a row fills.

use kube::core::{ApiResource, GroupVersionKind};

use crate::api::annotations::APP_ID_LABEL;
use crate::api::names::BROKERS_CONFIG_MAP;
use crate::engine::Snapshot;

/// What one watch reads, in the order of the table: first what the webhook alone needs, then what both need, then what the controller needs beside it; first what fills a part of the snapshot, then what only a [`Listener`](super::Listener) keeps.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Part {
    /// Dapr's Components.
    Components,
    /// NetworkPolicies.
    NetworkPolicies,
    /// Namespaces, their metadata.
    Namespaces,
    /// Knative Brokers.
    Brokers,
    /// InjectionPolicies.
    Policies,
    /// Wirings.
    Wirings,
    /// The ConfigMap of Dapr's trust anchors.
    TrustAnchors,
    /// Dapr's own Configuration.
    Mtls,
    /// The Service of Dapr's placement.
    Placement,
    /// The Service of Dapr's scheduler.
    Scheduler,
    /// LimitRanges.
    LimitRanges,
    /// ResourceQuotas.
    ResourceQuotas,
    /// The ConfigMap of Knative's feature flags.
    Features,
    /// Deployments.
    Deployments,
    /// StatefulSets.
    StatefulSets,
    /// DaemonSets.
    DaemonSets,
    /// CronJobs.
    CronJobs,
    /// Jobs.
    Jobs,
    /// Pods that podwire has wired.
    WiredPods,
    /// All other pods, their metadata.
    OtherPods,
    /// Services that podwire has made.
    OwnServices,
    /// Knative Triggers that podwire has made.
    Triggers,
    /// Dapr's Subscriptions that podwire has made.
    Subscriptions,
    /// Dapr's Resiliencies, whoever made them.
    Resiliencies,
    /// The ConfigMaps that say which Broker carries a topic.
    AddressMaps,
}

/// Which objects of a kind are read, and how much of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// Every object, in whatever namespace.
    All,
    /// Every object, and nothing but its metadata.
    Metadata,
    /// Every object that has this label.
    With(&'static str),
    /// Every object that does not have this label, and nothing but its metadata.
    Without(&'static str),
    /// Every object that podwire has made.
    Own,
    /// The objects of this name, in whatever namespace.
    Named(&'static str),
    /// The one object of this name in the namespace of Dapr's control plane: a role can name it.
    OfDapr(&'static str),
    /// The one object of this name in Knative's namespace.
    OfKnative(&'static str),
}

/// Group (empty for core), version, kind, plural.
type Resource = (&'static str, &'static str, &'static str, &'static str);

/// A row: what is watched for a part.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) part: Part,
    resource: Resource,
    pub(super) reading: Reading,
}

const BROKER: Resource = ("eventing.knative.dev", "v1", "Broker", "brokers");
const COMPONENT: Resource = ("dapr.io", "v1alpha1", "Component", "components");
const CONFIGURATION: Resource = ("dapr.io", "v1alpha1", "Configuration", "configurations");
const CONFIG_MAP: Resource = ("", "v1", "ConfigMap", "configmaps");
const CRON_JOB: Resource = ("batch", "v1", "CronJob", "cronjobs");
const DAEMON_SET: Resource = ("apps", "v1", "DaemonSet", "daemonsets");
const DEFINITION: Resource = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
const DEPLOYMENT: Resource = ("apps", "v1", "Deployment", "deployments");
const JOB: Resource = ("batch", "v1", "Job", "jobs");
const LIMIT_RANGE: Resource = ("", "v1", "LimitRange", "limitranges");
const NAMESPACE: Resource = ("", "v1", "Namespace", "namespaces");
const NETWORK_POLICY: Resource = ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies");
const POD: Resource = ("", "v1", "Pod", "pods");
const POLICY: Resource = ("podwire.io", "v1alpha1", "InjectionPolicy", "injectionpolicies");
const RESILIENCY: Resource = ("dapr.io", "v1alpha1", "Resiliency", "resiliencies");
const RESOURCE_QUOTA: Resource = ("", "v1", "ResourceQuota", "resourcequotas");
const SERVICE: Resource = ("", "v1", "Service", "services");
const STATEFUL_SET: Resource = ("apps", "v1", "StatefulSet", "statefulsets");
const SUBSCRIPTION: Resource = ("dapr.io", "v2alpha1", "Subscription", "subscriptions");
const TRIGGER: Resource = ("eventing.knative.dev", "v1", "Trigger", "triggers");
const WIRING: Resource = ("podwire.io", "v1alpha1", "Wiring", "wirings");

/// Everything that is watched. The permissions of the servers say the same.
pub(super) static KINDS: [Kind; 25] = [
    Kind { part: Part::Components, resource: COMPONENT, reading: Reading::All },
    Kind { part: Part::NetworkPolicies, resource: NETWORK_POLICY, reading: Reading::All },
    Kind { part: Part::Namespaces, resource: NAMESPACE, reading: Reading::Metadata },
    Kind { part: Part::Brokers, resource: BROKER, reading: Reading::All },
    Kind { part: Part::Policies, resource: POLICY, reading: Reading::All },
    Kind { part: Part::Wirings, resource: WIRING, reading: Reading::All },
    Kind { part: Part::TrustAnchors, resource: CONFIG_MAP, reading: Reading::OfDapr("dapr-trust-bundle") },
    Kind { part: Part::Mtls, resource: CONFIGURATION, reading: Reading::OfDapr("daprsystem") },
    Kind { part: Part::Placement, resource: SERVICE, reading: Reading::OfDapr("dapr-placement-server") },
    Kind { part: Part::Scheduler, resource: SERVICE, reading: Reading::OfDapr("dapr-scheduler-server-a") },
    Kind { part: Part::LimitRanges, resource: LIMIT_RANGE, reading: Reading::All },
    Kind { part: Part::ResourceQuotas, resource: RESOURCE_QUOTA, reading: Reading::All },
    Kind { part: Part::Features, resource: CONFIG_MAP, reading: Reading::OfKnative("config-features") },
    Kind { part: Part::Deployments, resource: DEPLOYMENT, reading: Reading::All },
    Kind { part: Part::StatefulSets, resource: STATEFUL_SET, reading: Reading::All },
    Kind { part: Part::DaemonSets, resource: DAEMON_SET, reading: Reading::All },
    Kind { part: Part::CronJobs, resource: CRON_JOB, reading: Reading::All },
    Kind { part: Part::Jobs, resource: JOB, reading: Reading::All },
    Kind { part: Part::WiredPods, resource: POD, reading: Reading::With(APP_ID_LABEL) },
    Kind { part: Part::OtherPods, resource: POD, reading: Reading::Without(APP_ID_LABEL) },
    Kind { part: Part::OwnServices, resource: SERVICE, reading: Reading::Own },
    Kind { part: Part::Triggers, resource: TRIGGER, reading: Reading::Own },
    Kind { part: Part::Subscriptions, resource: SUBSCRIPTION, reading: Reading::Own },
    Kind { part: Part::Resiliencies, resource: RESILIENCY, reading: Reading::All },
    Kind { part: Part::AddressMaps, resource: CONFIG_MAP, reading: Reading::Named(BROKERS_CONFIG_MAP) },
];

/// Which server watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Watched {
    /// It needs the snapshot that admission needs.
    Webhook,
    /// It needs everything but what `/review` reads beside it.
    Controller,
}

impl Watched {
    /// The rows of the table that the server watches.
    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            Watched::Webhook => &KINDS[..=Part::ResourceQuotas as usize],
            Watched::Controller => &KINDS[Part::Namespaces as usize..],
        }
    }
}

/// The resource of the definitions of kinds: it says which are installed.
pub(super) fn definitions() -> ApiResource {
    resource(DEFINITION)
}

fn resource((group, version, kind, plural): Resource) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl Kind {
    pub(super) fn resource(&self) -> ApiResource {
        resource(self.resource)
    }

    /// The CustomResourceDefinition that must exist before the kind can be watched; `None` for the kinds that every server has.
    pub(super) fn definition(&self) -> Option<String> {
        let (group, _, _, plural) = self.resource;
        // A definition's group is a domain; the server's own groups in the table are not, or end so.
        (group.contains('.') && !group.ends_with(".k8s.io")).then(|| format!("{plural}.{group}"))
    }

    /// The label selector of the objects that are read, where there is one.
    pub(super) fn labels(&self) -> Option<String> {
        match self.reading {
            Reading::With(label) => Some(label.to_owned()),
            Reading::Without(label) => Some(format!("!{label}")),
            Reading::Own => Some("app.kubernetes.io/managed-by=podwire".to_owned()),
            Reading::All | Reading::Metadata | Reading::Named(_) | Reading::OfDapr(_) | Reading::OfKnative(_) => None,
        }
    }

    /// The name of the objects that are read, where they have one.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.reading {
            Reading::Named(name) | Reading::OfDapr(name) | Reading::OfKnative(name) => Some(name),
            Reading::All | Reading::Metadata | Reading::With(_) | Reading::Without(_) | Reading::Own => None,
        }
    }
}

/// The resource, and which objects where it is not all: `namespaces`, `brokers.eventing.knative.dev`, `services/dapr-placement-server`, `pods (!podwire.io/app-id)`.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (group, _, _, plural) = self.resource;
        write!(f, "{plural}{}{group}", if group.is_empty() { "" } else { "." })?;
        match (self.name(), self.labels()) {
            (Some(name), _) => write!(f, "/{name}"),
            (None, Some(labels)) => write!(f, " ({labels})"),
            (None, None) => Ok(()),
        }
    }
}

impl Part {
    /// The row of this part.
    pub(super) fn kind(self) -> &'static Kind {
        &KINDS[self as usize]
    }

    /// Whether its objects fill a part of the snapshot. Of the others nothing is kept here.
    pub(super) fn fills(self) -> bool {
        self <= Part::Features
    }

    /// Puts this part of `from` in the place of that of `to`.
    pub(super) fn replace(self, to: &mut Snapshot, from: Snapshot) {
        match self {
            Part::Components => to.components = from.components,
            Part::NetworkPolicies => to.network_policies = from.network_policies,
            Part::Namespaces => to.namespaces = from.namespaces,
            Part::Brokers => to.brokers = from.brokers,
            Part::Policies => to.policies = from.policies,
            Part::Wirings => to.wirings = from.wirings,
            Part::TrustAnchors => to.dapr.trust_anchors = from.dapr.trust_anchors,
            Part::Mtls => to.dapr.mtls = from.dapr.mtls,
            Part::Placement => to.dapr.placement = from.dapr.placement,
            Part::Scheduler => to.dapr.scheduler = from.dapr.scheduler,
            Part::LimitRanges => to.limit_ranges = from.limit_ranges,
            Part::ResourceQuotas => to.quotas = from.quotas,
            Part::Features => to.features = from.features,
            _ => {}
        }
    }

    /// Copies what `from` knows of one object of this part, if anything.
    pub(super) fn carry(self, to: &mut Snapshot, from: &Snapshot, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        match self {
            Part::Components => carry(&mut to.components, &from.components, &key),
            Part::NetworkPolicies => carry(&mut to.network_policies, &from.network_policies, &key),
            Part::Namespaces => carry(&mut to.namespaces, &from.namespaces, &key.1),
            Part::Brokers => carry(&mut to.brokers, &from.brokers, &key),
            Part::Policies => carry(&mut to.policies, &from.policies, &key.1),
            Part::Wirings => carry(&mut to.wirings, &from.wirings, &key),
            Part::LimitRanges => carry(&mut to.limit_ranges, &from.limit_ranges, &key),
            Part::ResourceQuotas => carry(&mut to.quotas, &from.quotas, &key),
            _ => self.replace(to, from.clone()),
        }
    }
}

type Known<K, V> = Option<std::collections::BTreeMap<K, V>>;

fn carry<K: Clone + Ord, V: Clone>(to: &mut Known<K, V>, from: &Known<K, V>, key: &K) {
    if let Some(value) = from.as_ref().and_then(|known| known.get(key)) {
        to.get_or_insert_default().insert(key.clone(), value.clone());
    }
}
