//! What holds where a policy says nothing.

use super::spec::{
    BrokerConfig, BrokerPolicy, Create, InjectionPolicySpec, OnInvalid, OnMissing, OnUndrained, OnViolation, ResourcesPolicy,
};
use crate::api::style::Style;

impl InjectionPolicySpec {
    /// What happens to a pod with an error.
    pub fn on_invalid(&self) -> OnInvalid {
        self.on_invalid.unwrap_or(OnInvalid::Deny)
    }

    /// What happens to a change of a workload that takes a side away before it is drained.
    pub fn on_undrained(&self) -> OnUndrained {
        self.on_undrained.unwrap_or(OnUndrained::Warn)
    }

    /// The answer of `auto` where nothing else decides.
    pub fn preferred_style(&self) -> Style {
        self.preferred_style.unwrap_or(Style::Sidecar)
    }

    /// Whether the style may be wired.
    pub fn allows(&self, style: Style) -> bool {
        self.allowed_styles.as_ref().is_none_or(|allowed| allowed.contains(&style))
    }
}

impl BrokerPolicy {
    /// Whether podwire makes a Broker that an application needs.
    pub fn create(&self) -> Create {
        self.create.unwrap_or(Create::IfMissing)
    }

    /// What happens to a pod that publishes to a Broker which is not there or not ready.
    pub fn on_missing(&self) -> OnMissing {
        self.on_missing.unwrap_or(OnMissing::Wait)
    }
}

impl BrokerConfig {
    /// Its API version.
    pub fn api_version(&self) -> &str {
        self.api_version.as_deref().unwrap_or("v1")
    }
}

impl ResourcesPolicy {
    /// What happens to a value outside of the bounds.
    pub fn on_violation(&self) -> OnViolation {
        self.on_violation.unwrap_or(OnViolation::Adjust)
    }
}

#[cfg(test)]
mod tests {
    use super::{BrokerConfig, Create, InjectionPolicySpec, OnMissing, OnUndrained};
    use serde_json::json;

    #[test]
    fn what_a_policy_leaves_out_is_built_in() {
        let spec: InjectionPolicySpec =
            serde_json::from_value(json!({ "broker": { "config": { "kind": "ConfigMap", "name": "c" } } })).unwrap();
        assert_eq!((spec.broker.create(), spec.broker.on_missing()), (Create::IfMissing, OnMissing::Wait));
        assert_eq!((spec.broker.config.as_ref().map(BrokerConfig::api_version), spec.on_undrained()), (Some("v1"), OnUndrained::Warn));
    }
}
