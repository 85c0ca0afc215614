//! What the controller says about a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What podwire makes of the policy; the controller writes it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InjectionPolicyStatus {
    /// The `metadata.generation` of which this status speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`: False where the policy is wrong in some way. It is then passed over as a whole, and the message names the fault.
    pub conditions: Vec<Condition>,
    /// How many namespaces it governs.
    pub namespaces: usize,
    /// How many applications are wired under it.
    pub applications: usize,
    /// Wired applications whose pods it would refuse if they were created now.
    pub would_deny: WouldDeny,
}

/// Wired applications that would be refused now.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WouldDeny {
    /// How many there are.
    pub count: usize,
    /// The first five of them, as `namespace/app-id`.
    pub names: Vec<String>,
}
