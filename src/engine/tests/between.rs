//! What others do to a wired pod before it is admitted a second time, as an API server and other webhooks do it.

use serde_json::{Value, json};

/// ServiceAccount's mounts, LimitRanger's and the API's defaults, a rewritten image tag and a foreign sidecar.
pub(super) fn admissions(wired: &Value) -> Value {
    let mut pod = wired.clone();
    let token = json!({ "name": "kube-api-access-x7k2p", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true });
    for list in ["initContainers", "containers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            container["terminationMessagePath"] = json!("/dev/termination-log");
            container["terminationMessagePolicy"] = json!("File");
            push(container, "volumeMounts", token.clone());
            if container["name"] == "daprd" {
                limit_ranger(container);
                let image = container["image"].as_str().unwrap().rsplit_once(':').unwrap().0.to_owned();
                container["image"] = json!(format!("mirror.internal/{image}@sha256:{}", "0".repeat(64)));
            }
        }
    }
    push(&mut pod["spec"], "volumes", json!({ "name": "kube-api-access-x7k2p", "projected": { "sources": [], "defaultMode": 420 } }));
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        if volume.get("projected").is_some() {
            volume["projected"]["defaultMode"] = json!(420);
        }
    }
    pod["spec"]["schedulerName"] = json!("default-scheduler");
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.insert("kubernetes.io/limit-ranger".to_owned(), json!("LimitRanger plugin set: cpu, memory limit for container daprd"));
    annotations.insert("sidecar.istio.io/status".to_owned(), json!("{}"));
    let foreign = json!({ "name": "foreign-proxy", "image": "proxy:1", "ports": [{ "containerPort": 3500 }, { "containerPort": 9090 }], "env": [{ "name": "A", "value": "b" }] });
    push(&mut pod["spec"], "containers", foreign.clone());
    let mut first = foreign.clone();
    first["name"] = json!("foreign-first");
    pod["spec"]["containers"].as_array_mut().unwrap().insert(0, first);
    let mut native = foreign;
    native["name"] = json!("foreign-native");
    native["restartPolicy"] = json!("Always");
    push(&mut pod["spec"], "initContainers", native);
    pod
}

fn push(parent: &mut Value, field: &str, item: Value) {
    if !parent[field].is_array() {
        parent[field] = json!([]);
    }
    parent[field].as_array_mut().unwrap().push(item);
}

/// LimitRanger writes limits where there are none, never below what is asked for (else the API server would refuse the pod).
fn limit_ranger(container: &mut Value) {
    for (resource, limit) in [("cpu", "4"), ("memory", "4Gi")] {
        if container["resources"]["limits"].get(resource).is_none() {
            container["resources"]["limits"][resource] = json!(limit);
        }
    }
}
