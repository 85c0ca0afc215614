//! A part of the runtime is killed while events come; and Dapr's own injector beside podwire.

use serde_json::json;

use crate::Test;
use crate::ledgers::now;
use crate::node::{Failure, Node, require, wait_for};
use crate::outcome::LATE;
use crate::process::{Process, kill};
use crate::shop::{App, Brokers, Shop, Style};
use crate::table::note;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("sidecar::the_consumers_sidecar_is_killed", |node| {
        without(node, "consumer", Style::Sidecar, |process, shop| process.is_sidecar_of("billing", shop))
    }),
    ("broker::the_filter_is_killed", |node| without(node, "consumer", Style::Broker, |process, _| process.command.starts_with("/filter"))),
    ("sidecar::the_publishers_sidecar_is_killed", |node| {
        without(node, "publisher", Style::Sidecar, |process, shop| process.is_sidecar_of("web", shop))
    }),
    ("broker::the_ingress_is_killed", |node| {
        without(node, "publisher", Style::Broker, |process, _| process.command.starts_with("/ingress"))
    }),
    ("broker::the_dispatcher_is_killed", dispatcher),
    ("sidecar::daprs_own_injector_beside_podwire", injector),
];

/// Kills the processes that fit while events come: a sidecar of its own, or a part of Knative that belongs to everybody.
fn without(node: &Node, side: &str, style: Style, fits: fn(&Process, &str) -> bool) -> Result<(), Failure> {
    const COUNT: usize = 300;
    let brokers = if style == Style::Broker { Brokers::Alone } else { Brokers::Unused };
    let (shop, topic) = (Shop::open_with(node, &format!("no-{side}"), style, brokers)?, format!("no-{side}-orders"));
    shop.start(&[App::publishing("web", &topic), App::consuming("billing", topic.clone())])?;
    shop.tell("web", "/_publish", &json!({ "topic": topic, "type": "order", "prefix": "a-", "count": COUNT, "per_second": 50 }))?;
    shop.receives("billing", 50, 30)?;
    let killed = kill(usize::MAX, |process| fits(process, &shop.namespace))?;
    require(&format!("there was one to kill: {killed}"), killed > 0)?;
    let outcome = shop.outcome("a-", COUNT, 120)?;
    println!("{}, the part of the {side}'s is killed: {}", style.word(), outcome.words(LATE));
    require(&format!("all are accepted: {:?}", outcome.told()), outcome.accepted() == COUNT)?;
    shop.lost_nothing(&outcome, "billing", &topic)?;
    if side == "publisher" {
        require("some are published again", outcome.repeated() > 0)?;
        note("the publisher's sidecar, or the Broker's ingress, is killed", style, "is refused, publishes again, nothing is lost");
    } else {
        note("the consumer's sidecar, or the Broker's filter, is killed", style, "nothing is lost");
    }
    shop.close()
}

/// The dispatcher of the in-memory channel has in its memory what it has accepted and not delivered.
fn dispatcher(node: &Node) -> Result<(), Failure> {
    const COUNT: usize = 1000;
    let shop = Shop::open_with(node, "dispatcher", Style::Broker, Brokers::Alone)?;
    let order = |prefix: &str, count: usize| json!({ "topic": "dispatcher-orders", "type": "order", "prefix": prefix, "count": count, "per_second": 100 });
    shop.start(&[App::publishing("web", "dispatcher-orders"), App::consuming("billing", "dispatcher-orders").with("retry", "for=60s")])?;
    shop.tell("billing", "/_answers", &json!({ "prefix": "tried-", "status": 503 }))?;
    shop.publish("web", &order("tried-", 10))?;
    shop.receives("billing", 10, 30)?;
    shop.tell("web", "/_publish", &order("during-", COUNT))?;
    shop.receives("billing", 10 + COUNT / 5, 30)?;
    let ready = || restarts(node).ok().filter(|(_, ready)| *ready).map(|(restarts, _)| restarts);
    let before = wait_for("the dispatcher is ready", 30, ready)?;
    let killed_at = now();
    let killed = kill(usize::MAX, |process| process.command.starts_with("/channel_dispatcher"))?;
    require(&format!("there was one to kill: {killed}"), killed == 1)?;
    shop.tell("billing", "/_answers", &json!({}))?;
    wait_for("the dispatcher is back", 60, || ready().filter(|restarts| *restarts > before))?;
    let back = now() - killed_at;
    shop.publish("web", &order("after-", 100))?;
    let after = shop.outcome("after-", 100, 60)?;
    // Whatever was to come has come: the events behind it have.
    let during = shop.outcome("during-", COUNT, 20)?;
    let tried = shop.outcome("tried-", 10, 0)?;
    println!("broker, the dispatcher is killed, and back after {back} ms: {}", during.words(LATE));
    println!(
        "broker, the dispatcher is killed; tried again at that moment: {}; published once it is back: {}",
        tried.words(LATE),
        after.words(LATE)
    );
    let last = during.lost().into_iter().max().unwrap_or_default();
    require(&format!("nothing is lost that was accepted once it was back: {last}, killed at {killed_at}"), last < killed_at + back)?;
    require("what was tried again is lost, for the Broker promises no more", tried.lost().len() == 10)?;
    require(
        &format!("publishers are refused meanwhile, not for ever: {:?}", during.told()),
        during.repeated() > 0 && during.given_up() == 0,
    )?;
    require("nothing is lost that was published afterwards", after.accepted() == 100 && after.lost().is_empty())?;
    let behaviour = "the Broker's dispatcher is killed";
    note(behaviour, Style::Sidecar, "no such part");
    note(behaviour, Style::Broker, "what it was trying again is lost; publishers are refused until it is back, then nothing is lost");
    shop.close()
}

/// How often the dispatcher's container was started again, and whether it is ready.
fn restarts(node: &Node) -> Result<(u64, bool), Failure> {
    let pods = node.get(&["pods", "-n", "knative-eventing", "-l", "messaging.knative.dev/role=dispatcher"])?;
    let status = &pods["items"][0]["status"]["containerStatuses"][0];
    Ok((status["restartCount"].as_u64().unwrap_or_default(), status["ready"] == true))
}

/// Dapr injects, podwire adds the rest, and events arrive.
fn injector(node: &Node) -> Result<(), Failure> {
    let shop = Shop::open(node, "injector", Style::Sidecar)?;
    node.kubectl(&["scale", "deployment", "dapr-sidecar-injector", "-n", "dapr-system", "--replicas=1"])?;
    let probe = [
        "run",
        "probe",
        "--image=none",
        "--dry-run=server",
        "-o",
        "yaml",
        "--annotations=dapr.io/enabled=true",
        "--annotations=dapr.io/app-id=probe",
    ];
    wait_for("Dapr injects", 60, || node.kubectl(&probe).ok()?.contains("name: daprd").then_some(()))?;
    let dapr = |app: App<'static>, app_id: &str| {
        app.with("dapr.io/enabled", "true").with("dapr.io/app-id", app_id).with("dapr.io/app-port", "8080")
    };
    let apps = [dapr(App::publishing("web", "injector-orders"), "web"), dapr(App::consuming("billing", "injector-orders"), "billing")];
    shop.start(&apps)?;
    shop.publish("web", &json!({ "topic": "injector-orders", "type": "order", "prefix": "a-", "count": 20, "per_second": 50 }))?;
    let all = shop.receives("billing", 20, 30)?;
    let pods = node.get(&["pods", "-n", &shop.namespace, "-l", "app=billing"])?;
    let spec = &pods["items"][0]["spec"];
    let containers = spec["containers"].as_array().into_iter().flatten().filter(|one| one["name"] == "daprd").count();
    require(&format!("one sidecar, Dapr's own: {containers}"), containers == 1 && !all.is_empty())?;
    node.kubectl(&["scale", "deployment", "dapr-sidecar-injector", "-n", "dapr-system", "--replicas=0"])?;
    note("Dapr's own injector beside podwire", Style::Sidecar, "its sidecar, podwire's wiring");
    let broker = ["--annotations=dapr.io/enabled=true", "--annotations=podwire.io/app-id=web", "--annotations=podwire.io/style=broker"];
    let refused = node.kubectl(&[["run", "web", "--image=none", "--dry-run=server"].as_slice(), &broker].concat());
    require(&format!("in broker style it is refused: {refused:?}"), refused.is_err_and(|failure| failure.to_string().contains("PW033")))?;
    note("Dapr's own injector beside podwire", Style::Broker, "refused: it would add a sidecar");
    shop.close()
}
