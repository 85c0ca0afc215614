//! What the owner of a workload hears, where he looks: Events on it, and pods that are counted and named.

use serde_json::{Value, json};

use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::run_pod;
use crate::words::{deployment, expect, holds, message, name};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("told::a_workload_is_told_once_that_it_is_wired_and_once_that_it_is_not", once),
    ("told::a_workload_without_a_readable_app_id_is_told_so", unreadable),
    ("told::pods_that_asked_and_are_not_wired_are_counted_and_named", lacking),
];

fn annotations() -> Value {
    json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" })
}

/// Waits until the Wiring has seen the Deployment as it stands now.
fn seen(world: &World, namespace: &str, app_id: &str) -> Result<(), Failure> {
    let generation = world.lab.get(&["deployment", app_id, "-n", namespace])?["metadata"]["generation"].clone();
    wait_for("the Wiring has seen the Deployment as it is", 20, || {
        let wiring = world.lab.get(&["wiring", app_id, "-n", namespace]).ok()?;
        (wiring["status"]["workloads"][0]["generation"] == generation).then_some(())
    })
}

fn once(world: &World) -> Result<(), Failure> {
    let namespace = "told-once";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("cart", namespace, &annotations()))?;
    let of = "Deployment/cart";
    world.told(namespace, of, "Wired: app-id cart, style broker")?;
    let wired = vec![("Wired: app-id cart, style broker".to_owned(), 1)];
    // Reconciled again, with nothing to say.
    world.lab.kubectl(&["scale", "deployment/cart", "--replicas=2", "-n", namespace])?;
    seen(world, namespace, "cart")?;
    expect("events", world.events(namespace, of)?, wired)?;

    let mut faulty = annotations();
    faulty["podwire.io/style"] = json!("brokr");
    world.lab.apply(&deployment("cart", namespace, &faulty))?;
    let wiring = world.wiring(namespace, "cart", "Accepted", "False", "InvalidStyle")?;
    holds("Accepted", message(&wiring, "Accepted"), &["Deployment/cart: PW003", "brokr"])?;
    let text = world.told(namespace, of, "NotWired: PW003")?;
    holds("the event", &text, &["brokr", "podwire.io/style"])?;
    world.lab.kubectl(&["scale", "deployment/cart", "--replicas=1", "-n", namespace])?;
    seen(world, namespace, "cart")?;
    expect("how many events", world.events(namespace, of)?.len(), 2)?;
    // Another mistake is another event, and not a count of the first.
    faulty["podwire.io/style"] = json!("sidcar");
    world.lab.apply(&deployment("cart", namespace, &faulty))?;
    wait_for("the other mistake is told", 20, || {
        let events = world.events(namespace, of).ok()?;
        (events.len() == 3 && events.iter().any(|(text, _)| text.contains("sidcar"))).then_some(())
    })?;
    require("what is in force stays", world.lab.get(&["trigger", "cart-orders", "-n", namespace]).is_ok())?;
    // Mended: the same Event once more is one with a count.
    world.lab.apply(&deployment("cart", namespace, &annotations()))?;
    world.wiring(namespace, "cart", "Accepted", "True", "Wired")?;
    wait_for("the first event has a count", 20, || {
        let events = world.events(namespace, of).ok()?;
        (events.len() == 3 && events.iter().any(|(text, count)| text.starts_with("Wired") && *count == 2)).then_some(())
    })
}

fn unreadable(world: &World) -> Result<(), Failure> {
    let namespace = "told-unreadable";
    world.namespace(namespace, &json!({}))?;
    let mut annotations = annotations();
    annotations["podwire.io/app-id"] = json!("Not_An_Id");
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let text = world.told(namespace, "Deployment/cart", "NotWired: PW005")?;
    holds("the event", &text, &["Not_An_Id"])?;
    // A Job states its app-id.
    let mut template = deployment("x", "x", &self::annotations())["spec"]["template"].take();
    template["spec"]["restartPolicy"] = json!("Never");
    let metadata = json!({ "name": "import", "namespace": namespace });
    world.lab.apply(&json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": { "template": template } }))?;
    world.told(namespace, "Job/import", "NotWired: PW006")?;
    let made = world.lab.kubectl(&["get", "wirings,triggers,brokers", "-n", namespace, "-o", "name"])?;
    expect("what is made", made.as_str(), "")?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    for of in ["Deployment/cart", "Job/import"] {
        expect(of, world.events(namespace, of)?.iter().map(|(_, count)| *count).collect(), vec![1])?;
    }
    Ok(())
}

fn lacking(world: &World) -> Result<(), Failure> {
    let namespace = "told-lacking";
    world.namespace(namespace, &json!({ "podwire.io/inject": "disabled" }))?;
    world.lab.apply(&deployment("cart", namespace, &annotations()))?;
    let bare = world.pod(namespace, "cart")?;
    require("the pod is not wired", bare["metadata"]["labels"]["podwire.io/app-id"].is_null())?;
    run_pod(&world.lab, namespace, name(&bare), "10.244.0.1", true)?;
    require("nothing is made in a namespace that is shut", world.lab.get(&["wiring", "cart", "-n", namespace]).is_err())?;
    world.lab.kubectl(&["label", "namespace", namespace, "podwire.io/inject-"])?;
    let wiring = world.wiring(namespace, "cart", "PodsWired", "False", "PodsLacking")?;
    let line = format!("1 of Deployment/cart ({}): kubectl rollout restart deployment/cart -n {namespace}", name(&bare));
    holds("PodsWired", message(&wiring, "PodsWired"), &["pods asked and are not wired", &line])?;
    expect("pods", &wiring["status"]["pods"], &json!({ "summary": "0/1", "wired": 0, "outdated": 0, "lacking": 1 }))?;

    world.lab.kubectl(&["rollout", "restart", "deployment/cart", "-n", namespace])?;
    let new = world.newcomer(namespace, "cart", name(&bare))?;
    run_pod(&world.lab, namespace, &new, "10.244.0.2", true)?;
    let wiring = world.wiring(namespace, "cart", "PodsWired", "True", "Wired")?;
    expect("pods", wiring["status"]["pods"]["summary"].as_str(), Some("1/1"))
}
