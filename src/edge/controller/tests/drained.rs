//! A side is made when it is first asked for, and stays until what was published there has been delivered.

use super::sim::{Sim, deployment};
use crate::engine::{Component, Found};

const SIDECAR: &str = "podwire.io/style: sidecar\npodwire.io/subscribe: orders";
const BROKER: &str = "podwire.io/style: broker\npodwire.io/subscribe: orders";
const TO_SIDECAR: &str = "podwire.io/style: sidecar\npodwire.io/publish: orders";
const TO_BROKER: &str = "podwire.io/style: broker\npodwire.io/publish: orders";

/// One publisher and one consumer in sidecar style.
fn shop() -> Sim {
    let mut sim = Sim::new();
    sim.put(&deployment("web", TO_SIDECAR));
    sim.pod("web-1", "web", TO_SIDECAR);
    sim.put(&deployment("billing", SIDECAR));
    sim.pod("billing-1", "billing", SIDECAR);
    sim.settle();
    sim.sidecar_says("billing-1", 7);
    sim.settle();
    sim
}

/// The same, as soon as the publisher has moved to the Broker and the consumer listens on both sides.
fn moved() -> Sim {
    let mut sim = shop();
    sim.put(&listening_on_both("billing", SIDECAR));
    sim.put(&deployment("web", TO_BROKER));
    sim.pod("web-2", "web", TO_BROKER);
    sim.remove("Pod", "web-1");
    sim
}

fn listening_on_both(name: &str, annotations: &str) -> String {
    deployment(name, annotations).replacen("namespace: shop}", "namespace: shop, annotations: {podwire.io/listen: both}}", 1)
}

#[test]
fn there_and_back_no_moment_is_without_a_side_that_somebody_publishes_to() {
    let mut sim = shop();
    assert_eq!(sim.says("billing", "Connected"), "True Connected");
    assert_eq!(sim.says("billing", "Drained"), "-");
    // 1. The consumer listens on the Broker too: nothing restarts.
    sim.put(&listening_on_both("billing", SIDECAR));
    assert_eq!(sim.settle(), ["create Broker orders", "create Service pw-billing", "create Trigger billing-orders"]);
    sim.knative();
    sim.settle();
    assert_eq!(sim.says("billing", "TriggersReady"), "True Ready");
    assert_eq!(sim.says("billing", "PodsWired"), "True Wired");
    // 2. The publisher moves; while its old pod runs it publishes there.
    sim.put(&deployment("web", TO_BROKER));
    sim.pod("web-2", "web", TO_BROKER);
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("False Published"), "{}", sim.says("billing", "Drained"));
    sim.remove("Pod", "web-1");
    sim.settle();
    let says = sim.says("billing", "Drained");
    assert!(says.starts_with("False SidecarDraining sidecar: 112 s of silence are needed"), "{says}");
    // 3. An event is counted: the silence begins anew.
    sim.pass(100);
    sim.sidecar_says("billing-1", 8);
    sim.settle();
    sim.pass(100);
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("False"));
    sim.pass(12);
    sim.settle();
    assert_eq!(sim.says("billing", "Drained"), "True SidecarDrained the sidecar side may be taken away");
    // 4. The consumer drops its sidecar.
    sim.put(&deployment("billing", BROKER));
    sim.pod("billing-2", "billing", BROKER);
    assert_eq!(sim.settle(), Vec::<String>::new(), "a pod carries it");
    sim.remove("Pod", "billing-1");
    sim.settle();
    sim.pass(38);
    assert_eq!(sim.settle(), ["delete Service billing-dapr", "delete Subscription billing-orders", "delete Resiliency podwire-billing"]);
    assert_eq!(sim.says("billing", "Ready"), "True Ready");
    // Back: the consumer gains a sidecar.
    sim.put(&listening_on_both("billing", SIDECAR));
    assert_eq!(sim.settle(), ["create Service billing-dapr", "create Resiliency podwire-billing", "create Subscription billing-orders"]);
    sim.pod("billing-3", "billing", SIDECAR);
    sim.remove("Pod", "billing-2");
    sim.put(&deployment("web", TO_SIDECAR));
    sim.pod("web-3", "web", TO_SIDECAR);
    sim.remove("Pod", "web-2");
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("False BrokerDraining broker: 26 s"), "{}", sim.says("billing", "Drained"));
    // `listen` goes too early: the Trigger stays for what the Broker still holds.
    sim.put(&deployment("billing", SIDECAR));
    sim.pass(20);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert!(sim.says("billing", "Drained").starts_with("False BrokerDraining"));
    sim.pass(6);
    sim.settle();
    sim.pass(26);
    assert_eq!(sim.settle(), ["delete Trigger billing-orders", "delete Service pw-billing"]);
    assert_eq!(sim.says("billing", "Drained"), "-");
}

#[test]
fn a_trigger_stays_as_long_as_somebody_publishes_to_its_broker() {
    let mut sim = shop();
    sim.put(&listening_on_both("billing", SIDECAR));
    sim.settle();
    sim.put(&deployment("web", TO_BROKER));
    sim.pod("web-2", "web", TO_BROKER);
    sim.knative();
    sim.settle();
    sim.put(&deployment("billing", SIDECAR));
    sim.pass(10_000);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert!(sim.get("Trigger", "billing-orders").is_some());
    let connected = sim.says("billing", "Connected");
    assert!(connected.starts_with("False Missed web publishes orders in broker style and billing does not listen there"), "{connected}");
    assert!(sim.says("web", "Connected").starts_with("False Missed"));
}

#[test]
fn dead_letters_are_to_be_heard_where_they_are_sent_and_need_nobody() {
    let subscribes = "podwire.io/style: sidecar\npodwire.io/subscribe: '[{topic: orders, deadLetter: orders-dead}]'";
    let mut sim = Sim::new();
    sim.put(&deployment("web", TO_SIDECAR));
    sim.put(&deployment("billing", subscribes));
    sim.settle();
    assert_eq!(sim.says("billing", "Connected"), "True Connected", "nobody need take them");
    sim.put(&deployment("complaints", "podwire.io/style: sidecar\npodwire.io/subscribe: orders-dead"));
    sim.settle();
    assert_eq!(sim.says("complaints", "Connected"), "True Connected");
    sim.put(&listening_on_both("billing", subscribes));
    sim.settle();
    let missed = "False Missed billing sends dead letters to orders-dead in broker style and complaints does not listen there";
    assert!(["billing", "complaints"].iter().all(|app_id| sim.says(app_id, "Connected").starts_with(missed)));
    sim.put(&listening_on_both("complaints", "podwire.io/style: sidecar\npodwire.io/subscribe: orders-dead"));
    sim.settle();
    assert_eq!(sim.says("complaints", "Connected"), "True Connected");
}

#[test]
fn dead_letters_go_to_the_broker_of_their_topic_whatever_broker_is_named() {
    let mut sim = Sim::new();
    let named = "podwire.io/style: broker\npodwire.io/broker: main\npodwire.io/subscribe: ";
    sim.put(&deployment("billing", &format!("{named}'[{{topic: orders, type: order, deadLetter: orders-dead}}]'")));
    sim.put(&deployment("complaints", "podwire.io/style: broker\npodwire.io/subscribe: orders-dead"));
    sim.settle();
    assert_eq!(sim.says("complaints", "Connected"), "True Connected");
    sim.put(&deployment("complaints", &format!("{named}'[{{topic: orders-dead, type: order}}]'")));
    sim.settle();
    let missed =
        "False Missed billing sends dead letters to orders-dead through orders-dead and complaints listens to main: name the same in both";
    assert_eq!(sim.says("complaints", "Connected"), missed);
}

#[test]
fn a_new_process_begins_every_clock_anew() {
    let mut sim = moved();
    sim.settle();
    sim.knative();
    sim.settle();
    sim.pass(90);
    sim.restart();
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("Unknown CountersNotRead"));
    assert!(sim.questions.iter().any(|question| question.pod == "billing-1" && question.port == 9090));
    sim.sidecar_says("billing-1", 7);
    sim.settle();
    sim.pass(110);
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("False SidecarDraining"));
    sim.pass(2);
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("True SidecarDrained"));
}

#[test]
fn a_silence_that_nobody_heard_is_none() {
    let mut sim = moved();
    sim.settle();
    sim.pass(111);
    sim.asked_at = Some(sim.now);
    sim.settle();
    sim.pass(1);
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("False SidecarDraining"), "what was counted in the last second is not known");
    assert_eq!(sim.again("billing"), Some(0), "it is asked now");
    sim.asked_at = None;
    sim.settle();
    assert!(sim.says("billing", "Drained").starts_with("True SidecarDrained"));
}

#[test]
fn a_component_without_a_rule_is_not_judged() {
    let mut sim = moved();
    sim.component = Some(Found::This(Component { kind: "pubsub.kafka".to_owned(), ..Component::default() }));
    sim.settle();
    assert_eq!(
        sim.says("billing", "Drained"),
        "Unknown NoRule sidecar: podwire has no rule for pubsub.kafka; wait 112 s after its last publisher ended"
    );
}

#[test]
fn a_changed_label_or_policy_moves_nothing_that_runs() {
    let mut sim = Sim::new();
    sim.put("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {podwire.io/style: sidecar}}");
    let plain = "podwire.io/subscribe: orders";
    sim.put(&deployment("billing", plain));
    sim.settle();
    sim.pod("billing-1", "billing", plain);
    sim.settle();
    sim.put("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {podwire.io/style: broker}}");
    assert_eq!(
        sim.settle(),
        ["create Broker orders", "create Service pw-billing", "create Trigger billing-orders"],
        "the new side is made, the old one stays"
    );
    sim.pass(10_000);
    assert_eq!(sim.settle(), Vec::<String>::new());
    let says = sim.says("billing", "PodsWired");
    assert!(says.starts_with("False RolloutNeeded") && says.contains("kubectl rollout restart deployment/billing -n shop"), "{says}");
}

#[test]
fn auto_is_decided_once() {
    let mut sim = Sim::new();
    let auto = "podwire.io/subscribe: orders";
    sim.put(&deployment("billing", auto));
    sim.settle();
    assert_eq!(sim.get("Wiring", "billing").unwrap()["status"]["style"], "sidecar");
    sim.put("apiVersion: podwire.io/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: brokers}\nspec: {preferredStyle: broker}");
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert_eq!(sim.get("Wiring", "billing").unwrap()["status"]["style"], "sidecar");
    // A pod that ran before there was a Wiring decides too.
    let mut sim = Sim::new();
    sim.put(&deployment("billing", auto));
    sim.pod("billing-1", "billing", auto);
    sim.put("apiVersion: podwire.io/v1alpha1\nkind: InjectionPolicy\nmetadata: {name: brokers}\nspec: {preferredStyle: broker}");
    sim.settle();
    assert_eq!(sim.get("Wiring", "billing").unwrap()["status"]["style"], "sidecar");
    assert_eq!(sim.says("billing", "PodsWired"), "True Wired");
}
