//! Whoever makes pods: kinds that podwire watches, one that it does not know, and nobody.

use serde_json::{Value, json};

use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::{Sidecar, end_pod, run_pod};
use crate::words::{deployment, expect, holds, message, name, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("owners::a_rollout_of_a_kind_that_podwire_does_not_know_is_known_by_its_pods", rollout),
    ("owners::a_statefulset_is_wired_as_a_deployment_is", stateful_set),
    ("owners::a_cronjob_has_its_subscription_before_its_first_job_runs", cron_job),
    ("owners::a_daemonset_and_a_job_of_nobody_are_wired_before_their_pods_run", daemon_set_and_job),
    ("owners::a_bare_replicaset_and_a_bare_pod_are_known_by_their_pods", bare),
];

const STYLE: &str = "podwire.io/style";
const TO_BROKER: &str = r#"{"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}}}"#;

fn annotations(app_id: Option<&str>) -> Value {
    let mut annotations = json!({ STYLE: "broker", "podwire.io/subscribe": "orders" });
    app_id.into_iter().for_each(|app_id| annotations["podwire.io/app-id"] = json!(app_id));
    annotations
}

/// The template of a Deployment with these labels.
fn template(labels: Value, annotations: &Value) -> Value {
    let mut template = deployment("x", "x", annotations)["spec"]["template"].take();
    template["metadata"]["labels"] = labels;
    template
}

/// Kind and name of the workloads of a Wiring.
fn workloads(wiring: &Value) -> Vec<String> {
    let all = wiring["status"]["workloads"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|one| format!("{}/{}", text(&one["kind"]), text(&one["name"]))).collect()
}

/// The first pod with a label runs, and the Wiring is ready: its workloads are these.
fn works(world: &World, namespace: &str, selector: &str, app_id: &str, of: &[&str]) -> Result<Value, Failure> {
    let pod = world.lab.pods(namespace, selector, 1)?.remove(0);
    run_pod(&world.lab, namespace, name(&pod), "10.244.0.1", true)?;
    let wiring = world.wiring(namespace, app_id, "Ready", "True", "Ready")?;
    world.there("trigger", namespace, &format!("{app_id}-orders"))?;
    expect("workloads", workloads(&wiring), of.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())?;
    Ok(pod)
}

/// Argo's kind, as far as owner references need it.
fn define_rollouts(world: &World) -> Result<(), Failure> {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    world.lab.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "rollouts.argoproj.io" },
        "spec": {
            "group": "argoproj.io", "scope": "Namespaced", "names": { "kind": "Rollout", "plural": "rollouts" },
            "versions": [{ "name": "v1alpha1", "served": true, "storage": true, "schema": schema }],
        },
    }))?;
    world.lab.kubectl(&["wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=30s"]).map(drop)
}

fn rollout(world: &World) -> Result<(), Failure> {
    let namespace = "owners-rollout";
    world.namespace(namespace, &json!({}))?;
    define_rollouts(world)?;
    let metadata = json!({ "name": "cart", "namespace": namespace });
    let rollout = wait_for("a Rollout can be made", 20, || {
        let rollout = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata });
        world.lab.create(&rollout).ok()
    })?;
    let labels = json!({ "app": "cart", "rollouts-pod-template-hash": "5d8c7b" });
    let owner =
        json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "cart", "uid": uid(&rollout), "controller": true });
    world.lab.apply(&json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": { "name": "cart-5d8c7b", "namespace": namespace, "labels": labels, "ownerReferences": [owner] },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": template(labels.clone(), &annotations(None)) },
    }))?;
    works(world, namespace, "app=cart", "cart", &["Rollout/cart"])?;
    world.told(namespace, "Rollout/cart", "Wired: app-id cart, style broker").map(drop)
}

fn stateful_set(world: &World) -> Result<(), Failure> {
    let namespace = "owners-stateful";
    world.namespace(namespace, &json!({}))?;
    let labels = json!({ "app": "ledger" });
    let set = |topic: &str| {
        let mut annotations = annotations(None);
        annotations["podwire.io/publish"] = json!(topic);
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "ledger", "namespace": namespace },
            "spec": {
                "serviceName": "ledger", "selector": { "matchLabels": labels }, "template": template(labels.clone(), &annotations),
                "updateStrategy": { "type": "OnDelete" },
            },
        })
    };
    world.lab.apply(&set("paid"))?;
    works(world, namespace, "app=ledger", "ledger", &["StatefulSet/ledger"])?;
    world.lab.apply(&set("sent"))?;
    let wiring = world.wiring(namespace, "ledger", "PodsWired", "False", "RolloutNeeded")?;
    let line = format!("kubectl rollout restart statefulset/ledger -n {namespace}");
    holds("PodsWired", message(&wiring, "PodsWired"), &["StatefulSet/ledger (ledger-0)", &line])
}

fn cron_job(world: &World) -> Result<(), Failure> {
    let namespace = "owners-cron";
    world.namespace(namespace, &json!({}))?;
    let mut annotations = annotations(Some("nightly"));
    annotations[STYLE] = json!("sidecar");
    let mut template = template(json!({ "app": "nightly" }), &annotations);
    template["spec"]["restartPolicy"] = json!("Never");
    world.lab.apply(&json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": namespace },
        "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": { "template": template } } },
    }))?;
    world.there("subscriptions.dapr.io", namespace, "nightly-orders")?;
    let wiring = world.wiring(namespace, "nightly", "PodsWired", "True", "NoPods")?;
    expect("workloads", workloads(&wiring), vec!["CronJob/nightly".to_owned()])?;
    world.lab.kubectl(&["create", "job", "now", "--from=cronjob/nightly", "-n", namespace])?;
    let pod = world.lab.pods(namespace, "app=nightly", 1)?.remove(0);
    let sidecar = Sidecar::start()?;
    sidecar.load_from(&world.lab, namespace, "nightly")?;
    run_pod(&world.lab, namespace, name(&pod), &sidecar.address(), true)?;
    let wiring = world.wiring(namespace, "nightly", "Ready", "True", "Ready")?;
    expect("workloads", workloads(&wiring), vec!["CronJob/nightly".to_owned()])?;
    // A pod that has ended carries nothing.
    end_pod(&world.lab, namespace, name(&pod), "Succeeded")?;
    let wiring = world.wiring(namespace, "nightly", "PodsWired", "True", "NoPods")?;
    expect("workloads", workloads(&wiring), vec!["CronJob/nightly".to_owned()])?;
    // What would wait at a Broker for a Job to come is refused, and told where its owner looks.
    world.lab.kubectl(&["patch", "cronjob", "nightly", "-n", namespace, "--type=merge", "-p", TO_BROKER])?;
    world.told(namespace, "CronJob/nightly", "NotWired: PW025")?;
    world.there("subscriptions.dapr.io", namespace, "nightly-orders").map(drop)
}

fn daemon_set_and_job(world: &World) -> Result<(), Failure> {
    let namespace = "owners-daemon";
    world.namespace(namespace, &json!({}))?;
    let labels = json!({ "app": "agent" });
    world.lab.apply(&json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "agent", "namespace": namespace },
        "spec": { "selector": { "matchLabels": labels }, "template": template(labels.clone(), &annotations(None)) },
    }))?;
    world.there("trigger", namespace, "agent-orders")?;
    let wiring = world.wiring(namespace, "agent", "PodsWired", "True", "NoPods")?;
    expect("workloads", workloads(&wiring), vec!["DaemonSet/agent".to_owned()])?;
    world.told(namespace, "DaemonSet/agent", "Wired: app-id agent, style broker")?;

    let asks = json!({ STYLE: "broker", "podwire.io/app-id": "import", "podwire.io/publish": "paid" });
    let mut template = template(json!({ "app": "import" }), &asks);
    template["spec"]["restartPolicy"] = json!("Never");
    let metadata = json!({ "name": "import", "namespace": namespace });
    // It makes no pod while it is suspended.
    let spec = json!({ "suspend": true, "template": template });
    world.lab.apply(&json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec }))?;
    world.there("broker", namespace, "paid")?;
    let wiring = world.wiring(namespace, "import", "PodsWired", "True", "NoPods")?;
    expect("workloads", workloads(&wiring), vec!["Job/import".to_owned()])
}

fn bare(world: &World) -> Result<(), Failure> {
    let namespace = "owners-bare";
    world.namespace(namespace, &json!({}))?;
    let labels = json!({ "app": "set" });
    let set = |topic: &str| {
        let mut annotations = annotations(Some("set"));
        annotations["podwire.io/publish"] = json!(topic);
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "by-hand", "namespace": namespace },
            "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": template(labels.clone(), &annotations) },
        })
    };
    world.lab.apply(&set("paid"))?;
    works(world, namespace, "app=set", "set", &["ReplicaSet/by-hand"])?;
    world.told(namespace, "ReplicaSet/by-hand", "Wired: app-id set, style broker")?;

    let template = template(json!({ "app": "alone" }), &annotations(Some("alone")));
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"] });
    pod["metadata"]["name"] = json!("alone-1");
    pod["metadata"]["namespace"] = json!(namespace);
    world.lab.apply(&pod)?;
    works(world, namespace, "app=alone", "alone", &["Pod/alone-1"])?;
    world.lab.kubectl(&["delete", "pod", "alone-1", "-n", namespace])?;
    world.gone("wiring", namespace, "alone")?;
    world.gone("trigger", namespace, "alone-orders")
}
