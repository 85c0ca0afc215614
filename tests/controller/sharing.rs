//! Several workloads: of one app-id, and at the two ends of a topic.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::failure::require;
use crate::support::lab::Failure;
use crate::words::{deployment, expect, holds, listening_on_both, message, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sharing::two_that_state_one_app_id_and_the_same_have_one_trigger", same),
    ("sharing::one_that_disagrees_is_named_and_the_older_stays_in_force", disagrees),
    ("sharing::an_app_id_that_is_taken_by_default_is_told_to_the_younger", taken),
    ("sharing::who_does_not_hear_a_publisher_is_named_until_it_does", connected),
];

/// Objects of one second have no older one.
const A_MOMENT: Duration = Duration::from_millis(1100);

fn shared(topic: &str) -> Value {
    json!({ "podwire.io/style": "broker", "podwire.io/app-id": "shared", "podwire.io/subscribe": topic })
}

/// The names of a namespace's Triggers.
fn triggers(world: &World, namespace: &str) -> Result<Vec<String>, Failure> {
    let text = world.lab.kubectl(&["get", "triggers", "-n", namespace, "-o", "name"])?;
    Ok(text.lines().filter_map(|line| Some(line.split_once('/')?.1.to_owned())).collect())
}

/// The workloads of a Wiring, and whether each is wired.
fn workloads(wiring: &Value) -> Vec<(String, bool)> {
    let all = wiring["status"]["workloads"].as_array().into_iter().flatten();
    all.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["wired"] == true)).collect()
}

fn wired(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    names.iter().map(|(name, wired)| ((*name).to_owned(), *wired)).collect()
}

fn same(world: &World) -> Result<(), Failure> {
    let namespace = "sharing-same";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("one", namespace, &shared("orders")))?;
    world.lab.apply(&deployment("two", namespace, &shared("orders")))?;
    for (name, address) in [("one", "10.244.0.1"), ("two", "10.244.0.2")] {
        world.run(namespace, name, address)?;
    }
    let wiring = world.wiring(namespace, "shared", "Ready", "True", "Ready")?;
    expect("Triggers", triggers(world, namespace)?, vec!["shared-orders".to_owned()])?;
    expect("pods", wiring["status"]["pods"]["summary"].as_str(), Some("2/2"))?;
    let mut names = workloads(&wiring);
    names.sort();
    expect("workloads", names, wired(&[("one", true), ("two", true)]))?;
    for pod in ["one", "two"] {
        expect("label", world.pod(namespace, pod)?["metadata"]["labels"]["podwire.io/app-id"].as_str(), Some("shared"))?;
    }
    // One of two goes, the other still consumes.
    let before = uid(&world.there("trigger", namespace, "shared-orders")?).to_owned();
    world.lab.kubectl(&["delete", "deployment", "one", "-n", namespace])?;
    world.lab.pods(namespace, "app=one", 0)?;
    std::thread::sleep(Duration::from_secs(4));
    expect("the Trigger", uid(&world.there("trigger", namespace, "shared-orders")?), before.as_str())
}

fn disagrees(world: &World) -> Result<(), Failure> {
    let namespace = "sharing-disagrees";
    world.namespace(namespace, &json!({}))?;
    // The older is the last by name.
    world.lab.apply(&deployment("older", namespace, &shared("orders")))?;
    world.wiring(namespace, "shared", "Accepted", "True", "Wired")?;
    world.there("trigger", namespace, "shared-orders")?;
    std::thread::sleep(A_MOMENT);
    world.lab.apply(&deployment("another", namespace, &shared("payments")))?;
    let wiring = world.wiring(namespace, "shared", "Accepted", "False", "MembersDisagree")?;
    holds("Accepted", message(&wiring, "Accepted"), &["Deployment/older and Deployment/another", "subscriptions"])?;
    expect("workloads", workloads(&wiring), wired(&[("older", true), ("another", false)]))?;
    expect("Triggers", triggers(world, namespace)?, vec!["shared-orders".to_owned()])?;
    world.told(namespace, "Deployment/another", "NotWired: PW")?;
    require(
        "the older is not told off",
        !world.events(namespace, "Deployment/older")?.iter().any(|(text, _)| text.starts_with("NotWired")),
    )?;
    // It agrees.
    world.lab.apply(&deployment("another", namespace, &shared("orders")))?;
    let wiring = world.wiring(namespace, "shared", "Accepted", "True", "Wired")?;
    expect("workloads", workloads(&wiring), wired(&[("older", true), ("another", true)]))
}

fn taken(world: &World) -> Result<(), Failure> {
    let namespace = "sharing-taken";
    world.namespace(namespace, &json!({}))?;
    let stated = |topic: &str| json!({ "podwire.io/style": "broker", "podwire.io/app-id": "cart", "podwire.io/subscribe": topic });
    world.lab.apply(&deployment("shop", namespace, &stated("orders")))?;
    world.there("trigger", namespace, "cart-orders")?;
    std::thread::sleep(A_MOMENT);
    let default = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "payments" });
    world.lab.apply(&deployment("cart", namespace, &default))?;
    let wiring = world.wiring(namespace, "cart", "Accepted", "False", "AppIdTaken")?;
    holds("Accepted", message(&wiring, "Accepted"), &["Deployment/cart: PW054", "Deployment/shop and Deployment/cart"])?;
    world.told(namespace, "Deployment/cart", "NotWired: PW054")?;
    expect("Triggers", triggers(world, namespace)?, vec!["cart-orders".to_owned()])?;
    expect("workloads", workloads(&wiring), wired(&[("shop", true), ("cart", false)]))?;
    // The older gives it up.
    world.lab.kubectl(&["delete", "deployment", "shop", "-n", namespace])?;
    world.wiring(namespace, "cart", "Accepted", "True", "Wired")?;
    world.there("trigger", namespace, "cart-payments")?;
    world.gone("trigger", namespace, "cart-orders")
}

fn connected(world: &World) -> Result<(), Failure> {
    let namespace = "sharing-connected";
    world.namespace(namespace, &json!({}))?;
    let web = |broker: Option<&str>| {
        let mut annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders" });
        broker.into_iter().for_each(|broker| annotations["podwire.io/broker"] = json!(broker));
        deployment("web", namespace, &annotations)
    };
    world.lab.apply(&web(None))?;
    let unknown = world.wiring(namespace, "web", "Connected", "Unknown", "NoConsumerKnown")?;
    holds("Connected", message(&unknown, "Connected"), &["orders"])?;
    let mail = deployment("mail", namespace, &json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "orders" }));
    world.lab.apply(&mail)?;
    for app_id in ["web", "mail"] {
        let missed = world.wiring(namespace, app_id, "Connected", "False", "Missed")?;
        let says = ["web publishes orders in broker style", "mail does not listen there", "podwire.io/listen: both on mail"];
        holds("Connected", message(&missed, "Connected"), &says)?;
    }
    world.lab.apply(&listening_on_both(mail))?;
    for app_id in ["web", "mail"] {
        world.wiring(namespace, app_id, "Connected", "True", "Connected")?;
    }
    // On one side both, and past each other.
    world.lab.apply(&web(Some("express")))?;
    let missed = world.wiring(namespace, "mail", "Connected", "False", "Missed")?;
    holds("Connected", message(&missed, "Connected"), &["web publishes orders through express and mail listens to orders"])
}
