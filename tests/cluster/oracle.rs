//! The sidecar is the one that Dapr's own injector builds. The oracle is Dapr's code, built from its module; docs/dapr.md lists what differs on purpose.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::lab::Failure;
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[("oracle::the_sidecar_is_the_one_that_daprs_injector_builds", same)];

/// Annotations with which both build a sidecar.
fn matrix() -> Vec<Value> {
    let rows: [&[(&str, &str)]; 10] = [
        &[],
        &[("app-port", "8080")],
        &[("app-port", "8080"), ("app-protocol", "grpc")],
        &[("config", "tracing"), ("log-level", "debug")],
        &[("metrics-port", "9095")],
        &[("env", "A=b,c,D=e")],
        &[("sidecar-cpu-request", "200m"), ("sidecar-memory-request", "100Mi")],
        &[("sidecar-cpu-limit", "1"), ("sidecar-memory-limit", "512Mi")],
        &[("app-port", "8080"), ("app-protocol", "h2c"), ("log-level", "warn")],
        &[("app-port", "65535"), ("env", "ONLY=1")],
    ];
    rows.iter().map(|row| row.iter().map(|(key, value)| (format!("dapr.io/{key}"), json!(value))).collect()).collect()
}

fn pod(annotations: &Value) -> Value {
    let mut all = annotations.clone();
    all["dapr.io/app-id"] = json!("oracle");
    json!({ "metadata": { "name": "oracle", "annotations": all }, "spec": { "containers": [{ "name": "app", "image": "app:1" }] } })
}

/// What Dapr's injector would add, for each pod.
fn ask(world: &World) -> Result<Vec<Value>, Failure> {
    let anchors = world.lab.get(&["configmap", "dapr-trust-bundle", "-n", "dapr-system"])?["data"]["ca.crt"].clone();
    let mut child = Command::new(&world.tools.dapr_oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        for annotations in matrix() {
            let mut pod = pod(&annotations);
            pod["metadata"]["annotations"]["dapr.io/enabled"] = json!("true");
            let config = json!({ "trustAnchors": anchors, "image": "ghcr.io/dapr/daprd:1.18.1", "dropAllCapabilities": true });
            writeln!(pipe, "{}", json!({ "namespace": "shop", "pod": pod, "config": config }))?;
        }
    }
    let output = child.wait_with_output()?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().map(|line| sidecar_of(&serde_json::from_str(line)?)).collect()
}

/// The container in a patch of Dapr's injector.
fn sidecar_of(patch: &Value) -> Result<Value, Failure> {
    let operations = patch.as_array().ok_or_else(|| Failure::new(format!("Dapr refuses: {patch}")))?;
    let container = operations.iter().map(|operation| &operation["value"]).find(|value| value["name"] == "daprd");
    container.cloned().ok_or_else(|| Failure::new(format!("Dapr adds no container: {patch}")))
}

fn same(world: &World) -> Result<(), Failure> {
    let theirs = ask(world)?;
    if theirs.len() != matrix().len() {
        return Err(Failure::new(format!("{} answers to {} questions", theirs.len(), matrix().len())));
    }
    let mut faults = Vec::new();
    for (annotations, theirs) in matrix().iter().zip(theirs) {
        let mut object = pod(annotations);
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("Pod");
        object["metadata"]["namespace"] = json!("shop");
        object["metadata"]["annotations"]["podwire.io/style"] = json!("sidecar");
        let wired = world.lab.create(&object, &["--dry-run=server"])?;
        let ours = wired["spec"]["initContainers"].as_array().into_iter().flatten().find(|container| container["name"] == "daprd");
        let ours = ours.cloned().ok_or_else(|| Failure::new("podwire added no sidecar"))?;
        faults.extend(differences(&theirs, &ours).into_iter().map(|fault| format!("{annotations}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

/// What differs and is not meant to (docs/dapr.md).
fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |what: &str, theirs: Value, ours: Value| {
        if theirs != ours {
            faults.push(format!("{what}: Dapr {theirs}, podwire {ours}"));
        }
    };
    let mut arguments: Vec<Value> = theirs["args"].as_array().cloned().unwrap_or_default();
    arguments.extend([json!("--disable-init-endpoints"), json!("subscribe,config")]);
    same("args", json!(arguments), ours["args"].clone());
    let env = |container: &Value| -> Value {
        let all = container["env"].as_array().cloned().unwrap_or_default();
        all.into_iter()
            .filter(|variable| variable["name"] != "GOMEMLIMIT")
            .map(|variable| json!([variable["name"], value_of(&variable)]))
            .collect()
    };
    same("env", env(theirs), env(ours));
    let ports = |container: &Value| -> Value {
        let all = container["ports"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|port| json!([port["name"], port["containerPort"]])).collect()
    };
    same("ports", ports(theirs), ports(ours));
    for probe in ["livenessProbe", "readinessProbe"] {
        let times = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"];
        let part = |container: &Value| {
            let target = if container[probe]["httpGet"].is_null() { &container[probe]["tcpSocket"] } else { &container[probe]["httpGet"] };
            json!([times.map(|time| container[probe][time].clone()), target["port"], target["path"]])
        };
        same(probe, part(theirs), part(ours));
    }
    for (section, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")] {
        let stated = &theirs["resources"][section][resource];
        if !stated.is_null() {
            same(resource, stated.clone(), ours["resources"][section][resource].clone());
        }
    }
    let mount = |container: &Value| {
        let all = container["volumeMounts"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|mount| mount["name"] == "dapr-identity-token").unwrap_or_default()
    };
    same("token mount", mount(theirs)["mountPath"].clone(), mount(ours)["mountPath"].clone());
    for field in ["image", "imagePullPolicy"] {
        same(field, theirs[field].clone(), ours[field].clone());
    }
    for (field, value) in theirs["securityContext"].as_object().into_iter().flatten() {
        same(field, value.clone(), ours["securityContext"][field].clone());
    }
    faults
}

/// A variable's value, or the field that it refers to.
fn value_of(variable: &Value) -> Value {
    match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
        Some(path) => json!(path),
        None => variable["value"].clone(),
    }
}
