//! The laws on generated pods: half sensible, half hostile.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{check, common, snapshot_of};
use crate::engine::{PodRequest, Snapshot, admit, copy_limits};

fn some<T: std::fmt::Debug + Clone + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

/// What a careful person writes.
const SENSIBLE: &[(&str, &str)] = &[
    ("podwire.io/app-container", "app"),
    ("podwire.io/app-port", "8080"),
    ("podwire.io/broker", "orders"),
    ("podwire.io/listen", "both"),
    ("podwire.io/publish", "orders"),
    ("podwire.io/publish", "orders,payments"),
    ("podwire.io/publish", "nowhere"),
    ("podwire.io/publish", "orders,slow"),
    ("podwire.io/retry", "for=5s"),
    ("podwire.io/subscribe", "payments"),
    (
        "podwire.io/subscribe",
        "[{topic: orders, type: a, name: x, deadLetter: payments}, {topic: orders, type: b, name: y, deadLetter: payments}]",
    ),
    ("podwire.io/sytle", "sidecar"),
    ("podwire.io/wired", "{\"version\":1,\"labels\":[\"app\"]}"),
    ("dapr.io/app-port", "8080"),
    ("dapr.io/block-shutdown-duration", "40s"),
    ("dapr.io/config", "tracing"),
    ("dapr.io/enable-metrics", "false"),
    ("dapr.io/enable-app-health-check", "true"),
    ("dapr.io/enable-profiling", "true"),
    ("dapr.io/env", "A=b,c,D=e"),
    ("dapr.io/graceful-shutdown-seconds", "30"),
    ("dapr.io/grpc-port", "50002"),
    ("dapr.io/log-as-json", "true"),
    ("dapr.io/metrics-port", "9100"),
    ("dapr.io/pluggable-components", "second"),
    ("dapr.io/sidecar-cpu-request", "200m"),
    ("dapr.io/sidecar-memory-limit", "300Mi"),
    ("dapr.io/unix-domain-socket-path", "/sockets"),
    ("dapr.io/word-of-tomorrow", "1"),
    ("kubectl.kubernetes.io/default-container", "app"),
    ("kubernetes.io/limit-ranger", "LimitRanger plugin set: cpu, memory request for container app; memory limit for container app"),
];

/// What somebody else writes.
const HOSTILE: &[(&str, &str)] = &[
    ("podwire.io/style", "sidcar"),
    ("podwire.io/style", "none"),
    ("podwire.io/app-id", "Bad_Id"),
    ("podwire.io/app-port", "http"),
    ("podwire.io/app-port", "99999"),
    ("podwire.io/app-container", "nobody"),
    ("podwire.io/publish", "a.b,a-b,,"),
    ("podwire.io/subscribe", "[{topic: orders}, {topic: orders, filter: {Region: eu}}, 7]"),
    ("podwire.io/subscribe", "- topic: [unfinished"),
    ("podwire.io/subscribe", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"),
    ("dapr.io/app-id", "others"),
    ("dapr.io/enabled", "true"),
    ("dapr.io/env", "NAMESPACE=x"),
    ("dapr.io/enable-debug", "true"),
    ("dapr.io/env-from-secret", "A=s:k"),
    ("dapr.io/metrics-port", "3500"),
    ("dapr.io/pluggable-components-sockets-folder", "/etc"),
    ("dapr.io/sidecar-seccomp-profile-type", "Unconfined"),
    ("dapr.io/sidecar-image", "evil"),
];

fn annotations() -> impl Strategy<Value = Map<String, Value>> {
    let style = prop::option::of(some(&["sidecar", "broker", "auto"]));
    let sensible = prop::collection::vec(some(SENSIBLE), 0..6);
    let hostile = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(some(HOSTILE), 1..4)];
    (style, sensible, hostile, prop::bool::weighted(0.8)).prop_map(|(style, sensible, hostile, named)| {
        let style = style.map(|style| ("podwire.io/style", style));
        let app_id = named.then_some(("podwire.io/app-id", "orders"));
        let all = style.into_iter().chain(app_id).chain(sensible).chain(hostile);
        all.map(|(key, value)| (key.to_owned(), json!(value))).collect()
    })
}

/// The spec of a policy, or nothing.
fn policies() -> impl Strategy<Value = Option<&'static str>> {
    let policy = some(&[
        "{}",
        r#"{"preferredStyle": "broker", "sidecar": {"placement": "Native"}}"#,
        r#"{"onInvalid": "Warn", "sidecar": {"placement": "Container", "startup": "Start", "adoptDaprAnnotations": true}}"#,
        r#"{"resources": {"app": {"min": {"requests": {"cpu": "80m", "memory": "100Mi"}}, "max": {"limits": {"cpu": "1", "memory": "500Mi"}}}}}"#,
        r#"{"resources": {"app": {"default": {"requests": {"cpu": "300m"}, "limits": {"memory": "200Mi"}}, "max": {"requests": {"cpu": "200m"}}},
            "sidecar": {"default": {"limits": {"cpu": "150m"}}, "min": {"limits": {"memory": "320Mi"}}, "max": {"requests": {"memory": "200Mi"}}}}}"#,
        r#"{"sidecar": {"allowedOverrides": ["enable-debug", "env-from-secret", "sidecar-seccomp-profile-type"]}}"#,
        r#"{"preferredStyle": "broker", "broker": {"onMissing": "Warn"}}"#,
        r#"{"preferredStyle": "broker", "broker": {"onMissing": "Deny", "create": "Never"}}"#,
        r#"{"resources": {"onViolation": "Warn", "app": {"max": {"requests": {"cpu": "10m"}}}}}"#,
        r#"{"resources": {"onViolation": "Deny", "sidecar": {"max": {"limits": {"memory": "250Mi"}}}}}"#,
    ]);
    prop::option::of(policy)
}

/// What the namespace allows, or nothing.
fn limits() -> impl Strategy<Value = Option<&'static str>> {
    let range = some(&[
        r#"{"limits": [{"type": "Container", "default": {"cpu": "500m", "memory": "200Mi"}, "defaultRequest": {"cpu": "50m"}}]}"#,
        r#"{"limits": [{"type": "Container", "max": {"cpu": "1500m", "memory": "512Mi"}}]}"#,
        r#"{"limits": [{"type": "Container", "min": {"cpu": "120m", "memory": "300Mi"}, "max": {"memory": "900Mi"}}]}"#,
        r#"{"limits": [{"type": "Container", "maxLimitRequestRatio": {"cpu": "4", "memory": "1.5"}, "default": {"memory": "1Gi"}}]}"#,
        r#"{"limits": [{"type": "Pod", "max": {"cpu": "2", "memory": "1Gi"}, "maxLimitRequestRatio": {"cpu": "10"}}]}"#,
        r#"{"hard": {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "1", "pods": "10"}}"#,
    ]);
    prop::option::of(range)
}

/// A cluster with the shared objects, and perhaps a policy and what the namespace allows.
fn cluster(policy: Option<&str>, limits: Option<&str>) -> Snapshot {
    let limits = limits.map(|spec| {
        let spec = serde_json::from_str::<Value>(spec).unwrap();
        let kind = if spec["hard"].is_object() { "ResourceQuota" } else { "LimitRange" };
        json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": "limits", "namespace": "shop" }, "spec": spec })
    });
    let spec = policy.map(|spec| serde_json::from_str::<Value>(spec).unwrap());
    let policy = spec
        .map(|spec| json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "p" }, "spec": spec }));
    snapshot_of(common().into_iter().chain(policy).chain(limits))
}

fn quantities() -> impl Strategy<Value = Value> {
    let cpu = some(&["50m", "100m", "1", "0.25", "2"]);
    let memory = some(&["64Mi", "128Mi", "1Gi", "1e9", "134217728"]);
    (prop::option::of(cpu), prop::option::of(memory)).prop_map(|(cpu, memory)| {
        let mut amounts = Map::new();
        amounts.extend(cpu.map(|cpu| ("cpu".to_owned(), json!(cpu))));
        amounts.extend(memory.map(|memory| ("memory".to_owned(), json!(memory))));
        Value::Object(amounts)
    })
}

/// Resources as the API server hands them out: limits copied, requests within limits.
fn resources() -> impl Strategy<Value = Option<Value>> {
    let limits_only = quantities().prop_map(|limits| Some(json!({ "limits": limits })));
    let requests_only = quantities().prop_map(|requests| Some(json!({ "requests": requests })));
    let guaranteed = Just(Some(json!({ "limits": { "cpu": "500m", "memory": "256Mi" } })));
    prop_oneof![Just(None), Just(Some(json!({}))), limits_only, requests_only, guaranteed]
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let env = prop::option::of(prop::collection::vec(
        some(&[
            ("A", "1"),
            ("K_SINK", "http://own"),
            ("PODWIRE_STYLE", "sidecar"),
            ("PODWIRE_APP_ID", "orders"),
            ("DAPR_HTTP_PORT", "3500"),
            ("U", "$(K_SINK)"),
        ]),
        0..4,
    ));
    let ports = prop::option::of(prop::collection::vec(some(&[8080, 3500, 9090, 50001, 13500]), 0..3));
    let hooks = some(&[None, Some(5), Some(1)]);
    (env, ports, resources(), hooks, any::<bool>()).prop_map(move |(env, ports, resources, hook, foreign)| {
        let mut container = json!({ "name": name, "image": "app:1" });
        if let Some(env) = env {
            container["env"] = env.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        }
        if let Some(ports) = ports {
            container["ports"] = ports.into_iter().map(|port| json!({ "containerPort": port, "name": format!("p{port}") })).collect();
        }
        if let Some(resources) = resources {
            container["resources"] = resources;
        }
        if let Some(seconds) = hook {
            container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": seconds } } });
        }
        if foreign {
            container["fieldOfTomorrow"] = json!({ "kept": [1, 2] });
        }
        container
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let owner = some(&[None, Some("StatefulSet"), Some("Job"), Some("ReplicaSet"), Some("Widget")]);
    let init = some(&[0usize, 0, 1, 2]);
    let extra = prop::option::of(container("second"));
    let pod_level = prop::option::weighted(0.3, (quantities(), quantities()));
    let flags = (prop::bool::weighted(0.2), any::<bool>(), some(&[None, Some(5), Some(60)]), some(&["", "", "{}", "null"]));
    (annotations(), container("app"), extra, owner, init, pod_level, flags).prop_map(
        |(annotations, app, extra, owner, init, pod_level, flags)| {
            let mut pod = json!({ "metadata": { "annotations": annotations }, "spec": { "containers": [app] } });
            pod["spec"]["containers"].as_array_mut().unwrap().extend(extra);
            if let Some(kind) = owner {
                pod["metadata"]["ownerReferences"] =
                    json!([{ "apiVersion": "v1", "kind": kind, "name": "orders-6d5f", "uid": "u", "controller": true }]);
                pod["metadata"]["labels"] = json!({ "pod-template-hash": "6d5f" });
            }
            if init > 0 {
                let first = json!({ "name": "istio-proxy", "image": "p:1", "restartPolicy": "Always" });
                pod["spec"]["initContainers"] = [first, json!({ "name": "migrate", "image": "m:1" })].into_iter().take(init).collect();
            }
            if let Some((requests, limits)) = pod_level {
                pod["spec"]["resources"] = json!({ "requests": requests, "limits": limits });
            }
            if flags.0 {
                pod["spec"]["hostNetwork"] = json!(flags.1);
            }
            if let Some(seconds) = flags.2 {
                pod["spec"]["terminationGracePeriodSeconds"] = json!(seconds);
            }
            if let Ok(empty) = serde_json::from_str::<Value>(flags.3) {
                let list = if empty.is_null() { Value::Null } else { json!([]) };
                pod["spec"]["volumes"] = list.clone();
                let app = pod["spec"]["containers"][0].as_object_mut().unwrap();
                for (field, value) in [("env", list), ("lifecycle", empty.clone()), ("resources", empty.clone())] {
                    app.entry(field).or_insert(value);
                }
                pod["metadata"].as_object_mut().unwrap().entry("labels").or_insert(empty);
            }
            copy_limits(&mut pod);
            pod
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_for_any_pod(pod in pod(), policy in policies(), limits in limits()) {
        let snapshot = cluster(policy, limits);
        let request = PodRequest::new("shop", pod).unwrap();
        let verdict = admit(&request, &snapshot);
        check(&request, &snapshot, &verdict);
    }

    #[test]
    fn no_annotation_panics(key in "podwire.io/(style|listen|app-id|app-port|app-container|pubsub|broker|publish|subscribe|retry)", value in any::<String>()) {
        let pod = json!({ "metadata": { "annotations": { key: value } }, "spec": { "containers": [{ "name": "app" }] } });
        admit(&PodRequest::new("shop", pod).unwrap(), &snapshot_of(common()));
    }
}
