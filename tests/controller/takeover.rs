//! Objects of the names that podwire gives: those of others are left alone, and podwire's own are put back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::many::quiet_in;
use crate::support::audit::{Mark, writes_in};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{condition, deployment, expect, holds, message, owned, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("takeover::a_users_service_is_left_alone_until_it_goes", service),
    ("takeover::a_users_trigger_is_left_alone_until_it_goes", trigger),
    ("takeover::a_users_subscription_is_left_alone_until_it_goes", subscription),
    ("takeover::what_somebody_edits_is_put_back_and_told", edits),
    ("takeover::what_somebody_deletes_is_made_anew", deletes),
];

const LABELS: [&str; 2] = ["app.kubernetes.io/managed-by", "podwire.io/app-id"];

/// The object with podwire's labels, or without.
fn labelled(mut object: Value, forged: bool) -> Value {
    if forged {
        object["metadata"]["labels"] = json!({ LABELS[0]: "podwire", LABELS[1]: "cart" });
    }
    object
}

/// In one namespace without podwire's labels and in another with them: the object stays as it was, which the condition says; when it is deleted, podwire's is made.
fn left_alone(world: &World, object: impl Fn(&str) -> Value, kind: &str, style: &str, says: &str) -> Result<(), Failure> {
    let annotations = json!({ "podwire.io/style": style, "podwire.io/subscribe": "orders" });
    let mut cases = Vec::new();
    for forged in [false, true] {
        let word = if forged { "forged" } else { "plain" };
        let namespace = format!("takeover-{}-{word}", kind.split('.').next().unwrap_or_default());
        world.namespace(&namespace, &json!({}))?;
        // Brokers are there, so that Knative has nothing to say of a Trigger later.
        let broker = json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": { "name": "orders", "namespace": namespace }, "spec": {} });
        world.lab.apply(&broker)?;
        world.there("broker", &namespace, "orders")?;
        let object = labelled(object(&namespace), forged);
        world.lab.apply(&object)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let before = unchanging(world, kind, &namespace, &name)?;
        let mark = Mark::now(&world.lab)?;
        world.lab.apply(&deployment("cart", &namespace, &annotations))?;
        let wiring = world.wiring(&namespace, "cart", says, "False", "Conflict")?;
        let text = format!("{} {name} is not podwire's", object["kind"].as_str().unwrap_or_default());
        holds(says, message(&wiring, says), &[&text])?;
        cases.push((namespace, name, before, mark));
    }
    for (namespace, name, before, mark) in cases {
        let now = world.there(kind, &namespace, &name)?;
        expect("resource version", &now["metadata"]["resourceVersion"], &before["metadata"]["resourceVersion"])?;
        let wrote = writes_in(&mark, &namespace)?.into_iter().filter(|write| write.name == name && write.code != 409);
        expect("writes to it", wrote.map(|write| write.to_string()).collect(), Vec::<String>::new())?;
        world.lab.kubectl(&["delete", kind, &name, "-n", &namespace])?;
        let wiring = world.there("wiring", &namespace, "cart")?;
        let ours = world.there(kind, &namespace, &name)?;
        require("it is another one", uid(&ours) != uid(&before))?;
        owned(&ours, &wiring)?;
        wait_for("the conflict is over", 10, || {
            let wiring = world.lab.get(&["wiring", "cart", "-n", &namespace]).ok()?;
            condition(&wiring, says).is_some_and(|(_, reason)| reason != "Conflict").then_some(())
        })?;
    }
    Ok(())
}

/// An object about which Knative, too, has nothing more to say.
fn unchanging(world: &World, kind: &str, namespace: &str, name: &str) -> Result<Value, Failure> {
    let mut last = Value::Null;
    wait_for(format!("{kind} {name} changes no more"), 10, || {
        std::thread::sleep(Duration::from_millis(500));
        let before = std::mem::replace(&mut last, world.lab.get(&[kind, name, "-n", namespace]).ok()?);
        (before == last).then(|| last.clone())
    })
}

fn service(world: &World) -> Result<(), Failure> {
    let service = |namespace: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "pw-cart", "namespace": namespace },
            "spec": { "ports": [{ "port": 8443 }], "selector": { "app": "mine" } },
        })
    };
    left_alone(world, service, "service", "broker", "TriggersReady")
}

fn trigger(world: &World) -> Result<(), Failure> {
    let trigger = |namespace: &str| {
        json!({
            "apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": { "name": "cart-orders", "namespace": namespace },
            "spec": { "broker": "orders", "subscriber": { "uri": "http://mine.example/" } },
        })
    };
    left_alone(world, trigger, "trigger", "broker", "TriggersReady")
}

fn subscription(world: &World) -> Result<(), Failure> {
    let subscription = |namespace: &str| {
        json!({
            "apiVersion": "dapr.io/v2alpha1", "kind": "Subscription", "metadata": { "name": "cart-orders", "namespace": namespace },
            "spec": { "pubsubname": "mine", "topic": "orders", "routes": { "default": "/mine" } }, "scopes": ["mine"],
        })
    };
    left_alone(world, subscription, "subscriptions.dapr.io", "sidecar", "SubscriptionsReady")
}

/// What podwire says of an object: its labels, its owners, its spec; without what the API server and Knative fill in.
fn core(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = LABELS.map(|label| metadata["labels"][label].clone());
    let mut spec = object["spec"].clone();
    for filled in ["clusterIP", "clusterIPs"] {
        spec.as_object_mut().map(|spec| spec.remove(filled));
    }
    json!([metadata["uid"], metadata["ownerReferences"], labels, spec, object["scopes"]])
}

fn edits(world: &World) -> Result<(), Failure> {
    let namespace = "takeover-edits";
    world.namespace(namespace, &json!({}))?;
    let mut annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/publish": "paid" });
    annotations["podwire.io/listen"] = json!("both");
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    let edits: [(&str, &str, Value); 8] = [
        ("trigger", "cart-orders", json!({ "spec": { "subscriber": { "uri": "//elsewhere/steal" } } })),
        ("trigger", "cart-orders", json!({ "spec": { "filters": [{ "exact": { "type": "x" } }] } })),
        ("trigger", "cart-orders", json!({ "metadata": { "labels": { LABELS[0]: null } } })),
        ("trigger", "cart-orders", json!({ "metadata": { "labels": { LABELS[1]: "other" } } })),
        ("service", "pw-cart", json!({ "spec": { "type": "LoadBalancer" } })),
        ("service", "pw-cart", json!({ "spec": { "selector": { "app": "mine" }, "externalIPs": ["192.0.2.1"] } })),
        ("subscriptions.dapr.io", "cart-orders", json!({ "scopes": ["other"] })),
        ("resiliency", "podwire-cart", json!({ "spec": { "policies": { "timeouts": { "mine": "1ms" } } } })),
    ];
    for (number, (kind, name, edit)) in edits.iter().enumerate() {
        let before = core(&world.there(kind, namespace, name)?);
        world.lab.kubectl(&["patch", kind, name, "-n", namespace, "--type=merge", "-p", &edit.to_string()])?;
        let mut now = Value::Null;
        let back = wait_for(format!("{edit} of {kind} {name} is put back"), 10, || {
            now = core(&world.lab.get(&[kind, name, "-n", namespace]).ok()?);
            (now == before).then_some(())
        });
        back.map_err(|failure| Failure::new(format!("{failure}: {now}, expected {before}")))?;
        let kind = ["Trigger", "Service", "Subscription", "Resiliency"][[0, 0, 0, 0, 1, 1, 2, 3][number]];
        world.told(namespace, "Wiring/cart", &format!("PutBack: {kind} {name} was edited"))?;
    }
    // Once, and not again and again.
    wait_for("Knative has seen it", 10, || {
        let trigger = world.lab.get(&["trigger", "cart-orders", "-n", namespace]).ok()?;
        (trigger["status"]["observedGeneration"] == trigger["metadata"]["generation"]).then_some(())
    })?;
    quiet_in(&world.lab, namespace, 2000)?;
    // Without its owner reference an object is podwire's no more: nobody can tell it from a user's.
    let orphan = json!({ "metadata": { "ownerReferences": null } }).to_string();
    world.lab.kubectl(&["patch", "trigger", "cart-orders", "-n", namespace, "--type=merge", "-p", &orphan])?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "Conflict").map(drop)
}

fn deletes(world: &World) -> Result<(), Failure> {
    let namespace = "takeover-deletes";
    world.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/listen": "both" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let wiring = world.there("wiring", namespace, "cart")?;
    for (kind, name) in [
        ("trigger", "cart-orders"),
        ("service", "pw-cart"),
        ("subscriptions.dapr.io", "cart-orders"),
        ("resiliency", "podwire-cart"),
        ("service", "cart-dapr"),
    ] {
        let before = world.there(kind, namespace, name)?;
        world.lab.kubectl(&["delete", kind, name, "-n", namespace, "--wait=false"])?;
        let now = wait_for(format!("{kind} {name} is there anew"), 10, || {
            world.lab.get(&[kind, name, "-n", namespace]).ok().filter(|now| uid(now) != uid(&before))
        })?;
        owned(&now, &wiring)?;
    }
    // A Broker too: its events are lost, what comes now is not.
    let before = world.there("broker", namespace, "orders")?;
    world.lab.kubectl(&["delete", "broker", "orders", "-n", namespace, "--wait=false"])?;
    wait_for("the Broker is there anew", 10, || {
        world.lab.get(&["broker", "orders", "-n", namespace]).ok().filter(|now| uid(now) != uid(&before))
    })
    .map(drop)
}
