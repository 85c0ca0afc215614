//! The bench itself: a test that passes because an imitation is wrong says nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audit::{Mark, writes_by_anybody, writes_in};
use crate::support::controller::ACCOUNT;
use crate::support::failure::require;
use crate::support::http;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::Sidecar;
use crate::words::{comes, condition, expect};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("bench::the_imitation_of_knative_holds_and_lets_go", holds),
    ("bench::the_permissions_are_the_controllers_and_its_writes_are_noted", permissions),
    ("bench::a_sidecar_tells_what_it_was_told", sidecar),
];

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("bench::the_imitation_of_knative_writes_nothing_when_nothing_changes", at_rest),
    ("bench::an_api_server_that_comes_back_has_forgotten_what_etcd_lost", restarted),
];

fn broker(name: &str, namespace: &str) -> Value {
    json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": { "name": name, "namespace": namespace }, "spec": {} })
}

fn trigger(name: &str, namespace: &str, broker: &str) -> Value {
    json!({
        "apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": { "name": name, "namespace": namespace },
        "spec": { "broker": broker, "subscriber": { "uri": "http://consumer.example/" } },
    })
}

/// Waits until a Trigger is ready, or for this reason is not.
fn becomes(world: &World, namespace: &str, name: &str, expected: Option<(&str, &str)>) -> Result<Value, Failure> {
    wait_for(format!("Trigger {namespace}/{name} is {expected:?}"), 20, || {
        let trigger = world.lab.get(&["trigger", name, "-n", namespace]).ok()?;
        (condition(&trigger, "Ready") == expected).then_some(trigger)
    })
}

fn holds(world: &World) -> Result<(), Failure> {
    let namespace = "bench-holds";
    world.namespace(namespace, &json!({}))?;
    world.knative.hold(&format!("{namespace}/orders"));
    world.lab.apply(&trigger("early", namespace, "orders"))?;
    becomes(world, namespace, "early", Some(("False", "BrokerDoesNotExist")))?;
    world.lab.apply(&broker("orders", namespace))?;
    let admitted = wait_for("the Broker was admitted", 20, || {
        let broker = world.lab.get(&["broker", "orders", "-n", namespace]).ok()?;
        (!broker["spec"]["config"].is_null()).then_some(broker)
    })?;
    expect("class", admitted["metadata"]["annotations"]["eventing.knative.dev/broker.class"].as_str(), Some("MTChannelBasedBroker"))?;
    require("a Broker that is held has no status", admitted["status"].is_null())?;
    world.knative.release(&format!("{namespace}/orders"));
    let ready = becomes(world, namespace, "early", Some(("True", "")))?;
    expect("label", ready["metadata"]["labels"]["eventing.knative.dev/broker"].as_str(), Some("orders"))?;
    let patch = r#"{"spec":{"delivery":{"retry":3}}}"#;
    world.lab.kubectl(&["patch", "trigger", "early", "-n", namespace, "--type=merge", "-p", patch])?;
    wait_for("the Trigger's new generation is observed", 20, || {
        let trigger = world.lab.get(&["trigger", "early", "-n", namespace]).ok()?;
        (trigger["status"]["observedGeneration"] == trigger["metadata"]["generation"]).then_some(())
    })
}

fn at_rest(world: &World) -> Result<(), Failure> {
    let namespace = "bench-rest";
    world.namespace(namespace, &json!({}))?;
    let start = Mark::now(&world.lab)?;
    world.lab.apply(&broker("orders", namespace))?;
    world.lab.apply(&trigger("one", namespace, "orders"))?;
    becomes(world, namespace, "one", Some(("True", "")))?;
    std::thread::sleep(Duration::from_secs(1));
    let rest = Mark::now(&world.lab)?;
    let written = writes_by_anybody(&start, namespace)?
        .into_iter()
        .filter(|write| write.resource.contains("broker") || write.resource.contains("trigger"));
    require("the writes of the test and of the imitation are noted", written.count() >= 4)?;
    std::thread::sleep(Duration::from_secs(3));
    expect("writes in a cluster at rest", writes_by_anybody(&rest, namespace)?, Vec::new())
}

fn restarted(world: &World) -> Result<(), Failure> {
    let namespace = "bench-restart";
    world.namespace(namespace, &json!({}))?;
    world.lab.apply(&broker("orders", namespace))?;
    for name in ["kept", "lost"] {
        world.lab.apply(&trigger(name, namespace, "orders"))?;
        becomes(world, namespace, name, Some(("True", "")))?;
    }
    let mark = Mark::now(&world.lab)?;
    world.lab.restart_api_server(|lab| {
        require("nobody answers while the API server is down", lab.kubectl(&["get", "--raw=/readyz"]).is_err())?;
        lab.delete_from_etcd(&format!("/registry/eventing.knative.dev/triggers/{namespace}/lost"))
    })?;
    require("what etcd kept is there", world.lab.get(&["trigger", "kept", "-n", namespace]).is_ok())?;
    require("what etcd lost is not", world.lab.get(&["trigger", "lost", "-n", namespace]).is_err())?;
    // The imitation comes back by itself.
    world.lab.apply(&trigger("later", namespace, "orders"))?;
    becomes(world, namespace, "later", Some(("True", "")))?;
    wait_for("podwire's webhook is ready", 20, || world.webhook.get("/readyz").ok().filter(|(status, _)| *status == 200))?;
    let written = writes_in(&mark, namespace)?;
    require(&format!("a controller writes nothing about what is not its own: {written:?}"), written.is_empty())
}

/// What `kubectl` says of these arguments when the controller's ServiceAccount runs it.
fn as_controller(world: &World, arguments: &[&str]) -> Result<(), Failure> {
    let arguments: Vec<&str> = ["--as", ACCOUNT].into_iter().chain(arguments.iter().copied()).collect();
    world.lab.kubectl(&arguments).map(drop)
}

fn permissions(world: &World) -> Result<(), Failure> {
    let namespace = "bench-permissions";
    world.namespace(namespace, &json!({}))?;
    let may = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        as_controller(world, &[["auth", "can-i", "-q", "-n", namespace].as_slice(), &arguments].concat()).is_ok()
    };
    for allowed in [
        "create services",
        "delete triggers.eventing.knative.dev",
        "patch wirings.podwire.io --subresource=status",
        "get components.dapr.io",
        "get inmemorychannels.messaging.knative.dev",
    ] {
        require(&format!("it may {allowed}"), may(allowed))?;
    }
    for refused in [
        "get secrets",
        "list configmaps",
        "patch configmaps/mine",
        "delete configmaps/podwire-brokers",
        "delete brokers.eventing.knative.dev",
        "patch brokers.eventing.knative.dev",
        "update services",
        "delete pods",
        "patch deployments.apps",
        "get leases/other",
    ] {
        require(&format!("it may not {refused}"), !may(refused))?;
    }
    as_controller(world, &["get", "configmaps", "-A", "--field-selector=metadata.name=podwire-brokers"])?;
    as_controller(world, &["get", "services", "-A", "-l", "app.kubernetes.io/managed-by=podwire"])?;
    as_controller(world, &["get", "crd", "--field-selector=metadata.name=triggers.eventing.knative.dev"])?;

    // Not by --as: the log names who asked.
    let mark = Mark::now(&world.lab)?;
    let user = world.lab.plane.kubeconfig_for(ACCOUNT, None)?.display().to_string();
    let create = ["create", "configmap", "noted", "-n", namespace, "--kubeconfig", &user];
    world.lab.kubectl(&create)?;
    let written = || Ok(writes_in(&mark, namespace)?.iter().map(ToString::to_string).collect::<Vec<_>>());
    comes("writes", written, vec![format!("create configmaps {namespace}/noted (201)")])
}

fn sidecar(_: &World) -> Result<(), Failure> {
    let one = Sidecar::start()?;
    let subscription =
        json!({ "spec": { "pubsubname": "pubsub", "topic": "orders", "routes": { "default": "/in" }, "deadLetterTopic": "dead" } });
    one.load(&[subscription]);
    let ask = |port: u16, path: &str| http::request((one.address().as_str(), port), "GET", path, "");
    let (status, body) = ask(3501, "/v1.0/metadata")?;
    let told: Value = serde_json::from_str(&body)?;
    let told = &told["subscriptions"][0];
    expect("metadata", (status, &told["topic"], &told["rules"]), (200, &json!("orders"), &json!([{ "path": "/in" }])))?;
    one.count("pubsub", "orders", "success", 3);
    one.count("pubsub", "orders", "success", 2);
    let (_, metrics) = ask(9090, "/metrics")?;
    require("events are counted", metrics.lines().any(|line| line.ends_with(r#"topic="orders"} 5"#)))?;
    one.break_down(true);
    expect("status", ask(3501, "/v1.0/metadata")?.0, 500)?;
    expect("questions", one.asked(), [2, 1])
}
