//! The sidecar is the one that Dapr's own injector builds. The oracle is Dapr's code, built from its module; docs/dapr.md lists what differs on purpose.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use podwire::engine::{Decision, PodRequest, Snapshot, admit};
use serde_json::{Value, json};

use crate::support::lab::Failure;
use crate::support::podwire::documents;
use crate::{Test, World, golden};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("oracle::the_sidecar_is_the_one_that_daprs_injector_builds", same),
    ("oracle::every_annotation_has_the_effect_that_it_has_on_daprs_injector", every),
];

/// Annotations with which both build a sidecar.
fn matrix() -> Vec<Value> {
    let rows: [&[(&str, &str)]; 13] = [
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
        &[("app-port", "8080"), ("app-ssl", "Y"), ("enable-app-health-check", "1"), ("app-max-concurrency", "-1")],
        &[("log-as-json", "no"), ("enable-api-logging", "f"), ("enable-profiling", "off"), ("graceful-shutdown-seconds", "0")],
        &[("grpc-port", "50003"), ("internal-grpc-port", "50001"), ("block-shutdown-duration", "0s")],
    ];
    rows.iter().map(|row| row.iter().map(|(key, value)| (format!("dapr.io/{key}"), json!(value))).collect()).collect()
}

fn pod(annotations: &Value) -> Value {
    let mut all = annotations.clone();
    all["dapr.io/app-id"] = json!("oracle");
    json!({ "metadata": { "name": "oracle", "annotations": all }, "spec": { "containers": [{ "name": "app", "image": "app:1" }] } })
}

/// What Dapr's injector would change, for each pod.
fn ask(world: &World, pods: &[Value], anchors: &Value) -> Result<Vec<Value>, Failure> {
    let mut child = Command::new(&world.tools.dapr_oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        for pod in pods {
            let mut pod = pod.clone();
            pod["metadata"]["annotations"]["dapr.io/enabled"] = json!("true");
            let config = json!({ "trustAnchors": anchors, "image": "ghcr.io/dapr/daprd:1.18.1", "dropAllCapabilities": true });
            writeln!(pipe, "{}", json!({ "namespace": "shop", "pod": pod, "config": config }))?;
        }
    }
    let output = child.wait_with_output()?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    if answers.len() == pods.len() {
        Ok(answers)
    } else {
        Err(Failure::new(format!("{} answers to {} questions", answers.len(), pods.len())))
    }
}

/// The container in a patch of Dapr's injector.
fn sidecar_of(patch: &Value) -> Result<Value, Failure> {
    let operations = patch.as_array().ok_or_else(|| Failure::new(format!("Dapr refuses: {patch}")))?;
    let container = operations.iter().map(|operation| &operation["value"]).find(|value| value["name"] == "daprd");
    container.cloned().ok_or_else(|| Failure::new(format!("Dapr adds no container: {patch}")))
}

fn same(world: &World) -> Result<(), Failure> {
    let anchors = world.lab.get(&["configmap", "dapr-trust-bundle", "-n", "dapr-system"])?["data"]["ca.crt"].clone();
    let pods: Vec<Value> = matrix().iter().map(pod).collect();
    let mut faults = Vec::new();
    for (annotations, patch) in matrix().iter().zip(ask(world, &pods, &anchors)?) {
        let theirs = sidecar_of(&patch)?;
        let mut object = pod(annotations);
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("Pod");
        object["metadata"]["namespace"] = json!("shop");
        object["metadata"]["annotations"]["podwire.io/style"] = json!("sidecar");
        let wired = world.lab.dry_run(&object)?;
        let ours = wired["spec"]["initContainers"].as_array().into_iter().flatten().find(|container| container["name"] == "daprd");
        let ours = ours.cloned().ok_or_else(|| Failure::new("podwire added no sidecar"))?;
        faults.extend(differences(&theirs, &ours).into_iter().map(|fault| format!("{annotations}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

/// Two pods state every annotation of the table, the closed ones under a policy that opens them. The policy is not for the cluster, in which other tests run: the engine is asked.
fn every(world: &World) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for folder in ["dapr-every-open-annotation", "dapr-every-closed-annotation"] {
        let read = |file: &str| documents(&fs::read_to_string(golden::folder().join(file)).unwrap_or_default());
        let pod = read(&format!("{folder}/pod.in.yaml")).pop().unwrap_or_default();
        let mut snapshot = Snapshot::empty();
        for object in read("snapshot.yaml").iter().chain(&read(&format!("{folder}/policy.yaml"))) {
            snapshot.take(object).map_err(|error| Failure::new(format!("{error:?}")))?;
        }
        let request = PodRequest::new("shop", pod.clone()).map_err(|error| Failure::new(format!("{error:?}")))?;
        let verdict = admit(&request, &snapshot);
        let Decision::Wired(patch) = &verdict.decision else { return Err(Failure::new(format!("{folder}: {:?}", verdict.findings))) };
        let (mut ours, mut theirs) = (pod.clone(), pod.clone());
        let unfit = |error: json_patch::PatchError| Failure::new(format!("the patch does not apply: {error}"));
        json_patch::patch(&mut ours, patch).map_err(unfit)?;
        let answer = ask(world, std::slice::from_ref(&pod), &json!(snapshot.dapr.trust_anchors))?.pop().unwrap_or_default();
        sidecar_of(&answer)?;
        json_patch::patch(&mut theirs, &serde_json::from_value::<json_patch::Patch>(answer)?).map_err(unfit)?;
        faults.extend(pods_differ(&theirs, &ours).into_iter().map(|fault| format!("{folder}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

/// What differs in whole pods: the sidecar with all its mounts, the volumes, and what the author's containers get.
fn pods_differ(theirs: &Value, ours: &Value) -> Vec<String> {
    let named = |pod: &Value, list: &str| -> BTreeMap<String, Value> {
        let items = pod["spec"][list].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|item| (item["name"].as_str().unwrap_or_default().to_owned(), item)).collect()
    };
    let (mut their_containers, mut our_containers) = (named(theirs, "containers"), named(ours, "containers"));
    let (their_sidecar, our_sidecar) = (their_containers.remove("daprd"), our_containers.remove("daprd"));
    let mut faults = differences(&their_sidecar.unwrap_or_default(), &our_sidecar.unwrap_or_default());
    let mut same = |what: &str, theirs: Value, ours: Value| {
        if theirs != ours {
            faults.push(format!("{what}: Dapr {theirs}, podwire {ours}"));
        }
    };
    let volumes = |pod: &Value| json!(named(pod, "volumes"));
    same("volumes", volumes(theirs), volumes(ours));
    for (name, container) in &their_containers {
        let ours = &our_containers[name];
        let env = |container: &Value| -> BTreeMap<String, Value> {
            let all = container["env"].as_array().cloned().unwrap_or_default();
            let all = all.into_iter().map(|variable| (variable["name"].as_str().unwrap_or_default().to_owned(), variable["value"].clone()));
            all.filter(|(name, _)| !name.starts_with("PODWIRE_")).collect()
        };
        same(&format!("env of {name}"), json!(env(container)), json!(env(ours)));
        same(&format!("mounts of {name}"), container["volumeMounts"].clone(), ours["volumeMounts"].clone());
    }
    faults
}

/// Dapr's arguments with what podwire changes on purpose: the application is asked for no endpoint, and among the containers the sidecar goes on for a while.
fn intended(theirs: &Value, ours: &Value) -> Vec<Value> {
    let mut args: Vec<Value> = theirs["args"].as_array().cloned().unwrap_or_default();
    let at = |args: &[Value], flag: &str| args.iter().position(|arg| arg == flag);
    args.truncate(at(&args, "--disable-init-endpoints").unwrap_or(args.len()));
    args.extend([json!("--disable-init-endpoints"), json!("subscribe,config")]);
    let native = ours["restartPolicy"] == "Always";
    if let (false, None, Some(place)) = (native, at(&args, "--dapr-block-shutdown-duration"), at(&args, "--scheduler-host-address")) {
        args.splice(place..place, [json!("--dapr-block-shutdown-duration"), json!("10s")]);
    }
    args
}

/// The variables of a sidecar, of a name the last one: podwire writes a name once, Dapr as often as it is stated.
fn variables(container: &Value) -> Value {
    let all = container["env"].as_array().cloned().unwrap_or_default();
    let names: Vec<Value> = all.iter().map(|variable| variable["name"].clone()).collect();
    let last = all.iter().enumerate().filter(|(index, variable)| !names[index + 1..].contains(&variable["name"]));
    let known = last.filter(|(_, variable)| variable["name"] != "GOMEMLIMIT");
    known
        .map(|(_, variable)| {
            json!([variable["name"], if variable["name"] == "DAPR_ENV_KEYS" { keys(variable) } else { value_of(variable) }])
        })
        .collect()
}

/// The names in `DAPR_ENV_KEYS`, each once.
fn keys(variable: &Value) -> Value {
    let words: Vec<&str> = variable["value"].as_str().unwrap_or_default().split(' ').collect();
    words.iter().enumerate().filter(|(index, word)| !words[index + 1..].contains(word)).map(|(_, word)| json!(word)).collect()
}

/// What differs and is not meant to (docs/dapr.md).
fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |what: &str, theirs: Value, ours: Value| {
        if theirs != ours {
            faults.push(format!("{what}: Dapr {theirs}, podwire {ours}"));
        }
    };
    same("args", json!(intended(theirs, ours)), ours["args"].clone());
    same("env", variables(theirs), variables(ours));
    let ports = |container: &Value| -> Value {
        let all = container["ports"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|port| json!([port["name"], port["containerPort"]])).collect()
    };
    same("ports", ports(theirs), ports(ours));
    for probe in ["livenessProbe", "readinessProbe"] {
        let times = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"];
        let part = |container: &Value| {
            let target = if container[probe]["httpGet"].is_null() { &container[probe]["tcpSocket"] } else { &container[probe]["httpGet"] };
            json!([times.map(|time| container[probe][time].as_i64().unwrap_or(0)), target["port"], target["path"]])
        };
        same(probe, part(theirs), part(ours));
    }
    for (section, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")] {
        let stated = &theirs["resources"][section][resource];
        if !stated.is_null() {
            same(resource, stated.clone(), ours["resources"][section][resource].clone());
        }
    }
    // What the API server mounts in every container is not theirs to say.
    let mounts = |container: &Value| -> Value {
        let all = container["volumeMounts"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|mount| mount["mountPath"] != "/var/run/secrets/kubernetes.io/serviceaccount").collect()
    };
    same("mounts", mounts(theirs), mounts(ours));
    for field in ["image", "imagePullPolicy"] {
        same(field, theirs[field].clone(), ours[field].clone());
    }
    for (field, value) in theirs["securityContext"].as_object().into_iter().flatten() {
        same(field, value.clone(), ours["securityContext"][field].clone());
    }
    faults
}

/// A variable's value, or what it refers to.
fn value_of(variable: &Value) -> Value {
    let from = &variable["valueFrom"];
    match from["fieldRef"]["fieldPath"].as_str() {
        Some(path) => json!(path),
        None if from["secretKeyRef"].is_object() => from["secretKeyRef"].clone(),
        None => variable["value"].clone(),
    }
}
