//! How long a decision takes, bytes in to bytes out: JSON of a pod → [`PodRequest`] → [`admit`] → JSON of a patch.
//!
//! `cargo bench --bench admit` prints a time and variables a second for each pod. Cost grows with the pod's size and not with its square: a pod of
//! 3,000 variables handles as many of them a second as one of 1,500.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use podwire::engine::{Decision, PodRequest, Snapshot, admit};
use serde_json::{Value, json};

fn decide(bytes: &[u8], snapshot: &Snapshot) -> Vec<u8> {
    let pod = serde_json::from_slice(bytes).unwrap_or_default();
    let Ok(request) = PodRequest::new("shop", pod) else { return Vec::new() };
    let verdict = admit(&request, snapshot);
    let Decision::Wired(patch) = &verdict.decision else { panic!("not wired: {:?}", verdict.findings) };
    serde_json::to_vec(patch).unwrap_or_default()
}

/// A pod of one container with nothing but what it must have.
fn small(style: &str) -> Value {
    json!({
        "metadata": { "annotations": { "podwire.io/style": style, "podwire.io/app-id": "web", "podwire.io/publish": "orders" } },
        "spec": { "containers": [{ "name": "app", "image": "web:1" }] },
    })
}

/// A pod as a Deployment makes it: probes, mounts, a second container, twenty variables, and a subscription.
fn typical(style: &str) -> Value {
    let mut pod = with_variables(style, 20);
    pod["metadata"]["annotations"]["podwire.io/subscribe"] =
        json!("- {topic: orders, type: com.shop.order.created, path: /orders, deadLetter: orders-dead}");
    pod["metadata"]["labels"] = json!({ "app": "web", "pod-template-hash": "6d5f" });
    pod["spec"]["volumes"] = json!([{ "name": "config", "configMap": { "name": "web" } }]);
    let app = &mut pod["spec"]["containers"][0];
    app["ports"] = json!([{ "name": "http", "containerPort": 8080 }]);
    app["readinessProbe"] = json!({ "httpGet": { "path": "/ready", "port": "http" } });
    app["resources"] = json!({ "requests": { "cpu": "250m", "memory": "256Mi" }, "limits": { "memory": "512Mi" } });
    app["volumeMounts"] = json!([{ "name": "config", "mountPath": "/etc/web" }]);
    let logs = json!({ "name": "logs", "image": "logs:1", "env": [{ "name": "LEVEL", "value": "info" }] });
    if let Some(containers) = pod["spec"]["containers"].as_array_mut() {
        containers.push(logs);
    }
    pod
}

/// A small pod whose application states so many variables.
fn with_variables(style: &str, count: usize) -> Value {
    let mut pod = small(style);
    pod["spec"]["containers"][0]["env"] =
        (0..count).map(|number| json!({ "name": format!("VARIABLE_{number}"), "value": format!("value {number}") })).collect();
    pod
}

/// A cluster that has what the pods need.
fn cluster() -> Snapshot {
    let broker = |name: &str| {
        json!({
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Broker",
            "metadata": { "name": name, "namespace": "shop" },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }], "address": { "url": format!("http://broker/shop/{name}") } },
        })
    };
    let trust = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "dapr-trust-bundle", "namespace": "dapr-system" },
        "data": { "ca.crt": "-----BEGIN CERTIFICATE-----" },
    });
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let mut snapshot = Snapshot::empty();
    for object in [broker("orders"), broker("orders-dead"), trust, namespace] {
        if let Err(error) = snapshot.take(&object) {
            panic!("{error}");
        }
    }
    snapshot
}

fn pods(criterion: &mut Criterion) {
    let snapshot = cluster();
    for style in ["broker", "sidecar"] {
        let mut group = criterion.benchmark_group(style);
        let large = [1_500, 3_000].map(|count| (format!("{count} variables"), with_variables(style, count), count));
        let all = [("small".to_owned(), small(style), 1), ("typical".to_owned(), typical(style), 21)].into_iter().chain(large);
        for (name, pod, variables) in all {
            let bytes = pod.to_string().into_bytes();
            group.throughput(Throughput::Elements(variables as u64));
            group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |bencher, bytes| bencher.iter(|| decide(bytes, &snapshot)));
        }
        group.finish();
    }
}

criterion_group!(benches, pods);
criterion_main!(benches);
