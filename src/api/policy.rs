//! InjectionPolicy: who may be wired how. Every field left out has the built-in value, which its accessor here gives.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, CustomResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Quantity;
use super::style::Style;

/// Who may be wired how. Exactly one policy governs a namespace: among those whose `namespaceSelector` fits, the highest `priority`, then the first by name.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[kube(
    group = "podwire.io",
    version = "v1alpha1",
    kind = "InjectionPolicy",
    category = "podwire",
    shortname = "ipol",
    doc = "InjectionPolicy says who may be wired how. Exactly one governs a namespace.",
    printcolumn = r#"{"name":"Priority","type":"integer","jsonPath":".spec.priority"}"#,
    printcolumn = r#"{"name":"Styles","type":"string","jsonPath":".spec.allowedStyles"}"#,
    printcolumn = r#"{"name":"Preferred","type":"string","jsonPath":".spec.preferredStyle"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InjectionPolicySpec {
    /// Namespaces that the policy may govern; all of them where it is left out.
    pub namespace_selector: Option<LabelSelector>,
    /// The highest one governs.
    pub priority: i32,
    /// Styles that may be wired; all where the list is left out.
    pub allowed_styles: Option<Vec<Style>>,
    /// The answer of `auto` where nothing else decides. Built in: `sidecar`.
    pub preferred_style: Option<Style>,
    /// What happens to a pod with an error. Built in: `Deny`.
    pub on_invalid: Option<OnInvalid>,
    /// What holds for sidecars.
    pub sidecar: SidecarPolicy,
    /// What holds for Brokers.
    pub broker: BrokerPolicy,
    /// Requests and limits.
    pub resources: ResourcesPolicy,
}

/// What happens to a pod with an error.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnInvalid {
    /// It is refused, with all findings.
    Deny,
    /// It is admitted unwired, with warnings.
    Warn,
}

/// What holds for sidecars.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SidecarPolicy {
    /// The pub/sub component of pods that name none. Built in: `pubsub`.
    pub pubsub: Option<String>,
    /// Where the sidecar stands. Built in: `Auto`.
    pub placement: Option<Placement>,
    /// Whether the application waits for it. Built in: `Hold`.
    pub startup: Option<Startup>,
    /// The sidecar's image.
    pub image: Option<String>,
    /// Images that a sidecar may have: patterns with `*`. It is asked of the image that podwire chooses, and of what another webhook made of it. Left out, any.
    pub allowed_images: Option<Vec<String>>,
    /// When the image is pulled. Built in: `IfNotPresent`.
    pub image_pull_policy: Option<PullPolicy>,
    /// Whether a pod that says nothing but `dapr.io/enabled: "true"` is wired. Only where Dapr's own injector is off.
    pub adopt_dapr_annotations: bool,
    /// `dapr.io/` annotations that applications may set beside those that are always open, by name without the prefix: `sidecar-image`.
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
    /// It starts when the sidecar can publish.
    Hold,
    /// It starts at once.
    Start,
}

/// What holds for Brokers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BrokerPolicy {
    /// Brokers that may be used: names or patterns with `*`; all where the list is left out.
    pub allowed_brokers: Option<Vec<String>>,
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

/// The CustomResourceDefinition of InjectionPolicy. It states no defaults: what is left out stays out, and the built-in values may change with a release.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = InjectionPolicy::crd();
    let schemas = definition.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    schemas.for_each(without_defaults);
    definition
}

fn without_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(without_defaults);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        without_defaults(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        without_defaults(values);
    }
}

impl InjectionPolicySpec {
    /// What happens to a pod with an error.
    pub fn on_invalid(&self) -> OnInvalid {
        self.on_invalid.unwrap_or(OnInvalid::Deny)
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

impl ResourcesPolicy {
    /// What happens to a value outside of the bounds.
    pub fn on_violation(&self) -> OnViolation {
        self.on_violation.unwrap_or(OnViolation::Adjust)
    }
}

/// Whether a text fits a pattern in which `*` stands for any run of characters.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether a selector fits labels; `None` where it has an operator that Kubernetes does not know.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> Option<bool> {
    for (key, value) in selector.match_labels.iter().flatten() {
        if labels.get(key) != Some(value) {
            return Some(false);
        }
    }
    for requirement in selector.match_expressions.iter().flatten() {
        let value = labels.get(&requirement.key);
        let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
        let fits = match requirement.operator.as_str() {
            "DoesNotExist" => value.is_none(),
            "Exists" => value.is_some(),
            "In" => listed,
            "NotIn" => !listed,
            _ => return None,
        };
        if !fits {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::{InjectionPolicySpec, fits, selects};
    use serde_json::json;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, fit) in [
            ("ghcr.io/dapr/*", "ghcr.io/dapr/daprd:1.18.1", true),
            ("ghcr.io/dapr/*", "evil/ghcr.io/dapr/daprd", false),
            ("*", "", true),
            ("a*b*c", "abbc", true),
            ("a*bc", "abc", true),
            ("ab*ba", "aba", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn a_selector_selects_as_kubernetes_does() {
        let selector = |value| serde_json::from_value(value).unwrap();
        let labels = [("team".to_owned(), "shop".to_owned())].into();
        let expression = |operator: &str, values: &[&str]| {
            selector(json!({ "matchExpressions": [{ "key": "team", "operator": operator, "values": values }] }))
        };
        assert_eq!(selects(&selector(json!({})), &labels), Some(true));
        assert_eq!(selects(&selector(json!({ "matchLabels": { "team": "other" } })), &labels), Some(false));
        let outcomes = [("In", true), ("NotIn", false), ("Exists", true), ("DoesNotExist", false)];
        outcomes
            .into_iter()
            .for_each(|(operator, fit)| assert_eq!(selects(&expression(operator, &["shop"]), &labels), Some(fit), "{operator}"));
        assert_eq!(selects(&expression("Gt", &["1"]), &labels), None);
    }

    #[test]
    fn an_unknown_field_is_a_mistake_not_a_default() {
        let error = serde_json::from_value::<InjectionPolicySpec>(json!({ "onInvaild": "Warn" })).unwrap_err();
        assert!(error.to_string().contains("onInvaild"), "{error}");
    }
}
