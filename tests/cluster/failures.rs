//! What happens when something is wrong: with the pod, with the webhook, with what stands beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::podwire::free_port;
use crate::wiring::{sidecar, workload};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("failures::a_bad_annotation_denies_and_the_replica_set_says_why", bad_annotation),
    ("failures::server_side_dry_run_answers_the_same", dry_run),
    ("failures::a_webhook_that_is_away_holds_up_only_pods_that_ask", away_with_fail),
    ("failures::a_webhook_that_is_away_is_passed_over_with_ignore", away_with_ignore),
    ("failures::a_replaced_certificate_loses_no_request", certificate),
    ("failures::a_label_that_would_be_changed_stops_the_pod_and_makes_no_others", label_loop),
    ("failures::excluded_namespaces_are_not_touched", excluded),
];

/// Messages of the events about an object's kind in a namespace.
fn events(world: &World, namespace: &str, kind: &str) -> Vec<String> {
    let selector = format!("involvedObject.kind={kind}");
    let list = world.lab.get(&["events", "-n", namespace, "--field-selector", &selector]).unwrap_or_default();
    list["items"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str().map(str::to_owned)).collect()
}

fn bad_annotation(world: &World) -> Result<(), Failure> {
    world.lab.namespace("bad", &json!({}))?;
    let annotations = json!({ "podwire.io/style": "sidcar", "podwire.io/app-port": "80a", "podwire.io/publish": "orders" });
    world.lab.apply(&workload("Deployment", "bad", "bad", &annotations))?;
    let message = wait_for("an event of the ReplicaSet names both mistakes", 30, || {
        events(world, "bad", "ReplicaSet").into_iter().find(|message| message.contains("PW003") && message.contains("PW012"))
    })?;
    require("the event says what is allowed", message.contains("sidecar, broker, auto, none") && message.contains("80a"))?;
    world.lab.pods("bad", "app=bad", 0).map(drop)
}

fn pod(name: &str, namespace: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] }] },
    })
}

fn asking() -> Value {
    json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders", "podwire.io/app-id": "probe" })
}

fn dry_run(world: &World) -> Result<(), Failure> {
    let object = pod("dry", "shop", &asking());
    let dry = world.lab.dry_run(&object)?;
    require("a dry run leaves no pod", world.lab.get(&["pod", "dry", "-n", "shop"]).is_err())?;
    let real = world.lab.create(&object)?;
    require("a dry run wires as the real one does", dry["spec"]["containers"][0]["env"] == real["spec"]["containers"][0]["env"])
}

/// A registration of its own at a port where nobody answers, for one namespace that podwire itself leaves alone.
fn register_nobody(world: &World, namespace: &str, policy: &str) -> Result<(), Failure> {
    world.lab.namespace(namespace, &json!({ "podwire.io/inject": "disabled", "away": namespace }))?;
    let mut registration = world.podwire.registration(&world.lab);
    registration["metadata"]["name"] = json!(namespace);
    let webhook = &mut registration["webhooks"][0];
    webhook["clientConfig"] = world.lab.client_config(&format!("https://127.0.0.1:{}/mutate", free_port()?));
    webhook["failurePolicy"] = json!(policy);
    webhook["namespaceSelector"] = json!({ "matchLabels": { "away": namespace } });
    world.lab.apply(&registration)
}

fn away_with_fail(world: &World) -> Result<(), Failure> {
    register_nobody(world, "away-fail", "Fail")?;
    let refused = wait_for("a pod that asks is refused while the webhook is away", 20, || {
        world.lab.dry_run(&pod("asks", "away-fail", &asking())).err()
    })?;
    require("the refusal names the webhook", refused.to_string().contains("pods.podwire.io"))?;
    world.lab.create(&pod("plain", "away-fail", &json!({}))).map(drop)
}

fn away_with_ignore(world: &World) -> Result<(), Failure> {
    register_nobody(world, "away-ignore", "Ignore")?;
    let created = world.lab.create(&pod("asks", "away-ignore", &asking()))?;
    require("the pod is there, unwired", created["metadata"]["labels"].is_null())
}

fn certificate(world: &World) -> Result<(), Failure> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let creator = |number: usize| {
            let done = &done;
            scope.spawn(move || {
                let mut created = 0;
                while !done.load(Ordering::Relaxed) {
                    let object = pod(&format!("certificate-{number}-{created}"), "shop", &asking());
                    let made = world.lab.dry_run(&object)?;
                    require("the pod is wired", made["metadata"]["labels"]["podwire.io/app-id"] == "probe")?;
                    created += 1;
                }
                Ok::<usize, Failure>(created)
            })
        };
        let creators = [creator(0), creator(1)];
        let replaced = (0..5).try_for_each(|_| world.podwire.replace_certificate(&world.lab));
        done.store(true, Ordering::Relaxed);
        let mut total = 0;
        for creator in creators {
            total += creator.join().map_err(|_| Failure::new("a creator panicked"))??;
        }
        replaced?;
        require("pods were created meanwhile", total > 10)
    })
}

/// k11: a ReplicaSet whose pods lose their label makes new ones for ever. podwire never changes a label.
fn label_loop(world: &World) -> Result<(), Failure> {
    world.lab.namespace("labels", &json!({}))?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" });
    let mut object = workload("Deployment", "labelled", "labels", &annotations);
    for place in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        if let Some(labels) = object.pointer_mut(place) {
            labels["podwire.io/app-id"] = json!("somebody-else");
        }
    }
    world.lab.apply(&object)?;
    wait_for("an event names the label", 30, || {
        events(world, "labels", "ReplicaSet").into_iter().find(|message| message.contains("PW042"))
    })?;
    world.lab.pods("labels", "app=labelled", 0).map(drop)
}

fn excluded(world: &World) -> Result<(), Failure> {
    world.lab.namespace("disabled", &json!({ "podwire.io/inject": "disabled" }))?;
    for namespace in ["disabled", "kube-node-lease", "kube-system", "podwire-system"] {
        let mut pod = pod("left-alone", namespace, &asking());
        // podwire's own namespace takes no other.
        pod["spec"]["securityContext"] = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        pod["spec"]["containers"][0]["securityContext"] = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
        let made = world.lab.dry_run(&pod)?;
        require("a pod of an excluded namespace is left alone", made["metadata"]["labels"].is_null() && sidecar(&made).is_none())?;
    }
    Ok(())
}
