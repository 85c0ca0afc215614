//! Policies: which one governs, and that a golden folder speaks of every field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{admit, common, documents, repository, snapshot_of};
use crate::api::policy::definition;
use crate::engine::{Code, Decision, PodRequest, Verdict, check_policy};

/// Fields that no pod shows, each with the reason.
const UNSEEN: [(&str, &str); 1] = [("onUndrained", "it speaks of changes of workloads, not of pods")];

/// Every field without fields of its own, by its path.
fn leaves(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(fields) => fields.iter().for_each(|(name, field)| leaves(field, &format!("{path}.{name}"), found)),
        None => drop(found.insert(path.trim_start_matches('.').to_owned())),
    }
}

#[test]
fn every_field_has_a_golden_folder() {
    let definition = json!(definition());
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = BTreeSet::new();
    leaves(spec, "", &mut fields);
    assert!(fields.len() > 30, "{fields:?}");
    for folder in std::fs::read_dir(repository("tests/golden")).unwrap() {
        let Ok(text) = std::fs::read_to_string(folder.unwrap().path().join("policy.yaml")) else { continue };
        for policy in documents(&text) {
            fields.retain(|path| path.split('.').try_fold(&policy["spec"], |value, field| value.get(field)).is_none());
        }
    }
    fields.retain(|path| !UNSEEN.iter().any(|(unseen, _)| unseen == path));
    assert!(fields.is_empty(), "no golden folder has a policy with {fields:?}");
}

fn policy(name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": name }, "spec": spec })
}

fn verdict(policies: impl IntoIterator<Item = Value>) -> Verdict {
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/app-id": "a", "podwire.io/publish": "orders" });
    let pod = json!({ "metadata": { "annotations": annotations }, "spec": { "containers": [{ "name": "app" }] } });
    admit(&PodRequest::new("shop", pod).unwrap(), &snapshot_of(common().into_iter().chain(policies)))
}

/// The policies that a pod is told to be passed over.
fn passed_over(verdict: &Verdict) -> Vec<String> {
    let told = verdict.findings.iter().filter(|finding| finding.code == Code::PolicyPassedOver);
    told.map(|finding| finding.subject.to_string().replace("InjectionPolicy ", "")).collect()
}

#[test]
fn a_policy_that_is_wrong_is_passed_over_as_a_whole() {
    let wrong =
        || json!({ "priority": 5, "allowedStyles": ["sidecar"], "resources": { "app": { "min": { "requests": { "cpu": "many" } } } } });
    let next = verdict([policy("strict", wrong()), policy("default", json!({}))]);
    assert!(matches!(next.decision, Decision::Wired(_)), "{next:?}");
    assert_eq!((next.policy.as_deref(), passed_over(&next)), (Some("default"), vec!["strict".to_owned()]));

    let none = verdict([policy("strict", wrong())]);
    assert!(matches!(none.decision, Decision::Unwired), "{none:?}");
    assert_eq!((none.policy.as_deref(), passed_over(&none)), (None, vec!["strict".to_owned()]));
}

#[test]
fn a_wrong_policy_that_would_not_have_governed_is_not_spoken_of() {
    let wrong = |more: Value| {
        let mut spec = json!({ "sidecar": { "image": "a b" } });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let elsewhere = wrong(json!({ "priority": 9, "namespaceSelector": { "matchLabels": { "team": "other" } } }));
    let lower = wrong(json!({ "priority": -9 }));
    let verdict = verdict([policy("default", json!({})), policy("elsewhere", elsewhere), policy("lower", lower)]);
    assert_eq!((verdict.policy.as_deref(), passed_over(&verdict)), (Some("default"), vec![]));
}

#[test]
fn a_policy_with_a_strange_operator_is_passed_over_wherever_it_may_have_governed() {
    let selector = json!({ "matchExpressions": [{ "key": "team", "operator": "Gt", "values": ["1"] }] });
    let strange = policy("strange", json!({ "namespaceSelector": selector }));
    let verdict = verdict([policy("z-default", json!({})), strange.clone()]);
    assert_eq!((verdict.policy.as_deref(), passed_over(&verdict)), (Some("z-default"), vec!["strange".to_owned()]));
    let snapshot = snapshot_of([strange]);
    let findings: Vec<String> = snapshot.policies.unwrap().values().flat_map(check_policy).map(|finding| finding.to_string()).collect();
    let expected =
        "PW075 invalid-policy: spec.namespaceSelector.matchExpressions[0].operator is \"Gt\": allowed: DoesNotExist, Exists, In, NotIn";
    assert!(findings.contains(&expected.to_owned()), "{findings:?}");
}
