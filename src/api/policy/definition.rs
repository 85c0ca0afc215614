//! The CustomResourceDefinition: what the type says, and beside it examples, bounds and rules.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON, JSONSchemaProps, ValidationRule};
use kube::CustomResourceExt as _;
use serde_json::Value;

use super::rules::{OPERATORS, QUANTITIES, SETS, SIZES, all};
use super::spec::{InjectionPolicy, InjectionPolicySpec};
use super::status::InjectionPolicyStatus;
use crate::api::schema;

/// An example of every field, as JSON. Those of `spec` together are a policy.
const EXAMPLES: &[(&str, &str)] = &[
    ("spec.namespaceSelector", r#"{"matchLabels":{"team":"shop"}}"#),
    ("spec.namespaceSelector.matchLabels", r#"{"team":"shop"}"#),
    ("spec.namespaceSelector.matchExpressions", r#"[{"key":"stage","operator":"NotIn","values":["test"]}]"#),
    ("spec.namespaceSelector.matchExpressions.[].key", r#""stage""#),
    ("spec.namespaceSelector.matchExpressions.[].operator", r#""NotIn""#),
    ("spec.namespaceSelector.matchExpressions.[].values", r#"["test"]"#),
    ("spec.priority", "10"),
    ("spec.allowedStyles", r#"["broker","sidecar"]"#),
    ("spec.preferredStyle", r#""broker""#),
    ("spec.onInvalid", r#""Warn""#),
    ("spec.onUndrained", r#""Deny""#),
    ("spec.sidecar", r#"{"pubsub":"redis"}"#),
    ("spec.sidecar.pubsub", r#""redis""#),
    ("spec.sidecar.placement", r#""Native""#),
    ("spec.sidecar.startup", r#""Start""#),
    ("spec.sidecar.image", r#""registry.shop/dapr/daprd:1.18.1""#),
    ("spec.sidecar.allowedImages", r#"["registry.shop/dapr/daprd:*","registry.shop/dapr/daprd@sha256:*"]"#),
    ("spec.sidecar.imagePullPolicy", r#""Always""#),
    ("spec.sidecar.adoptDaprAnnotations", "true"),
    ("spec.sidecar.allowedOverrides", r#"["sidecar-image"]"#),
    ("spec.broker", r#"{"onMissing":"Wait"}"#),
    ("spec.broker.allowedBrokers", r#"["orders","shop-*"]"#),
    ("spec.broker.class", r#""Kafka""#),
    ("spec.broker.config", r#"{"kind":"ConfigMap","name":"kafka-broker-config"}"#),
    ("spec.broker.config.apiVersion", r#""v1""#),
    ("spec.broker.config.kind", r#""ConfigMap""#),
    ("spec.broker.config.name", r#""kafka-broker-config""#),
    ("spec.broker.config.namespace", r#""knative-eventing""#),
    ("spec.broker.create", r#""Never""#),
    ("spec.broker.onMissing", r#""Wait""#),
    ("spec.resources", r#"{"app":{"max":{"limits":{"memory":"1Gi"}}}}"#),
    ("spec.resources.onViolation", r#""Deny""#),
    ("spec.resources.*", r#"{"max":{"limits":{"memory":"1Gi"}}}"#),
    ("spec.resources.*.default", r#"{"requests":{"cpu":"100m"}}"#),
    ("spec.resources.*.default.requests", r#"{"cpu":"100m","memory":"128Mi"}"#),
    ("spec.resources.*.default.limits", r#"{"memory":"256Mi"}"#),
    ("spec.resources.*.min", r#"{"requests":{"cpu":"50m"}}"#),
    ("spec.resources.*.min.requests", r#"{"cpu":"50m"}"#),
    ("spec.resources.*.min.limits", r#"{"memory":"128Mi"}"#),
    ("spec.resources.*.max", r#"{"limits":{"memory":"1Gi"}}"#),
    ("spec.resources.*.max.requests", r#"{"cpu":2}"#),
    ("spec.resources.*.max.limits", r#"{"memory":"1Gi"}"#),
    ("status.observedGeneration", "3"),
    (
        "status.conditions",
        r#"[{"type":"Accepted","status":"True","reason":"Sound","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]"#,
    ),
    ("status.namespaces", "4"),
    ("status.applications", "12"),
    ("status.wouldDeny", r#"{"count":1,"names":["shop/orders"]}"#),
    ("status.wouldDeny.count", "1"),
    ("status.wouldDeny.names", r#"["shop/orders"]"#),
];

/// Objects and lists that have one owner: a half of a selector, or of a reference, is another one.
const ATOMIC: [&str; 4] =
    ["namespaceSelector", "namespaceSelector.matchExpressions", "namespaceSelector.matchExpressions.[].values", "broker.config"];

/// The CustomResourceDefinition of InjectionPolicy. It states no defaults: what is left out stays out, and the built-in values may change with a release.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = InjectionPolicy::crd();
    for root in schema::roots(&mut definition) {
        schema::without_defaults(root);
        for (part, said) in [("spec", schemars::schema_for!(InjectionPolicySpec)), ("status", schemars::schema_for!(InjectionPolicyStatus))]
        {
            schema::at(root, part, &mut |schema| schema::describe(schema, said.as_value(), said.as_value()));
        }
        schema::at(root, "spec", &mut shape);
        schema::at(root, "status.conditions", &mut |list| schema::map_list(Some(list), "type"));
        schema::at(root, "status.wouldDeny.names", &mut |list| list.x_kubernetes_list_type = Some("atomic".to_owned()));
        // Counts: no format that the API server does not know.
        for at in ["status.namespaces", "status.applications", "status.wouldDeny.count"] {
            schema::at(root, at, &mut |count| count.format = None);
        }
        for (at, example) in EXAMPLES {
            let example: Option<Value> = serde_json::from_str(example).ok();
            schema::at(root, at, &mut |schema| schema.example = example.clone().map(JSON));
        }
    }
    definition
}

/// Bounds, lists and rules of the spec.
fn shape(spec: &mut JSONSchemaProps) {
    schema::without_nulls(spec);
    for (at, size) in SIZES {
        schema::at(spec, at, &mut |schema| size_of(schema, *size));
    }
    for at in SETS {
        schema::at(spec, at, &mut |list| list.x_kubernetes_list_type = Some("set".to_owned()));
    }
    for at in ATOMIC {
        schema::at(spec, at, &mut |schema| {
            let atomic = Some("atomic".to_owned());
            if schema.items.is_some() { schema.x_kubernetes_list_type = atomic } else { schema.x_kubernetes_map_type = atomic }
        });
    }
    let operators = OPERATORS.map(|operator| JSON(operator.into())).to_vec();
    schema::at(spec, "namespaceSelector.matchExpressions.[].operator", &mut |schema| schema.enum_ = Some(operators.clone()));
    schema::at(spec, QUANTITIES, &mut |schema| {
        schema.description = Some("A quantity: a whole number, or a text such as 250m, \"1.5\" or 128Mi.".to_owned());
    });
    for rule in all() {
        let validation =
            ValidationRule { rule: rule.cel, message: Some(rule.message), field_path: rule.field, ..ValidationRule::default() };
        schema::at(spec, &rule.at, &mut |schema| schema.x_kubernetes_validations.get_or_insert_default().push(validation.clone()));
    }
}

fn size_of(schema: &mut JSONSchemaProps, size: usize) {
    let size = i64::try_from(size).ok();
    match schema.type_.as_deref() {
        Some("array") => schema.max_items = size,
        Some("object") => schema.max_properties = size,
        _ => schema.max_length = size,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{InjectionPolicySpec, definition};

    fn fields(part: &str) -> Value {
        json!(definition())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part].clone()
    }

    /// Every field below a schema by its path; a list and a map are fields, what stands in them is not.
    fn each(schema: &Value, path: &str, f: &mut dyn FnMut(&str, &Value)) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            f(&path, field);
            each(field, &path, f);
        }
    }

    #[test]
    fn every_field_has_a_description_and_an_example() {
        let mut lacking = Vec::new();
        for part in ["spec", "status"] {
            each(&fields(part), part, &mut |path, field| {
                let lacks = ["description", "example"].into_iter().filter(|word| field[word].is_null());
                lacking.extend(lacks.map(|word| format!("{path}: {word}")));
            });
        }
        assert!(lacking.is_empty(), "{lacking:#?}");
    }

    /// The examples of the leaves, put together.
    fn together(schema: &Value) -> Value {
        match schema["properties"].as_object() {
            Some(fields) => fields.iter().map(|(name, field)| (name.clone(), together(field))).collect::<Map<_, _>>().into(),
            None => schema["example"].clone(),
        }
    }

    #[test]
    fn the_examples_are_a_policy() {
        let example = together(&fields("spec"));
        let spec = InjectionPolicySpec::read(&example).unwrap();
        assert_eq!(spec.faults, []);
        assert_eq!((spec.priority, spec.sidecar.pubsub.as_deref()), (10, Some("redis")));
    }
}
