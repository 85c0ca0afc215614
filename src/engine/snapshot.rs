//! What podwire knows of the cluster: a value. The edge fills it by watches, the command line from YAML objects; both through [`Snapshot::take`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::policy::InjectionPolicySpec;
use crate::api::style::Style;

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
    /// The answers of `auto`, by namespace and app-id: `status.style` of the Wirings.
    pub wirings: Option<BTreeMap<Key, Style>>,
}

/// What was decided when podwire was installed: flags of the servers, values of the chart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Namespace of Dapr's control plane.
    pub dapr_namespace: String,
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
            ..Snapshot::default()
        }
    }

    /// Whether the namespace has reached podwire; true where namespaces are not known at all.
    pub fn holds(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|known| known.contains_key(namespace))
    }

    /// Takes an object in, in place of an older one of that name.
    ///
    /// Read are Namespaces, Brokers, InjectionPolicies, Wirings, and of the namespace of Dapr's control plane the ConfigMap `dapr-trust-bundle`, the Configuration `daprsystem` and the Services of placement and scheduler.
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
        let key = (meta.namespace.clone(), meta.name.clone());
        match (kind.as_str(), meta.name.as_str()) {
            ("v1/Namespace", name) => {
                self.namespaces.get_or_insert_default().insert(name.to_owned(), Namespace { labels: meta.labels });
            }
            ("eventing.knative.dev/v1/Broker", _) => {
                self.brokers.get_or_insert_default().insert(key, broker(object, meta.generation));
            }
            ("podwire.io/v1alpha1/InjectionPolicy", name) => {
                let spec = InjectionPolicySpec::deserialize(&object["spec"]).map_err(|error| unreadable(format!("spec: {error}")))?;
                self.policies.get_or_insert_default().insert(name.to_owned(), spec);
            }
            ("podwire.io/v1alpha1/Wiring", _) => {
                let answer = object["status"]["style"].as_str().and_then(Style::of_word);
                let wirings = self.wirings.get_or_insert_default();
                match answer {
                    Some(style) => wirings.insert(key, style),
                    None => wirings.remove(&key),
                };
            }
            ("v1/ConfigMap", TRUST_BUNDLE) if of_dapr => {
                self.dapr.trust_anchors = object["data"]["ca.crt"].as_str().filter(|pem| !pem.trim().is_empty()).map(str::to_owned);
            }
            ("dapr.io/v1alpha1/Configuration", DAPR_SYSTEM) if of_dapr => {
                self.dapr.mtls = object["spec"]["mtls"]["enabled"].as_bool();
            }
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
        let key = (namespace, name.clone());
        match (kind_of(object).as_str(), name.as_str()) {
            ("v1/Namespace", name) => drop(self.namespaces.as_mut().map(|known| known.remove(name))),
            ("eventing.knative.dev/v1/Broker", _) => drop(self.brokers.as_mut().map(|known| known.remove(&key))),
            ("podwire.io/v1alpha1/InjectionPolicy", name) => drop(self.policies.as_mut().map(|known| known.remove(name))),
            ("podwire.io/v1alpha1/Wiring", _) => drop(self.wirings.as_mut().map(|known| known.remove(&key))),
            ("v1/ConfigMap", TRUST_BUNDLE) if of_dapr => self.dapr.trust_anchors = None,
            ("dapr.io/v1alpha1/Configuration", DAPR_SYSTEM) if of_dapr => self.dapr.mtls = None,
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
fn broker(object: &Value, generation: Option<i64>) -> Broker {
    let status = &object["status"];
    let current = match (status["observedGeneration"].as_i64(), generation) {
        (Some(observed), Some(generation)) => observed == generation,
        _ => true,
    };
    let ready = status["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
    if !(current && ready) {
        return Broker::default();
    }
    let text = |field: &str| status["address"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Broker { url: text("url"), ca_certs: text("CACerts") }
}
