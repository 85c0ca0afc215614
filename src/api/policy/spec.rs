//! The fields of an InjectionPolicy. One that is left out has the built-in value.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::faults::Fault;
use super::status::InjectionPolicyStatus;
use crate::api::quantity::Quantity;
use crate::api::style::Style;

/// Who may be wired how. Exactly one policy governs a namespace: among those whose `namespaceSelector` fits, the highest `priority`, then the first by name.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[kube(
    group = "podwire.io",
    version = "v1alpha1",
    kind = "InjectionPolicy",
    category = "podwire",
    shortname = "ipol",
    status = "InjectionPolicyStatus",
    doc = "InjectionPolicy says who may be wired how. Exactly one governs a namespace.",
    printcolumn = r#"{"name":"Priority","type":"integer","jsonPath":".spec.priority"}"#,
    printcolumn = r#"{"name":"Styles","type":"string","jsonPath":".spec.allowedStyles"}"#,
    printcolumn = r#"{"name":"Preferred","type":"string","jsonPath":".spec.preferredStyle"}"#,
    printcolumn = r#"{"name":"On-Invalid","type":"string","jsonPath":".spec.onInvalid"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type==\"Accepted\")].status"}"#,
    printcolumn = r#"{"name":"Namespaces","type":"integer","jsonPath":".status.namespaces"}"#,
    printcolumn = r#"{"name":"Applications","type":"integer","jsonPath":".status.applications"}"#,
    printcolumn = r#"{"name":"Would-Deny","type":"integer","jsonPath":".status.wouldDeny.count"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Accepted\")].message"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InjectionPolicySpec {
    /// Namespaces that the policy may govern; all of them where it is left out.
    pub namespace_selector: Option<LabelSelector>,
    /// Of the policies whose selector fits a namespace the one with the highest priority governs it. Built in: 0.
    pub priority: i32,
    /// Styles that may be wired. Built in: all.
    pub allowed_styles: Option<Vec<Style>>,
    /// The answer of `auto` where nothing else decides; one of `allowedStyles`. Built in: `sidecar`.
    pub preferred_style: Option<Style>,
    /// What happens to a pod with an error. Built in: `Deny`.
    pub on_invalid: Option<OnInvalid>,
    /// What happens to a change of a workload that takes a side away before it is drained. Built in: `Warn`.
    pub on_undrained: Option<OnUndrained>,
    /// What holds for sidecars.
    pub sidecar: SidecarPolicy,
    /// What holds for Brokers.
    pub broker: BrokerPolicy,
    /// Requests and limits.
    pub resources: ResourcesPolicy,
    /// What is wrong with it, where it was read by [`InjectionPolicySpec::read`]. With a fault nothing of it holds.
    #[serde(skip)]
    pub faults: Vec<Fault>,
}

/// What happens to a pod with an error.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnInvalid {
    /// It is refused, with all findings.
    Deny,
    /// It is admitted unwired, with warnings.
    Warn,
}

/// What happens to a change of a workload that takes a side away before it is drained.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnUndrained {
    /// The change is refused, with the seconds to wait.
    Deny,
    /// It is taken, with a warning and the seconds to wait.
    Warn,
}

/// What holds for sidecars.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SidecarPolicy {
    /// The pub/sub component of pods that name none: a DNS-1123 subdomain. Built in: `pubsub`.
    pub pubsub: Option<String>,
    /// Where the sidecar stands. Built in: `Auto`.
    pub placement: Option<Placement>,
    /// Whether the application waits for it. Built in: `Hold`.
    pub startup: Option<Startup>,
    /// The sidecar's image. Left out, the one with which podwire was installed.
    pub image: Option<String>,
    /// Images that a sidecar may have: patterns in which `*` stands for any run of characters, and `repository@sha256:…` for that digest, whatever tag stands before it. It is asked of the image that podwire chooses, and of what another webhook made of it. Left out, any, but an application may then choose none itself.
    pub allowed_images: Option<Vec<String>>,
    /// When the image is pulled. Built in: `IfNotPresent`.
    pub image_pull_policy: Option<PullPolicy>,
    /// Whether a pod that says nothing but `dapr.io/enabled: "true"` is wired. Only where Dapr's own injector is off. Built in: false.
    pub adopt_dapr_annotations: bool,
    /// `dapr.io/` annotations that applications may set beside those that are always open, by name without the prefix. Built in: none.
    pub allowed_overrides: Vec<String>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum PullPolicy {
    /// At every start of the container.
    Always,
    /// Where the node does not hold it.
    IfNotPresent,
    /// By others, beforehand.
    Never,
}

impl PullPolicy {
    /// The word that Kubernetes reads.
    pub fn word(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// Where the sidecar stands in the pod.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Placement {
    /// `Container` for a pod that subscribes and is not a Job's, `Native` for every other.
    Auto,
    /// First in `containers`.
    Container,
    /// A native sidecar: an init container that is always restarted.
    Native,
}

/// Whether the application waits for its sidecar.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Startup {
    /// It starts when the sidecar can publish; in `Container` placement two seconds after the sidecar was started, which a busy node may need more than.
    Hold,
    /// It starts at once.
    Start,
}

/// What holds for Brokers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BrokerPolicy {
    /// Brokers that may be used: names, or patterns in which `*` stands for any run of characters. Built in: all.
    pub allowed_brokers: Option<Vec<String>>,
    /// The class of Brokers that podwire makes (`eventing.knative.dev/broker.class`). Left out, the cluster's default.
    pub class: Option<String>,
    /// The configuration of Brokers that podwire makes (their `spec.config`). Left out, the class's default.
    pub config: Option<BrokerConfig>,
    /// Whether podwire makes a Broker that an application needs. Built in: `IfMissing`.
    pub create: Option<Create>,
    /// What happens to a pod that publishes to a Broker which is not there or not ready. Built in: `Wait`.
    pub on_missing: Option<OnMissing>,
}

/// The object that configures Brokers, as their `spec.config` names it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BrokerConfig {
    /// Its API version. Built in: `v1`.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace. Left out, the Broker's.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// Whether podwire makes Brokers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Create {
    /// It makes those that are not there.
    IfMissing,
    /// Somebody else makes them.
    Never,
}

/// What happens to a pod that publishes to a Broker which is not there or not ready.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnMissing {
    /// It is refused.
    Deny,
    /// It is admitted, and its containers start when the Broker is ready.
    Wait,
    /// It is admitted without the variables that would name the Broker, with a warning.
    Warn,
}

/// Requests and limits of the application container and of the sidecar.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResourcesPolicy {
    /// What happens to a value outside of the bounds. Built in: `Adjust`.
    pub on_violation: Option<OnViolation>,
    /// The application container.
    pub app: Bounds,
    /// The sidecar.
    pub sidecar: Bounds,
}

/// What happens to a value outside of the bounds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnViolation {
    /// It is moved into the bounds, with a warning.
    Adjust,
    /// The pod is refused.
    Deny,
    /// It stays, with a warning.
    Warn,
}

/// Defaults and bounds of one container.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bounds {
    /// What is written where nothing is stated.
    pub default: Amounts,
    /// The least that may be stated.
    pub min: Amounts,
    /// The most that may be stated.
    pub max: Amounts,
}

/// Requests and limits by resource: `cpu`, `memory`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Amounts {
    /// Requests.
    pub requests: BTreeMap<String, Quantity>,
    /// Limits.
    pub limits: BTreeMap<String, Quantity>,
}
