//! What somebody who may write in one namespace could try to have podwire do with its permissions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::many::quiet_in;
use crate::support::audit::{Mark, writes_by_controller, writes_in};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{comes, deployment, expect, name, owned, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("attacks::a_host_another_namespace_and_a_flood_of_topics_are_denied_and_nothing_is_written", denied),
    ("attacks::a_trigger_with_forged_labels_and_a_forged_owner_is_not_taken_over", forged),
    ("attacks::what_somebody_writes_into_a_wiring_makes_nothing", edited_wiring),
    ("attacks::a_flood_of_triggers_ends_at_the_cap_and_is_told", flooded),
    ("attacks::a_label_on_a_foreign_pod_counts_nowhere", foreign_pod),
];

fn annotations(subscribe: &str) -> Value {
    json!({ "podwire.io/style": "broker", "podwire.io/subscribe": subscribe })
}

fn denied(world: &World) -> Result<(), Failure> {
    let namespace = "attacks-denied";
    world.namespace(namespace, &json!({}))?;
    let flood = (0..65).map(|number| format!("topic-{number}")).collect::<Vec<_>>().join(",");
    let mut broker = annotations("orders");
    broker["podwire.io/broker"] = json!("shop/orders");
    let cases = [
        ("host", annotations(r#"[{"topic": "orders", "path": "//evil.example/x"}]"#), "InvalidPath"),
        ("url", annotations(r#"[{"topic": "orders", "path": "http://evil.example/x"}]"#), "InvalidPath"),
        ("subscriber", annotations(r#"[{"topic": "orders", "subscriber": {"uri": "http://evil.example/"}}]"#), "InvalidSubscribe"),
        ("namespace", annotations(r#"[{"topic": "orders", "namespace": "shop"}]"#), "InvalidSubscribe"),
        ("broker", broker, "InvalidBroker"),
        ("flood", annotations(&flood), "TooManyTopics"),
    ];
    let mark = Mark::now(&world.lab)?;
    for (name, annotations, reason) in &cases {
        world.lab.apply(&deployment(name, namespace, annotations))?;
        world.wiring(namespace, name, "Accepted", "False", reason)?;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "probe", "namespace": namespace, "annotations": annotations },
            "spec": { "containers": [{ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] }] },
        });
        require(&format!("a pod with {annotations} is denied"), world.lab.dry_run(&pod).is_err())?;
    }
    let kinds = || Ok(writes_in(&mark, namespace)?.into_iter().map(|write| write.resource).collect::<BTreeSet<_>>());
    comes("what is written", kinds, ["events", "wirings", "wirings/status"].map(str::to_owned).into())
}

/// Eight applications with all the entries that one may have.
fn flooded(world: &World) -> Result<(), Failure> {
    let namespace = "attacks-flooded";
    world.namespace(namespace, &json!({}))?;
    let entry = |number| format!("{{topic: topic-{number}, type: kind-{number}}}");
    let entries = format!("[{}]", (0..64).map(entry).collect::<Vec<_>>().join(", "));
    let mut subscribes = annotations(&entries);
    subscribes["podwire.io/broker"] = json!("shared");
    let count = || -> Result<usize, Failure> {
        Ok(world.lab.get(&["triggers.eventing.knative.dev", "-n", namespace])?["items"].as_array().map_or(0, Vec::len))
    };
    for (number, expected) in (0..8).map(|number| (number, (64 * (number + 1)).min(500))) {
        world.lab.apply(&deployment(&format!("app-{number}"), namespace, &subscribes))?;
        wait_for(format!("there are {expected} Triggers"), 60, || (count().ok()? == expected).then_some(()))?;
    }
    let last = world.wiring(namespace, "app-7", "TriggersReady", "False", "TooManyTriggers")?;
    quiet_in(&world.lab, namespace, 2000)?;
    expect("Triggers", count()?, 500)?;
    require("the Wiring says so", last["status"]["conditions"].to_string().contains("podwire makes no more Triggers in the namespace"))
}

fn forged(world: &World) -> Result<(), Failure> {
    let namespace = "attacks-forged";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("cart", namespace, &annotations("orders")))?;
    let wiring = world.there("wiring", namespace, "cart")?;
    world.there("trigger", namespace, "cart-orders")?;
    // The next topic's Trigger is there before the workload asks for it.
    let owner =
        json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "name": "cart", "uid": "11111111-2222-3333-4444-555555555555" });
    let trap = world.lab.create(&json!({
        "apiVersion": "eventing.knative.dev/v1", "kind": "Trigger",
        "metadata": {
            "name": "cart-payments", "namespace": namespace, "ownerReferences": [owner], "finalizers": ["example.com/stay"],
            "labels": { "app.kubernetes.io/managed-by": "podwire", "podwire.io/app-id": "cart" },
        },
        "spec": { "broker": "payments", "subscriber": { "uri": "http://evil.example/" } },
    }))?;
    let mark = Mark::now(&world.lab)?;
    world.lab.apply(&deployment("cart", namespace, &annotations("orders,payments")))?;
    world.there("broker", namespace, "payments")?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let now = world.lab.get(&["trigger", "cart-payments", "-n", namespace])?;
    expect("the forged Trigger", (uid(&now), &now["spec"]["subscriber"]), (uid(&trap), &json!({ "uri": "http://evil.example/" })))?;
    let touched = writes_in(&mark, namespace)?.into_iter().any(|write| write.name == "cart-payments" && write.verb != "create");
    require("podwire does not touch it", !touched)?;
    // The garbage collector believes no owner that is not there.
    let patch = r#"{"metadata":{"finalizers":null}}"#;
    world.lab.kubectl(&["patch", "trigger", "cart-payments", "-n", namespace, "--type=merge", "-p", patch])?;
    let ours = wait_for("podwire's own is made", 20, || {
        world.lab.get(&["trigger", "cart-payments", "-n", namespace]).ok().filter(|ours| uid(ours) != uid(&trap))
    })?;
    owned(&ours, &wiring)
}

fn edited_wiring(world: &World) -> Result<(), Failure> {
    let namespace = "attacks-wiring";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("cart", namespace, &annotations("orders")))?;
    let before = world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    let mark = Mark::now(&world.lab)?;
    let stolen = json!([{ "name": "x", "topic": "stolen", "path": "/", "undelivered": "" }]);
    let patch = json!({ "status": { "style": "sidecar", "listensOn": "sidecar", "subscriptions": stolen, "publishes": ["stolen"] } });
    let subresource = ["--subresource=status", "--type=merge", "-p"];
    let patch = patch.to_string();
    let arguments = [&["patch", "wiring", "cart", "-n", namespace], subresource.as_slice(), &[patch.as_str()]].concat();
    world.lab.kubectl(&arguments)?;
    wait_for("the status says again what is so", 10, || {
        let now = world.lab.get(&["wiring", "cart", "-n", namespace]).ok()?;
        (now["status"] == before["status"]).then_some(())
    })?;
    let wrote = || Ok(writes_in(&mark, namespace)?.into_iter().map(|write| write.resource).collect::<BTreeSet<_>>());
    comes("what is written", wrote, [String::from("wirings/status")].into())?;
    quiet_in(&world.lab, namespace, 1000)
}

fn foreign_pod(world: &World) -> Result<(), Failure> {
    let namespace = "attacks-pod";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&deployment("cart", namespace, &annotations("orders")))?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    let mark = Mark::now(&world.lab)?;
    // One that podwire wired for another, and one that it never saw.
    world.lab.apply(&deployment("evil", namespace, &json!({ "podwire.io/style": "broker", "podwire.io/publish": "stolen" })))?;
    let evil = world.run(namespace, "evil", "10.244.0.8")?;
    let denied = |code: &str, outcome: Result<(), Failure>| match outcome {
        Ok(()) => Err(Failure::new(format!("{code} was expected"))),
        Err(denial) => require(&format!("the denial names {code}: {denial}"), denial.to_string().contains(code)),
    };
    let label = ["label", "pod", &evil, "-n", namespace, "podwire.io/app-id=cart", "--overwrite"];
    denied("PW110", world.lab.kubectl(&label).map(drop))?;
    let mut plain = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "plain", "namespace": namespace, "labels": { "podwire.io/app-id": "cart" } },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    denied("PW112", world.lab.create(&plain).map(drop))?;
    plain["metadata"]["labels"] = json!({});
    let plain = world.lab.create(&plain)?;
    // Whoever may write a pod's status, as kubelets may, can label it past the review.
    let stolen = json!({ "metadata": { "labels": { "podwire.io/app-id": "cart" } } }).to_string();
    for pod in [evil.as_str(), name(&plain)] {
        world.lab.kubectl(&["patch", "pod", pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", &stolen])?;
    }
    crate::support::sidecars::run_pod(&world.lab, namespace, name(&plain), "10.244.0.9", true)?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let wiring = world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    let pods = &wiring["status"]["pods"];
    // Its own, which is not ready.
    expect("pods", (&pods["wired"], &pods["lacking"]), (&json!(1), &json!(0)))?;
    expect("what the application publishes", &wiring["status"]["publishes"], &json!([]))?;
    let wrote = writes_in(&mark, namespace)?.into_iter().filter(|write| write.name.starts_with("cart") || write.name == "pw-cart");
    expect("writes for cart", wrote.filter(|write| write.resource != "wirings/status").count(), 0)
}

/// At the end of everything: no controller ever asked for what it may not do. What was refused once and granted at another time is an API
/// server that had just started, or a kind on its way out.
pub(crate) fn nothing_was_forbidden(world: &World) -> Result<(), Failure> {
    let writes = writes_by_controller(&Mark::start(&world.lab))?;
    let of = |refused: bool| -> BTreeSet<String> {
        let those = writes.iter().filter(|write| (write.code == 403) == refused);
        those.map(|write| format!("{} {}", write.verb, write.resource)).collect()
    };
    require("requests were noted", !of(false).is_empty())?;
    expect("requests that were always refused", of(true).difference(&of(false)).cloned().collect(), Vec::<String>::new())
}
