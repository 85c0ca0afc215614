//! Decisions explain themselves: in the API server's audit log, and to whoever asks the cluster.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::policy::settled;
use crate::support::lab::{Failure, wait_for};
use crate::{Test, World};

/// They install a policy, which governs the whole cluster.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("audit::decisions_reach_the_audit_log_of_the_api_server", decisions),
    ("audit::explain_says_of_a_live_object_what_won_and_what_it_carries", explained),
];

fn pod(name: &str, annotations: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": "shop", "annotations": annotations });
    let app = json!({ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": { "containers": [app] } })
}

/// With a policy that wires pods by Brokers where they leave it to auto; the built-in one holds again afterwards.
fn governed(world: &World, test: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let spec = json!({ "preferredStyle": "broker", "resources": { "app": { "default": { "requests": { "cpu": "150m" } } } } });
    let policy = json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "audited" }, "spec": spec });
    world.lab.apply(&policy)?;
    let probe = pod("audit-probe", &json!({ "podwire.io/app-id": "probe", "podwire.io/publish": "orders" }));
    let obeyed = wait_for("the policy governs", 10, || {
        let wired = world.lab.dry_run(&probe).ok()?;
        (wired["metadata"]["labels"]["podwire.io/wired-style"] == "broker").then_some(())
    });
    let done = obeyed.and_then(|()| test());
    world.lab.kubectl(&["delete", "injectionpolicy", "audited"])?;
    done.and(settled(world))
}

/// What the audit log says of the creation of a pod, without the name of the webhook.
fn audited(world: &World, name: &str) -> Result<Value, Failure> {
    let logs = world.lab.plane.logs();
    let (_, log) = logs.iter().find(|(program, _)| *program == "audit").ok_or_else(|| Failure::new("there is no audit log"))?;
    wait_for(format!("the audit log has pod {name}"), 10, || {
        let text = fs::read_to_string(log).ok()?;
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut ours = events.filter(|event| event["verb"] == "create" && event["requestObject"]["metadata"]["name"] == name);
        let event = ours.next()?;
        let annotations = event["annotations"].as_object()?.iter();
        let said = annotations.filter_map(|(key, value)| Some((key.strip_prefix("pods.podwire.io/")?.to_owned(), value.clone())));
        Some(Value::Object(said.collect()))
    })
}

fn decisions(world: &World) -> Result<(), Failure> {
    governed(world, || {
        let publishes = json!({ "podwire.io/app-id": "audited", "podwire.io/publish": "orders", "podwire.io/stlye": "x" });
        world.lab.create(&pod("audit-wired", &publishes))?;
        let mistaken = json!({ "podwire.io/app-id": "audited", "podwire.io/publish": "orders", "podwire.io/app-port": "80a" });
        if world.lab.create(&pod("audit-denied", &mistaken)).is_ok() {
            return Err(Failure::new("a pod with a mistake was admitted"));
        }
        world.lab.create(&pod("audit-untouched", &json!({ "podwire.io/style": "none" })))?;
        let expected = [
            ("audit-wired", json!({ "decision": "wired", "style": "broker", "policy": "audited", "reason": "PW002" })),
            ("audit-denied", json!({ "decision": "denied", "style": "broker", "policy": "audited", "reason": "PW012" })),
            ("audit-untouched", json!({ "decision": "untouched", "reason": "opted-out" })),
        ];
        for (name, expected) in expected {
            let said = audited(world, name)?;
            if said != expected {
                return Err(Failure::new(format!("{name}: {said}, expected {expected}")));
            }
        }
        world.lab.kubectl(&["delete", "pod", "audit-wired", "audit-untouched", "-n", "shop", "--force", "--grace-period=0"]).map(drop)
    })
}

/// What `podwire explain` says of an object of namespace shop.
fn explain(world: &World, object: &str) -> Result<String, Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwire"));
    let output = command.args(["explain", object, "-n", "shop", "--kubeconfig"]).arg(world.lab.plane.kubeconfig()).output()?;
    let (said, talk) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(Failure::new(talk)) }
}

fn expect(said: &str, all: &[&str]) -> Result<(), Failure> {
    let one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match all.iter().find(|part| !one_line.contains(**part)) {
        Some(part) => Err(Failure::new(format!("explain does not say {part:?}:\n{said}"))),
        None => Ok(()),
    }
}

fn explained(world: &World) -> Result<(), Failure> {
    let annotations = json!({ "podwire.io/app-id": "explained", "podwire.io/publish": "orders", "podwire.io/subscribe": "payments" });
    governed(world, || {
        world.lab.create(&pod("explained", &annotations))?;
        let why = ["Pod/explained in shop: wired, broker", "policy audited (priority 0)", "style broker (policy audited)"];
        let resources = ["app requests cpu none → 150m policy audited, over 100m (built in)"];
        let carried = ["record publishes broker, listens broker, policy audited", "today it is what it would be made today"];
        expect(&explain(world, "pod/explained")?, &[&why[..], &resources, &["Trigger/explained-payments"], &carried].concat())
    })?;
    // Without the policy auto's answer is another one, and the pod is none of today's any more.
    expect(&explain(world, "po/explained")?, &["style sidecar (built in)", "style broker", "outdated"])?;
    let wiring = json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "metadata": { "name": "explained", "namespace": "shop" } });
    world.lab.apply(&wiring)?;
    let ready = json!({ "type": "Ready", "status": "False", "reason": "Tried", "message": "by a test", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let mut status = json!({ "appId": "explained", "style": "broker", "conditions": [ready] });
    status["listensOn"] = json!("broker");
    status["pods"] = json!({ "summary": "1/1", "wired": 1, "lacking": 0, "outdated": 0 });
    for field in ["publishes", "subscriptions", "workloads"] {
        status[field] = json!([]);
    }
    let status = json!({ "status": status }).to_string();
    world.lab.kubectl(&["patch", "wiring", "explained", "-n", "shop", "--subresource=status", "--type=merge", "-p", &status])?;
    expect(
        &explain(world, "pod/explained")?,
        &["style broker (wiring), over sidecar (built in)", "today it is what it would be made today", "Ready False Tried by a test"],
    )?;
    let mut deployment = crate::wiring::workload("Deployment", "explained", "shop", &annotations);
    deployment["spec"]["replicas"] = json!(0);
    world.lab.apply(&deployment)?;
    expect(&explain(world, "deployment/explained")?, &["Deployment/explained in shop: wired, broker", "Service/pw-explained"])?;
    world.lab.kubectl(&["delete", "deployment", "explained", "-n", "shop"])?;
    world.lab.kubectl(&["delete", "wiring", "explained", "-n", "shop"])?;
    world.lab.kubectl(&["delete", "pod", "explained", "-n", "shop", "--force", "--grace-period=0"]).map(drop)
}
