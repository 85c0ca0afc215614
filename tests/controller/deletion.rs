//! What goes when an application goes, and what a workload that comes back finds.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audit::Mark;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::run_pod;
use crate::words::{comes, deleted, deployment, expect, owned, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("deletion::an_annotation_that_is_removed_removes_what_was_the_applications_own", annotation_removed),
    ("deletion::a_workload_that_is_deleted_leaves_what_the_namespace_shares", workload_deleted),
    ("deletion::an_orphan_a_replacement_and_a_reinstallation_find_their_triggers", comes_back),
    ("deletion::a_wiring_that_somebody_deletes_is_there_again_with_all_that_it_owns", wiring_deleted),
];

/// It subscribes, and publishes to a Broker for whose address its pods may wait.
fn annotations() -> Value {
    json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/publish": "paid" })
}

/// A user's own Service of the application's name, and the application with everything that podwire makes for it; its pod.
fn settled(world: &World, namespace: &str) -> Result<String, Failure> {
    world.namespace(namespace, &json!({}))?;
    let ports = json!([{ "port": 8080 }]);
    let labels = json!({ "app.kubernetes.io/managed-by": "podwire", "podwire.io/app-id": "cart" });
    world.lab.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "cart", "namespace": namespace, "labels": labels },
        "spec": { "ports": ports, "selector": { "app": "cart" } },
    }))?;
    world.lab.apply(&deployment("cart", namespace, &annotations()))?;
    world.there("configmap", namespace, "podwire-brokers")?;
    let pod = world.run(namespace, "cart", "10.244.0.1")?;
    world.wiring(namespace, "cart", "Ready", "True", "Ready")?;
    Ok(pod)
}

/// What was the application's own goes, a Trigger before its Service, and nothing else does.
fn own_is_gone(world: &World, namespace: &str, since: &Mark) -> Result<(), Failure> {
    world.gone("wiring", namespace, "cart")?;
    let own = ["triggers cart-orders", "services pw-cart", "wirings cart"].map(str::to_owned).to_vec();
    comes("deleted, in order", || deleted(since, namespace), own)?;
    for (kind, name) in [("broker", "orders"), ("broker", "paid"), ("configmap", "podwire-brokers"), ("service", "cart")] {
        let left = world.lab.get(&[kind, name, "-n", namespace])?;
        require(&format!("{kind} {name} stays"), left["metadata"]["deletionTimestamp"].is_null())?;
    }
    Ok(())
}

fn annotation_removed(world: &World) -> Result<(), Failure> {
    let namespace = "deletion-annotation";
    let old = settled(world, namespace)?;
    let mark = Mark::now(&world.lab)?;
    world.lab.apply(&deployment("cart", namespace, &json!({})))?;
    let new = world.newcomer(namespace, "cart", &old)?;
    std::thread::sleep(Duration::from_secs(4));
    expect("deleted while a pod is wired", deleted(&mark, namespace)?, Vec::new())?;
    run_pod(&world.lab, namespace, &new, "10.244.0.2", true)?;
    world.gone("pod", namespace, &old)?;
    world.wiring(namespace, "cart", "Accepted", "False", "Gone")?;
    own_is_gone(world, namespace, &mark)
}

fn workload_deleted(world: &World) -> Result<(), Failure> {
    let namespace = "deletion-workload";
    settled(world, namespace)?;
    let mark = Mark::now(&world.lab)?;
    world.lab.kubectl(&["delete", "deployment", "cart", "-n", namespace])?;
    world.wiring(namespace, "cart", "Accepted", "False", "Gone")?;
    expect("deleted within the grace time", deleted(&mark, namespace)?, Vec::new())?;
    own_is_gone(world, namespace, &mark)
}

fn comes_back(world: &World) -> Result<(), Failure> {
    let namespace = "deletion-back";
    settled(world, namespace)?;
    let mark = Mark::now(&world.lab)?;
    let trigger = || Ok::<String, Failure>(uid(&world.lab.get(&["trigger", "cart-orders", "-n", namespace])?).to_owned());
    let before = trigger()?;
    let cart = deployment("cart", namespace, &annotations());

    world.lab.kubectl(&["delete", "deployment", "cart", "-n", namespace, "--cascade=orphan"])?;
    std::thread::sleep(Duration::from_secs(5));
    expect("an orphan's Trigger after the grace time", trigger()?, before.clone())?;
    world.lab.apply(&cart)?;
    world.wiring(namespace, "cart", "Ready", "True", "Ready")?;

    let input = cart.to_string();
    let replaced = world.lab.try_kubectl(&["replace", "--force", "--grace-period=0", "-f", "-"], Some(&input))?;
    require("kubectl replace --force works", replaced.status.success())?;
    std::thread::sleep(Duration::from_secs(4));
    expect("the Trigger of one that was replaced", trigger()?, before.clone())?;

    world.lab.kubectl(&["delete", "deployment", "cart", "-n", namespace])?;
    world.wiring(namespace, "cart", "Accepted", "False", "Gone")?;
    world.lab.apply(&cart)?;
    world.wiring(namespace, "cart", "Accepted", "True", "Wired")?;
    std::thread::sleep(Duration::from_secs(4));
    expect("the Trigger of one that was installed again", trigger()?, before)?;
    expect("deleted", deleted(&mark, namespace)?, Vec::new())
}

fn wiring_deleted(world: &World) -> Result<(), Failure> {
    let namespace = "deletion-wiring";
    settled(world, namespace)?;
    let before = world.there("wiring", namespace, "cart")?;
    world.lab.kubectl(&["delete", "wiring", "cart", "-n", namespace, "--wait=false"])?;
    let wiring = wait_for("there is another Wiring, with another Trigger", 30, || {
        let wiring = world.lab.get(&["wiring", "cart", "-n", namespace]).ok().filter(|wiring| uid(wiring) != uid(&before))?;
        let trigger = world.lab.get(&["trigger", "cart-orders", "-n", namespace]).ok()?;
        owned(&trigger, &wiring).is_ok().then_some(wiring)
    })?;
    owned(&world.there("service", namespace, "pw-cart")?, &wiring)?;
    world.wiring(namespace, "cart", "Ready", "True", "Ready").map(drop)
}
