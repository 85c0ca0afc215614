//! Wiring: what was decided for an application, and whether it works. It is output: of what stands in it podwire makes nothing but the answer of `auto`; the review of a changed workload quotes it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, CustomResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Quantity;
use super::schema;
use super::style::Style;

/// Nothing is asked of a Wiring.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[kube(
    group = "podwire.io",
    version = "v1alpha1",
    kind = "Wiring",
    namespaced,
    status = "WiringStatus",
    category = "podwire",
    doc = "Wiring says how the application of its name is wired, under which policy, whether it works, and if not, why. podwire writes it; nothing is made of what stands in it.",
    printcolumn = r#"{"name":"App-Id","type":"string","jsonPath":".status.appId"}"#,
    printcolumn = r#"{"name":"Style","type":"string","jsonPath":".status.style"}"#,
    printcolumn = r#"{"name":"Listens","type":"string","jsonPath":".status.listensOn"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Pods","type":"string","jsonPath":".status.pods.summary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Policy","type":"string","priority":1,"jsonPath":".status.policy"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct WiringSpec {}

/// How an application is wired, and whether it works.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WiringStatus {
    /// The `metadata.generation` of which this status speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The app-id, which is also the Wiring's name.
    pub app_id: String,
    /// The style in which the application publishes; where it says `auto`, the answer, which holds for as long as the Wiring is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// The sides on which it listens, with a comma between them.
    pub listens_on: String,
    /// The policy that governs; absent where the built-in values hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its pods.
    pub pods: PodCounts,
    /// The workloads that have the app-id, the oldest first. What the first one says is in force.
    pub workloads: Vec<WorkloadStatus>,
    /// Topics to which it publishes.
    pub publishes: Vec<String>,
    /// What it consumes.
    pub subscriptions: Vec<SubscriptionStatus>,
    /// The consumer groups that a sidecar of the application has had, `pubsub/orders`: it goes on there where it ended. Another one begins where its store says, and may get again what was delivered long ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// For how long a failed delivery is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryStatus>,
    /// The requests that podwire adds to each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_added: Option<Requests>,
    /// `Accepted`, `BrokerReady`, `TriggersReady`, `SubscriptionsReady`, `PodsWired` and `Ready`, which is all of them; beside it `Connected`, `Durable` and `Drained`. Those that do not apply are absent.
    pub conditions: Vec<Condition>,
}

/// Pods of an application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Wired as podwire would wire them now, of all that should be: `2/3`.
    pub summary: String,
    /// Pods that run and are wired, in whatever way.
    pub wired: usize,
    /// Those of them that carry another wiring than they would get now.
    pub outdated: usize,
    /// Pods that asked and are not wired.
    pub lacking: usize,
}

/// A workload of an application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its `metadata.generation` when this status was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Whether it is part of the application.
    pub wired: bool,
}

/// A subscription of an application.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStatus {
    /// The entry's name.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// Where the application takes it.
    pub path: String,
    /// Its Trigger, where it listens on Brokers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What becomes of an event that is not taken.
    pub undelivered: String,
}

/// The same time in both styles: Dapr and Knative count it differently.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryStatus {
    /// In sidecar style: `8 retries in about 24.6s`.
    pub sidecar: String,
    /// In broker style: `7 retries in about 25.4s`.
    pub broker: String,
}

/// Requests of a pod, or of several.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// CPU.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
}

impl Requests {
    /// None.
    pub const NONE: Requests = Requests { cpu: Quantity::ZERO, memory: Quantity::ZERO };

    /// Those of so many pods.
    pub fn many(self, pods: u64) -> Self {
        Requests { cpu: self.cpu.many(pods), memory: self.memory.many(pods) }
    }
}

impl std::ops::Add for Requests {
    type Output = Requests;

    fn add(self, other: Requests) -> Requests {
        Requests { cpu: self.cpu + other.cpu, memory: self.memory + other.memory }
    }
}

impl std::iter::Sum for Requests {
    fn sum<I: Iterator<Item = Requests>>(all: I) -> Requests {
        all.fold(Requests::NONE, std::ops::Add::add)
    }
}

/// The CustomResourceDefinition of Wiring, which has a status and no spec.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = Wiring::crd();
    for schema in schema::roots(&mut definition) {
        schema::without_defaults(schema);
        schema.properties.iter_mut().for_each(|properties| drop(properties.remove("spec")));
        schema.required = None;
        let status = schema.properties.as_mut().and_then(|properties| properties.get_mut("status"));
        schema::map_list(status.and_then(|status| status.properties.as_mut()?.get_mut("conditions")), "type");
    }
    definition
}
