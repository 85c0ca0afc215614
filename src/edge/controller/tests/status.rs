//! What a Wiring says, and what Events say.

use serde_json::json;

use super::sim::{Sim, deployment};
use crate::engine::{Answers, Channel, Component, Found};

const BROKER: &str = "podwire.io/style: broker\npodwire.io/subscribe: orders";
const SIDECAR: &str = "podwire.io/style: sidecar\npodwire.io/subscribe: orders";

fn told(sim: &Sim) -> Vec<String> {
    sim.notices.iter().map(|notice| format!("{} {}: {}", notice.regarding.name.as_deref().unwrap(), notice.reason, notice.note)).collect()
}

#[test]
fn a_broker_application_becomes_ready_step_by_step() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    assert_eq!(sim.says("billing", "BrokerReady"), "False BrokerNotReady Broker orders: it has no status yet");
    assert!(sim.says("billing", "TriggersReady").starts_with("False TriggerNotReady"));
    sim.knative();
    sim.settle();
    assert_eq!(sim.says("billing", "TriggersReady"), "False NoEndpoints no pod is ready: an event is given up after 26 s");
    sim.pod("billing-1", "billing", BROKER);
    sim.settle();
    assert_eq!(sim.says("billing", "Ready"), "True Ready");
    assert_eq!(sim.says("billing", "Durable"), "False InMemory a restart of Knative's dispatcher loses what orders holds");
    assert!(sim.says("billing", "Connected").starts_with("Unknown NoPublisherKnown"));
    let status = sim.get("Wiring", "billing").unwrap()["status"].clone();
    assert_eq!((&status["pods"]["summary"], &status["listensOn"], &status["style"]), (&json!("1/1"), &json!("broker"), &json!("broker")));
    assert_eq!(status["retry"], json!({ "sidecar": "8 retries in about 24.6s", "broker": "7 retries in about 25.4s" }));
    assert_eq!(status["subscriptions"][0]["undelivered"], "is gone after about 37 s in sidecar style, 26 s in broker style");
}

/// What the channel of Broker `orders` says: of the spec of this generation, that it sends to the Trigger with this uid, or to none.
fn channel(sim: &mut Sim, observed: u64, feeds: Option<&str>) {
    let status = json!({ "observedGeneration": observed, "subscribers": feeds.map(|_| json!([{ "uid": "s", "observedGeneration": 1, "ready": "True" }])) });
    let address = format!("http://broker-filter.knative-eventing.svc.cluster.local/triggers/shop/billing-orders/{}", feeds.unwrap_or("-"));
    let spec = json!({ "subscribers": [{ "uid": "s", "generation": 1, "subscriberUri": address }] });
    let said = Channel::of(&json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status }));
    sim.channels.insert("orders".to_owned(), said);
    sim.settle();
}

#[test]
fn a_trigger_is_ready_a_second_after_its_channel_sends_to_it() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    sim.pod("billing-1", "billing", BROKER);
    sim.knative();
    let trigger = sim.get("Trigger", "billing-orders").unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let behind = "False ChannelBehind Trigger billing-orders is ready, and the channel of Broker orders does not send to it yet: until it does, events are accepted and lost";
    // Knative 0.47 says of every subscriber that it is ready, of whatever spec.
    channel(&mut sim, 1, Some(&trigger));
    assert_eq!((sim.says("billing", "TriggersReady").as_str(), sim.again("billing")), (behind, Some(1)));
    assert!(sim.says("billing", "Ready").starts_with("False ChannelBehind"));
    for feeds in [None, Some("another"), Some(trigger.as_str())] {
        channel(&mut sim, 2, feeds);
        assert_eq!(sim.says("billing", "TriggersReady"), behind, "{feeds:?}");
    }
    sim.pass(1);
    sim.settle();
    assert_eq!(sim.says("billing", "TriggersReady"), "True Ready");
    // Another Trigger joins the channel, which goes on sending to this one meanwhile.
    channel(&mut sim, 1, None);
    assert_eq!(sim.says("billing", "TriggersReady"), "True Ready");
    sim.restart();
    sim.settle();
    assert_eq!(sim.says("billing", "TriggersReady"), "True Ready");
}

#[test]
fn what_sidecars_say_is_believed_and_what_they_do_not_say_is_not() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", SIDECAR));
    sim.settle();
    sim.pod("billing-1", "billing", SIDECAR);
    sim.settle();
    assert!(sim.says("billing", "SubscriptionsReady").starts_with("Unknown NotAsked"));
    assert!(sim.questions.iter().any(|question| question.pod == "billing-1" && question.port == 3501));
    sim.answers.insert("billing-1".to_owned(), Answers { loaded: Some(Err("refused".to_owned())), ..Answers::default() });
    sim.settle();
    assert!(sim.says("billing", "SubscriptionsReady").starts_with("Unknown Unreachable"));
    sim.answers.insert("billing-1".to_owned(), Answers { loaded: Some(Ok(Vec::new())), ..Answers::default() });
    sim.settle();
    assert!(sim.says("billing", "SubscriptionsReady").starts_with("False NotLoaded"));
    sim.sidecar_says("billing-1", 0);
    sim.component = Some(Found::Nothing);
    sim.settle();
    assert_eq!(sim.says("billing", "SubscriptionsReady"), "False ComponentMissing the namespace has no component pubsub");
    sim.component = Some(Found::This(Component { scopes: vec!["other".to_owned()], ..Component::default() }));
    sim.settle();
    assert!(sim.says("billing", "SubscriptionsReady").starts_with("False ComponentOutOfScope"));
    sim.component = None;
    sim.settle();
    assert_eq!(sim.says("billing", "Ready"), "True Ready");
    assert!(sim.questions.is_empty(), "who has answered is not asked again");
}

#[test]
fn a_resiliency_of_somebody_else_in_scope_keeps_ours_away() {
    let mut sim = Sim::new();
    let resiliency = |scopes: &str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {{name: theirs, namespace: shop}}\n{scopes}spec: {{targets: {{components: {{pubsub: {{inbound: {{retry: x}}}}}}}}}}"
        )
    };
    sim.put(&resiliency("scopes: [other]\n"));
    sim.put(&deployment("billing", SIDECAR));
    assert!(sim.settle().contains(&"create Resiliency podwire-billing".to_owned()));
    sim.put(&resiliency(""));
    sim.settle();
    let says = sim.says("billing", "SubscriptionsReady");
    assert_eq!(says, "False ResiliencyConflict Resiliency theirs names component pubsub: it holds, and podwire's is not written");
    assert!(sim.get("Resiliency", "podwire-billing").is_none(), "daprd would keep the one that it loads last");
    assert!(sim.get("Subscription", "billing-orders").is_some());
}

#[test]
fn who_may_not_share_an_app_id_is_named_and_the_older_stays_in_force() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    sim.pass(1);
    sim.put(&deployment("other", "podwire.io/style: broker\npodwire.io/app-id: billing\npodwire.io/subscribe: payments"));
    sim.settle();
    let says = sim.says("billing", "Accepted");
    assert!(says.starts_with("False AppIdTaken Deployment/other: PW054"), "{says}");
    assert!(says.contains("Deployment/billing and Deployment/other"), "{says}");
    assert!(sim.get("Trigger", "billing-orders").is_some() && sim.get("Trigger", "billing-payments").is_none());
    assert!(told(&sim).iter().any(|text| text.starts_with("other NotWired: PW054")), "{:?}", told(&sim));
}

#[test]
fn events_are_told_once_and_not_again_by_a_new_process() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    sim.settle();
    assert_eq!(told(&sim), ["billing Wired: app-id billing, style broker"]);
    sim.notices.clear();
    sim.restart();
    sim.settle();
    assert_eq!(told(&sim), Vec::<String>::new());
    sim.put(&deployment("billing", "podwire.io/style: brokr"));
    sim.settle();
    sim.settle();
    assert_eq!(told(&sim).len(), 1);
    assert!(told(&sim)[0].starts_with("billing NotWired: PW003"));
}

#[test]
fn pods_that_lack_or_carry_an_older_wiring_are_counted_and_named() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.pod("billing-1", "billing", BROKER);
    sim.settle();
    let mut bare = sim.admitted("billing-2", "billing", BROKER);
    bare["metadata"]["labels"] = json!({ "pod-template-hash": "5d8c" });
    sim.store(bare);
    sim.settle();
    let says = sim.says("billing", "PodsWired");
    assert!(
        says.starts_with("False PodsLacking pods asked and are not wired: 1 of Deployment/billing (billing-2): kubectl rollout restart"),
        "{says}"
    );
    assert_eq!(
        sim.get("Wiring", "billing").unwrap()["status"]["pods"],
        json!({ "summary": "1/2", "wired": 1, "outdated": 0, "lacking": 1 })
    );
    sim.remove_unwired("billing-2");
    // One that opted out does not lack anything.
    sim.store(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "out", "annotations": { "podwire.io/style": "none", "podwire.io/app-id": "billing" } }, "spec": { "containers": [] } }));
    sim.settle();
    assert_eq!(sim.says("billing", "PodsWired"), "True Wired");
    sim.put(&deployment("billing", "podwire.io/style: broker\npodwire.io/subscribe: orders\npodwire.io/publish: payments"));
    sim.settle();
    assert!(sim.says("billing", "PodsWired").starts_with("False RolloutNeeded"));
}

#[test]
fn a_pod_whose_label_was_changed_by_hand_counts_nowhere() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    let mut pod = sim.admitted("evil-1", "evil", "podwire.io/style: broker\npodwire.io/subscribe: payments\npodwire.io/app-id: evil");
    pod["metadata"]["labels"]["podwire.io/app-id"] = json!("billing");
    sim.store(pod);
    sim.settle();
    assert_eq!(sim.get("Wiring", "billing").unwrap()["status"]["pods"]["wired"], 0);
    assert!(sim.get("Trigger", "billing-payments").is_none());
}

#[test]
fn nothing_is_made_of_what_somebody_writes_into_a_wiring() {
    let mut sim = Sim::new();
    sim.put(&deployment("billing", BROKER));
    sim.settle();
    let mut wiring = sim.get("Wiring", "billing").unwrap();
    wiring["status"]["subscriptions"] = json!([{ "name": "x", "topic": "stolen", "path": "/", "undelivered": "" }]);
    wiring["status"]["style"] = json!("sidecar");
    sim.store(wiring);
    assert_eq!(sim.settle(), Vec::<String>::new());
    assert_eq!(sim.get("Wiring", "billing").unwrap()["status"]["style"], "broker");
}

#[test]
fn more_triggers_than_a_namespace_may_have_are_not_made() {
    let mut sim = Sim::new();
    sim.crowd(500);
    sim.put(&deployment("billing", BROKER));
    assert!(!sim.settle().iter().any(|line| line.starts_with("create Trigger")));
    assert!(sim.says("billing", "TriggersReady").starts_with("False TooManyTriggers"), "{}", sim.says("billing", "TriggersReady"));
}
