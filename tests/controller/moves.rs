//! From one style to the other and back while events flow: a side is there as long as somebody needs it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audit::Mark;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::{Sidecar, run_pod};
use crate::words::{comes, component, condition, deleted, deployment, expect, holds, listening_on_both, message, uid};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("moves::there_and_back_a_side_goes_when_its_last_pod_is_gone_and_it_is_drained", there_and_back),
    ("moves::of_a_component_that_podwire_does_not_know_nobody_says_that_it_is_drained", without_a_rule),
    ("moves::a_rollback_in_the_middle_finds_everything_in_its_place", rollback),
    ("moves::a_publisher_that_still_publishes_keeps_the_trigger", still_publishes),
];

/// A namespace with a publisher `web` and a consumer `mail`. Its component gives messages back after 2.5 s.
struct Shop<'a> {
    world: &'a World,
    namespace: &'a str,
}

impl Shop<'_> {
    fn open(&self) -> Result<(), Failure> {
        self.world.namespace(self.namespace, &json!({}))?;
        let metadata = json!([
            { "name": "redisHost", "value": "redis:6379" },
            { "name": "processingTimeout", "value": "2s" }, { "name": "redeliverInterval", "value": "500" },
        ]);
        self.world.lab.apply(&component(self.namespace, &metadata))
    }

    fn web(&self, style: &str) -> Value {
        deployment("web", self.namespace, &json!({ "podwire.io/style": style, "podwire.io/publish": "orders" }))
    }

    fn mail(&self, style: &str) -> Value {
        let annotations = json!({ "podwire.io/style": style, "podwire.io/subscribe": "orders", "podwire.io/retry": "for=1s" });
        deployment("mail", self.namespace, &annotations)
    }

    /// Both in sidecar style, and running; the names of their pods.
    fn in_sidecar_style(&self, sidecar: &Sidecar) -> Result<[String; 2], Failure> {
        self.world.lab.apply(&self.web("sidecar"))?;
        self.world.lab.apply(&self.mail("sidecar"))?;
        self.world.there("subscriptions.dapr.io", self.namespace, "mail-orders")?;
        sidecar.load_from(&self.world.lab, self.namespace, "mail")?;
        let pods = [self.run("web", "10.244.0.1")?, self.run("mail", &sidecar.address())?];
        self.says("mail", "Connected", "True", "Connected")?;
        Ok(pods)
    }

    fn run(&self, of: &str, address: &str) -> Result<String, Failure> {
        self.world.run(self.namespace, of, address)
    }

    fn says(&self, app_id: &str, kind: &str, value: &str, reason: &str) -> Result<Value, Failure> {
        self.world.wiring(self.namespace, app_id, kind, value, reason)
    }

    /// A rollout to its end: the new pod.
    fn roll(&self, to: &Value, old: &str, address: &str) -> Result<String, Failure> {
        self.world.lab.apply(to)?;
        let of = to["metadata"]["name"].as_str().unwrap_or_default();
        let new = self.world.newcomer(self.namespace, of, old)?;
        run_pod(&self.world.lab, self.namespace, &new, address, true)?;
        self.world.gone("pod", self.namespace, old)?;
        Ok(new)
    }

    fn uid(&self, kind: &str, name: &str) -> Result<String, Failure> {
        Ok(uid(&self.world.there(kind, self.namespace, name)?).to_owned())
    }

    /// What was deleted of the consumer's.
    fn deleted(&self, since: &Mark) -> Result<Vec<String>, Failure> {
        Ok(deleted(since, self.namespace)?.into_iter().filter(|one| one.contains("mail")).collect())
    }
}

fn there_and_back(world: &World) -> Result<(), Failure> {
    let shop = Shop { world, namespace: "moves-there" };
    shop.open()?;
    let sidecar = Sidecar::start()?;
    let [web, mail] = shop.in_sidecar_style(&sidecar)?;
    let (web, mail) = there(&shop, &sidecar, &web, &mail)?;
    back(&shop, &web, &mail)
}

fn there(shop: &Shop, sidecar: &Sidecar, web: &str, mail: &str) -> Result<(String, String), Failure> {
    let (world, namespace) = (shop.world, shop.namespace);
    let mark = Mark::now(&world.lab)?;
    world.lab.apply(&listening_on_both(shop.mail("sidecar")))?;
    shop.says("mail", "TriggersReady", "True", "Ready")?;
    // The publisher moves: as long as its old pod runs it publishes on both sides.
    sidecar.break_down(true);
    world.lab.apply(&shop.web("broker"))?;
    let new = world.newcomer(namespace, "web", web)?;
    let both = shop.says("mail", "Drained", "False", "Published")?;
    holds("Drained", message(&both, "Drained"), &["sidecar: web publish there; broker: web publish there"])?;
    run_pod(&world.lab, namespace, &new, "10.244.0.2", true)?;
    world.gone("pod", namespace, web)?;
    let unknown = shop.says("mail", "Drained", "Unknown", "CountersUnreadable")?;
    holds("Drained", message(&unknown, "Drained"), &[mail, "500", "wait 4 s after its last publisher ended"])?;
    sidecar.break_down(false);
    let draining = shop.says("mail", "Drained", "False", "SidecarDraining")?;
    let since = |wiring: &Value| -> Value {
        let all = wiring["status"]["conditions"].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["type"] == "Drained").map(|one| one["lastTransitionTime"].clone()).unwrap_or_default()
    };
    for _ in 0..12 {
        sidecar.count("pubsub", "orders", "success", 1);
        std::thread::sleep(Duration::from_millis(500));
    }
    let now = world.lab.get(&["wiring", "mail", "-n", namespace])?;
    expect("Drained while events come in", condition(&now, "Drained"), Some(("False", "SidecarDraining")))?;
    expect("since when", since(&now), since(&draining))?;
    shop.says("mail", "Drained", "True", "SidecarDrained")?;

    // The consumer drops its sidecar.
    world.lab.apply(&shop.mail("broker"))?;
    let newer = world.newcomer(namespace, "mail", mail)?;
    std::thread::sleep(Duration::from_secs(2));
    expect("what is deleted while a pod carries the side", shop.deleted(&mark)?, Vec::new())?;
    run_pod(&world.lab, namespace, &newer, "10.244.0.3", true)?;
    for (kind, name) in [("subscriptions.dapr.io", "mail-orders"), ("resiliency", "podwire-mail"), ("service", "mail-dapr")] {
        world.gone(kind, namespace, name)?;
    }
    let own = |one: &String| one.ends_with("mail") || one.ends_with("orders");
    let order = || Ok(shop.deleted(&mark)?.into_iter().filter(own).collect::<Vec<_>>());
    comes("deleted, in order", order, ["subscriptions mail-orders", "resiliencies podwire-mail"].map(str::to_owned).to_vec())?;
    shop.says("mail", "Ready", "True", "Ready")?;
    shop.says("mail", "Connected", "True", "Connected")?;
    Ok((new, newer))
}

fn back(shop: &Shop, web: &str, mail: &str) -> Result<(), Failure> {
    let (world, namespace) = (shop.world, shop.namespace);
    let (mark, trigger) = (Mark::now(&world.lab)?, shop.uid("trigger", "mail-orders")?);
    // The consumer gains a sidecar: its Subscription is there before its pod.
    let sidecar = Sidecar::start()?;
    let both = listening_on_both(shop.mail("sidecar"));
    world.lab.apply(&both)?;
    shop.uid("subscriptions.dapr.io", "mail-orders")?;
    sidecar.load_from(&world.lab, namespace, "mail")?;
    shop.roll(&both, mail, &sidecar.address())?;
    shop.says("mail", "SubscriptionsReady", "True", "Loaded")?;
    world.lab.apply(&shop.web("sidecar"))?;
    let new = world.newcomer(namespace, "web", web)?;
    run_pod(&world.lab, namespace, &new, "10.244.0.4", true)?;
    world.gone("pod", namespace, web)?;
    shop.says("mail", "Drained", "True", "BrokerDrained")?;
    expect("deleted so far", shop.deleted(&mark)?, Vec::new())?;
    expect("the Trigger all the while", shop.uid("trigger", "mail-orders")?, trigger)?;
    world.lab.apply(&shop.mail("sidecar"))?;
    world.gone("service", namespace, "pw-mail")?;
    comes("deleted, in order", || shop.deleted(&mark), ["triggers mail-orders", "services pw-mail"].map(str::to_owned).to_vec())?;
    shop.says("mail", "Connected", "True", "Connected")?;
    wait_for("nothing is said of draining any more", 10, || {
        let wiring = world.lab.get(&["wiring", "mail", "-n", namespace]).ok()?;
        condition(&wiring, "Drained").is_none().then_some(())
    })
}

fn without_a_rule(world: &World) -> Result<(), Failure> {
    let shop = Shop { world, namespace: "moves-kafka" };
    world.namespace(shop.namespace, &json!({}))?;
    let mut kafka = component(shop.namespace, &json!([{ "name": "brokers", "value": "kafka:9092" }]));
    kafka["spec"]["type"] = json!("pubsub.kafka");
    world.lab.apply(&kafka)?;
    let sidecar = Sidecar::start()?;
    let [web, _] = shop.in_sidecar_style(&sidecar)?;
    world.lab.apply(&listening_on_both(shop.mail("sidecar")))?;
    shop.roll(&shop.web("broker"), &web, "10.244.0.2")?;
    let unknown = shop.says("mail", "Drained", "Unknown", "NoRule")?;
    holds("Drained", message(&unknown, "Drained"), &["pubsub.kafka", "wait ", " s after its last publisher ended"])?;
    world.there("subscriptions.dapr.io", shop.namespace, "mail-orders").map(drop)
}

fn rollback(world: &World) -> Result<(), Failure> {
    let shop = Shop { world, namespace: "moves-rollback" };
    shop.open()?;
    let sidecar = Sidecar::start()?;
    let [web, mail] = shop.in_sidecar_style(&sidecar)?;
    let mark = Mark::now(&world.lab)?;
    let subscription = shop.uid("subscriptions.dapr.io", "mail-orders")?;
    world.lab.apply(&listening_on_both(shop.mail("sidecar")))?;
    shop.says("mail", "TriggersReady", "True", "Ready")?;
    let trigger = shop.uid("trigger", "mail-orders")?;
    let new = shop.roll(&shop.web("broker"), &web, "10.244.0.2")?;
    // The consumer begins too early and does not come up; everything is rolled back.
    world.lab.apply(&shop.mail("broker"))?;
    let stuck = world.newcomer(shop.namespace, "mail", &mail)?;
    world.lab.kubectl(&["rollout", "undo", "deployment/mail", "-n", shop.namespace])?;
    world.gone("pod", shop.namespace, &stuck)?;
    world.lab.apply(&listening_on_both(shop.mail("sidecar")))?;
    shop.roll(&shop.web("sidecar"), &new, "10.244.0.4")?;
    shop.says("mail", "Drained", "True", "BrokerDrained")?;
    shop.says("mail", "SubscriptionsReady", "True", "Loaded")?;
    shop.says("mail", "Connected", "True", "Connected")?;
    expect("the Subscription", shop.uid("subscriptions.dapr.io", "mail-orders")?, subscription)?;
    expect("the Trigger", shop.uid("trigger", "mail-orders")?, trigger)?;
    expect("deleted", shop.deleted(&mark)?, Vec::new())
}

fn still_publishes(world: &World) -> Result<(), Failure> {
    let shop = Shop { world, namespace: "moves-publisher" };
    shop.open()?;
    let sidecar = Sidecar::start()?;
    let [web, _] = shop.in_sidecar_style(&sidecar)?;
    world.lab.apply(&listening_on_both(shop.mail("sidecar")))?;
    shop.says("mail", "TriggersReady", "True", "Ready")?;
    let (mark, trigger) = (Mark::now(&world.lab)?, shop.uid("trigger", "mail-orders")?);
    let new = shop.roll(&shop.web("broker"), &web, "10.244.0.2")?;
    // `listen` goes too early.
    world.lab.apply(&shop.mail("sidecar"))?;
    let wiring = shop.says("mail", "Connected", "False", "Missed")?;
    holds("Connected", message(&wiring, "Connected"), &["web publishes orders in broker style", "podwire.io/listen: both on mail"])?;
    std::thread::sleep(Duration::from_secs(4));
    expect("deleted", shop.deleted(&mark)?, Vec::new())?;
    expect("the Trigger", shop.uid("trigger", "mail-orders")?, trigger)?;
    shop.roll(&shop.web("sidecar"), &new, "10.244.0.4")?;
    world.gone("trigger", shop.namespace, "mail-orders")?;
    require("only that side goes", !shop.deleted(&mark)?.iter().any(|one| one.starts_with("subscriptions")))
}
