//! The caBundle of webhook configurations.

use k8s_openapi::ByteString;
use kube::core::DynamicObject;
use serde_json::{Value, json};

/// A JSON patch that gives every entry this caBundle; nothing where all have it.
///
/// Each change stands behind a test of the entry's name: an entry that has moved meanwhile is not mistaken for another. By a patch of that kind podwire owns no field
/// (as it would by server-side apply), so that an entry can be renamed or removed by whoever installed it.
pub(super) fn patch(configuration: &DynamicObject, ca: &str) -> Option<json_patch::Patch> {
    let bundle = json!(ByteString(ca.as_bytes().to_vec()));
    let entries = configuration.data["webhooks"].as_array().into_iter().flatten().enumerate();
    let operations: Vec<Value> = entries
        .filter(|(_, entry)| entry["clientConfig"]["caBundle"] != bundle)
        .flat_map(|(number, entry)| {
            [
                json!({ "op": "test", "path": format!("/webhooks/{number}/name"), "value": entry["name"] }),
                json!({ "op": "add", "path": format!("/webhooks/{number}/clientConfig/caBundle"), "value": bundle }),
            ]
        })
        .collect();
    (!operations.is_empty()).then(|| serde_json::from_value(Value::Array(operations)).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(webhooks: Value) -> DynamicObject {
        let text = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": "podwire" }, "webhooks": webhooks });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn each_entry_that_lacks_the_bundle_gets_it_behind_a_test_of_its_name() {
        let entry = |name: &str, bundle: Value| json!({ "name": name, "clientConfig": { "caBundle": bundle, "service": { "name": "a" } } });
        let mut before = configuration(json!([entry("a", json!("QQ==")), entry("b", Value::Null), entry("c", json!("b2xk"))]));
        let patch = patch(&before, "A").unwrap();
        assert_eq!(
            json!(patch),
            json!([
                { "op": "test", "path": "/webhooks/1/name", "value": "b" },
                { "op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": "QQ==" },
                { "op": "test", "path": "/webhooks/2/name", "value": "c" },
                { "op": "add", "path": "/webhooks/2/clientConfig/caBundle", "value": "QQ==" },
            ])
        );
        json_patch::patch(&mut before.data, &patch).unwrap();
        assert!(super::patch(&before, "A").is_none());
        before.data["webhooks"][1]["name"] = json!("moved");
        assert!(json_patch::patch(&mut before.data, &patch).is_err());
        assert!(super::patch(&configuration(Value::Null), "A").is_none());
    }
}
