//! Requests and limits, as the real plugins and the real validation see them.

use podwire::api::quantity::Quantity;
use serde_json::{Value, json};

use crate::support::lab::{Failure, wait_for};
use crate::wiring::{injected, workload};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("resources::quantities_are_read_and_written_as_the_api_server_does", quantities),
    ("resources::a_limit_is_a_statement_and_a_limit_range_is_none", stated),
    ("resources::pod_level_resources_grow_and_stay_valid", pod_level),
    ("resources::guaranteed_stays_guaranteed", guaranteed),
    ("resources::limit_ranger_has_nothing_to_add_to_the_sidecar", default_limit),
    ("resources::a_limit_range_with_only_a_max_is_obeyed", max_only),
    ("resources::a_limit_range_with_a_min_is_obeyed", min),
    ("resources::a_ratio_is_kept", ratio),
    ("resources::a_limit_range_of_pods_is_named", of_pods),
    ("resources::a_limit_of_the_sidecar_gives_way_to_the_pods", gives_way),
    ("resources::pod_level_resources_under_a_limit_range_stay_valid", pod_level_ranged),
    ("resources::a_quota_that_demands_limits_has_them", demanded),
    ("resources::a_quota_that_is_too_small_is_named", too_small),
    ("resources::a_quota_that_is_used_up_is_a_warning_and_the_plugin_decides", used_up),
    ("resources::inject_under_a_limit_range_is_what_the_webhook_makes", offline_is_online),
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
    let stored = world.lab.dry_run(&pod).ok()?;
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

/// A pod of the sidecar style in a namespace.
fn sized(namespace: &str, resources: &Value) -> Value {
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": "sized" });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "sized", "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none", "resources": resources }] },
    })
}

/// A dry run of it.
fn wired(world: &World, namespace: &str, resources: &Value, pod_level: &Value) -> Result<Value, Failure> {
    let mut pod = sized(namespace, resources);
    if !pod_level.is_null() {
        pod["spec"]["resources"] = pod_level.clone();
    }
    world.lab.dry_run(&pod)
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
    let pod = wait_for("the LimitRange is in force", 20, || {
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

fn range(namespace: &str, limits: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "range", "namespace": namespace }, "spec": { "limits": limits } })
}

fn quota(namespace: &str, hard: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "compute", "namespace": namespace }, "spec": { "hard": hard } })
}

fn sizes(cpu: &str, memory: &str) -> Value {
    json!({ "cpu": cpu, "memory": memory })
}

/// Requests and limits of the application and of the sidecar.
fn both(pod: &Value) -> [Value; 4] {
    let spec = &pod["spec"];
    let sidecar = spec["initContainers"].as_array().into_iter().flatten().find(|one| one["name"] == "daprd").cloned().unwrap_or_default();
    let app = &spec["containers"][0]["resources"];
    [&app["requests"], &app["limits"], &sidecar["resources"]["requests"], &sidecar["resources"]["limits"]].map(Value::clone)
}

/// Waits until a pod of the namespace comes out with these, for the API server and podwire hear of a new object a moment later.
fn becomes(world: &World, namespace: &str, resources: &Value, expected: &[Value; 4]) -> Result<Value, Failure> {
    let mut last = String::new();
    let pod = wait_for("the pod has the expected resources", 20, || match wired(world, namespace, resources, &Value::Null) {
        Ok(pod) if both(&pod) == *expected => Some(pod),
        Ok(pod) => {
            last = format!("{:?}", both(&pod));
            None
        }
        Err(error) => {
            last = error.to_string();
            None
        }
    });
    pod.map_err(|_| Failure::new(format!("expected {expected:?}, last {last}")))
}

/// Waits until a pod of the namespace is refused, or warned of, with all of these words.
fn refused(world: &World, namespace: &str, resources: &Value, words: &[&str]) -> Result<(), Failure> {
    let mut last = String::new();
    let said = wait_for("the pod is refused", 20, || {
        // kubectl, for it tells warnings too.
        let output =
            world.lab.try_kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&sized(namespace, resources).to_string())).ok()?;
        last = String::from_utf8_lossy(&output.stderr).into_owned();
        words.iter().all(|word| last.contains(word)).then_some(())
    });
    said.map_err(|_| Failure::new(format!("{words:?} should be in {last}")))
}

/// k15: the limit that LimitRanger would give the sidecar is below what the sidecar asks for.
fn default_limit(world: &World) -> Result<(), Failure> {
    let namespace = "default-limit";
    world.lab.namespace(namespace, &json!({}))?;
    let limits = json!([{ "type": "Container", "default": sizes("500m", "200Mi"), "defaultRequest": sizes("50m", "64Mi") }]);
    world.lab.apply(&range(namespace, &limits))?;
    let expected = [sizes("100m", "128Mi"), sizes("500m", "200Mi"), sizes("100m", "250Mi"), sizes("500m", "250Mi")];
    let pod = becomes(world, namespace, &json!({}), &expected)?;
    let env = pod["spec"]["initContainers"][0]["env"].as_array().cloned().unwrap_or_default();
    let memory = env.iter().find(|variable| variable["name"] == "GOMEMLIMIT").map(|variable| variable["value"].clone());
    expect("GOMEMLIMIT", memory, Some(json!("225MiB")))?;
    let record = pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap_or_default().to_owned();
    expect("LimitRanger set something of the sidecar's", record.contains("daprd"), false)?;
    // The author's request is above the limit that LimitRanger gave.
    let expected = [sizes("100m", "300Mi"), sizes("500m", "300Mi"), sizes("100m", "250Mi"), sizes("500m", "250Mi")];
    becomes(world, namespace, &json!({ "requests": { "memory": "300Mi" } }), &expected).map(drop)
}

/// k15: the API server makes a default of the max, and a request of the default.
fn max_only(world: &World) -> Result<(), Failure> {
    let namespace = "max-only";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&range(namespace, &json!([{ "type": "Container", "max": sizes("1", "200Mi") }])))?;
    let max = || sizes("1", "200Mi");
    let pod = becomes(world, namespace, &json!({}), &[max(), max(), sizes("100m", "200Mi"), sizes("100m", "200Mi")])?;
    expect("the class of a pod that LimitRanger made Guaranteed", pod["status"]["qosClass"].as_str(), Some("Guaranteed"))?;
    let limits = [sizes("100m", "128Mi"), max(), sizes("100m", "200Mi"), max()];
    becomes(world, namespace, &json!({ "requests": sizes("100m", "128Mi") }), &limits).map(drop)
}

fn min(world: &World) -> Result<(), Failure> {
    let namespace = "min";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&range(namespace, &json!([{ "type": "Container", "min": sizes("200m", "300Mi") }])))?;
    let least = || sizes("200m", "300Mi");
    becomes(world, namespace, &json!({}), &[least(), Value::Null, least(), Value::Null]).map(drop)
}

fn ratio(world: &World) -> Result<(), Failure> {
    let namespace = "ratio";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&range(
        namespace,
        &json!([{ "type": "Container", "maxLimitRequestRatio": sizes("4", "2"), "default": { "memory": "1Gi" } }]),
    ))?;
    let stated = json!({ "requests": sizes("100m", "600Mi"), "limits": { "cpu": "400m" } });
    let expected = [sizes("100m", "600Mi"), sizes("400m", "1Gi"), sizes("100m", "250Mi"), sizes("100m", "500Mi")];
    becomes(world, namespace, &stated, &expected)?;
    // Nobody gives the application a limit of CPU, and LimitRanger refuses a container without one.
    let expected = [sizes("100m", "600Mi"), sizes("100m", "1Gi"), sizes("100m", "250Mi"), sizes("100m", "500Mi")];
    becomes(world, namespace, &json!({ "requests": { "memory": "600Mi" } }), &expected).map(drop)
}

fn of_pods(world: &World) -> Result<(), Failure> {
    let namespace = "of-pods";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&range(namespace, &json!([{ "type": "Pod", "max": sizes("1", "300Mi") }])))?;
    // No container has a limit, and LimitRanger refuses a pod without one.
    let stated = || json!({ "requests": sizes("100m", "50Mi") });
    let asked = || sizes("100m", "50Mi");
    let expected = [asked(), asked(), sizes("100m", "250Mi"), sizes("100m", "250Mi")];
    becomes(world, namespace, &stated(), &expected)?;
    refused(world, namespace, &json!({}), &["PW068", "LimitRange range", "378Mi", "300Mi"])
}

fn gives_way(world: &World) -> Result<(), Failure> {
    let namespace = "gives-way";
    world.lab.namespace(namespace, &json!({}))?;
    let container = json!({ "type": "Container", "default": sizes("500m", "400Mi"), "defaultRequest": sizes("50m", "64Mi") });
    world.lab.apply(&range(namespace, &json!([container, { "type": "Pod", "max": sizes("1", "600Mi") }])))?;
    let stated = json!({ "requests": sizes("100m", "100Mi"), "limits": sizes("600m", "300Mi") });
    let expected = [sizes("100m", "100Mi"), sizes("600m", "300Mi"), sizes("100m", "250Mi"), sizes("400m", "300Mi")];
    becomes(world, namespace, &stated, &expected).map(drop)
}

/// k10 under a LimitRange: what LimitRanger gives the application is no gain, and the pod grows by the sidecar alone.
fn pod_level_ranged(world: &World) -> Result<(), Failure> {
    let namespace = "podlevel-ranged";
    world.lab.namespace(namespace, &json!({}))?;
    let limits = json!([{ "type": "Container", "default": sizes("500m", "300Mi"), "defaultRequest": sizes("20m", "32Mi") }]);
    world.lab.apply(&range(namespace, &limits))?;
    let expected = [sizes("100m", "128Mi"), sizes("500m", "300Mi"), sizes("100m", "250Mi"), sizes("500m", "300Mi")];
    becomes(world, namespace, &json!({}), &expected)?;
    let own = json!({ "requests": sizes("50m", "64Mi"), "limits": sizes("1", "500Mi") });
    let pod = wired(world, namespace, &json!({}), &own)?;
    let expected = [sizes("20m", "32Mi"), sizes("500m", "300Mi"), sizes("100m", "250Mi"), sizes("500m", "300Mi")];
    expect("the containers", both(&pod), expected)?;
    let grown = json!({ "requests": sizes("150m", "314Mi"), "limits": sizes("1500m", "800Mi") });
    expect("the pod", pod["spec"]["resources"].clone(), grown)
}

fn demanded(world: &World) -> Result<(), Failure> {
    let namespace = "demanding";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&quota(namespace, &json!({ "limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "4" })))?;
    let expected = [sizes("200m", "128Mi"), sizes("200m", "128Mi"), sizes("100m", "250Mi"), sizes("100m", "250Mi")];
    becomes(world, namespace, &json!({ "requests": { "cpu": "200m" } }), &expected).map(drop)
}

fn too_small(world: &World) -> Result<(), Failure> {
    let namespace = "too-small";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&quota(namespace, &json!({ "requests.cpu": "150m" })))?;
    refused(world, namespace, &json!({}), &["PW069", "ResourceQuota compute", "200m", "150m"])
}

fn used_up(world: &World) -> Result<(), Failure> {
    let namespace = "used-up";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&quota(namespace, &json!({ "pods": "1" })))?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": "first" });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "first", "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    wait_for("the quota is in force and has room", 30, || world.lab.create(&pod).ok())?;
    refused(world, namespace, &json!({}), &["PW073", "1 of 1", "exceeded quota: compute"])
}

/// k3: the file under a LimitRange of a snapshot is the pod of the cluster, and so is the pod that is made of the file.
fn offline_is_online(world: &World) -> Result<(), Failure> {
    let namespace = "ranged-file";
    world.lab.namespace(namespace, &json!({}))?;
    let limits = json!([{ "type": "Container", "default": sizes("500m", "200Mi"), "defaultRequest": sizes("50m", "64Mi"), "min": { "memory": "60Mi" } }]);
    let range = range(namespace, &limits);
    world.lab.apply(&range)?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" });
    let mut object = workload("Deployment", "ranged", namespace, &annotations);
    object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "requests": { "memory": "220Mi" } });
    let expected = [sizes("100m", "220Mi"), sizes("500m", "220Mi"), sizes("100m", "250Mi"), sizes("500m", "250Mi")];
    becomes(world, namespace, &json!({ "requests": { "memory": "220Mi" } }), &expected)?;
    let cluster = [json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }), range];
    let offline = injected(world, &object, &cluster)?;
    world.lab.apply(&object)?;
    let online = world.lab.pods(namespace, "app=ranged", 1)?.remove(0);
    expect("the pod of the cluster", both(&online), expected.clone())?;
    let template = &offline["spec"]["template"];
    let [_, _, requests, limits] = both(template);
    expect("the sidecar of the file", [requests, limits], [expected[2].clone(), expected[3].clone()])?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": { "name": "of-the-file", "namespace": namespace, "annotations": template["metadata"]["annotations"], "labels": template["metadata"]["labels"] },
    });
    let again = world.lab.dry_run(&pod)?;
    expect("the pod that is made of the file", both(&again), expected)
}
