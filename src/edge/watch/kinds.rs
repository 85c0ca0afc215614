//! What is watched, as a table, and the part of the snapshot that each row fills.

use kube::core::ApiResource;

use crate::engine::Snapshot;

/// A part of the snapshot that one watch fills.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Part {
    Namespaces,
    Brokers,
    Policies,
    Wirings,
    TrustAnchors,
    Mtls,
    Placement,
    Scheduler,
}

/// Which objects of a kind are read, and how much of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reading {
    /// Every object, in whatever namespace.
    All,
    /// Every object, and nothing but its metadata.
    Metadata,
    /// The one object of this name in the namespace of Dapr's control plane: a role can name it.
    OfDapr(&'static str),
}

/// Group (empty for core), version, kind, plural.
type Resource = (&'static str, &'static str, &'static str, &'static str);

/// A row: what is watched to fill a part.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) part: Part,
    resource: Resource,
    pub(super) reading: Reading,
}

const BROKER: Resource = ("eventing.knative.dev", "v1", "Broker", "brokers");
const CONFIGURATION: Resource = ("dapr.io", "v1alpha1", "Configuration", "configurations");
const CONFIG_MAP: Resource = ("", "v1", "ConfigMap", "configmaps");
const DEFINITION: Resource = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
const NAMESPACE: Resource = ("", "v1", "Namespace", "namespaces");
const POLICY: Resource = ("podwire.io", "v1alpha1", "InjectionPolicy", "injectionpolicies");
const SERVICE: Resource = ("", "v1", "Service", "services");
const WIRING: Resource = ("podwire.io", "v1alpha1", "Wiring", "wirings");

/// Everything that is watched. The permissions of the servers say the same.
pub(super) const KINDS: [Kind; 8] = [
    Kind { part: Part::Namespaces, resource: NAMESPACE, reading: Reading::Metadata },
    Kind { part: Part::Brokers, resource: BROKER, reading: Reading::All },
    Kind { part: Part::Policies, resource: POLICY, reading: Reading::All },
    Kind { part: Part::Wirings, resource: WIRING, reading: Reading::All },
    Kind { part: Part::TrustAnchors, resource: CONFIG_MAP, reading: Reading::OfDapr("dapr-trust-bundle") },
    Kind { part: Part::Mtls, resource: CONFIGURATION, reading: Reading::OfDapr("daprsystem") },
    Kind { part: Part::Placement, resource: SERVICE, reading: Reading::OfDapr("dapr-placement-server") },
    Kind { part: Part::Scheduler, resource: SERVICE, reading: Reading::OfDapr("dapr-scheduler-server-a") },
];

/// The resource of the definitions of kinds: it says which are installed.
pub(super) fn definitions() -> ApiResource {
    resource(DEFINITION)
}

fn resource((group, version, kind, plural): Resource) -> ApiResource {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    ApiResource { group: group.into(), version: version.into(), api_version, kind: kind.into(), plural: plural.into() }
}

impl Kind {
    pub(super) fn resource(&self) -> ApiResource {
        resource(self.resource)
    }

    /// The CustomResourceDefinition that must exist before the kind can be watched; `None` for the kinds that every server has.
    pub(super) fn definition(&self) -> Option<String> {
        let (group, _, _, plural) = self.resource;
        (!group.is_empty()).then(|| format!("{plural}.{group}"))
    }
}

/// The resource, and the object where it is one: `namespaces`, `brokers.eventing.knative.dev`, `services/dapr-placement-server`.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (_, _, _, plural) = self.resource;
        write!(f, "{}", self.definition().as_deref().unwrap_or(plural))?;
        match self.reading {
            Reading::OfDapr(name) => write!(f, "/{name}"),
            Reading::All | Reading::Metadata => Ok(()),
        }
    }
}

impl Part {
    /// The row that fills this part.
    pub(super) fn kind(self) -> &'static Kind {
        &KINDS[self as usize]
    }

    /// Puts this part of `from` in the place of that of `to`.
    pub(super) fn replace(self, to: &mut Snapshot, from: Snapshot) {
        match self {
            Part::Namespaces => to.namespaces = from.namespaces,
            Part::Brokers => to.brokers = from.brokers,
            Part::Policies => to.policies = from.policies,
            Part::Wirings => to.wirings = from.wirings,
            Part::TrustAnchors => to.dapr.trust_anchors = from.dapr.trust_anchors,
            Part::Mtls => to.dapr.mtls = from.dapr.mtls,
            Part::Placement => to.dapr.placement = from.dapr.placement,
            Part::Scheduler => to.dapr.scheduler = from.dapr.scheduler,
        }
    }

    /// Copies what `from` knows of one object of this part, if anything.
    pub(super) fn carry(self, to: &mut Snapshot, from: &Snapshot, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        match self {
            Part::Namespaces => carry(&mut to.namespaces, &from.namespaces, &key.1),
            Part::Brokers => carry(&mut to.brokers, &from.brokers, &key),
            Part::Policies => carry(&mut to.policies, &from.policies, &key.1),
            Part::Wirings => carry(&mut to.wirings, &from.wirings, &key),
            Part::TrustAnchors | Part::Mtls | Part::Placement | Part::Scheduler => self.replace(to, from.clone()),
        }
    }
}

type Known<K, V> = Option<std::collections::BTreeMap<K, V>>;

fn carry<K: Clone + Ord, V: Clone>(to: &mut Known<K, V>, from: &Known<K, V>, key: &K) {
    if let Some(value) = from.as_ref().and_then(|known| known.get(key)) {
        to.get_or_insert_default().insert(key.clone(), value.clone());
    }
}
