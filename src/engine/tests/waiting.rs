//! Brokers that come and go between two admissions of one pod.

use serde_json::{Value, json};

use super::{common, laws, snapshot_of};
use crate::engine::{Code, Decision, PodRequest, Snapshot, admit, undo};

fn broker(name: &str, certificate: Option<&str>) -> Value {
    let address = json!({ "url": format!("https://broker/shop/{name}"), "CACerts": certificate });
    json!({
        "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": { "name": name, "namespace": "shop" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }], "address": address }
    })
}

fn cluster(brokers: &[Value]) -> Snapshot {
    let others = common().into_iter().filter(|object| object["kind"] != "Broker");
    snapshot_of(others.chain(brokers.iter().cloned()))
}

fn pod(publish: &str, env: Value) -> Value {
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/app-id": "a", "podwire.io/publish": publish });
    json!({ "metadata": { "annotations": annotations }, "spec": { "containers": [{ "name": "app", "env": env }, { "name": "second" }] } })
}

/// Admits a pod: the pod as it is then, and the codes.
fn admitted(pod: &Value, snapshot: &Snapshot) -> (Value, Vec<Code>) {
    let request = PodRequest::new("shop", pod.clone()).unwrap();
    let verdict = admit(&request, snapshot);
    let Decision::Wired(patch) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(laws::check(&request, patch), Ok(()));
    let mut wired = pod.clone();
    json_patch::patch(&mut wired, patch).unwrap();
    (wired, verdict.findings.iter().map(|finding| finding.code).collect())
}

fn variable<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    env.iter().find(|variable| variable["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_pod_is_not_changed_again_when_a_broker_comes_or_goes() {
    let all = [
        vec![],
        vec![broker("a", None)],
        vec![broker("a", Some("C"))],
        vec![broker("b", Some("C"))],
        vec![broker("a", None), broker("b", None)],
        vec![broker("a", Some("C")), broker("b", Some("C"))],
    ];
    // Without certificates first, with them later is another Broker, not one that became ready.
    let has = |brokers: &[Value]| brokers.iter().any(|broker| broker["status"]["address"]["CACerts"].is_string());
    for publish in ["a", "a,b"] {
        let before = pod(publish, json!([]));
        for (first, second) in all.iter().flat_map(|first| all.iter().map(move |second| (first, second))) {
            let (wired, _) = admitted(&before, &cluster(first));
            if variable(&wired, "K_CA_CERTS").is_null() && has(second) {
                continue;
            }
            let mut joined = wired.clone();
            joined["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "foreign" }));
            let (again, codes) = admitted(&joined, &cluster(second));
            assert_eq!(again, joined, "{publish}: {first:?}, then {second:?}");
            assert!(codes.iter().all(|code| *code == Code::BrokerAwaited), "{publish}: {first:?}, then {second:?}: {codes:?}");
            let mut undone = wired;
            undo(&mut undone).unwrap();
            assert_eq!(undone, before);
        }
    }
}

#[test]
fn a_broker_of_which_nothing_is_known_is_waited_for() {
    let mut unknown = cluster(&[broker("a", None)]);
    unknown.brokers = None;
    let (wired, codes) = admitted(&pod("a", json!([])), &unknown);
    let address = json!({ "configMapKeyRef": { "name": "podwire-brokers", "key": "a" } });
    assert_eq!([&variable(&wired, "PODWIRE_PUBLISH_URL_A")["valueFrom"], &variable(&wired, "K_SINK")["valueFrom"]], [&address, &address]);
    let certificates = json!({ "configMapKeyRef": { "name": "podwire-brokers", "key": "a.ca.crt", "optional": true } });
    assert_eq!(variable(&wired, "K_CA_CERTS")["valueFrom"], certificates);
    assert_eq!(codes, [Code::BrokerAwaited]);
}

#[test]
fn only_our_own_reference_is_ours() {
    let reference = |map: &str, key: &str, optional: Option<bool>| {
        let mut reference = json!({ "name": map, "key": key });
        if let Some(optional) = optional {
            reference["optional"] = json!(optional);
        }
        json!({ "configMapKeyRef": reference })
    };
    let cases = [
        (reference("podwire-brokers", "a", None), false),
        (reference("podwire-brokers", "a", Some(false)), false),
        (reference("podwire-brokers", "a", Some(true)), true),
        (reference("podwire-brokers", "b", None), true),
        (reference("others", "a", None), true),
        (json!({ "secretKeyRef": { "name": "podwire-brokers", "key": "a" } }), true),
        (json!({ "fieldRef": { "fieldPath": "metadata.name" } }), true),
    ];
    for snapshot in [cluster(&[]), cluster(&[broker("a", None)])] {
        for (source, differs) in &cases {
            let (_, codes) = admitted(&pod("a", json!([{ "name": "K_SINK", "valueFrom": source }])), &snapshot);
            assert_eq!(codes.contains(&Code::VariableDiffers), *differs, "{source}: {codes:?}");
        }
    }
    // A text of one's own is told from ours as long as the pod is not wired.
    let (_, codes) = admitted(&pod("a", json!([{ "name": "K_SINK", "value": "http://own" }])), &cluster(&[]));
    assert!(codes.contains(&Code::VariableDiffers));
}
