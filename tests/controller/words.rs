//! A few words in which tests speak of workloads and of Wirings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::World;
use crate::support::audit::{Mark, Write, writes_in};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::support::sidecars::run_pod;

/// A Deployment of one pod whose container listens on 8080, with these annotations on its template.
pub(crate) fn deployment(name: &str, namespace: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name }, "annotations": annotations },
                "spec": { "containers": [{ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] }] },
            },
        },
    })
}

pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), Failure> {
    if got == expected { Ok(()) } else { Err(Failure::new(format!("{what}: {got:?}, expected {expected:?}"))) }
}

/// The shortest of at most three times that something takes; it ends with the first that is short enough. On a machine that is busy one time says nothing.
pub(crate) fn at_best(enough: Duration, mut take: impl FnMut() -> Result<Duration, Failure>) -> Result<Duration, Failure> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        best = best.min(take()?);
        if best < enough {
            break;
        }
    }
    Ok(best)
}

/// What is written becomes this, soon: others see what a request did a moment before the log has it.
pub(crate) fn comes<T: PartialEq + std::fmt::Debug>(what: &str, get: impl Fn() -> Result<T, Failure>, expected: T) -> Result<(), Failure> {
    let _ = wait_for(what, 5, || get().ok().filter(|got| *got == expected));
    expect(what, get()?, expected)
}

/// Value and reason of a condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str)> {
    let one = object["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)?;
    Some((one["status"].as_str()?, one["reason"].as_str().unwrap_or_default()))
}

/// The component `pubsub` of a namespace, as Dapr reads it; with the times of its store where a test cannot wait for the usual ones.
pub(crate) fn component(namespace: &str, metadata: &Value) -> Value {
    json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": { "name": "pubsub", "namespace": namespace },
        "spec": { "type": "pubsub.redis", "version": "v1", "metadata": metadata },
    })
}

/// What a condition of an object says to people.
pub(crate) fn message<'a>(object: &'a Value, kind: &str) -> &'a str {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|one| one["type"] == kind)).and_then(|one| one["message"].as_str()).unwrap_or_default()
}

/// A text holds all of these.
pub(crate) fn holds(what: &str, text: &str, parts: &[&str]) -> Result<(), Failure> {
    parts.iter().try_for_each(|part| require(&format!("{what} says {part:?}: {text:?}"), text.contains(part)))
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// `podwire.io/listen: both` on the workload itself.
pub(crate) fn listening_on_both(mut workload: Value) -> Value {
    workload["metadata"]["annotations"] = json!({ "podwire.io/listen": "both" });
    workload
}

/// What the controller deleted since the mark: `triggers cart-orders`.
pub(crate) fn deleted(since: &Mark, namespace: &str) -> Result<Vec<String>, Failure> {
    let deletes = |write: &Write| write.verb == "delete";
    let writes = writes_in(since, namespace)?.into_iter().filter(deletes);
    Ok(writes.map(|write| format!("{} {}", write.resource, write.name)).collect())
}

impl World {
    /// A namespace with labels, ready to take pods, and with the component `pubsub`.
    pub(crate) fn namespace(&self, name: &str, labels: &Value) -> Result<(), Failure> {
        self.lab.namespace(name, labels)?;
        self.lab.apply(&component(name, &json!([])))
    }

    /// As soon as an object is no more.
    pub(crate) fn gone(&self, kind: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        let none = || self.lab.find(&[kind, name, "-n", namespace]).ok()?.is_none().then_some(());
        wait_for(format!("there is no {kind} {name} in {namespace}"), 30, none)
    }

    /// The Events about an object: reason, text, and how often each was told.
    pub(crate) fn events(&self, namespace: &str, of: &str) -> Result<Vec<(String, u64)>, Failure> {
        let list = self.lab.get(&["events", "-n", namespace])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = list["items"].as_array().into_iter().flatten().filter(|event| {
            let object = &event["involvedObject"];
            format!("{}/{}", text(&object["kind"]), text(&object["name"])) == of
        });
        // why: those of other controllers say nothing about podwire.
        let ours = about.filter(|event| event["reportingComponent"] == "podwire");
        Ok(ours
            .map(|one| (format!("{}: {}", text(&one["reason"]), text(&one["message"])), one["series"]["count"].as_u64().unwrap_or(1)))
            .collect())
    }

    /// As soon as an Event about an object begins so: its text.
    pub(crate) fn told(&self, namespace: &str, of: &str, begins: &str) -> Result<String, Failure> {
        let mut last = Vec::new();
        let told = wait_for(format!("an event {begins:?} is told of {of} in {namespace}"), 30, || {
            last = self.events(namespace, of).ok()?;
            last.iter().map(|(text, _)| text.clone()).find(|text| text.starts_with(begins))
        });
        told.map_err(|failure| Failure::new(format!("{failure}; told are {last:?}")))
    }

    /// The one pod of a Deployment seems to run at an address: its name.
    pub(crate) fn run(&self, namespace: &str, of: &str, address: &str) -> Result<String, Failure> {
        let pod = self.pod(namespace, of)?;
        run_pod(&self.lab, namespace, name(&pod), address, true)?;
        Ok(name(&pod).to_owned())
    }

    /// The pod that takes the place of another in a rollout; the other runs as long as this one does not.
    pub(crate) fn newcomer(&self, namespace: &str, of: &str, old: &str) -> Result<String, Failure> {
        let pods = self.lab.pods(namespace, &format!("app={of}"), 2)?;
        let new = pods.iter().map(name).find(|pod| *pod != old);
        new.map(str::to_owned).ok_or_else(|| Failure::new(format!("no pod but {old} is of {of}")))
    }

    /// An object, as soon as it is there.
    pub(crate) fn there(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, Failure> {
        wait_for(format!("there is {kind} {name} in {namespace}"), 30, || self.lab.get(&[kind, name, "-n", namespace]).ok())
    }

    /// The Wiring, as soon as a condition has this value and reason.
    pub(crate) fn wiring(&self, namespace: &str, app_id: &str, kind: &str, value: &str, reason: &str) -> Result<Value, Failure> {
        let mut last = Value::Null;
        let wiring = wait_for(format!("Wiring {namespace}/{app_id} has {kind} {value} for {reason}"), 30, || {
            last = self.lab.get(&["wiring", app_id, "-n", namespace]).ok()?;
            (condition(&last, kind) == Some((value, reason))).then(|| last.clone())
        });
        wiring.map_err(|failure| Failure::new(format!("{failure}; its status is {}", last["status"])))
    }

    /// The one pod of a Deployment of [`deployment`].
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Result<Value, Failure> {
        Ok(self.lab.pods(namespace, &format!("app={name}"), 1)?.remove(0))
    }
}

/// An object of an application belongs to its Wiring, blocks nobody's deletion, and has podwire's labels and no other.
pub(crate) fn owned(object: &Value, wiring: &Value) -> Result<(), Failure> {
    let app_id = &wiring["metadata"]["name"];
    let what = format!("owners of {} {}", object["kind"], object["metadata"]["name"]);
    let owner = json!({
        "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "name": app_id, "uid": wiring["metadata"]["uid"],
        "controller": false, "blockOwnerDeletion": false,
    });
    expect(&what, &object["metadata"]["ownerReferences"], &json!([owner]))?;
    expect("managed by", object["metadata"]["labels"]["app.kubernetes.io/managed-by"].as_str(), Some("podwire"))?;
    expect("app-id", &object["metadata"]["labels"]["podwire.io/app-id"], app_id)
}

/// The cells of the one row that `kubectl get wirings` prints of a namespace, and the heads of its columns.
pub(crate) fn row(world: &World, namespace: &str) -> Result<[Vec<String>; 2], Failure> {
    let text = world.lab.kubectl(&["get", "wirings", "-n", namespace])?;
    let mut lines = text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect());
    match (lines.next(), lines.next(), lines.next()) {
        (Some(heads), Some(cells), None) => Ok([heads, cells]),
        _ => Err(Failure::new(format!("one row was expected:\n{text}"))),
    }
}
