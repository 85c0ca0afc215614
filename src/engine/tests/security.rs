//! What an application can never do with podwire: docs/security.md names these tests.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{common, documents, repository, snapshot_of};
use crate::api::annotations::VOCABULARY;
use crate::engine::{App, Code, Decision, Observed, Owner, PodRequest, Snapshot, Untouched, Verdict, Workload, admit, reconcile};

fn pod(annotations: &[(&str, &str)]) -> Value {
    let annotations: Map<String, Value> = annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "metadata": { "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "app:1", "ports": [{ "containerPort": 8080 }] }] }
    })
}

/// The pod after admission; nothing where it is not wired.
fn admitted(pod: &Value, snapshot: &Snapshot) -> (Verdict, Option<Value>) {
    let verdict = admit(&PodRequest::new("shop", pod.clone()).unwrap(), snapshot);
    let Decision::Wired(patch) = &verdict.decision else { return (verdict, None) };
    let mut wired = pod.clone();
    json_patch::patch(&mut wired, patch).unwrap();
    (verdict, Some(wired))
}

fn names<'a>(pod: &'a Value, list: &str) -> Vec<&'a str> {
    pod["spec"][list].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect()
}

/// What podwire adds to a pod is one container of the policy's image and one volume that no application chooses.
fn adds_nothing_else(wired: &Value, why: &str) {
    let containers = [names(wired, "containers"), names(wired, "initContainers")].concat();
    assert!(containers.iter().all(|name| ["app", "daprd"].contains(name)) && containers.len() <= 2, "{why}: {containers:?}");
    for volume in wired["spec"]["volumes"].as_array().into_iter().flatten() {
        let kinds: Vec<&String> = volume.as_object().unwrap().keys().filter(|key| *key != "name").collect();
        let harmless = kinds == ["emptyDir"] || (kinds == ["projected"] && volume["name"] == "dapr-identity-token");
        assert!(harmless, "{why}: {volume}");
    }
    let own = names(wired, "volumes");
    for list in ["containers", "initContainers"] {
        for container in wired["spec"][list].as_array().into_iter().flatten() {
            let expected = if container["name"] == "daprd" { "ghcr.io/dapr/daprd:1.18.1" } else { "app:1" };
            assert_eq!(container["image"], expected, "{why}");
            let mounts = container["volumeMounts"].as_array().into_iter().flatten().filter_map(|mount| mount["name"].as_str());
            assert!(mounts.clone().all(|name| own.contains(&name)), "{why}: {container}");
            assert!(container["command"].is_null() || container["command"] == json!(["/daprd"]), "{why}: {container}");
            let arguments = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
            assert!(arguments.clone().all(|argument| !argument.contains('\n')), "{why}: {container}");
        }
    }
}

#[test]
fn no_text_of_an_annotation_becomes_a_field_of_the_pod() {
    let texts = [
        "x\n- name: evil\n  image: evil:1",
        "x\", \"image\": \"evil:1",
        "x --unsafe",
        "{{ .Values.x }}",
        "$(SECRET)",
        "../../etc",
        "\u{2028}x",
    ];
    // A test of the table of annotations holds this page to have a line for each.
    let page = include_str!("../../../docs/dapr.md");
    let daprs = page.lines().filter_map(|line| line.strip_prefix("| `dapr.io/")?.split('`').next()).map(|name| format!("dapr.io/{name}"));
    let keys: Vec<String> = VOCABULARY.iter().map(|one| one.key.to_owned()).chain(daprs).collect();
    assert!(keys.len() > 60, "{keys:?}");
    let snapshot = snapshot_of(common());
    for key in &keys {
        for text in texts {
            let mut asked = vec![("podwire.io/style", "sidecar"), ("podwire.io/app-id", "app"), ("podwire.io/publish", "orders")];
            asked.retain(|(other, _)| other != key);
            asked.push((key.as_str(), text));
            let (_, wired) = admitted(&pod(&asked), &snapshot);
            if let Some(wired) = wired {
                adds_nothing_else(&wired, &format!("{key}: {text:?}"));
            }
        }
    }
}

#[test]
fn what_only_a_policy_may_say_is_refused_under_every_policy() {
    let warn = json!({
        "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "warn" }, "spec": { "onInvalid": "Warn" }
    });
    for snapshot in [snapshot_of(common()), snapshot_of(common().into_iter().chain([warn]))] {
        for (key, value) in [
            ("dapr.io/sidecar-image", "evil:1"),
            ("dapr.io/enable-native-sidecar", "true"),
            ("dapr.io/placement-host-address", "evil:50005"),
            ("dapr.io/scheduler-host-address", "evil:50006"),
            ("dapr.io/sidecar-seccomp-profile-type", "Unconfined"),
            ("dapr.io/env", "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK=true"),
            ("dapr.io/env", "SSL_CERT_DIR=/tmp"),
        ] {
            let asked = [("podwire.io/style", "sidecar"), ("podwire.io/app-id", "app"), ("podwire.io/publish", "orders"), (key, value)];
            let (verdict, _) = admitted(&pod(&asked), &snapshot);
            let refused = verdict.findings.iter().any(|finding| finding.code == Code::OverrideRefused);
            assert!(matches!(verdict.decision, Decision::Denied) && refused, "{key}: {verdict:?}");
        }
    }
}

#[test]
fn what_would_open_a_pod_opens_nothing() {
    let snapshot = snapshot_of(common());
    for (key, value) in [
        ("dapr.io/volume-mounts", "host:/host,dapr-identity-token:/token"),
        ("dapr.io/volume-mounts-rw", "host:/host"),
        ("dapr.io/unix-domain-socket-path", "/var/run"),
        ("dapr.io/pluggable-components", "app"),
        ("dapr.io/app-channel-address", "169.254.169.254"),
        ("dapr.io/sidecar-listen-addresses", "0.0.0.0"),
    ] {
        let asked = [("podwire.io/style", "sidecar"), ("podwire.io/app-id", "app"), ("podwire.io/publish", "orders"), (key, value)];
        if let (_, Some(wired)) = admitted(&pod(&asked), &snapshot) {
            adds_nothing_else(&wired, key);
        }
    }
}

/// What is made for an application stays in its namespace and sends to nobody but its Service.
#[test]
fn no_generated_object_leaves_its_namespace_or_names_a_host() {
    const MADE: [&str; 5] = ["Broker", "Resiliency", "Service", "Subscription", "Trigger"];
    let mut seen = 0;
    for folder in std::fs::read_dir(repository("tests/golden")).unwrap() {
        let Ok(text) = std::fs::read_to_string(folder.unwrap().path().join("objects.out.yaml")) else { continue };
        let objects = documents(&text);
        let namespace = objects[0]["metadata"]["namespace"].clone();
        for object in &objects {
            assert!(MADE.iter().any(|kind| object["kind"] == *kind) && object["metadata"]["namespace"] == namespace, "{object}");
            let subscriber = &object["spec"]["subscriber"];
            assert!(subscriber["ref"]["namespace"].is_null() || subscriber["ref"]["namespace"] == namespace, "{object}");
            assert!(subscriber["uri"].is_null() || subscriber["uri"].as_str().is_some_and(|uri| uri.starts_with('/')), "{object}");
            assert!(object["kind"] != "Service" || object["spec"]["externalName"].is_null(), "{object}");
            assert!(object["kind"] != "Subscription" || object["scopes"].as_array().is_some_and(|scopes| scopes.len() == 1), "{object}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

fn disabled() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "off", "labels": { "podwire.io/inject": "disabled" } } })
}

#[test]
fn excluded_namespaces_are_left_alone_whatever_the_webhook_is_sent() {
    let snapshot = snapshot_of(common().into_iter().chain([disabled()]));
    let asking = pod(&[("podwire.io/style", "sidecar"), ("podwire.io/app-id", "app"), ("podwire.io/publish", "orders")]);
    for namespace in ["kube-system", "kube-node-lease", "podwire-system", "off"] {
        let verdict = admit(&PodRequest::new(namespace, asking.clone()).unwrap(), &snapshot);
        assert!(matches!(verdict.decision, Decision::Untouched(Untouched::Excluded)), "{namespace}: {verdict:?}");
    }
}

#[test]
fn nothing_is_made_for_a_workload_of_an_excluded_namespace() {
    let snapshot = snapshot_of(common().into_iter().chain([disabled()]));
    let template = pod(&[("podwire.io/style", "broker"), ("podwire.io/subscribe", "orders")]);
    let made = |namespace: &str| {
        let request = PodRequest::from_template(namespace, Owner::Deployment("app".to_owned()), &template).unwrap();
        let (reference, created) = (Default::default(), std::time::Duration::ZERO);
        let workload = Workload { reference, created, generation: None, request, listens_too: false };
        let app = App::gather((namespace, "app"), &[Arc::new(workload)], &[], &[], &snapshot);
        reconcile(&app, &snapshot, &Observed::default()).objects.len()
    };
    assert!(made("shop") > 0);
    assert_eq!(["kube-system", "kube-node-lease", "podwire-system", "off"].map(made), [0; 4]);
}
