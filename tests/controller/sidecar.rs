//! Sidecar style: what is made beside a workload, and what its Wiring says of it.

use serde_json::json;

use crate::support::audit::{Mark, Write, writes_in};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::{Sidecar, run_pod};
use crate::words::{comes, condition, deployment, expect, holds, message, name, owned, row};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sidecar::a_deployment_that_subscribes_gets_what_it_needs_and_a_true_status", subscribes),
    ("sidecar::without_its_resiliency_a_subscription_is_not_written", refused),
    ("sidecar::the_resiliency_is_there_before_the_subscription_and_a_service_of_somebody_else_stays_as_it_is", in_order),
    ("sidecar::a_sidecar_that_runs_gets_its_first_subscription_when_it_has_loaded_the_resiliency", hot),
    ("sidecar::a_sidecar_that_does_not_answer_is_not_called_ready", unreachable),
];

fn subscribes(world: &World) -> Result<(), Failure> {
    let namespace = "sidecar-subscribes";
    world.namespace(namespace, &json!({}))?;
    let subscribe = json!([
        { "topic": "orders", "type": "com.shop.created", "path": "/in", "name": "created", "deadLetter": "orders-dead" },
        { "topic": "orders", "type": "com.shop.paid", "name": "paid", "deadLetter": "orders-dead" },
    ]);
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": subscribe.to_string() });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    let wiring = world.there("wiring", namespace, "mail")?;

    let resiliency = world.there("resiliency", namespace, "podwire-mail")?;
    owned(&resiliency, &wiring)?;
    expect("scopes", &resiliency["scopes"], &json!(["mail"]))?;
    let retry = &resiliency["spec"]["policies"]["retries"]["podwire-mail"];
    expect("retries", (&retry["policy"], &retry["maxRetries"]), (&json!("exponential"), &json!(8)))?;
    expect("codes", retry["matching"]["httpStatusCodes"].as_str(), Some("408,409,429,500-599"))?;
    let inbound = &resiliency["spec"]["targets"]["components"]["pubsub"]["inbound"]["retry"];
    expect("what is tried again", inbound.as_str(), Some("podwire-mail"))?;

    let subscription = world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    owned(&subscription, &wiring)?;
    expect("scopes", &subscription["scopes"], &json!(["mail"]))?;
    let spec = &subscription["spec"];
    expect("topic", (spec["pubsubname"].as_str(), spec["topic"].as_str()), (Some("pubsub"), Some("orders")))?;
    expect("dead letters", spec["deadLetterTopic"].as_str(), Some("orders-dead"))?;
    let rule = |kind: &str, path: &str| json!({ "match": format!(r#""type" in event && event["type"] == "{kind}""#), "path": path });
    expect("rules", &spec["routes"]["rules"], &json!([rule("com.shop.created", "/in"), rule("com.shop.paid", "/events/orders")]))?;

    let service = world.there("service", namespace, "mail-dapr")?;
    owned(&service, &wiring)?;
    expect("headless", service["spec"]["clusterIP"].as_str(), Some("None"))?;
    expect("app-id", service["metadata"]["annotations"]["dapr.io/app-id"].as_str(), Some("mail"))?;

    let pod = world.pod(namespace, "mail")?;
    let sidecar = Sidecar::start()?;
    run_pod(&world.lab, namespace, name(&pod), &sidecar.address(), true)?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "False", "ResiliencyNotLoaded")?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "True", "Loaded")?;
    world.wiring(namespace, "mail", "Ready", "True", "Ready")?;
    let [_, cells] = row(world, namespace)?;
    expect("row", cells[..7].to_vec(), ["mail", "mail", "sidecar", "sidecar", "True", "Ready", "1/1"].map(str::to_owned).to_vec())
}

fn in_order(world: &World) -> Result<(), Failure> {
    let namespace = "sidecar-order";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "mail-dapr", "namespace": namespace },
        "spec": { "clusterIP": "None", "selector": { "app": "mail" }, "ports": [{ "name": "dapr", "port": 50001 }] },
    }))?;
    let before = world.there("service", namespace, "mail-dapr")?;
    let mark = Mark::now(&world.lab)?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    let wiring = world.wiring(namespace, "mail", "SubscriptionsReady", "Unknown", "NoPods")?;
    expect("what it asks for", condition(&wiring, "Accepted"), Some(("True", "Wired")))?;
    let both = |write: &Write| write.code == 201 && ["resiliencies", "subscriptions"].contains(&write.resource.as_str());
    let made = || Ok(writes_in(&mark, namespace)?.into_iter().filter(both).map(|write| write.resource).collect::<Vec<_>>());
    comes("what was made, in order", made, ["resiliencies", "subscriptions"].map(str::to_owned).to_vec())?;
    let after = world.there("service", namespace, "mail-dapr")?;
    expect("the Service that was there", after, before)?;

    // No watch shows it to podwire, which looks again by itself, and for ever: nothing else here may go on doing so.
    world.lab.kubectl(&["delete", "service", "mail-dapr", "-n", namespace])?;
    let own = world.there("service", namespace, "mail-dapr")?;
    owned(&own, &wiring)
}

/// The API server refuses Resiliencies for a while.
fn refused(world: &World) -> Result<(), Failure> {
    let namespace = "sidecar-refused";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none", "namespace": namespace },
        "spec": { "hard": { "count/resiliencies.dapr.io": "0" } },
    }))?;
    wait_for("the quota holds", 30, || {
        let quota = world.lab.get(&["resourcequota", "none", "-n", namespace]).ok()?;
        (quota["status"]["hard"]["count/resiliencies.dapr.io"] == "0").then_some(())
    })?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    let wiring = world.wiring(namespace, "mail", "SubscriptionsReady", "False", "Refused")?;
    let said = message(&wiring, "SubscriptionsReady");
    require(&format!("it says why: {said}"), said.contains("is forbidden"))?;
    let made = world.lab.get(&["subscriptions.dapr.io", "-n", namespace])?;
    expect("Subscriptions", &made["items"], &json!([]))?;
    world.lab.kubectl(&["delete", "resourcequota", "none", "-n", namespace])?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    world.there("resiliencies.dapr.io", namespace, "podwire-mail").map(drop)
}

/// A publisher begins to consume. Its pod that runs would load a Subscription at once, and take failed events for delivered.
fn hot(world: &World) -> Result<(), Failure> {
    let namespace = "sidecar-hot";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("mail", namespace, &json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "sent" })))?;
    let sidecar = Sidecar::start()?;
    world.run(namespace, "mail", &sidecar.address())?;
    world.wiring(namespace, "mail", "PodsWired", "True", "Wired")?;
    world.lab.apply(&deployment("mail", namespace, &json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" })))?;
    world.there("resiliency", namespace, "podwire-mail")?;
    let wiring = world.wiring(namespace, "mail", "SubscriptionsReady", "False", "ResiliencyNotLoaded")?;
    holds("SubscriptionsReady", message(&wiring, "SubscriptionsReady"), &["has not loaded Resiliency podwire-mail"])?;
    require("no Subscription is there", world.lab.find(&["subscriptions.dapr.io", "mail-orders", "-n", namespace])?.is_none())?;
    // A sidecar hears of a change, and may have missed the creation.
    wait_for("the sidecar is told again of its Resiliency", 20, || {
        let resiliency = world.lab.get(&["resiliency", "podwire-mail", "-n", namespace]).ok()?;
        resiliency["metadata"]["annotations"]["podwire.io/told-again"].is_string().then_some(())
    })?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    world.there("subscriptions.dapr.io", namespace, "mail-orders")?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "False", "NotLoaded")?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "True", "Loaded").map(drop)
}

fn unreachable(world: &World) -> Result<(), Failure> {
    let namespace = "sidecar-silent";
    world.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("mail", namespace, &annotations))?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "Unknown", "NoPods")?;
    let pod = world.pod(namespace, "mail")?;
    let sidecar = Sidecar::start()?;
    sidecar.break_down(true);
    run_pod(&world.lab, namespace, name(&pod), &sidecar.address(), true)?;
    world.wiring(namespace, "mail", "SubscriptionsReady", "Unknown", "Unreachable")?;
    world.wiring(namespace, "mail", "Ready", "Unknown", "Unreachable").map(drop)
}
