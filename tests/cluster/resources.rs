//! Requests and limits, as the real plugins and the real validation see them.

use podwire::api::quantity::Quantity;
use serde_json::{Value, json};

use crate::support::lab::Failure;
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("resources::quantities_are_read_and_written_as_the_api_server_does", quantities),
    ("resources::a_limit_is_a_statement_and_a_limit_range_is_none", stated),
    ("resources::pod_level_resources_grow_and_stay_valid", pod_level),
    ("resources::guaranteed_stays_guaranteed", guaranteed),
];

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), Failure> {
    if got == expected { Ok(()) } else { Err(Failure::new(format!("{what}: {got:?}, expected {expected:?}"))) }
}

/// Asks the API server what it makes of a request for memory: the text that it stores, or nothing where it refuses.
fn stored(world: &World, text: &str) -> Option<String> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "quantity-", "namespace": "default" },
        "spec": { "containers": [{ "name": "app", "image": "none", "resources": { "requests": { "memory": text } } }] },
    });
    let stored = world.lab.create(&pod, &["--dry-run=server"]).ok()?;
    stored["spec"]["containers"][0]["resources"]["requests"]["memory"].as_str().map(str::to_owned)
}

/// Every form that Kubernetes takes, and some that it does not.
const FORMS: &str = "0 1 0.1 .5 5. +1 100m 1000m 1500m 0.1m 0.0001 1k 1000 1024 1024Ki 1.5Gi 0.5Mi 0.1Ki 0.5Ki 1e3 1E3 1e-3 1e+3 12e6 1E 1n 1u 100u \
    1.0000000001 9223372036854775807 9223372036854775808 1e20 8Ei 1Ei 1025.5Ki 1.0001Ki 007 128Mi 0.25 1M 1.5M 1P 1023Ki 2000Mi 0.9Ki \
    1.0000000001Ki 3e-10 0.000000001Ki . Mi + - m -0 1.2.3 1K 1ki 1e 1e3Mi 0x10 --1 1_000 ten 1MiB 1e1.5 -1 1E+ e3";

/// The API server takes what we take and stores the same value; what we write, it stores as we wrote it.
fn quantities(world: &World) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for form in FORMS.split_whitespace().chain(["", "1 Gi"]) {
        let ours = Quantity::parse(form).ok().filter(|quantity| quantity.is_positive_or_zero()).map(Quantity::round_to_milli);
        let theirs = stored(world, form);
        match (ours, &theirs) {
            (None, None) => {}
            (Some(ours), Some(theirs)) if Quantity::parse(theirs) == Ok(ours) => {
                let written = ours.to_string();
                let again = stored(world, &written);
                if again.as_deref() != Some(&written) {
                    faults.push(format!("{form}: we write {written}, the API server makes {again:?} of it"));
                }
            }
            (ours, theirs) => faults.push(format!("{form:?}: we read {:?}, the API server {theirs:?}", ours.map(|ours| ours.to_string()))),
        }
    }
    expect("differences", faults, Vec::new())
}

/// A dry run of a pod of the sidecar style in a namespace.
fn wired(world: &World, namespace: &str, resources: &Value, pod_level: &Value) -> Result<Value, Failure> {
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": "sized" });
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "sized", "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none", "resources": resources }] },
    });
    if !pod_level.is_null() {
        pod["spec"]["resources"] = pod_level.clone();
    }
    world.lab.create(&pod, &["--dry-run=server"])
}

fn requests(pod: &Value) -> Value {
    pod["spec"]["containers"][0]["resources"]["requests"].clone()
}

/// k3: a request that was copied from a limit is the author's; one that LimitRanger wrote is nobody's.
fn stated(world: &World) -> Result<(), Failure> {
    world.lab.namespace("ranged", &json!({}))?;
    let pod = wired(world, "ranged", &json!({ "limits": { "cpu": "1", "memory": "1Gi" } }), &Value::Null)?;
    expect("copied from the limits", requests(&pod), json!({ "cpu": "1", "memory": "1Gi" }))?;
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "range", "namespace": "ranged" },
        "spec": { "limits": [{ "type": "Container", "default": { "cpu": "500m", "memory": "300Mi" }, "defaultRequest": { "cpu": "50m", "memory": "64Mi" } }] },
    });
    world.lab.apply(&range)?;
    let pod = crate::support::lab::wait_for("the LimitRange is in force", 20, || {
        wired(world, "ranged", &json!({}), &Value::Null)
            .ok()
            .filter(|pod| pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "500m")
    })?;
    expect("LimitRanger's requests give way", requests(&pod), json!({ "cpu": "100m", "memory": "128Mi" }))?;
    let pod = wired(world, "ranged", &json!({ "requests": { "cpu": "70m" } }), &Value::Null)?;
    expect("the author's request stays", requests(&pod), json!({ "cpu": "70m", "memory": "128Mi" }))
}

/// k10: what the pod states for itself grows by the sidecar, and the API server takes the result.
fn pod_level(world: &World) -> Result<(), Failure> {
    world.lab.namespace("podlevel", &json!({}))?;
    let sizes = |cpu: &str, memory: &str| json!({ "cpu": cpu, "memory": memory });
    let pod = wired(world, "podlevel", &json!({}), &json!({ "requests": sizes("50m", "64Mi") }))?;
    expect("the pod's requests", pod["spec"]["resources"]["requests"].clone(), sizes("150m", "314Mi"))?;
    expect("the application states none", requests(&pod), Value::Null)?;
    let pod = wired(world, "podlevel", &json!({}), &json!({ "limits": sizes("1", "300Mi") }))?;
    expect("the pod's limits", pod["spec"]["resources"]["limits"].clone(), sizes("1100m", "550Mi"))?;
    let both = json!({ "requests": sizes("1", "1Gi"), "limits": sizes("1", "1Gi") });
    let pod = wired(world, "podlevel", &json!({}), &both)?;
    expect("a pod that was Guaranteed", pod["status"]["qosClass"].as_str(), Some("Guaranteed"))
}

fn guaranteed(world: &World) -> Result<(), Failure> {
    let sizes = json!({ "cpu": "500m", "memory": "256Mi" });
    let pod = wired(world, "shop", &json!({ "requests": sizes, "limits": sizes }), &Value::Null)?;
    expect("the pod's class", pod["status"]["qosClass"].as_str(), Some("Guaranteed"))?;
    let pod = wired(world, "shop", &json!({ "limits": sizes }), &Value::Null)?;
    expect("the class of a pod that states limits alone", pod["status"]["qosClass"].as_str(), Some("Guaranteed"))
}
