//! A cluster in which nothing happens that concerns podwire: the first test of its own, for others leave applications behind that are in the middle of a move.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::many::quiet;
use crate::support::audit::{Mark, requests_by_controller};
use crate::support::failure::require;
use crate::support::lab::Failure;
use crate::support::sidecars::{Sidecar, run_pod};
use crate::words::{deployment, expect};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[("rest::what_changes_nothing_is_answered_with_no_request", at_rest)];

const NAMESPACE: &str = "rest";

/// Resources that the controller may write; of its Lease the renewals never end.
const WRITTEN: [&str; 9] = [
    "brokers.eventing.knative.dev",
    "configmaps",
    "events.events.k8s.io",
    "resiliencies.dapr.io",
    "services",
    "subscriptions.dapr.io",
    "triggers.eventing.knative.dev",
    "wirings.podwire.io",
    "wirings.podwire.io/status",
];

fn at_rest(world: &World) -> Result<(), Failure> {
    world.namespace(NAMESPACE, &json!({}))?;
    let (pods, _sidecars) = settled(world)?;
    quiet(&world.lab, 3000)?;
    let counts = || -> Result<BTreeMap<String, u64>, Failure> {
        Ok(world.lab.writes()?.into_iter().filter(|(resource, _)| WRITTEN.contains(&resource.as_str())).collect())
    };
    let sent = || world.controller().as_ref().map_or(Ok(0.0), |controller| controller.metric("podwire_writes_total"));
    let (mark, sent_before, before) = (Mark::now(&world.lab)?, sent()?, counts()?);
    touch(world, &pods)?;
    std::thread::sleep(Duration::from_secs(4));

    let requests: Vec<String> = requests_by_controller(&mark)?.iter().map(ToString::to_string).collect();
    expect("requests of the controller", requests, Vec::new())?;
    expect("writes that the controller counted", sent()? - sent_before, 0.0)?;
    let after = counts()?;
    let more = after.iter().map(|(resource, count)| (resource.as_str(), count - before.get(resource).copied().unwrap_or_default()));
    let more: BTreeMap<&str, u64> = more.filter(|(_, more)| *more > 0).collect();
    println!("writes by the API server's own count, of what the controller may write: {more:?}, all of them the test's own");
    let own = [("brokers.eventing.knative.dev", 1), ("triggers.eventing.knative.dev", 1), ("services", 1)];
    expect("writes by the API server's own count", more, own.into())
}

/// Applications of both styles, whose pods are ready and whose Wirings say so.
fn settled(world: &World) -> Result<(Vec<String>, Vec<Sidecar>), Failure> {
    let apps = [
        ("cart", json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders", "podwire.io/publish": "payments" })),
        ("web", json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders" })),
        ("mail", json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "news" })),
        ("press", json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "news" })),
        ("both", json!({ "podwire.io/style": "sidecar", "podwire.io/listen": "both", "podwire.io/subscribe": "bills" })),
    ];
    let (mut pods, mut sidecars) = (Vec::new(), Vec::new());
    for (name, annotations) in &apps {
        world.lab.apply(&deployment(name, NAMESPACE, annotations))?;
    }
    world.there("subscriptions.dapr.io", NAMESPACE, "mail-news")?;
    world.there("subscriptions.dapr.io", NAMESPACE, "both-bills")?;
    for (name, _) in &apps {
        let pod = world.pod(NAMESPACE, name)?;
        let sidecar = Sidecar::start()?;
        sidecar.load_from(&world.lab, NAMESPACE, name)?;
        let pod = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        run_pod(&world.lab, NAMESPACE, &pod, &sidecar.address(), true)?;
        pods.push(pod);
        sidecars.push(sidecar);
    }
    for (name, _) in &apps {
        world.wiring(NAMESPACE, name, "Ready", "True", "Ready")?;
    }
    Ok((pods, sidecars))
}

/// Changes what is nobody's business here.
fn touch(world: &World, pods: &[String]) -> Result<(), Failure> {
    let run = |arguments: &[&str]| world.lab.kubectl(&[arguments, &["-n", NAMESPACE]].concat()).map(drop);
    for pod in pods {
        run(&["label", "pod", pod, "team=blue"])?;
        let beat = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z" }] } });
        run(&["patch", "pod", pod, "--subresource=status", "--type=strategic", "-p", &beat.to_string()])?;
    }
    for name in ["cart", "mail", "both"] {
        run(&["annotate", "deployment", name, "example.com/looked-at=today"])?;
    }
    // What Knative's own webhook does when it writes again.
    run(&["annotate", "trigger", "cart-orders", "eventing.knative.dev/lastModifier=somebody", "--overwrite"])?;
    run(&["annotate", "broker", "orders", "example.com/looked-at=today"])?;
    run(&["label", "service", "pw-cart", "example.com/looked-at=today"])?;
    world.lab.kubectl(&["annotate", "namespace", NAMESPACE, "example.com/looked-at=today"])?;
    let told: Value = world.lab.get(&["deployment", "cart", "-n", NAMESPACE])?;
    require("the touch was one", told["metadata"]["annotations"]["example.com/looked-at"] == "today")
}
