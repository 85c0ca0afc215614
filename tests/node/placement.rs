//! Where the sidecar stands, and what that means when applications start and end: beside a Broker, where there is none.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::Test;
use crate::node::{Failure, Node, require, wait_for};
use crate::outcome::{LATE, Outcome};
use crate::shop::{App, Shop, Style};
use crate::table::note;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sidecar::a_native_consumer_restarts", |node| restarted(node, Style::Sidecar, Some("Native"))),
    ("sidecar::a_consumer_restarts", |node| restarted(node, Style::Sidecar, None)),
    ("broker::a_consumer_restarts", |node| restarted(node, Style::Broker, None)),
    ("sidecar::the_first_moment", |node| first(node, Style::Sidecar)),
    ("broker::the_first_moment", |node| first(node, Style::Broker)),
];

/// What a daprd holds of a topic of Redis with the component's defaults: its queue of 100, ten that are delivered, and what it has read and not
/// put into the queue, which is 100 at most (`XREADGROUP` with `COUNT` as `queueDepth`, `pubsub/redis/redis.go`).
const HELD: usize = 210;

/// One load at a time: two cores carry no more, and what is late shall be the sidecar's doing.
static LOAD: Mutex<()> = Mutex::new(());

/// A policy for this shop alone.
fn govern(shop: &Shop, placement: &str, startup: &str) -> Result<(), Failure> {
    let mut spec = shop.node.get(&["injectionpolicy", "default"])?["spec"].take();
    spec["priority"] = json!(10);
    spec["namespaceSelector"] = json!({ "matchLabels": { "kubernetes.io/metadata.name": shop.namespace } });
    spec["sidecar"]["placement"] = json!(placement);
    spec["sidecar"]["startup"] = json!(startup);
    shop.node.apply(&json!({
        "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": shop.namespace }, "spec": spec,
    }))?;
    let asks = ["run", "asks", "--image=none", "--dry-run=server", "-o", "json", "-n", &shop.namespace];
    let asking = ["--annotations=podwire.io/app-id=asks", "--annotations=podwire.io/style=sidecar"];
    wait_for(format!("the webhook knows {placement} and {startup}"), 30, || {
        let pod = serde_json::from_str(&shop.node.kubectl(&[asks.as_slice(), &asking].concat()).ok()?).ok()?;
        (stands(&pod) == (placement, startup)).then_some(())
    })
}

/// Where a pod's sidecar stands, and whether applications wait for it.
fn stands(pod: &Value) -> (&'static str, &'static str) {
    let of = |list: &str| pod["spec"][list].as_array().into_iter().flatten().find(|one| one["name"] == "daprd");
    let word = |holds: bool| if holds { "Hold" } else { "Start" };
    match (of("initContainers"), of("containers")) {
        (Some(native), _) => ("Native", word(native["startupProbe"].is_object())),
        (None, Some(container)) => ("Container", word(container["lifecycle"]["postStart"].is_object())),
        (None, None) => ("nowhere", "never"),
    }
}

/// A rolling restart of the consumer while 100 events a second come, which fill the queue of a sidecar whose application has ended.
fn restarted(node: &Node, style: Style, placement: Option<&str>) -> Result<(), Failure> {
    const COUNT: usize = 2500;
    let name = if placement.is_some() { "restart-native" } else { "restart" };
    let (shop, topic) = (Shop::open(node, name, style)?, format!("{name}-orders"));
    if let Some(placement) = placement {
        govern(&shop, placement, "Hold")?;
    }
    shop.start(&[App::publishing("web", &topic), App::consuming("billing", topic.as_str()).replicas(2)])?;
    if style == Style::Sidecar {
        let pods = node.get(&["pods", "-n", &shop.namespace, "-l", "app=billing"])?;
        let (stood, wanted) = (stands(&pods["items"][0]).0, placement.unwrap_or("Container"));
        require(&format!("the sidecar stands where the policy says: {stood}"), stood == wanted)?;
    }
    let load = LOAD.lock().unwrap_or_else(PoisonError::into_inner);
    shop.tell("billing", "/_answers", &json!({ "work": 10 }))?;
    shop.tell("web", "/_publish", &json!({ "topic": topic, "type": "order", "prefix": "a-", "count": COUNT, "per_second": 100 }))?;
    shop.receives("billing", 200, 90)?;
    node.kubectl(&["rollout", "restart", "deployment", "billing", "-n", &shop.namespace])?;
    node.kubectl(&["rollout", "status", "deployment", "billing", "-n", &shop.namespace, "--timeout=120s"])?;
    shop.published("web", "a-", COUNT as u64, 120)?;
    drop(load);
    // What a sidecar held may wait for another one after the 30 s that its pod has to end: 60 s, and then 15 s for each hundred. A sidecar that ends
    // too may have taken it over once more. Only a run that loses something waits so long.
    let outcome = shop.outcome("a-", COUNT, 420)?;
    println!("{name}, {}: {}", style.word(), outcome.words(LATE));
    shop.lost_nothing(&outcome, "billing", &topic)?;
    told(style, placement, &outcome)?;
    shop.close()
}

/// What the table says of a restart.
fn told(style: Style, placement: Option<&str>, outcome: &Outcome) -> Result<(), Failure> {
    let late = outcome.late(LATE).len();
    let (behaviour, most) = match (style, placement) {
        (Style::Broker, _) => ("a rolling restart of the consumer at 100 events a second", 0),
        (Style::Sidecar, None) => ("a rolling restart of the consumer at 100 events a second", 2 * HELD),
        (Style::Sidecar, Some(_)) => ("a rolling restart of the consumer at 100 events a second, `Native` placement", 2 * HELD),
    };
    require(&format!("at most {most} come later than 10 s: {late}"), late <= most)?;
    let seen =
        if most == 0 { "nothing is lost, nothing later than 10 s" } else { "nothing is lost, at most 210 events of a pod later than 10 s" };
    note(behaviour, style, seen);
    if placement.is_some() {
        note(behaviour, Style::Broker, "no sidecar");
    }
    Ok(())
}

/// Pods that publish as soon as they run.
fn first(node: &Node, style: Style) -> Result<(), Failure> {
    const COUNT: usize = 50;
    let shop = Shop::open(node, "first", style)?;
    shop.start(&[App::consuming("billing", "first-orders")])?;
    let ways: &[(&str, &str)] = match style {
        Style::Sidecar => &[("Native", "Hold"), ("Container", "Hold"), ("Native", "Start"), ("Container", "Start")],
        Style::Broker => &[("Native", "Hold")],
    };
    for (placement, startup) in ways {
        govern(&shop, placement, startup)?;
        let name = format!("first-{placement}-{startup}").to_lowercase();
        let order = json!({ "topic": "first-orders", "type": "order", "prefix": format!("{name}-"), "count": COUNT, "per_second": 50 });
        let app = App::publishing(&name, "first-orders").with("app-id", &name);
        let mut pod = shop.template(&app, &[("PUBLISH", order.to_string())]);
        (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
        (pod["metadata"]["name"], pod["metadata"]["namespace"]) = (json!(name), json!(shop.namespace));
        pod["spec"]["restartPolicy"] = json!("Never");
        pod["spec"]["containers"][0]["readinessProbe"] = Value::Null;
        node.apply(&pod)?;
        let outcome = shop.outcome(&format!("{name}-"), COUNT, 60)?;
        println!("{}, {placement}, {startup}: {}; told {:?}", style.word(), outcome.words(LATE), outcome.told());
        require(&format!("all are accepted: {:?}", outcome.told()), outcome.accepted() == COUNT)?;
        shop.lost_nothing(&outcome, "billing", "first-orders")?;
        began(style, placement, startup, &outcome)?;
    }
    shop.close()
}

/// What the table says of a start.
fn began(style: Style, placement: &str, startup: &str, outcome: &Outcome) -> Result<(), Failure> {
    // A node that is too busy to answer, or whose Redis is, has not refused a connection: somebody listens.
    let refused = outcome.told().iter().any(|told| told.contains("refused"));
    let (behaviour, seen) = match (placement, startup) {
        ("Native", "Hold") => {
            require(&format!("no connection is refused: {:?}", outcome.told()), !refused)?;
            ("an application publishes from its first moment", "its first try finds somebody who listens")
        }
        // A sleep of two seconds, which a sidecar on a busy node may need more than.
        ("Container", "Hold") => {
            ("an application publishes from its first moment, `Container` placement", "each is accepted, on a busy node at a repetition")
        }
        // Whether the sidecar is first is chance.
        _ => (
            "an application publishes from its first moment, `startup: Start`",
            "its first tries may be refused, each is accepted at a repetition",
        ),
    };
    note(behaviour, style, seen);
    if style == Style::Sidecar && placement == "Container" {
        note(behaviour, Style::Broker, "no sidecar");
    }
    Ok(())
}
