//! What podwire knows of the cluster: a value. The edge fills it by watches, the command line from YAML objects; both through [`Snapshot::take`].

mod component;
mod limits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::NetworkPolicySpec;
use serde::Deserialize;
use serde_json::Value;

use crate::api::policy::InjectionPolicySpec;
use crate::api::style::Style;

pub use component::Component;
pub use limits::{LimitRange, Range, ResourceQuota, Scope};

/// Namespace and name of an object.
type Key = (String, String);

/// What podwire knows of the cluster. A part that is `None` is not known: nothing may be concluded from what it lacks.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What was decided when podwire was installed.
    pub settings: Settings,
    /// Major and minor version of the API server.
    pub server: Option<(u32, u32)>,
    /// Namespaces by name.
    pub namespaces: Option<BTreeMap<String, Namespace>>,
    /// Knative Brokers (`eventing.knative.dev/v1`) by namespace and name.
    pub brokers: Option<BTreeMap<Key, Broker>>,
    /// Dapr's control plane; its parts are `None` where Dapr is not installed.
    pub dapr: ControlPlane,
    /// InjectionPolicies by name. Where the part is known and empty, the built-in values hold.
    pub policies: Option<BTreeMap<String, InjectionPolicySpec>>,
    /// Wirings by namespace and app-id.
    pub wirings: Option<BTreeMap<Key, Arc<Wiring>>>,
    /// NetworkPolicies by namespace and name; the controller does without them.
    pub network_policies: Option<BTreeMap<Key, Arc<NetworkPolicySpec>>>,
    /// Dapr's Components by namespace and name, for `/review`; the controller reads those it needs one by one.
    pub components: Option<BTreeMap<Key, Arc<Component>>>,
    /// What Knative Eventing is allowed to do.
    pub features: Option<Features>,
    /// LimitRanges by namespace and name.
    pub limit_ranges: Option<BTreeMap<Key, LimitRange>>,
    /// ResourceQuotas by namespace and name.
    pub quotas: Option<BTreeMap<Key, ResourceQuota>>,
}

/// What was decided when podwire was installed: flags of the servers, values of the chart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Namespace of Dapr's control plane.
    pub dapr_namespace: String,
    /// Namespace of Knative Eventing.
    pub knative_namespace: String,
    /// Domain of the cluster's Services.
    pub cluster_domain: String,
    /// Trust domain of Dapr's control plane (`global.mtls.controlPlaneTrustDomain` of Dapr's chart).
    pub trust_domain: String,
    /// Image of the sidecar where the policy names none.
    pub sidecar_image: String,
    /// Namespaces that are never touched.
    pub excluded_namespaces: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dapr_namespace: "dapr-system".to_owned(),
            knative_namespace: "knative-eventing".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            sidecar_image: "ghcr.io/dapr/daprd:1.18.1".to_owned(),
            excluded_namespaces: ["kube-system", "kube-node-lease", "podwire-system"].map(str::to_owned).to_vec(),
        }
    }
}

/// A namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespace {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A Knative Broker.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Broker {
    /// `status.address.url`, once the Broker is ready.
    pub url: Option<String>,
    /// `status.address.CACerts`, PEM.
    pub ca_certs: Option<String>,
    /// Its class: the annotation `eventing.knative.dev/broker.class`.
    pub class: Option<String>,
    /// The kind of its Channel, where it has one: `knative.dev/channelKind` of its status.
    pub channel: Option<String>,
    /// The name of that Channel, in the Broker's namespace: `knative.dev/channelName` of its status.
    pub channel_name: Option<String>,
    /// Whether its Channel answers before it has delivered: the annotation `messaging.knative.dev/async-handler`.
    pub async_handler: bool,
    /// Why it is not ready, in one line; `None` where it is.
    pub not_ready: Option<String>,
}

/// What a Wiring says of its application. Its style is the answer of `auto`; of the rest nothing is made but warnings and refusals of changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wiring {
    /// The style in which the application publishes.
    pub style: Option<Style>,
    /// The sides on which it listens.
    pub listens: Vec<Style>,
    /// The topics that it consumes.
    pub topics: BTreeSet<String>,
    /// The topics to which it publishes.
    pub publishes: BTreeSet<String>,
    /// The consumer groups that a sidecar of it has had: `pubsub/orders`.
    pub groups: BTreeSet<String>,
    /// Its workloads: `Deployment/orders`.
    pub workloads: Vec<String>,
    /// Its conditions by type.
    pub conditions: BTreeMap<String, Condition>,
}

/// A condition of a Wiring.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Condition {
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// Feature flags of Knative Eventing: ConfigMap `config-features`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Features {
    /// Whether a delivery may have a timeout: `delivery-timeout`, on where it is not said.
    pub delivery_timeout: bool,
}

impl Default for Features {
    fn default() -> Self {
        Features { delivery_timeout: true }
    }
}

/// What a sidecar must know of Dapr's control plane.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ControlPlane {
    /// PEM of the trust anchors: key `ca.crt` of ConfigMap `dapr-trust-bundle`.
    pub trust_anchors: Option<String>,
    /// `spec.mtls.enabled` of Configuration `daprsystem`; Dapr takes an absent one for true.
    pub mtls: Option<bool>,
    /// Whether the Service of placement exists.
    pub placement: bool,
    /// Whether the Service of the scheduler exists.
    pub scheduler: bool,
}

/// Why an object was not taken.
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
pub enum NotTaken {
    /// podwire reads no objects of this kind, or not this one of them.
    #[error("{kind} {name} is not read by podwire")]
    Other {
        /// `apiVersion/kind`.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// The object is of a kind that podwire reads and does not have its shape.
    #[error("{kind} {name} cannot be read: {why}")]
    Unreadable {
        /// `apiVersion/kind`.
        kind: String,
        /// The object's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// ConfigMap of Dapr's trust anchors.
const TRUST_BUNDLE: &str = "dapr-trust-bundle";
/// Dapr's own Configuration.
const DAPR_SYSTEM: &str = "daprsystem";
/// ConfigMap of Knative's feature flags.
const FEATURES: &str = "config-features";
/// Service of Dapr's placement.
pub(crate) const PLACEMENT: &str = "dapr-placement-server";
/// Service of Dapr's scheduler that sidecars are given.
pub(crate) const SCHEDULER: &str = "dapr-scheduler-server-a";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    generation: Option<i64>,
}

impl Snapshot {
    /// A snapshot in which every part is known and empty: what the command line begins with.
    pub fn empty() -> Self {
        Snapshot {
            namespaces: Some(BTreeMap::new()),
            brokers: Some(BTreeMap::new()),
            policies: Some(BTreeMap::new()),
            wirings: Some(BTreeMap::new()),
            network_policies: Some(BTreeMap::new()),
            components: Some(BTreeMap::new()),
            features: Some(Features::default()),
            limit_ranges: Some(BTreeMap::new()),
            quotas: Some(BTreeMap::new()),
            ..Snapshot::default()
        }
    }

    /// Whether the namespace has reached podwire; true where namespaces are not known at all.
    pub fn holds(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|known| known.contains_key(namespace))
    }

    /// Takes an object in, in place of an older one of that name.
    ///
    /// Read are Namespaces, Brokers, InjectionPolicies, Wirings, NetworkPolicies, Components, LimitRanges, ResourceQuotas, and of the namespace of Dapr's control plane the ConfigMap `dapr-trust-bundle`, the Configuration `daprsystem` and the Services of placement and scheduler, and of Knative's namespace the ConfigMap `config-features`.
    ///
    /// # Errors
    /// [`NotTaken`] says why the snapshot is as it was.
    pub fn take(&mut self, object: &Value) -> Result<(), NotTaken> {
        let kind = kind_of(object);
        let meta = Meta::deserialize(&object["metadata"]).map_err(|error| NotTaken::Unreadable {
            kind: kind.clone(),
            name: String::new(),
            why: format!("metadata: {error}"),
        })?;
        let unreadable = |why: String| NotTaken::Unreadable { kind: kind.clone(), name: meta.name.clone(), why };
        let of_dapr = meta.namespace == self.settings.dapr_namespace;
        let of_knative = meta.namespace == self.settings.knative_namespace;
        let key = (meta.namespace.clone(), meta.name.clone());
        match (kind.as_str(), meta.name.as_str()) {
            ("v1/Namespace", name) => {
                self.namespaces.get_or_insert_default().insert(name.to_owned(), Namespace { labels: meta.labels });
            }
            ("eventing.knative.dev/v1/Broker", _) => {
                self.brokers.get_or_insert_default().insert(key, broker(object, &meta));
            }
            ("podwire.io/v1alpha1/InjectionPolicy", name) => {
                let spec = InjectionPolicySpec::read(&object["spec"]).map_err(|error| unreadable(format!("spec: {error}")))?;
                self.policies.get_or_insert_default().insert(name.to_owned(), spec);
            }
            ("podwire.io/v1alpha1/Wiring", _) => {
                self.wirings.get_or_insert_default().insert(key, Arc::new(wiring(&object["status"])));
            }
            ("networking.k8s.io/v1/NetworkPolicy", _) => {
                let spec = NetworkPolicySpec::deserialize(&object["spec"]).map_err(|error| unreadable(format!("spec: {error}")))?;
                self.network_policies.get_or_insert_default().insert(key, Arc::new(spec));
            }
            ("dapr.io/v1alpha1/Component", _) => {
                self.components.get_or_insert_default().insert(key, Arc::new(Component::of(object)));
            }
            ("v1/LimitRange", _) => {
                let range = LimitRange::of(object).map_err(unreadable)?;
                self.limit_ranges.get_or_insert_default().insert(key, range);
            }
            ("v1/ResourceQuota", _) => {
                let quota = ResourceQuota::of(object).map_err(unreadable)?;
                self.quotas.get_or_insert_default().insert(key, quota);
            }
            ("v1/ConfigMap", TRUST_BUNDLE) if of_dapr => {
                self.dapr.trust_anchors = object["data"]["ca.crt"].as_str().filter(|pem| !pem.trim().is_empty()).map(str::to_owned);
            }
            ("dapr.io/v1alpha1/Configuration", DAPR_SYSTEM) if of_dapr => {
                self.dapr.mtls = object["spec"]["mtls"]["enabled"].as_bool();
            }
            ("v1/ConfigMap", FEATURES) if of_knative => self.features = Some(features(object)),
            ("v1/Service", PLACEMENT) if of_dapr => self.dapr.placement = true,
            ("v1/Service", SCHEDULER) if of_dapr => self.dapr.scheduler = true,
            _ => return Err(NotTaken::Other { kind, name: meta.name }),
        }
        Ok(())
    }

    /// Lets an object go, given as it last was (or at least its `apiVersion`, `kind`, `metadata.name` and `metadata.namespace`).
    pub fn release(&mut self, object: &Value) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let of_dapr = namespace == self.settings.dapr_namespace;
        let of_knative = namespace == self.settings.knative_namespace;
        let key = (namespace, name.clone());
        match (kind_of(object).as_str(), name.as_str()) {
            ("v1/Namespace", name) => drop(self.namespaces.as_mut().map(|known| known.remove(name))),
            ("eventing.knative.dev/v1/Broker", _) => drop(self.brokers.as_mut().map(|known| known.remove(&key))),
            ("podwire.io/v1alpha1/InjectionPolicy", name) => drop(self.policies.as_mut().map(|known| known.remove(name))),
            ("podwire.io/v1alpha1/Wiring", _) => drop(self.wirings.as_mut().map(|known| known.remove(&key))),
            ("v1/LimitRange", _) => drop(self.limit_ranges.as_mut().map(|known| known.remove(&key))),
            ("v1/ResourceQuota", _) => drop(self.quotas.as_mut().map(|known| known.remove(&key))),
            ("networking.k8s.io/v1/NetworkPolicy", _) => drop(self.network_policies.as_mut().map(|known| known.remove(&key))),
            ("dapr.io/v1alpha1/Component", _) => drop(self.components.as_mut().map(|known| known.remove(&key))),
            ("v1/ConfigMap", TRUST_BUNDLE) if of_dapr => self.dapr.trust_anchors = None,
            ("dapr.io/v1alpha1/Configuration", DAPR_SYSTEM) if of_dapr => self.dapr.mtls = None,
            ("v1/ConfigMap", FEATURES) if of_knative => self.features = self.features.as_ref().map(|_| Features::default()),
            ("v1/Service", PLACEMENT) if of_dapr => self.dapr.placement = false,
            ("v1/Service", SCHEDULER) if of_dapr => self.dapr.scheduler = false,
            _ => {}
        }
    }
}

/// `apiVersion/kind` of an object.
fn kind_of(object: &Value) -> String {
    format!("{}/{}", object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default())
}

/// A Broker's address counts only while the Broker is ready and its status is of the spec that was read (`Broker.IsReady`).
fn broker(object: &Value, meta: &Meta) -> Broker {
    let status = &object["status"];
    let current = match (status["observedGeneration"].as_i64(), meta.generation) {
        (Some(observed), Some(generation)) => observed == generation,
        _ => true,
    };
    let said = status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == "Ready").filter(|_| current);
    let ready = said.is_some_and(|one| one["status"] == "True");
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let address = |field: &str| text(&status["address"][field]).filter(|_| ready);
    Broker {
        url: address("url"),
        ca_certs: address("CACerts"),
        class: meta.annotations.get("eventing.knative.dev/broker.class").cloned(),
        channel: text(&status["annotations"]["knative.dev/channelKind"]),
        channel_name: text(&status["annotations"]["knative.dev/channelName"]),
        async_handler: meta.annotations.get("messaging.knative.dev/async-handler").is_some_and(|value| value == "true"),
        not_ready: (!ready).then(|| said.and_then(told).unwrap_or_else(|| "it has no status yet".to_owned())),
    }
}

/// The status of a Wiring. Somebody may have written into it: what has another shape is passed over, and texts become one line.
fn wiring(status: &Value) -> Wiring {
    let all = |field: &str| status[field].as_array().into_iter().flatten();
    let text = |value: &Value| one_line(value.as_str().unwrap_or_default());
    let condition = |one: &Value| {
        let [status, reason, message] = ["status", "reason", "message"].map(|field| text(&one[field]));
        (text(&one["type"]), Condition { status, reason, message })
    };
    Wiring {
        style: status["style"].as_str().and_then(Style::of_word),
        listens: status["listensOn"].as_str().unwrap_or_default().split(',').filter_map(Style::of_word).collect(),
        topics: all("subscriptions").map(|one| text(&one["topic"])).collect(),
        publishes: all("publishes").map(text).collect(),
        groups: all("groups").map(text).collect(),
        workloads: all("workloads").map(|one| format!("{}/{}", text(&one["kind"]), text(&one["name"]))).collect(),
        conditions: all("conditions").map(condition).collect(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a condition gives as its reason and message, in one line: `NotFound: the channel is not there`.
fn told(condition: &Value) -> Option<String> {
    let text = |field: &str| one_line(condition[field].as_str().unwrap_or_default());
    let parts: Vec<String> = ["reason", "message"].map(text).into_iter().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// Knative knows a third word, `allowed`, which does not switch this flag on.
fn features(object: &Value) -> Features {
    let flag = object["data"]["delivery-timeout"].as_str();
    Features { delivery_timeout: flag.is_none_or(|word| word.eq_ignore_ascii_case("enabled")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(status: Value) -> Broker {
        let annotations = json!({"eventing.knative.dev/broker.class": "Kafka", "messaging.knative.dev/async-handler": "true"});
        let metadata = json!({"name": "orders", "namespace": "shop", "generation": 2, "annotations": annotations});
        let mut snapshot = Snapshot::empty();
        snapshot.take(&json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": metadata, "status": status})).unwrap();
        snapshot.brokers.unwrap().into_values().next().unwrap()
    }

    fn status(generation: i64, ready: Value) -> Value {
        let address = json!({"url": "http://orders", "CACerts": ""});
        let annotations = json!({"knative.dev/channelKind": "InMemoryChannel"});
        json!({"observedGeneration": generation, "conditions": [{"type": "Addressable", "status": "False"}, ready], "address": address, "annotations": annotations})
    }

    #[test]
    fn a_broker_is_read_whether_it_is_ready_or_not() {
        let ready = taken(status(2, json!({"type": "Ready", "status": "True"})));
        assert_eq!((ready.url.as_deref(), ready.ca_certs.as_deref(), ready.not_ready.as_deref()), (Some("http://orders"), None, None));
        assert_eq!((ready.class.as_deref(), ready.channel.as_deref(), ready.async_handler), (Some("Kafka"), Some("InMemoryChannel"), true));

        let waiting = taken(status(2, json!({"type": "Ready", "status": "False", "reason": "NoChannel", "message": "it is\n not there"})));
        assert_eq!((waiting.url, waiting.not_ready.as_deref()), (None, Some("NoChannel: it is not there")));
        assert_eq!((waiting.class.as_deref(), waiting.channel.as_deref()), (Some("Kafka"), Some("InMemoryChannel")));

        let old = status(1, json!({"type": "Ready", "status": "True"}));
        for status in [Value::Null, old, status(2, json!({"type": "Ready", "status": "Unknown"}))] {
            let broker = taken(status);
            assert_eq!((broker.url, broker.not_ready.as_deref()), (None, Some("it has no status yet")));
        }
    }

    #[test]
    fn of_a_wiring_is_read_what_has_its_shape() {
        let conditions = json!([{"type": "Drained", "status": "False", "reason": "Published", "message": "a\nb"}, {"type": 7}]);
        let workloads = json!([{"kind": "Deployment", "name": "orders"}]);
        let status = json!({"style": "broker", "listensOn": "sidecar,broker,mesh", "subscriptions": [{"topic": "orders"}], "workloads": workloads, "conditions": conditions});
        let read = wiring(&status);
        assert_eq!((read.style, read.listens), (Some(Style::Broker), vec![Style::Sidecar, Style::Broker]));
        assert_eq!((read.topics.len(), read.workloads), (1, vec!["Deployment/orders".to_owned()]));
        assert_eq!(read.conditions["Drained"].message, "a b");
        for odd in [Value::Null, json!([]), json!({"conditions": 3, "style": [], "subscriptions": {}})] {
            assert_eq!(wiring(&odd), Wiring::default());
        }
    }

    #[test]
    fn a_timeout_is_allowed_unless_the_flag_says_otherwise() {
        let flag = |data: Value| features(&json!({ "data": data })).delivery_timeout;
        assert!(
            flag(Value::Null)
                && flag(json!({"other": "disabled"}))
                && flag(json!({"delivery-timeout": "enabled"}))
                && flag(json!({"delivery-timeout": "Enabled"}))
        );
        assert!(
            !flag(json!({"delivery-timeout": "disabled"}))
                && !flag(json!({"delivery-timeout": "DISABLED"}))
                && !flag(json!({"delivery-timeout": "Allowed"}))
        );
    }
}
