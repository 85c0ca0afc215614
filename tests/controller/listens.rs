//! `podwire.io/listen: both`, on the workload and on its template.

use serde_json::{Value, json};

use crate::support::audit::Mark;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::Sidecar;
use crate::words::{comes, condition, deleted, deployment, expect, listening_on_both, owned, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("listens::both_on_a_workload_in_sidecar_style_adds_the_broker_and_restarts_nothing", a_broker_more),
    ("listens::both_on_a_workload_in_broker_style_adds_subscriptions_and_restarts_nothing", subscriptions_more),
    ("listens::both_on_a_template_makes_pods_with_both", template),
];

fn annotations(style: &str) -> Value {
    json!({ "podwire.io/style": style, "podwire.io/subscribe": "orders", "podwire.io/retry": "for=1s" })
}

/// The names of a Deployment's ReplicaSets and pods, and its template.
fn parts(world: &World, namespace: &str, name: &str) -> Result<(Vec<String>, Value), Failure> {
    let mut uids = Vec::new();
    for kind in ["replicasets", "pods"] {
        let list = world.lab.get(&[kind, "-n", namespace, "-l", &format!("app={name}")])?;
        uids.extend(list["items"].as_array().into_iter().flatten().map(|one| uid(one).to_owned()));
    }
    let template = world.lab.get(&["deployment", name, "-n", namespace])?["spec"]["template"].clone();
    Ok((uids, template))
}

fn a_broker_more(world: &World) -> Result<(), Failure> {
    let namespace = "listens-broker";
    world.namespace(namespace, &json!({}))?;
    let mail = deployment("mail", namespace, &annotations("sidecar"));
    world.lab.apply(&mail)?;
    let sidecar = Sidecar::start()?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    world.run(namespace, "mail", &sidecar.address())?;
    world.wiring(namespace, "mail", "Ready", "True", "Ready")?;
    let (before, mark) = (parts(world, namespace, "mail")?, Mark::now(&world.lab)?);

    world.lab.apply(&listening_on_both(mail.clone()))?;
    let wiring = world.wiring(namespace, "mail", "TriggersReady", "True", "Ready")?;
    for (kind, name) in [("service", "pw-mail"), ("trigger", "mail-orders"), ("subscriptions.dapr.io", "mail-orders")] {
        owned(&world.there(kind, namespace, name)?, &wiring)?;
    }
    expect("where it listens", wiring["status"]["listensOn"].as_str(), Some("sidecar,broker"))?;
    world.wiring(namespace, "mail", "PodsWired", "True", "Wired")?;
    expect("ReplicaSets, pods and template", parts(world, namespace, "mail")?, before.clone())?;

    // And away again: nobody publishes to the Broker.
    world.lab.apply(&mail)?;
    world.gone("trigger", namespace, "mail-orders")?;
    world.gone("service", namespace, "pw-mail")?;
    let order = ["triggers mail-orders", "services pw-mail"].map(str::to_owned).to_vec();
    comes("what was deleted, in order", || deleted(&mark, namespace), order)?;
    expect("ReplicaSets, pods and template", parts(world, namespace, "mail")?, before)
}

fn subscriptions_more(world: &World) -> Result<(), Failure> {
    let namespace = "listens-sidecar";
    world.namespace(namespace, &json!({}))?;
    let mail = deployment("mail", namespace, &annotations("broker"));
    world.lab.apply(&mail)?;
    world.run(namespace, "mail", "10.244.0.1")?;
    world.wiring(namespace, "mail", "Ready", "True", "Ready")?;
    let before = parts(world, namespace, "mail")?;

    world.lab.apply(&listening_on_both(mail))?;
    let wiring = world.wiring(namespace, "mail", "SubscriptionsReady", "Unknown", "NoPods")?;
    for (kind, name) in [("resiliency", "podwire-mail"), ("subscriptions.dapr.io", "mail-orders"), ("trigger", "mail-orders")] {
        owned(&world.there(kind, namespace, name)?, &wiring)?;
    }
    world.wiring(namespace, "mail", "PodsWired", "True", "Wired")?;
    expect("ReplicaSets, pods and template", parts(world, namespace, "mail")?, before)
}

fn template(world: &World) -> Result<(), Failure> {
    let namespace = "listens-template";
    world.namespace(namespace, &json!({}))?;
    let mut both = annotations("broker");
    both["podwire.io/publish"] = json!("paid");
    world.lab.apply(&deployment("mail", namespace, &both))?;
    let old = world.run(namespace, "mail", "10.244.0.1")?;
    world.there("trigger", namespace, "mail-orders")?;
    both["podwire.io/listen"] = json!("both");
    world.lab.apply(&deployment("mail", namespace, &both))?;
    // Both sides are there before a pod runs that carries both.
    for (kind, name) in [("subscriptions.dapr.io", "mail-orders"), ("resiliency", "podwire-mail"), ("service", "mail-dapr")] {
        world.there(kind, namespace, name)?;
    }
    world.wiring(namespace, "mail", "PodsWired", "False", "RolloutNeeded")?;
    let new = world.newcomer(namespace, "mail", &old)?;
    let pod = world.lab.get(&["pod", &new, "-n", namespace])?;
    expect("the style in which it publishes", pod["metadata"]["labels"]["podwire.io/wired-style"].as_str(), Some("broker"))?;
    let containers = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
    let mut containers = containers.into_iter().flat_map(|all| all.as_array().into_iter().flatten());
    require("it has a sidecar", containers.any(|container| container["name"] == "daprd"))?;

    let sidecar = Sidecar::start()?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    crate::support::sidecars::run_pod(&world.lab, namespace, &new, &sidecar.address(), true)?;
    world.gone("pod", namespace, &old)?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "True", "Loaded")?;
    world.wiring(namespace, "mail", "TriggersReady", "True", "Ready")?;
    wait_for("every pod is as it should be", 10, || {
        let wiring = world.lab.get(&["wiring", "mail", "-n", namespace]).ok()?;
        (condition(&wiring, "PodsWired") == Some(("True", "Wired"))).then_some(())
    })
}
