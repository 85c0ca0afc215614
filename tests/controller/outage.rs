//! The API server goes and comes back, or refuses.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::many::{quiet, table};
use crate::support::audit::{Mark, requests_by_controller, writes_by_controller};
use crate::support::failure::require;
use crate::support::lab::Failure;
use crate::words::{condition, deployment, expect};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("outage::what_etcd_lost_while_no_watch_could_tell_is_back_and_nothing_else_is_written", comes_back),
    ("outage::what_is_refused_is_tried_less_and_less_often_told_once_and_done_when_it_may_be", refused),
];

const EXPIRED: &str = "what was missed is too old";

fn comes_back(world: &World) -> Result<(), Failure> {
    let namespace = "outage";
    world.namespace(namespace, &json!({}))?;
    let Some(usual) = world.controller().take() else { return Err(Failure::new("no controller runs")) };
    usual.terminate()?;
    *world.controller() = Some(world.start_controller(&["--log-level=podwire=debug"])?);
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/publish": "payments" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    world.wiring(namespace, "cart", "Ready", "False", "NoEndpoints")?;
    world.there("configmap", namespace, "podwire-brokers")?;
    quiet(&world.lab, 2000)?;
    let log = || world.controller().as_ref().map(|controller| controller.log()).unwrap_or_default();
    require("no watch has expired yet", !log().contains(EXPIRED))?;
    let before = world.there("configmap", namespace, "podwire-brokers")?;

    let mark = Mark::now(&world.lab)?;
    world.lab.restart_api_server(|lab| {
        lab.delete_from_etcd(&format!("/registry/eventing.knative.dev/triggers/{namespace}/cart-orders"))?;
        lab.delete_from_etcd(&format!("/registry/configmaps/{namespace}/podwire-brokers"))
    })?;
    let back = Instant::now();
    let map = world.there("configmap", namespace, "podwire-brokers")?;
    world.there("trigger", namespace, "cart-orders")?;
    let took = back.elapsed();
    expect("addresses", &map["data"], &before["data"])?;
    world.wiring(namespace, "cart", "TriggersReady", "False", "NoEndpoints")?;
    quiet(&world.lab, 2000)?;

    let writes = writes_by_controller(&mark)?;
    let objects = table(&writes.iter().filter(|one| one.code < 400 && one.resource != "wirings/status").cloned().collect::<Vec<_>>());
    let log = log();
    let expired: Vec<&str> = log.lines().filter(|line| line.contains(EXPIRED)).filter_map(|line| line.split("watch=").nth(1)).collect();
    println!("both were back {took:.1?} after the API server; {} watches had expired", expired.len());
    expect("objects written", objects, [("create configmaps".to_owned(), 1), ("create triggers".to_owned(), 1)].into())?;
    // Elsewhere a sidecar of another test may be gone by now, which its Wiring says.
    let told: Vec<&str> =
        writes.iter().filter(|one| one.resource == "wirings/status" && one.namespace == namespace).map(|one| one.name.as_str()).collect();
    require(&format!("the Wiring that lost something says so, and no more than twice: {told:?}"), told.len() <= 2)?;
    require("watches had expired, and lists followed", expired.iter().any(|watch| watch.contains("triggers")))
}

/// The rules of the controller's role, and where the one about Triggers stands.
fn rules(world: &World) -> Result<(Value, usize), Failure> {
    let role = world.lab.get(&["clusterrole", "podwire-controller"])?;
    let all = role["rules"].as_array().into_iter().flatten();
    let at = all.into_iter().position(|rule| rule["resources"] == json!(["triggers"]));
    let at = at.ok_or_else(|| Failure::new("no rule about Triggers"))?;
    Ok((role["rules"][at]["verbs"].clone(), at))
}

fn refused(world: &World) -> Result<(), Failure> {
    let namespace = "refused";
    world.namespace(namespace, &json!({}))?;
    let (verbs, at) = rules(world)?;
    let may = |verbs: &Value| {
        let patch = json!([{ "op": "replace", "path": format!("/rules/{at}/verbs"), "value": verbs }]).to_string();
        world.lab.kubectl(&["patch", "clusterrole", "podwire-controller", "--type=json", "-p", &patch]).map(drop)
    };
    may(&json!(["get", "list", "watch"]))?;
    let seen = while_refused(world, namespace);
    may(&verbs)?;
    let allowed = Instant::now();
    seen?;
    for name in ["one", "two", "three"] {
        world.there("trigger", namespace, &format!("{name}-orders"))?;
    }
    let took = allowed.elapsed();
    for name in ["one", "two", "three"] {
        world.wiring(namespace, name, "TriggersReady", "False", "NoEndpoints")?;
    }
    println!("all was done {took:.1?} after the rule was back");
    require(&format!("it recovered soon: {took:?}"), took < Duration::from_secs(15))
}

fn while_refused(world: &World, namespace: &str) -> Result<(), Failure> {
    let log = || world.controller().as_ref().map(|controller| controller.log()).unwrap_or_default();
    let lines = |what: &str| log().lines().filter(|line| line.contains(what) && line.contains("app=refused/")).count();
    let mark = Mark::now(&world.lab)?;
    let began = Instant::now();
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    for name in ["one", "two", "three"] {
        world.lab.apply(&deployment(name, namespace, &annotations))?;
    }
    for name in ["one", "two", "three"] {
        // All together say so once the Broker is ready, which they name before.
        let wiring = world.wiring(namespace, name, "Ready", "False", "Refused")?;
        expect("of the Triggers", condition(&wiring, "TriggersReady"), Some(("False", "Refused")))?;
    }
    std::thread::sleep(Duration::from_secs(10).saturating_sub(began.elapsed()));
    let requests = requests_by_controller(&mark)?;
    let table = table(&requests);
    println!("in 10 s, of three applications: {table:?}");
    let tries = table.get("create triggers (403)").copied().unwrap_or_default();
    // 0.2 s, doubled each time, and a quarter more or less: six to eight in 10 s, and one for each piece of news.
    require(&format!("each is tried more than once, and seldom: {tries} tries"), (12..=45).contains(&tries))?;
    require(&format!("no more than that is asked: {}", requests.len()), requests.len() <= tries + 3 * 6 + 3)?;
    expect("warnings", lines("a reconciliation failed, it is tried again"), 3)
}
