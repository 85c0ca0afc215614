//! What the cluster has: kinds that vanish and appear, and what Knative's flags allow.

use serde_json::{Value, json};

use crate::support::control_plane::Tools;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{deployment, expect, holds, message, owned};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("kinds::triggers_that_vanish_and_appear_are_noticed_without_a_restart", triggers),
    ("kinds::subscriptions_that_vanish_and_appear_are_noticed_without_a_restart", subscriptions),
    ("kinds::a_timeout_is_written_where_knative_takes_one", timeouts),
];

/// Lines of the controller's log that tell of trouble.
fn troubles(world: &World) -> usize {
    let log = world.controller().as_ref().map(crate::support::controller::Controller::log).unwrap_or_default();
    log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count()
}

/// Takes a kind out of the cluster, looks, and brings it back.
fn without(world: &World, definition: &str, file: &std::path::Path, look: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let before = troubles(world);
    world.lab.kubectl(&["delete", "crd", definition, "--timeout=60s"])?;
    let looked = look();
    // A watch that failed is tried again and again; the log says so once.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let told = troubles(world) - before;
    world.lab.kubectl(&["apply", "--server-side", "-f", &file.display().to_string()])?;
    world.lab.kubectl(&["wait", "--for=condition=Established", &format!("crd/{definition}"), "--timeout=60s"])?;
    looked?;
    require(&format!("no storm of errors: {told}"), told <= 5)
}

fn triggers(world: &World) -> Result<(), Failure> {
    let namespace = "kinds-triggers";
    world.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    world.run(namespace, "cart", "10.244.0.1")?;
    world.wiring(namespace, "cart", "Ready", "True", "Ready")?;
    let file = Tools::locate()?.knative_crds.join("trigger.yaml");
    without(world, "triggers.eventing.knative.dev", &file, || {
        let wiring = world.wiring(namespace, "cart", "TriggersReady", "False", "NotInstalled")?;
        holds("TriggersReady", message(&wiring, "TriggersReady"), &["the cluster has no Knative Eventing"])?;
        require("its Service stays", world.lab.get(&["service", "pw-cart", "-n", namespace]).is_ok())?;
        // Who comes meanwhile is told as much, and is wired later.
        world.lab.apply(&deployment("late", namespace, &annotations))?;
        world.wiring(namespace, "late", "TriggersReady", "False", "NotInstalled").map(drop)
    })?;
    let wiring = world.wiring(namespace, "cart", "Ready", "True", "Ready")?;
    owned(&world.there("trigger", namespace, "cart-orders")?, &wiring)?;
    world.there("trigger", namespace, "late-orders").map(drop)
}

fn subscriptions(world: &World) -> Result<(), Failure> {
    let namespace = "kinds-subscriptions";
    world.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    let folder = Tools::locate()?.dapr_crds;
    let name = |path: &std::path::PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains("name: subscriptions.dapr.io"));
    let file = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).find(name);
    let file = file.ok_or_else(|| Failure::new("no file has the CRD of subscriptions"))?;
    without(world, "subscriptions.dapr.io", &file, || {
        let wiring = world.wiring(namespace, "mail", "SubscriptionsReady", "False", "NotInstalled")?;
        holds("SubscriptionsReady", message(&wiring, "SubscriptionsReady"), &["the cluster has no Dapr"])
    })?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "Unknown", "NoPods").map(drop)
}

fn timeouts(world: &World) -> Result<(), Failure> {
    let namespace = "kinds-timeouts";
    world.namespace(namespace, &json!({}))?;
    world.namespace("knative-eventing", &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/retry": "for=1s,timeout=5s" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let becomes = |timeout: &Value| {
        wait_for(format!("the Trigger's timeout is {timeout}"), 20, || {
            let trigger = world.lab.get(&["trigger", "cart-orders", "-n", namespace]).ok()?;
            (trigger["spec"]["delivery"]["timeout"] == *timeout).then_some(trigger)
        })
    };
    let flag = |value: &str| {
        let metadata = json!({ "name": "config-features", "namespace": "knative-eventing" });
        world.lab.apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "delivery-timeout": value } }))
    };
    let before = becomes(&json!("PT5S"))?;
    let done = (|| {
        flag("disabled")?;
        let now = becomes(&Value::Null)?;
        expect("the Trigger", &now["metadata"]["uid"], &before["metadata"]["uid"])?;
        flag("enabled")?;
        becomes(&json!("PT5S"))?;
        let edited = world.events(namespace, "Wiring/cart")?;
        require("nobody is said to have edited it", edited.is_empty())?;
        world.wiring(namespace, "cart", "Accepted", "True", "Wired").map(drop)
    })();
    world.lab.kubectl(&["delete", "configmap", "config-features", "-n", "knative-eventing", "--ignore-not-found"])?;
    done
}
