//! podwire on the node: its chart, its certificates in a mounted Secret, what a replica's end costs, and what it never holds up.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Test;
use crate::node::{Failure, NAMESPACE, Node, holds, require, wait_for};
use crate::process::kill;
use crate::shop::PODWIRE;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("install::helm_test_passes", tested),
    ("install::both_webhooks_serve_what_the_secret_holds", mounted),
    ("install::one_webhook_ends_and_no_pod_is_refused", one),
    ("install::the_node_comes_back_while_no_webhook_answers", alone),
];

fn tested(node: &Node) -> Result<(), Failure> {
    let said = node.helm(&["test", "podwire", "--namespace", NAMESPACE, "--logs", "--timeout", "60s"])?;
    require(
        &format!("it says what works: {said}"),
        said.contains("sidecar: wired, with container daprd") && said.contains("broker: wired, with no container"),
    )
}

fn mounted(node: &Node) -> Result<(), Failure> {
    let _present = PODWIRE.read().unwrap_or_else(PoisonError::into_inner);
    let secret = node.get(&["secret", "podwire-webhook-tls", "-n", NAMESPACE])?;
    require("the controller has filled it", secret["data"]["tls.crt"].is_string() && secret["data"]["ca.key"].is_string())?;
    let pods = node.get(&["pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=webhook"])?;
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let restarts: i64 = pods.iter().filter_map(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64()).sum();
    require(
        &format!("two replicas are ready, without a restart: {restarts}"),
        pods.len() == 2 && pods.iter().all(|pod| holds(pod, "Ready")) && restarts == 0,
    )
}

/// The replicas are deleted one after the other while pods ask, and none is refused; then one is killed outright, and it is counted what that costs.
fn one(node: &Node) -> Result<(), Failure> {
    let _alone = PODWIRE.write().unwrap_or_else(PoisonError::into_inner);
    let selector = ["-n", NAMESPACE, "-l", "app.kubernetes.io/component=webhook"];
    let ready = || node.kubectl(&["rollout", "status", "deployment", "podwire-webhook", "-n", NAMESPACE, "--timeout=60s"]);
    let pods = node.get(&[["pods"].as_slice(), &selector].concat())?;
    let pods = pods["items"].as_array().into_iter().flatten().filter_map(|pod| pod["metadata"]["name"].as_str());
    let (asked, refused) = while_asking(node, || {
        for pod in pods {
            node.kubectl(&["delete", "pod", pod, "-n", NAMESPACE])?;
            ready()?;
        }
        Ok(())
    })?;
    println!("the webhook's replicas were deleted one by one: of {asked} pods {} were refused", refused.len());
    require(&format!("no pod is refused: {refused:?}"), refused.is_empty() && asked > 0)?;
    let (asked, refused) = while_asking(node, || {
        require("there was one to kill", kill(1, |process| process.command.starts_with("/podwire webhook"))? == 1)?;
        std::thread::sleep(Duration::from_secs(3));
        ready().map(drop)
    })?;
    println!("one of the webhook's replicas was killed outright: of {asked} pods {} were refused {:?}", refused.len(), refused.first());
    // Nobody shall count its restart.
    node.kubectl(&["rollout", "restart", "deployment", "podwire-webhook", "-n", NAMESPACE])?;
    ready()?;
    wait_for("only the new replicas are left", 60, || {
        let pods = node.get(&[["pods"].as_slice(), &selector].concat()).ok()?;
        (pods["items"].as_array()?.len() == 2).then_some(())
    })
}

/// Pods ask one after the other while something happens: how many did, and why those that were refused were.
fn while_asking(node: &Node, work: impl FnOnce() -> Result<(), Failure>) -> Result<(usize, Vec<String>), Failure> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut asked, mut refused) = (0, Vec::new());
            while !done.load(Ordering::Relaxed) {
                asked += 1;
                refused.extend(ask(node).err().map(|failure| failure.to_string()));
            }
            (asked, refused)
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let asked = asking.join().map_err(|_| Failure::new("the asking panicked"))?;
        worked.map(|()| asked)
    })
}

/// A pod that asks, and is not created.
fn ask(node: &Node) -> Result<(), Failure> {
    let asking = ["--annotations=podwire.io/app-id=asks", "--annotations=podwire.io/style=broker"];
    let made = node.kubectl(&[["run", "asks", "--image=none", "--dry-run=server", "-o", "yaml"].as_slice(), &asking].concat())?;
    require("it is wired", made.contains("podwire.io/wired:"))
}

/// Every webhook pod is gone, and what the cluster needs to live comes up all the same; then podwire does.
fn alone(node: &Node) -> Result<(), Failure> {
    let _alone = PODWIRE.write().unwrap_or_else(PoisonError::into_inner);
    node.kubectl(&["scale", "deployment", "podwire-webhook", "-n", NAMESPACE, "--replicas=0"])?;
    node.kubectl(&["wait", "pod", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=webhook", "--for=delete", "--timeout=60s"])?;
    let asked = node.kubectl(&["run", "asks", "--image=none", "--dry-run=server", "--annotations=podwire.io/app-id=asks"]);
    require(
        &format!("a pod that asks is refused: {asked:?}"),
        asked.is_err_and(|failure| failure.to_string().contains("pods.podwire.io")),
    )?;
    node.kubectl(&["rollout", "restart", "deployment", "coredns", "-n", "kube-system"])?;
    node.kubectl(&["rollout", "status", "deployment", "coredns", "-n", "kube-system", "--timeout=60s"])?;
    node.kubectl(&["scale", "deployment", "podwire-webhook", "-n", NAMESPACE, "--replicas=2"])?;
    node.kubectl(&["rollout", "status", "deployment", "podwire-webhook", "-n", NAMESPACE, "--timeout=60s"])?;
    wait_for("a pod that asks is wired again", 30, || ask(node).is_ok().then_some(()))
}
