//! One application, byte for byte, in both styles: what arrives, how often, in which form.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Test;
use crate::node::{Failure, Node, require, wait_for};
use crate::shop::{App, Brokers, Delivery, Shop, Style, distinct};
use crate::table::note;

macro_rules! both_styles {
    ($($name:ident),+) => {
        /// Each behaviour in each style.
        pub(crate) const TESTS: &[(&str, Test)] = &[$(
            (concat!("sidecar::", stringify!($name)), |node| within(node, stringify!($name), Style::Sidecar, $name)),
            (concat!("broker::", stringify!($name)), |node| within(node, stringify!($name), Style::Broker, $name)),
        )+];
    };
}

both_styles!(killed, poison, both, dead, once, compete, fanout, members, routes, job, early, restricted);

fn within(node: &Node, test: &str, style: Style, work: fn(&Shop) -> Result<(), Failure>) -> Result<(), Failure> {
    let brokers = if style == Style::Broker || test == "both" { Brokers::Shared } else { Brokers::Unused };
    let shop = Shop::open_with(node, test, style, brokers)?;
    work(&shop)?;
    shop.close()
}

/// An order to publish.
fn order(topic: &str, kind: &str, prefix: &str, count: u64) -> Value {
    json!({ "topic": topic, "type": kind, "prefix": prefix, "count": count, "per_second": 50 })
}

/// Whether each event came exactly once.
fn each_once(all: &[Delivery], count: usize) -> Result<(), Failure> {
    require(
        &format!("{count} events came once each: {} deliveries of {}", all.len(), distinct(all)),
        all.len() == count && distinct(all) == count,
    )
}

/// Long enough for a second delivery to show itself.
fn settle() {
    std::thread::sleep(Duration::from_secs(3));
}

fn once(shop: &Shop) -> Result<(), Failure> {
    shop.start(&[App::publishing("web", "once-orders"), App::consuming("billing", "[{topic: once-orders, path: /events/orders}]")])?;
    shop.publish("web", &order("once-orders", "com.shop.order.created", "a-", 20))?;
    shop.receives("billing", 20, 30)?;
    settle();
    let all = shop.received("billing")?;
    each_once(&all, 20)?;
    let published = shop.events()?;
    let mut added = BTreeSet::new();
    for one in &all {
        let (line, sent) = (&one.line, &published[&one.id]);
        require(&format!("it is a POST to the path: {line}"), line["method"] == "POST" && line["path"] == "/events/orders")?;
        let content = line["headers"]["content-type"].as_str().unwrap_or_default();
        require(&format!("it is a structured event: {content}"), content.starts_with("application/cloudevents+json"))?;
        for (name, value) in sent.as_object().into_iter().flatten() {
            require(&format!("attribute {name} is what was published: {line}"), line["event"][name] == *value)?;
        }
        added.extend(line["event"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).filter(|name| sent[name].is_null()));
    }
    note("an event arrives once: POST, path, structured", shop.style, "once");
    note("attributes that the runtime adds", shop.style, added.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

fn compete(shop: &Shop) -> Result<(), Failure> {
    shop.start(&[App::publishing("web", "compete-orders"), App::consuming("billing", "compete-orders").replicas(2)])?;
    shop.publish("web", &order("compete-orders", "order", "a-", 100))?;
    shop.receives("billing", 100, 30)?;
    settle();
    let all = shop.received("billing")?;
    each_once(&all, 100)?;
    let mut pods: BTreeMap<&str, usize> = BTreeMap::new();
    all.iter().for_each(|one| *pods.entry(&one.pod).or_default() += 1);
    println!("{}: of 100 events two replicas had {:?}", shop.style.word(), pods.values().collect::<Vec<_>>());
    // Knative's filter keeps a connection, so that one replica may have all of them.
    require(&format!("both replicas work: {pods:?}"), pods.len() == 2 || shop.style == Style::Broker)?;
    note("two replicas compete", shop.style, "each event once");
    Ok(())
}

fn fanout(shop: &Shop) -> Result<(), Failure> {
    shop.start(&[
        App::publishing("web", "fanout-orders"),
        App::consuming("billing", "fanout-orders"),
        App::consuming("mail", "fanout-orders"),
    ])?;
    shop.publish("web", &order("fanout-orders", "order", "a-", 20))?;
    for app in ["billing", "mail"] {
        shop.receives(app, 20, 30)?;
    }
    settle();
    for app in ["billing", "mail"] {
        each_once(&shop.received(app)?, 20)?;
    }
    note("two applications each get it", shop.style, "each once");
    Ok(())
}

fn members(shop: &Shop) -> Result<(), Failure> {
    let member = |name| App::consuming(name, "members-orders").with("app-id", "billing");
    shop.start(&[App::publishing("web", "members-orders"), member("blue"), member("green")])?;
    shop.publish("web", &order("members-orders", "order", "a-", 100))?;
    let both = || Ok::<_, Failure>([shop.received("blue")?, shop.received("green")?]);
    let all = || both().map(|[blue, green]| blue.into_iter().chain(green).collect::<Vec<_>>());
    wait_for("both have all", 30, || (distinct(&all().ok()?) >= 100).then_some(()))?;
    settle();
    each_once(&all()?, 100)?;
    let [blue, green] = both()?;
    println!("{}: of 100 events two workloads had {} and {}", shop.style.word(), blue.len(), green.len());
    // As with replicas: one may have all of a Broker's.
    require(
        &format!("both work: {} and {}", blue.len(), green.len()),
        shop.style == Style::Broker || !(blue.is_empty() || green.is_empty()),
    )?;
    note("two workloads of one app-id compete", shop.style, "each event once");
    Ok(())
}

fn routes(shop: &Shop) -> Result<(), Failure> {
    let entries = "[{topic: routes-orders, name: created, type: order.created, path: /created}, {topic: routes-orders, name: eu, type: order.paid, filter: {region: eu}, path: /paid-eu}]";
    shop.start(&[App::publishing("web", "routes-orders"), App::consuming("billing", entries)])?;
    let order = |kind: &str, prefix: &str, region: &str| {
        let mut order = order("routes-orders", kind, prefix, 5);
        order["attributes"] = json!({ "region": region });
        order
    };
    for (kind, prefix, region) in
        [("order.paid", "us-", "us"), ("order.created", "created-", "us"), ("order.paid", "eu-", "eu"), ("order.gone", "gone-", "eu")]
    {
        shop.publish("web", &order(kind, prefix, region))?;
    }
    shop.receives("billing", 10, 30)?;
    settle();
    let all = shop.received("billing")?;
    each_once(&all, 10)?;
    for one in &all {
        let path = if one.id.starts_with("created-") { "/created" } else { "/paid-eu" };
        require(&format!("{} came to {path}: {}", one.id, one.line["path"]), one.line["path"] == path && !one.id.starts_with("us-"))?;
    }
    note("types and filters route", shop.style, "to the entry that fits");
    note("an event that no entry takes", shop.style, "is not delivered");
    Ok(())
}

fn dead(shop: &Shop) -> Result<(), Failure> {
    let consumer = App::consuming("billing", "[{topic: dead-orders, path: /orders, deadLetter: dead-letters}]").with("retry", "for=3s");
    shop.start(&[App::publishing("web", "dead-orders"), consumer, App::consuming("morgue", "[{topic: dead-letters, path: /dead}]")])?;
    shop.tell("billing", "/_answers", &json!({ "prefix": "bad-", "status": 503 }))?;
    shop.publish("web", &order("dead-orders", "order", "bad-", 1))?;
    shop.publish("web", &order("dead-orders", "order", "good-", 1))?;
    let buried = shop.receives("morgue", 1, 60)?;
    settle();
    let all = shop.received("billing")?;
    let tries: Vec<&Delivery> = all.iter().filter(|one| one.id.starts_with("bad-")).collect();
    let span = tries.last().map_or(0, |last| last.at) - tries.first().map_or(0, |first| first.at);
    println!("{}: {} tries over {span} ms, then the dead letter", shop.style.word(), tries.len());
    require(&format!("it was tried again: {} tries", tries.len()), tries.len() > 2)?;
    require(&format!("the dead letter came once: {buried:?}"), shop.received("morgue")?.len() == 1 && buried[0].id == tries[0].id)?;
    require("the dead letter is the event", buried[0].line["event"]["data"] == tries[0].line["event"]["data"])?;
    require("the good one came once", all.iter().filter(|one| one.id.starts_with("good-")).count() == 1)?;
    note(
        "503 is retried (for=3s), then the dead letter handler has it",
        shop.style,
        format!("{} tries, once in the dead letter", tries.len()),
    );
    Ok(())
}

/// What ten events that fail do to those behind them.
fn poison(shop: &Shop) -> Result<(), Failure> {
    let consumer =
        App::consuming("billing", "[{topic: poison-orders, path: /orders, deadLetter: poison-letters}]").with("retry", "for=20s");
    shop.start(&[App::publishing("web", "poison-orders"), consumer, App::consuming("morgue", "poison-letters")])?;
    shop.tell("billing", "/_answers", &json!({ "prefix": "bad-", "status": 503 }))?;
    shop.publish("web", &order("poison-orders", "order", "bad-", 10))?;
    shop.publish("web", &order("poison-orders", "order", "good-", 20))?;
    let sent = shop.received("billing")?.iter().map(|one| one.at).min().unwrap_or_default();
    let good = || Ok::<_, Failure>(shop.received("billing")?.into_iter().filter(|one| one.id.starts_with("good-")).collect::<Vec<_>>());
    wait_for("the good ones came", 60, || (distinct(&good().ok()?) >= 20).then_some(()))?;
    let last = good()?.iter().map(|one| one.at).max().unwrap_or_default();
    println!(
        "{}: the last of 20 good events behind 10 bad ones came {} ms after the first bad one",
        shop.style.word(),
        last.saturating_sub(sent)
    );
    shop.receives("morgue", 10, 60)?;
    note(
        "20 events behind ten that fail (for=20s)",
        shop.style,
        if last.saturating_sub(sent) > 5000 { "wait until those are given up" } else { "go on" },
    );
    Ok(())
}

/// A Job publishes and completes, its sidecar too.
fn job(shop: &Shop) -> Result<(), Failure> {
    shop.start(&[App::consuming("billing", "job-orders")])?;
    let app = App::publishing("nightly", "job-orders").with("app-id", "nightly");
    let mut template = shop.template(&app, &[("PUBLISH", order("job-orders", "order", "a-", 5).to_string())]);
    template["spec"]["restartPolicy"] = json!("Never");
    template["spec"]["containers"][0]["readinessProbe"] = Value::Null;
    shop.node.apply(&json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "nightly", "namespace": shop.namespace },
        "spec": { "backoffLimit": 0, "template": template },
    }))?;
    shop.node.kubectl(&["wait", "job", "nightly", "-n", &shop.namespace, "--for=condition=Complete", "--timeout=60s"])?;
    shop.published("nightly", "a-", 5, 5)?;
    shop.receives("billing", 5, 30)?;
    note("a Job publishes at once and completes", shop.style, "yes");
    Ok(())
}

/// A namespace that takes no other pods.
fn restricted(shop: &Shop) -> Result<(), Failure> {
    shop.node.kubectl(&["label", "namespace", &shop.namespace, "pod-security.kubernetes.io/enforce=restricted"])?;
    let app = App::consuming("billing", "restricted-orders").with("publish", "restricted-orders");
    let mut deployment = shop.deployment(&app);
    deployment["spec"]["template"]["spec"]["volumes"][0] = json!({ "name": "ledger", "emptyDir": {} });
    shop.node.apply(&deployment)?;
    shop.node.kubectl(&["rollout", "status", "deployment", "billing", "-n", &shop.namespace, "--timeout=90s"])?;
    note("a `restricted` namespace takes the pods", shop.style, "yes");
    Ok(())
}

/// A consumer is killed while events come, and nothing that was accepted is lost.
fn killed(shop: &Shop) -> Result<(), Failure> {
    // why a timeout: a connection to a pod whose network went with it says nothing for a quarter of an hour.
    let consumer = App::consuming("billing", "killed-orders").replicas(2).with("retry", "for=30s,timeout=10s");
    shop.start(&[App::publishing("web", "killed-orders"), consumer])?;
    shop.tell("billing", "/_answers", &json!({ "work": 20 }))?;
    shop.tell("web", "/_publish", &order("killed-orders", "order", "a-", 400))?;
    shop.receives("billing", 100, 30)?;
    let pods = shop.node.get(&["pods", "-n", &shop.namespace, "-l", "app=billing"])?;
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    shop.node.kubectl(&["delete", "pod", &pod, "-n", &shop.namespace, "--grace-period=0", "--force"])?;
    shop.published("web", "a-", 400, 60)?;
    // What a sidecar had taken and not delivered comes back when the component's processingTimeout is over: 60 s, looked for every 15.
    let all = shop.receives("billing", 400, 120)?;
    let last = all.iter().map(|one| one.at).max().unwrap_or_default() - all.iter().map(|one| one.at).min().unwrap_or_default();
    println!(
        "{}: 400 events and {} deliveries, a replica killed among them; the last came {last} ms after the first",
        shop.style.word(),
        all.len()
    );
    note("a consumer is killed", shop.style, "nothing is lost");
    Ok(())
}

/// An init container publishes.
fn early(shop: &Shop) -> Result<(), Failure> {
    shop.start(&[App::consuming("billing", "early-orders")])?;
    let app = App::publishing("web", "early-orders");
    let mut deployment = shop.deployment(&app);
    let pod = &mut deployment["spec"]["template"]["spec"];
    let mut init = pod["containers"][0].clone();
    init["name"] = json!("first");
    init["env"] = json!([{ "name": "PUBLISH", "value": order("early-orders", "order", "init-", 5).to_string() }]);
    init["readinessProbe"] = Value::Null;
    init["ports"] = Value::Null;
    pod["initContainers"] = json!([init]);
    shop.node.apply(&deployment)?;
    shop.node.kubectl(&["rollout", "status", "deployment", "web", "-n", &shop.namespace, "--timeout=90s"])?;
    shop.receives("billing", 5, 30)?;
    let tries = shop.tries("init-")?;
    println!("{}: an init container published 5 events in {tries} tries", shop.style.word());
    note("an init container publishes", shop.style, "yes");
    Ok(())
}

/// A consumer that listens on both sides has the events of a publisher on each.
fn both(shop: &Shop) -> Result<(), Failure> {
    // Here both shops have sidecars, and a topic of Redis knows no namespace.
    let topic = format!("both-{}", shop.style.word());
    let consumer = App::consuming("billing", topic.as_str());
    let (consumer, workload) = match shop.style {
        // A Broker reaches a pod of either style: nothing of the template changes.
        Style::Sidecar => (consumer, json!({ "podwire.io/listen": "both" })),
        Style::Broker => (consumer.with("listen", "both"), json!({})),
    };
    let mut deployment = shop.deployment(&consumer);
    deployment["metadata"]["annotations"] = workload;
    shop.node.apply(&deployment)?;
    shop.start(&[App::publishing("here", &topic).with("style", "sidecar"), App::publishing("there", &topic).with("style", "broker")])?;
    shop.ready(&consumer)?;
    shop.publish("here", &order(&topic, "order", "sidecar-", 20))?;
    shop.publish("there", &order(&topic, "order", "broker-", 20))?;
    shop.receives("billing", 40, 30)?;
    settle();
    each_once(&shop.received("billing")?, 40)?;
    note("`listen: both`, a publisher on each side", shop.style, "each event once");
    Ok(())
}
