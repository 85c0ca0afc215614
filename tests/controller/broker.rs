//! Broker style: what is made beside a workload, and what its Wiring says of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::run_pod;
use crate::words::{at_best, condition, deployment, expect, owned, row, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("broker::a_deployment_that_subscribes_gets_what_it_needs_and_a_true_status", subscribes),
    ("broker::another_type_or_path_changes_the_trigger_that_is_there", changed),
    ("broker::a_trigger_that_is_not_ready_is_said_so", trigger_not_ready),
    ("broker::a_trigger_that_is_ready_waits_for_its_channel", channel_behind),
    ("broker::another_broker_is_another_trigger_and_the_old_one_stays_until_it_is_ready", replaced),
    ("broker::a_pod_that_waits_gets_its_address_and_a_deleted_map_is_back_within_a_second", waits),
];

fn subscribes(world: &World) -> Result<(), Failure> {
    let namespace = "broker-subscribes";
    world.namespace(namespace, &json!({}))?;
    let subscribe = json!([
        { "topic": "orders", "type": "com.shop.created", "filter": { "region": "eu" }, "path": "/in", "deadLetter": "orders-dead" },
        { "topic": "payments" },
    ]);
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": subscribe.to_string() });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let wiring = world.there("wiring", namespace, "cart")?;

    let service = world.there("service", namespace, "pw-cart")?;
    owned(&service, &wiring)?;
    expect("selector", &service["spec"]["selector"], &json!({ "podwire.io/app-id": "cart" }))?;
    let port = &service["spec"]["ports"][0];
    expect("ports", (&port["port"], &port["targetPort"]), (&json!(80), &json!(8080)))?;

    let orders = world.there("trigger", namespace, "cart-orders")?;
    owned(&orders, &wiring)?;
    let spec = &orders["spec"];
    expect("broker", spec["broker"].as_str(), Some("orders"))?;
    expect("filter", &spec["filter"], &json!({ "attributes": { "type": "com.shop.created", "region": "eu" } }))?;
    let to = json!({ "apiVersion": "v1", "kind": "Service", "name": "pw-cart", "namespace": namespace });
    expect("subscriber", &spec["subscriber"], &json!({ "ref": to, "uri": "/in" }))?;
    let delivery = &spec["delivery"];
    let schedule = (&delivery["retry"], &delivery["backoffPolicy"], &delivery["backoffDelay"], &delivery["format"]);
    expect("delivery", schedule, (&json!(7), &json!("exponential"), &json!("PT0.2S"), &json!("json")))?;
    expect("dead letters", delivery["deadLetterSink"]["ref"]["name"].as_str(), Some("orders-dead"))?;
    let payments = world.there("trigger", namespace, "cart-payments")?;
    expect("the path where none is stated", payments["spec"]["subscriber"]["uri"].as_str(), Some("/events/payments"))?;

    for name in ["orders", "orders-dead", "payments"] {
        let broker = world.there("broker", namespace, name)?;
        let handler = &broker["metadata"]["annotations"]["messaging.knative.dev/async-handler"];
        expect("the annotation of a Broker that podwire makes", handler.as_str(), Some("true"))?;
        require("nobody owns a Broker", broker["metadata"]["ownerReferences"].is_null())?;
    }

    let waiting = world.wiring(namespace, "cart", "Ready", "False", "NoEndpoints")?;
    expect("Brokers", condition(&waiting, "BrokerReady"), Some(("True", "Ready")))?;
    expect("Broker's memory", condition(&waiting, "Durable"), Some(("False", "InMemory")))?;
    let pod = world.pod(namespace, "cart")?;
    run_pod(&world.lab, namespace, pod["metadata"]["name"].as_str().unwrap_or_default(), "10.244.0.10", true)?;
    let ready = world.wiring(namespace, "cart", "Ready", "True", "Ready")?;
    for kind in ["Accepted", "BrokerReady", "TriggersReady", "PodsWired"] {
        expect(kind, condition(&ready, kind).map(|(value, _)| value), Some("True"))?;
    }
    expect("generation", &ready["status"]["observedGeneration"], &ready["metadata"]["generation"])?;

    let [heads, cells] = row(world, namespace)?;
    expect("columns", heads, ["NAME", "APP-ID", "STYLE", "LISTENS", "READY", "REASON", "PODS", "AGE"].map(str::to_owned).to_vec())?;
    expect("row", cells[..7].to_vec(), ["cart", "cart", "broker", "broker", "True", "Ready", "1/1"].map(str::to_owned).to_vec())
}

fn changed(world: &World) -> Result<(), Failure> {
    let namespace = "broker-changed";
    world.namespace(namespace, &json!({}))?;
    let taking = |kind: &str, path: &str| {
        let subscribe = json!([{ "topic": "orders", "type": kind, "path": path }]).to_string();
        deployment("cart", namespace, &json!({ "podwire.io/style": "broker", "podwire.io/subscribe": subscribe }))
    };
    world.lab.apply(&taking("com.shop.created", "/created"))?;
    let before = world.there("trigger", namespace, "cart-orders")?;
    world.lab.apply(&taking("com.shop.paid", "/paid"))?;
    let after = wait_for("the Trigger has the new path", 30, || {
        let trigger = world.lab.get(&["trigger", "cart-orders", "-n", namespace]).ok()?;
        (trigger["spec"]["subscriber"]["uri"] == "/paid").then_some(trigger)
    })?;
    expect("uid", uid(&after), uid(&before))?;
    expect("filter", &after["spec"]["filter"], &json!({ "attributes": { "type": "com.shop.paid" } }))?;
    let all = world.lab.get(&["triggers", "-n", namespace])?;
    expect("Triggers", all["items"].as_array().map(Vec::len), Some(1))
}

fn trigger_not_ready(world: &World) -> Result<(), Failure> {
    let namespace = "broker-held";
    world.namespace(namespace, &json!({}))?;
    let trigger = format!("{namespace}/cart-orders");
    world.knative.hold(&trigger);
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let held = world.wiring(namespace, "cart", "TriggersReady", "False", "TriggerNotReady")?;
    require("the Broker is ready meanwhile", condition(&held, "BrokerReady").is_some())?;
    world.knative.release(&trigger);
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints").map(drop)
}

/// Knative calls a Trigger ready by what its channel says, of whatever spec.
fn channel_behind(world: &World) -> Result<(), Failure> {
    let namespace = "broker-behind";
    world.namespace(namespace, &json!({}))?;
    let channel = |subscribers: Value| {
        let metadata = json!({ "name": "orders-kne-trigger", "namespace": namespace });
        json!({ "apiVersion": "messaging.knative.dev/v1", "kind": "InMemoryChannel", "metadata": metadata, "spec": { "subscribers": subscribers } })
    };
    world.lab.apply(&channel(json!([])))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let trigger = uid(&world.there("trigger", namespace, "cart-orders")?).to_owned();
    let behind = || world.wiring(namespace, "cart", "TriggersReady", "False", "ChannelBehind");
    behind()?;
    let address = format!("http://broker-filter.knative-eventing.svc.cluster.local/triggers/{namespace}/cart-orders/{trigger}");
    world.lab.apply(&channel(json!([{ "uid": "one", "generation": 1, "subscriberUri": address }])))?;
    let generation =
        world.there("inmemorychannel", namespace, "orders-kne-trigger")?["metadata"]["generation"].as_u64().unwrap_or_default();
    let says = |observed: u64| {
        let status = json!({ "status": { "observedGeneration": observed, "subscribers": [{ "uid": "one", "observedGeneration": 1, "ready": "True" }] } });
        let patch = ["patch", "inmemorychannel", "orders-kne-trigger", "-n", namespace, "--subresource=status", "--type=merge", "-p"];
        world.lab.kubectl(&[patch.as_slice(), &[&status.to_string()]].concat())
    };
    says(generation - 1)?;
    std::thread::sleep(Duration::from_secs(3));
    behind()?;
    says(generation)?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints").map(drop)
}

/// A Trigger cannot change its Broker: there is a new one, and the old one is taken away when that one is ready and its retries are over.
fn replaced(world: &World) -> Result<(), Failure> {
    let namespace = "broker-replaced";
    world.namespace(namespace, &json!({}))?;
    let on = |broker: &str| {
        let subscribe = json!([{ "topic": "orders", "type": "com.shop.created" }]).to_string();
        let annotations = json!({
            "podwire.io/style": "broker", "podwire.io/broker": broker, "podwire.io/subscribe": subscribe, "podwire.io/retry": "for=1s",
        });
        let mut cart = deployment("cart", namespace, &annotations);
        // why: nothing takes what the first Trigger sends once the old pod is gone, and no kubelet would make the new one ready.
        cart["spec"]["strategy"] = json!({ "type": "Recreate" });
        cart
    };
    world.lab.apply(&on("one"))?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    let triggers = || world.lab.get(&["triggers", "-n", namespace]).ok()?["items"].as_array().cloned();
    let new = |triggers: &[Value]| triggers.iter().find(|trigger| trigger["spec"]["broker"] == "two").cloned();
    world.knative.hold(&format!("{namespace}/two"));
    world.lab.apply(&on("two"))?;
    let second = wait_for("there is a Trigger on the other Broker", 30, || new(&triggers()?))?;
    let name = second["metadata"]["name"].as_str().unwrap_or_default();
    require(&format!("it has a name of its own: {name}"), name.starts_with("cart-orders-"))?;
    std::thread::sleep(Duration::from_secs(3));
    require("the first Trigger stays while the second is not ready", world.lab.get(&["trigger", "cart-orders", "-n", namespace]).is_ok())?;
    world.knative.release(&format!("{namespace}/two"));
    wait_for("the first Trigger is gone", 30, || (triggers()?.len() == 1).then_some(()))?;
    require("the second one is left", new(&triggers().unwrap_or_default()).is_some())
}

/// The address of a topic in the ConfigMap of a namespace.
fn address(world: &World, namespace: &str) -> Option<String> {
    let map = world.lab.get(&["configmap", "podwire-brokers", "-n", namespace]).ok()?;
    map["data"]["orders"].as_str().map(str::to_owned)
}

fn waits(world: &World) -> Result<(), Failure> {
    let namespace = "broker-waits";
    world.namespace(namespace, &json!({}))?;
    world.knative.hold(namespace);
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders" });
    world.lab.apply(&deployment("web", namespace, &annotations))?;
    let pod = world.pod(namespace, "web")?;
    let variables = pod["spec"]["containers"][0]["env"].as_array();
    let sink = variables.and_then(|all| all.iter().find(|one| one["name"] == "PODWIRE_PUBLISH_URL_ORDERS")).cloned().unwrap_or(Value::Null);
    expect("the variable", &sink["valueFrom"]["configMapKeyRef"], &json!({ "name": "podwire-brokers", "key": "orders" }))?;
    world.wiring(namespace, "web", "BrokerReady", "False", "BrokerNotReady")?;
    expect("the address of a Broker that is not ready", address(world, namespace), None)?;

    world.knative.release(namespace);
    let url = wait_for("the address is in the ConfigMap", 30, || address(world, namespace))?;
    expect("address", url, format!("http://broker-ingress.knative-eventing.svc.cluster.local/{namespace}/orders"))?;
    let map = world.there("configmap", namespace, "podwire-brokers")?;
    require("nobody owns the ConfigMap", map["metadata"]["ownerReferences"].is_null())?;

    let took = at_best(Duration::from_secs(1), || {
        world.lab.kubectl(&["delete", "configmap", "podwire-brokers", "-n", namespace, "--wait=false"])?;
        let deleted = Instant::now();
        wait_for("the address is back in the ConfigMap", 10, || address(world, namespace)).map(|_| deleted.elapsed())
    })?;
    require(&format!("the address is back within a second: it took {took:?}"), took < Duration::from_secs(1))?;

    // A pod may be waiting for its address still when nobody publishes any more, and when the Broker is gone.
    world.lab.kubectl(&["delete", "deployment", "web", "-n", namespace])?;
    world.gone("wiring", namespace, "web")?;
    world.lab.kubectl(&["delete", "broker", "orders", "-n", namespace])?;
    std::thread::sleep(Duration::from_secs(3));
    require("the address stays", address(world, namespace).is_some())
}
