//! What is made, what lingers, what is left alone.

use serde_json::json;

use super::sim::{GRACE, Sim, deployment};
use crate::edge::watch::Part;
use crate::engine::Answers;

const BROKER: &str = "podwire.io/style: broker\npodwire.io/subscribe: orders";
const SIDECAR: &str = "podwire.io/style: sidecar\npodwire.io/subscribe: orders";

fn settled(annotations: &str) -> Sim {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", annotations));
    sim.settle();
    sim.pod("billing-1", "billing", annotations);
    sim.knative();
    sim.settle();
    assert_eq!(sim.settle(), Vec::<String>::new(), "a reconciliation that changes nothing sends nothing");
    sim
}

#[test]
fn a_service_stands_before_its_trigger_and_a_resiliency_before_its_subscription() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", &format!("{BROKER}\npodwire.io/listen: both")));
    assert_eq!(
        sim.settle(),
        [
            "create Wiring billing",
            "create Broker orders",
            "create Service pw-billing",
            "create Trigger billing-orders",
            "create Service billing-dapr",
            "create Resiliency podwire-billing",
            "create Subscription billing-orders",
        ]
    );
    let owner = &sim.get("Trigger", "billing-orders").unwrap()["metadata"]["ownerReferences"][0];
    assert_eq!(owner["uid"], sim.get("Wiring", "billing").unwrap()["metadata"]["uid"]);
    assert_eq!((&owner["controller"], &owner["blockOwnerDeletion"]), (&json!(false), &json!(false)));
}

#[test]
fn without_its_resiliency_a_subscription_is_not_written() {
    let mut sim = Sim::new();
    sim.refused = Some("Resiliency");
    sim.put(&deployment("billing", SIDECAR));
    assert_eq!(sim.settle(), ["create Wiring billing", "create Service billing-dapr"]);
    let wiring = sim.get("Wiring", "billing").unwrap();
    let conditions = wiring["status"]["conditions"].as_array().unwrap();
    let said = conditions.iter().find(|one| one["type"] == "SubscriptionsReady").unwrap();
    assert_eq!((&said["status"], &said["reason"]), (&json!("False"), &json!("Refused")));
    assert!(said["message"].as_str().unwrap().ends_with("is tried again: forbidden"), "{said}");
}

#[test]
fn a_sidecar_that_runs_gets_its_subscription_when_it_has_loaded_the_resiliency_or_never_will() {
    let begins_to_consume = |sim: &mut Sim| {
        let publisher = "podwire.io/style: sidecar\npodwire.io/publish: orders";
        sim.put(&deployment("billing", publisher));
        sim.pod("billing-1", "billing", publisher);
        sim.settle();
        sim.put(&deployment("billing", SIDECAR));
        assert_eq!(sim.settle(), ["create Resiliency podwire-billing"]);
        assert!(sim.says("billing", "SubscriptionsReady").starts_with("False Pending"));
        assert!(sim.questions.iter().any(|question| question.pod == "billing-1"));
        assert_eq!(sim.again("billing"), Some(2));
    };
    let mut sim = Sim::new();
    begins_to_consume(&mut sim);
    let none = Answers { loaded: Some(Ok(Vec::new())), resiliencies: Some(Vec::new()), ..Answers::default() };
    sim.answers.insert("billing-1".to_owned(), none);
    assert_eq!(sim.settle(), Vec::<String>::new());
    let says = sim.says("billing", "SubscriptionsReady");
    assert!(says.starts_with("False ResiliencyNotLoaded the sidecar of pod billing-1 has not loaded Resiliency podwire-billing"), "{says}");
    sim.pass(29);
    assert_eq!(sim.settle(), ["merge Resiliency podwire-billing"], "it may not have heard of it");
    sim.pass(1);
    assert_eq!(
        sim.settle(),
        ["create Subscription billing-orders"],
        "where nothing is loaded while it runs a rollout is to find everything"
    );

    let mut sim = Sim::new();
    begins_to_consume(&mut sim);
    sim.sidecar_says("billing-1", 0);
    assert_eq!(sim.settle(), ["create Subscription billing-orders"]);

    // An older Dapr does not tell.
    let mut sim = Sim::new();
    begins_to_consume(&mut sim);
    sim.answers.insert("billing-1".to_owned(), Answers { loaded: Some(Ok(Vec::new())), ..Answers::default() });
    assert_eq!(sim.settle(), ["create Subscription billing-orders"]);
}

#[test]
fn a_resiliency_that_a_sidecar_did_not_hear_of_is_told_again_a_few_times() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", SIDECAR));
    sim.settle();
    sim.pod("billing-1", "billing", SIDECAR);
    sim.settle();
    // It has the Subscription, which it lists again and again.
    sim.sidecar_says("billing-1", 0);
    let heard = sim.answers["billing-1"].clone();
    sim.answers.insert("billing-1".to_owned(), Answers { resiliencies: Some(Vec::new()), ..heard.clone() });
    assert_eq!(sim.settle(), Vec::<String>::new());
    let again = |sim: &mut Sim, seconds: &[u64]| -> Vec<u64> {
        let tell = |seconds: &u64| {
            sim.pass(*seconds);
            let told = sim.settle();
            assert!(told.is_empty() || told == ["merge Resiliency podwire-billing"], "{told:?}");
            u64::try_from(told.len()).unwrap()
        };
        seconds.iter().map(tell).collect()
    };
    assert_eq!(again(&mut sim, &[4, 1, 14, 1, 44, 1, 1000]), [0, 1, 0, 1, 0, 1, 0]);
    let annotations = &sim.get("Resiliency", "podwire-billing").unwrap()["metadata"]["annotations"];
    assert!(annotations["podwire.io/told-again"].is_string(), "{annotations}");
    assert!(sim.says("billing", "SubscriptionsReady").starts_with("False ResiliencyNotLoaded"));
    // It has heard: the next time begins anew.
    sim.answers.insert("billing-1".to_owned(), heard.clone());
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert_eq!(sim.says("billing", "Ready"), "True Ready");
    sim.answers.insert("billing-1".to_owned(), Answers { resiliencies: Some(Vec::new()), ..heard });
    assert_eq!(again(&mut sim, &[0, 5]), [0, 1]);
}

#[test]
fn what_a_workload_no_longer_asks_for_lingers_for_the_retry_budget() {
    let mut sim = settled(BROKER);
    let other = BROKER.replace("orders", "payments");
    sim.put(&deployment("billing", &other));
    assert_eq!(sim.settle(), ["create Broker payments", "create Trigger billing-payments"]);
    sim.knative();
    sim.pass(1000);
    assert_eq!(sim.settle(), Vec::<String>::new(), "a pod still takes them");
    sim.remove("Pod", "billing-1");
    sim.pod("billing-2", "billing", &other);
    assert_eq!(sim.settle(), Vec::<String>::new());
    sim.pass(25);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert_eq!(sim.again("billing"), Some(0));
    sim.pass(1);
    assert_eq!(sim.settle(), ["delete Trigger billing-orders"]);
    assert!(sim.get("Service", "pw-billing").is_some());
}

#[test]
fn a_workload_that_comes_back_finds_its_triggers() {
    let mut sim = settled(BROKER);
    let before = sim.get("Trigger", "billing-orders");
    sim.remove("Deployment", "billing");
    assert_eq!(sim.settle(), Vec::<String>::new(), "an orphan's pod still carries the side");
    sim.remove("Pod", "billing-1");
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert!(sim.says("billing", "Accepted").starts_with("False Gone"));
    sim.pass(GRACE.as_secs() - 1);
    assert_eq!(sim.settle(), Vec::<String>::new());
    sim.put(&deployment("billing", BROKER));
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert_eq!(sim.get("Trigger", "billing-orders"), before);
    assert_eq!(sim.says("billing", "Accepted"), "True Wired");
}

#[test]
fn an_application_that_is_gone_goes_with_all_that_was_its_own_and_nothing_else() {
    let mut sim = settled(&format!("{BROKER}\npodwire.io/listen: both"));
    sim.put("apiVersion: v1\nkind: Service\nmetadata: {name: billing, namespace: shop, labels: {app.kubernetes.io/managed-by: podwire, podwire.io/app-id: billing}}\nspec: {}");
    sim.remove("Deployment", "billing");
    sim.remove("Pod", "billing-1");
    sim.settle();
    sim.pass(GRACE.as_secs());
    let mut gone = sim.settle();
    gone.sort();
    assert_eq!(
        gone,
        [
            "delete Resiliency podwire-billing",
            "delete Service billing-dapr",
            "delete Service pw-billing",
            "delete Subscription billing-orders",
            "delete Trigger billing-orders",
            "delete Wiring billing",
        ]
    );
    assert!(
        sim.snapshot.brokers.as_ref().unwrap().contains_key(&("shop".to_owned(), "orders".to_owned())),
        "a Broker holds events of many"
    );
    assert!(sim.get("Service", "billing").is_some(), "a label makes nothing podwire's");
}

#[test]
fn another_broker_is_another_trigger_and_the_old_one_stays_until_the_new_one_is_ready() {
    let typed = "podwire.io/style: broker\npodwire.io/broker: one\npodwire.io/subscribe: '[{topic: orders, type: a}]'";
    let mut sim = settled(typed);
    let moved = typed.replace("one", "two");
    sim.put(&deployment("billing", &moved));
    sim.remove("Pod", "billing-1");
    sim.pod("billing-2", "billing", &moved);
    let made = sim.settle();
    let replacement = made.iter().find_map(|line| line.strip_prefix("create Trigger ")).unwrap().to_owned();
    assert!(replacement.starts_with("billing-orders-") && made.contains(&"create Broker two".to_owned()), "{made:?}");
    assert_eq!(sim.get("Trigger", "billing-orders").unwrap()["spec"]["broker"], "one");
    sim.pass(1000);
    assert_eq!(sim.settle(), Vec::<String>::new(), "the new one is not ready");
    sim.knative();
    assert_eq!(sim.settle(), Vec::<String>::new());
    sim.pass(26);
    assert_eq!(sim.settle(), ["delete Trigger billing-orders"]);
    assert_eq!(sim.settle(), Vec::<String>::new(), "the replacement keeps its name");
    assert!(sim.get("Trigger", &replacement).is_some());
}

#[test]
fn what_somebody_edits_is_put_back_and_told() {
    let mut sim = settled(BROKER);
    let mut trigger = sim.get("Trigger", "billing-orders").unwrap();
    trigger["spec"]["subscriber"]["uri"] = json!("//elsewhere/");
    trigger["spec"]["filters"] = json!([{ "exact": { "type": "x" } }]);
    sim.store(trigger);
    sim.notices.clear();
    assert_eq!(sim.settle(), ["merge Trigger billing-orders", "apply Trigger billing-orders"]);
    let trigger = sim.get("Trigger", "billing-orders").unwrap();
    assert_eq!((&trigger["spec"]["subscriber"]["uri"], &trigger["spec"]["filters"]), (&json!("/events/orders"), &json!(null)));
    assert_eq!(sim.notices.iter().map(|notice| notice.reason).collect::<Vec<_>>(), ["PutBack"]);
    // Knative's defaulting is no edit.
    let mut trigger = sim.get("Trigger", "billing-orders").unwrap();
    trigger["metadata"]["labels"]["eventing.knative.dev/broker"] = json!("orders");
    trigger["metadata"]["annotations"] = json!({ "eventing.knative.dev/creator": "podwire" });
    sim.store(trigger);
    assert_eq!(sim.settle(), Vec::<String>::new());
}

#[test]
fn an_object_of_somebody_else_is_left_alone_and_named() {
    for (stranger, condition) in [
        (
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: billing-orders, namespace: shop, labels: {podwire.io/app-id: billing}}\nspec: {broker: mine}",
            "TriggersReady",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: pw-billing, namespace: shop, labels: {podwire.io/app-id: billing, app.kubernetes.io/managed-by: podwire}}\nspec: {}",
            "TriggersReady",
        ),
    ] {
        let mut sim = Sim::new();
        sim.put(stranger);
        sim.put(&deployment("billing", BROKER));
        let before = sim.get("Trigger", "billing-orders").or_else(|| sim.get("Service", "pw-billing"));
        sim.settle();
        assert_eq!(
            sim.get("Trigger", "billing-orders").filter(|one| one["spec"]["broker"] == "mine").or_else(|| sim.get("Service", "pw-billing")),
            before
        );
        assert!(sim.says("billing", condition).starts_with("False Conflict"), "{}", sim.says("billing", condition));
        sim.broker("orders", json!({}), "InMemoryChannel");
        sim.settle();
        assert!(sim.says("billing", "Ready").starts_with("False Conflict"));
    }
}

#[test]
fn what_belonged_to_a_wiring_that_is_no_more_is_awaited_and_made_anew() {
    let mut sim = settled(BROKER);
    sim.remove("Wiring", "billing");
    assert_eq!(sim.settle(), ["create Wiring billing"], "the garbage collector takes the old ones away");
    sim.remove("Trigger", "billing-orders");
    sim.remove("Service", "pw-billing");
    assert_eq!(sim.settle(), ["create Service pw-billing", "create Trigger billing-orders"]);
}

#[test]
fn kinds_come_and_go() {
    let mut sim = Sim::new();
    sim.serve(Part::Triggers, false);
    sim.put(&deployment("billing", BROKER));
    assert_eq!(sim.settle(), ["create Wiring billing", "create Service pw-billing"]);
    assert!(sim.says("billing", "TriggersReady").starts_with("False NotInstalled"));
    sim.serve(Part::Triggers, true);
    assert_eq!(sim.settle(), ["create Broker orders", "create Trigger billing-orders"]);
}

#[test]
fn nothing_of_a_workload_that_became_faulty_is_taken_away() {
    let mut sim = settled(BROKER);
    sim.remove("Pod", "billing-1");
    sim.put(&deployment("billing", "podwire.io/style: brokr\npodwire.io/subscribe: orders"));
    sim.settle();
    sim.pass(10_000);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert!(sim.says("billing", "Accepted").starts_with("False InvalidStyle Deployment/billing: PW003"));
}

#[test]
fn addresses_are_written_when_the_broker_is_ready_and_put_back() {
    let mut sim = Sim::new();
    let annotations = "podwire.io/style: broker\npodwire.io/publish: orders";
    sim.put(&deployment("web", annotations));
    sim.pod("web-1", "web", annotations);
    assert_eq!(sim.settle(), ["create Wiring web", "create Broker orders"]);
    sim.knative();
    assert_eq!(sim.settle(), ["create ConfigMap podwire-brokers"]);
    assert_eq!(sim.get("ConfigMap", "podwire-brokers").unwrap()["data"], json!({ "orders": "http://ingress/shop/orders" }));
    // Deleted while the Broker has no address: what it held is remembered.
    sim.put("apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: orders, namespace: shop}");
    sim.remove("ConfigMap", "podwire-brokers");
    assert_eq!(sim.settle(), ["create ConfigMap podwire-brokers"]);
    // Edited.
    let mut map = sim.get("ConfigMap", "podwire-brokers").unwrap();
    sim.knative();
    map["data"]["orders"] = json!("http://evil/");
    sim.store(map);
    assert_eq!(sim.settle(), ["merge ConfigMap podwire-brokers"]);
    // Somebody else's.
    let mut map = sim.get("ConfigMap", "podwire-brokers").unwrap();
    map["metadata"]["labels"] = json!({});
    map["data"] = json!({});
    sim.store(map);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert!(sim.says("web", "BrokerReady").starts_with("False Conflict"));
}
