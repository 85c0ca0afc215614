//! A style that changes without a rollout: a namespace's label, a policy. Running pods stay what they are.

use serde_json::{Value, json};

use crate::support::audit::Mark;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::Sidecar;
use crate::words::{deleted, deployment, expect, holds, message, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[("styles::another_label_of_the_namespace_adds_a_side_and_asks_for_a_rollout", label)];

pub(crate) const ALONE: &[(&str, Test)] = &[("styles::auto_is_held_whatever_a_policy_prefers", policy)];

/// A consumer that states no style runs with a sidecar: its pod's uid, and its Subscription's.
fn running(world: &World, namespace: &str) -> Result<[String; 2], Failure> {
    let annotations = json!({ "podwire.io/subscribe": "orders", "podwire.io/retry": "for=1s" });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    let subscription = world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    let sidecar = Sidecar::start()?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    world.run(namespace, "mail", &sidecar.address())?;
    world.wiring(namespace, "mail", "Ready", "True", "Ready")?;
    Ok([uid(&world.pod(namespace, "mail")?).to_owned(), uid(&subscription).to_owned()])
}

/// The same once more.
fn unmoved(world: &World, namespace: &str, before: &[String; 2]) -> Result<(), Failure> {
    let now = [world.pod(namespace, "mail")?, world.there("subscriptions.dapr.io", namespace, "mail-orders")?];
    expect("the pod and the Subscription", &now.map(|one| uid(&one).to_owned()), before)
}

fn label(world: &World) -> Result<(), Failure> {
    let namespace = "styles-label";
    world.namespace(namespace, &json!({ "podwire.io/style": "sidecar" }))?;
    let before = running(world, namespace)?;
    let mark = Mark::now(&world.lab)?;
    world.lab.kubectl(&["label", "namespace", namespace, "podwire.io/style=broker", "--overwrite"])?;
    world.there("trigger", namespace, "mail-orders")?;
    let wiring = world.wiring(namespace, "mail", "PodsWired", "False", "RolloutNeeded")?;
    let line = format!("kubectl rollout restart deployment/mail -n {namespace}");
    holds("PodsWired", message(&wiring, "PodsWired"), &["1 of Deployment/mail", &line])?;
    // Longer than its retries, its silence and its linger.
    std::thread::sleep(std::time::Duration::from_secs(6));
    expect("deleted", deleted(&mark, namespace)?, Vec::new())?;
    unmoved(world, namespace, &before)?;
    world.lab.kubectl(&["label", "namespace", namespace, "podwire.io/style=sidecar", "--overwrite"])?;
    world.wiring(namespace, "mail", "PodsWired", "True", "Wired")?;
    world.gone("trigger", namespace, "mail-orders")?;
    unmoved(world, namespace, &before)
}

fn style(world: &World, namespace: &str) -> Option<Value> {
    Some(world.lab.get(&["wiring", "mail", "-n", namespace]).ok()?["status"]["style"].clone())
}

fn policy(world: &World) -> Result<(), Failure> {
    let namespace = "styles-policy";
    world.namespace(namespace, &json!({}))?;
    let before = running(world, namespace)?;
    let mark = Mark::now(&world.lab)?;
    let policy = |spec: Value| {
        let metadata = json!({ "name": "brokers" });
        world.lab.apply(&json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": metadata, "spec": spec }))
    };
    let done = (|| {
        policy(json!({ "preferredStyle": "broker" }))?;
        wait_for("the policy governs", 20, || {
            let wiring = world.lab.get(&["wiring", "mail", "-n", namespace]).ok()?;
            (wiring["status"]["policy"] == "brokers").then_some(())
        })?;
        expect("style", style(world, namespace), Some(json!("sidecar")))?;
        require("no Trigger is made", world.lab.get(&["trigger", "mail-orders", "-n", namespace]).is_err())?;
        // A pod that comes later is as the others.
        world.lab.kubectl(&["scale", "deployment/mail", "--replicas=2", "-n", namespace])?;
        for pod in world.lab.pods(namespace, "app=mail", 2)? {
            expect("style of a pod", pod["metadata"]["labels"]["podwire.io/wired-style"].as_str(), Some("sidecar"))?;
        }
        world.lab.kubectl(&["scale", "deployment/mail", "--replicas=1", "-n", namespace])?;
        world.lab.pods(namespace, "app=mail", 1)?;
        expect("deleted", deleted(&mark, namespace)?, Vec::new())?;

        // Where the style that runs is no longer allowed, the workload moves with its next rollout, and nothing is taken away before.
        policy(json!({ "allowedStyles": ["broker"] }))?;
        world.there("trigger", namespace, "mail-orders")?;
        let wiring = world.wiring(namespace, "mail", "PodsWired", "False", "RolloutNeeded")?;
        holds("PodsWired", message(&wiring, "PodsWired"), &["kubectl rollout restart deployment/mail"])?;
        world.wiring(namespace, "mail", "Accepted", "True", "Wired")?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        expect("deleted", deleted(&mark, namespace)?, Vec::new())?;
        unmoved(world, namespace, &before)
    })();
    world.lab.kubectl(&["delete", "injectionpolicy", "brokers", "--ignore-not-found"])?;
    done
}
