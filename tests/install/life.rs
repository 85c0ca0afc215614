//! A release from its installation to what is left of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::helm::{CHART, Cluster, NAMESPACE, asking, is_wired};
use crate::queries;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("life::helm_4_installs_upgrades_rolls_back_and_uninstalls", |world| with(world, 0)),
    ("life::helm_3_installs_upgrades_rolls_back_and_uninstalls", |world| with(world, 1)),
];

fn with(world: &World, helm: usize) -> Result<(), Failure> {
    Cluster::with(&world.tools, &world.chart.helms[helm], life)
}

fn life(cluster: &Cluster) -> Result<(), Failure> {
    cluster.helm(&["install", "podwire", CHART])?;
    nobody_is_held_up(cluster)?;

    let webhooks = cluster.webhooks(2)?;
    thread::sleep(Duration::from_secs(1));
    require("a webhook without a certificate is alive and not ready", webhooks[0].get("/healthz")?.0 == 200 && !webhooks[0].is_ready())?;
    let controllers = [cluster.controller()?, cluster.controller()?];
    cluster.ready(&webhooks.iter().chain(&controllers).collect::<Vec<_>>())?;
    cluster.wires()?;
    checked(cluster)?;
    require("the policy is what the values say", policy(cluster)?["preferredStyle"] == "sidecar")?;
    let wiring = application(cluster)?;

    let load = Load::start(cluster);
    changed(cluster)?;
    let (sent, failures) = load.stop()?;
    println!("{sent} pods that asked while the release was upgraded and rolled back: {} of them not wired", failures.len());
    require(&format!("every pod was wired: {failures:?}"), sent > 30 && failures.is_empty())?;

    let expositions = webhooks.iter().chain(&controllers).map(|server| Ok(server.get("/metrics")?.1));
    queries::check(&expositions.collect::<Result<Vec<_>, Failure>>()?)?;
    taken_away(cluster)?;
    // Afterwards their roles are gone for a while.
    for server in webhooks.iter().chain(&controllers) {
        let forbidden: Vec<String> = server.log().lines().filter(|line| line.contains("orbidden")).map(str::to_owned).collect();
        require(&format!("nothing that it tries is forbidden to it: {forbidden:?}"), forbidden.is_empty())?;
    }
    cluster.helm(&["uninstall", "podwire"])?;
    left(cluster, &wiring)?;
    cluster.helm(&["install", "podwire", CHART])?;
    cluster.wires()?;
    let again = cluster.lab.get(&["wiring", "web", "-n", "shop"])?;
    require("the next release finds the Wiring", again["metadata"]["uid"] == wiring["metadata"]["uid"])?;
    for server in webhooks.into_iter().chain(controllers) {
        server.terminate()?;
    }
    Ok(())
}

/// The registration is there, and nobody answers: podwire's own pods, the cluster's, and those that did not ask come up all the same.
fn nobody_is_held_up(cluster: &Cluster) -> Result<(), Failure> {
    cluster.lab.pods(NAMESPACE, "app.kubernetes.io/component=webhook", 2)?;
    cluster.lab.pods(NAMESPACE, "app.kubernetes.io/component=controller", 2)?;
    let mut silent = asking("default");
    silent["metadata"]["annotations"] = json!({});
    for pod in [silent, asking("kube-system"), asking(NAMESPACE)] {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let mut pod = pod;
        pod["spec"]["securityContext"] = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
        pod["spec"]["containers"][0]["securityContext"] = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
        let taken = cluster.lab.dry_run(&pod)?;
        require(&format!("a pod of {namespace} is taken as it is"), taken["metadata"]["annotations"]["podwire.io/wired"].is_null())?;
    }
    let asked = cluster.ask("default")?;
    require(&format!("a pod that asks is refused: {asked:?}"), asked.is_err_and(|error| error.contains("pods.podwire.io")))
}

/// `podwire check`, which `helm test` runs.
fn checked(cluster: &Cluster) -> Result<(), Failure> {
    let check = |namespace: &str| -> Result<(Option<i32>, String), Failure> {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_podwire")));
        let output = command.env("KUBECONFIG", cluster.lab.plane.kubeconfig()).args(["check", "--namespace", namespace]).output()?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), format!("{out}{error}")))
    };
    let (code, text) = check("default")?;
    let works = code == Some(0) && text.contains("broker: wired, with no container and") && text.contains("sidecar: refused: ");
    require(&format!("one style works, and why the other does not is said: {code:?} {text}"), works && text.contains("PW034"))?;
    let (code, text) = check("kube-system")?;
    require(&format!("a namespace that is never wired is told: {code:?} {text}"), code == Some(1) && text.contains("taken and not wired"))?;
    let (code, text) = check("nowhere")?;
    require(&format!("a namespace that is not there is told: {code:?} {text}"), code == Some(3) && text.contains("nowhere"))
}

fn policy(cluster: &Cluster) -> Result<Value, Failure> {
    Ok(cluster.lab.get(&["injectionpolicy", "default"])?["spec"].take())
}

/// An application, and its Wiring and Trigger: the controller may do what it must.
fn application(cluster: &Cluster) -> Result<Value, Failure> {
    cluster.lab.namespace("shop", &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    cluster.lab.apply(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" },
        "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" }, "annotations": annotations },
                "spec": { "containers": [{ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] }] },
            },
        },
    }))?;
    wait_for("the application has a Trigger", 30, || cluster.lab.get(&["trigger", "web-orders", "-n", "shop"]).ok())?;
    cluster.lab.get(&["wiring", "web", "-n", "shop"])
}

/// What an upgrade and a rollback leave alone, by name.
fn kept(cluster: &Cluster) -> Result<BTreeMap<&'static str, Value>, Failure> {
    let secret = cluster.lab.get(&["secret", "podwire-webhook-tls", "-n", NAMESPACE])?;
    let bundles = |kind: &str| -> Result<Value, Failure> {
        let configuration = cluster.lab.get(&[kind, "podwire"])?;
        Ok(configuration["webhooks"].as_array().into_iter().flatten().map(|entry| entry["clientConfig"]["caBundle"].clone()).collect())
    };
    Ok(BTreeMap::from([
        ("Secret", secret["data"].clone()),
        ("mutating", bundles("mutatingwebhookconfiguration")?),
        ("validating", bundles("validatingwebhookconfiguration")?),
    ]))
}

/// Upgraded with other values, and rolled back.
fn changed(cluster: &Cluster) -> Result<(), Failure> {
    let before = kept(cluster)?;
    require(
        "there is a certificate, and each entry has its CA",
        before["Secret"]["tls.crt"].is_string() && before.values().all(|value| !value.to_string().contains("null")),
    )?;
    let values = ["--set", "policy.spec.preferredStyle=broker", "--set", "webhook.timeoutSeconds=4", "--set", "commonLabels.team=platform"];
    cluster.helm(&[["upgrade", "podwire", CHART].as_slice(), &values].concat())?;
    wait_for("the policy is what the new values say", 30, || (policy(cluster).ok()?["preferredStyle"] == "broker").then_some(()))?;
    require("certificate and caBundles outlive an upgrade", kept(cluster)? == before)?;
    cluster.helm(&["rollback", "podwire", "1"])?;
    wait_for("the policy is what the old values say", 30, || (policy(cluster).ok()?["preferredStyle"] == "sidecar").then_some(()))?;
    require("certificate and caBundles outlive a rollback", kept(cluster)? == before)
}

/// What somebody takes away is put back: a caBundle, and what the Secret holds.
fn taken_away(cluster: &Cluster) -> Result<(), Failure> {
    let before = kept(cluster)?;
    let remove = json!([{ "op": "remove", "path": "/webhooks/0/clientConfig/caBundle" }]).to_string();
    cluster.lab.kubectl(&["patch", "mutatingwebhookconfiguration", "podwire", "--type=json", "-p", &remove])?;
    wait_for("the caBundle is set again", 30, || (kept(cluster).ok()? == before).then_some(()))?;
    cluster.wires()
}

/// After an uninstallation: what was the release's is gone, and no application has lost anything.
fn left(cluster: &Cluster, wiring: &Value) -> Result<(), Failure> {
    let gone = [
        ["mutatingwebhookconfiguration", "podwire", "default"],
        ["validatingwebhookconfiguration", "podwire", "default"],
        ["clusterrole", "podwire-controller", "default"],
        ["deployment", "podwire-webhook", NAMESPACE],
        ["secret", "podwire-webhook-tls", NAMESPACE],
    ];
    for [kind, name, namespace] in gone {
        wait_for(format!("{kind} {name} is gone"), 30, || cluster.lab.find(&[kind, name, "-n", namespace]).ok()?.is_none().then_some(()))?;
    }
    let after = cluster.lab.get(&["wiring", "web", "-n", "shop"])?;
    require("the Wiring stays", after["metadata"]["uid"] == wiring["metadata"]["uid"])?;
    for [kind, name] in [["trigger", "web-orders"], ["service", "pw-web"]] {
        cluster.lab.get(&[kind, name, "-n", "shop"])?;
    }
    cluster.lab.get(&["customresourcedefinition", "injectionpolicies.podwire.io"])?;
    let asked = cluster.ask("default")?;
    require(&format!("nobody is asked any more: {asked:?}"), asked.is_ok_and(|pod| !is_wired(&pod)))
}

/// Pods that ask, one after the other, as fast as the API server answers. None is created.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, runtime, client) = (Arc::clone(&stop), Arc::clone(&cluster.runtime), cluster.client.clone());
        let thread = thread::spawn(move || {
            let pods = Api::<Pod>::namespaced(client, "default");
            let pod: Pod = serde_json::from_value(asking("default")).unwrap_or_default();
            let (mut sent, mut failures) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let created = runtime.block_on(pods.create(&PostParams { dry_run: true, field_manager: None }, &pod));
                sent += 1;
                match created {
                    Ok(pod) if is_wired(&json!(pod)) => {}
                    Ok(_) => failures.push("taken and not wired".to_owned()),
                    Err(error) => failures.push(error.to_string()),
                }
                thread::sleep(Duration::from_millis(10));
            }
            (sent, failures)
        });
        Load { stop, thread }
    }

    /// How many were sent, and why those that failed did.
    pub(crate) fn stop(self) -> Result<(usize, Vec<String>), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::new("the load panicked"))
    }
}
