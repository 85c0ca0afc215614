//! What counts as podwire's own container on the second admission, and what does not.

use serde_json::{Value, json};

use super::{common, documents, repository, snapshot_of};
use crate::engine::{Code, Decision, PodRequest, Snapshot, Verdict, admit};

fn cluster() -> Snapshot {
    snapshot_of(common())
}

fn wired(subscribe: &str) -> Value {
    let pod = json!({
        "metadata": { "annotations": { "podwire.io/style": "sidecar", "podwire.io/app-id": "orders", "podwire.io/publish": "orders", "dapr.io/env": "A=b" } },
        "spec": { "containers": [{ "name": "app", "ports": [{ "containerPort": 8080 }] }] }
    });
    let mut pod = pod;
    if !subscribe.is_empty() {
        pod["metadata"]["annotations"]["podwire.io/subscribe"] = json!(subscribe);
    }
    let verdict = admit(&PodRequest::new("shop", pod.clone()).unwrap(), &cluster());
    let Decision::Wired(patch) = verdict.decision else { panic!("{verdict:?}") };
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

/// Sets a value in the sidecar of a wired pod and admits it again.
fn again(mut pod: Value, list: &str, pointer: &str, value: Value) -> Verdict {
    let sidecar = &mut pod["spec"][list][0];
    assert_eq!(sidecar["name"], "daprd");
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match sidecar.pointer_mut(parent).unwrap() {
        Value::Array(items) if field == "-" => items.push(value),
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        parent => parent[field] = value,
    }
    admit(&PodRequest::new("shop", pod).unwrap(), &cluster())
}

#[test]
fn a_near_copy_of_the_sidecar_is_denied() {
    let command = json!({ "exec": { "command": ["/bin/sh"] } });
    let elsewhere = json!({ "httpGet": { "host": "169.254.169.254", "port": 80 } });
    let hostile = [
        ("/command", json!(["/bin/sh"])),
        ("/args/-", json!("--unsafe")),
        ("/args/8", json!("0.0.0.0")),
        ("/env/0", json!({ "name": "NAMESPACE", "value": "kube-system" })),
        ("/env/-", json!({ "name": "NAMESPACE", "value": "kube-system" })),
        ("/env/-", json!({ "name": "DAPR_TRUST_ANCHORS", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } })),
        ("/env/-", json!({ "name": "APP_API_TOKEN", "value": "t" })),
        ("/env/-", json!({ "name": "A", "value": "c" })),
        ("/envFrom", json!([{ "secretRef": { "name": "s" } }])),
        ("/lifecycle", json!({ "postStart": command })),
        ("/lifecycle", json!({ "preStop": elsewhere })),
        ("/livenessProbe", command.clone()),
        ("/readinessProbe", elsewhere.clone()),
        ("/startupProbe", command.clone()),
        ("/ports/0/hostPort", json!(3500)),
        ("/restartPolicy", json!("Never")),
        ("/securityContext", json!(null)),
        ("/securityContext/privileged", json!(true)),
        ("/securityContext/allowPrivilegeEscalation", json!(null)),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/runAsNonRoot", json!(false)),
        ("/securityContext/readOnlyRootFilesystem", json!(false)),
        ("/securityContext/procMount", json!("Unmasked")),
        ("/securityContext/seccompProfile/type", json!("Unconfined")),
        ("/securityContext/appArmorProfile", json!({ "type": "Unconfined" })),
        ("/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        ("/securityContext/capabilities/drop", json!(["NET_RAW"])),
        ("/volumeDevices", json!([{ "name": "disk", "devicePath": "/dev/xvda" }])),
        ("/volumeMounts", json!([])),
        ("/volumeMounts/0/subPath", json!("token")),
        ("/volumeMounts/-", json!({ "name": "dapr-identity-token", "mountPath": "/elsewhere" })),
        ("/volumeMounts/-", json!({ "name": "mine", "mountPath": "/var/run/secrets/dapr.io" })),
        ("/volumeMounts/-", json!({ "name": "mine", "mountPath": "/var/run/secrets/dapr.io/sentrytoken/token", "subPath": "t" })),
        ("/volumeMounts/-", json!({ "name": "mine", "mountPath": "//daprd/" })),
        ("/volumeMounts/-", json!({ "name": "mine", "mountPath": "/" })),
        ("/volumeMounts/-", json!({ "name": "mine", "mountPath": "/x/../daprd" })),
    ];
    for (list, subscribe) in [("containers", "payments"), ("initContainers", "")] {
        let pod = wired(subscribe);
        for (pointer, value) in &hostile {
            let verdict = again(pod.clone(), list, pointer, value.clone());
            let denied = matches!(verdict.decision, Decision::Denied);
            let squatted = verdict.findings.iter().any(|finding| finding.code == Code::SquattedContainer);
            assert!(denied && squatted, "{list} {pointer} {value}: {verdict:?}");
        }
    }
}

#[test]
fn what_others_do_to_the_sidecar_is_left() {
    let harmless = [
        ("/image", json!("mirror.internal/daprd@sha256:0")),
        ("/imagePullPolicy", json!("Always")),
        ("/env/-", json!({ "name": "HTTPS_PROXY", "value": "http://proxy" })),
        ("/env/-", json!({ "name": "SSL_CERT_DIR", "value": "/certificates" })),
        ("/livenessProbe", json!({ "httpGet": { "path": "/app-health/daprd/livez", "port": 15020 } })),
        ("/resources", json!({ "requests": { "cpu": "1m" }, "limits": { "cpu": "2" } })),
        ("/securityContext/runAsUser", json!(1000650000)),
        ("/securityContext/procMount", json!("Default")),
        ("/volumeMounts/-", json!({ "name": "token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount" })),
        ("/terminationMessagePath", json!("/dev/termination-log")),
        ("/resizePolicy", json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }])),
        ("/fieldOfTomorrow", json!({})),
    ];
    for (list, subscribe) in [("containers", "payments"), ("initContainers", "")] {
        let pod = wired(subscribe);
        for (pointer, value) in &harmless {
            let verdict = again(pod.clone(), list, pointer, value.clone());
            let unchanged = matches!(&verdict.decision, Decision::Wired(patch) if patch.0.is_empty());
            assert!(unchanged, "{list} {pointer} {value}: {verdict:?}");
        }
    }
}

#[test]
fn an_image_that_the_policy_does_not_allow_is_no_sidecar() {
    let policy = json!({
        "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "p" },
        "spec": { "sidecar": { "allowedImages": ["ghcr.io/dapr/*"] } }
    });
    let snapshot = snapshot_of(common().into_iter().chain([policy]));
    let mut pod = wired("payments");
    let decide = |pod: &Value| admit(&PodRequest::new("shop", pod.clone()).unwrap(), &snapshot).decision;
    assert!(matches!(decide(&pod), Decision::Wired(patch) if patch.0.is_empty()));
    pod["spec"]["containers"][0]["image"] = json!("evil/ghcr.io/dapr/daprd:1.18.1");
    assert!(matches!(decide(&pod), Decision::Denied));
}

/// The sidecar of a pod with every closed annotation, under a policy that opens them.
#[test]
fn what_annotations_bring_to_the_sidecar_is_held_too() {
    let folder = repository("tests/golden/dapr-every-closed-annotation");
    let read = |file: &str| documents(&std::fs::read_to_string(folder.join(file)).unwrap()).remove(0);
    let opened = snapshot_of(common().into_iter().chain([read("policy.yaml")]));
    let mut pod = read("pod.in.yaml");
    let decide = |pod: &Value, snapshot: &Snapshot| admit(&PodRequest::new("shop", pod.clone()).unwrap(), snapshot);
    let Decision::Wired(patch) = decide(&pod, &opened).decision else { panic!() };
    json_patch::patch(&mut pod, &patch).unwrap();
    assert!(matches!(decide(&pod, &opened).decision, Decision::Wired(patch) if patch.0.is_empty()));
    for (pointer, value) in [
        ("/args/0", json!("/daprd")),
        ("/env/6/valueFrom/secretKeyRef/name", json!("another")),
        ("/env/6/valueFrom/secretKeyRef/key", json!("another")),
        ("/env/9/valueFrom/secretKeyRef/name", json!("another")),
        ("/volumeMounts/0/readOnly", json!(false)),
        ("/volumeMounts/1/mountPath", json!("/elsewhere")),
        ("/volumeMounts/2/name", json!("certs")),
    ] {
        let mut other = pod.clone();
        let field = other["spec"]["containers"][0].pointer_mut(pointer).unwrap();
        assert_ne!(*field, value, "{pointer}");
        *field = value;
        let verdict = decide(&other, &opened);
        let squatted = verdict.findings.iter().any(|finding| finding.code == Code::SquattedContainer);
        assert!(matches!(verdict.decision, Decision::Denied) && squatted, "{pointer}: {verdict:?}");
    }
    // The policy that opened them is gone.
    assert!(matches!(decide(&pod, &cluster()).decision, Decision::Denied));
}

#[test]
fn a_variable_stated_twice_for_the_sidecar_is_the_last_one() {
    let mut pod = json!({
        "metadata": { "annotations": { "podwire.io/app-id": "orders", "podwire.io/publish": "orders", "dapr.io/env": "A=b, C=d,e ,A=f" } },
        "spec": { "containers": [{ "name": "app" }] }
    });
    let Decision::Wired(patch) = admit(&PodRequest::new("shop", pod.clone()).unwrap(), &cluster()).decision else { panic!() };
    json_patch::patch(&mut pod, &patch).unwrap();
    let env = pod["spec"]["initContainers"][0]["env"].as_array().unwrap();
    let own: Vec<&Value> = env.iter().skip(5).map(|variable| &variable["value"]).collect();
    assert_eq!(own, ["d,e", "f", "C A"]);
    assert!(matches!(admit(&PodRequest::new("shop", pod).unwrap(), &cluster()).decision, Decision::Wired(patch) if patch.0.is_empty()));
}

#[test]
fn the_container_of_daprs_own_injector_may_join_later() {
    let mut pod = json!({
        "metadata": { "annotations": {
            "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "dapr.io/enabled": "true", "dapr.io/app-id": "orders"
        } },
        "spec": { "containers": [{ "name": "app" }] }
    });
    let Decision::Wired(patch) = admit(&PodRequest::new("shop", pod.clone()).unwrap(), &cluster()).decision else { panic!() };
    json_patch::patch(&mut pod, &patch).unwrap();
    pod["metadata"]["labels"]["dapr.io/sidecar-injected"] = json!("true");
    pod["spec"]["containers"].as_array_mut().unwrap().push(json!({ "name": "daprd", "image": "ghcr.io/dapr/daprd:1.18.1" }));
    assert!(matches!(admit(&PodRequest::new("shop", pod).unwrap(), &cluster()).decision, Decision::Wired(patch) if patch.0.is_empty()));
}

/// A pod that was wired with other facts of Dapr is refused too, and told apart: what differs is named.
#[test]
fn a_sidecar_of_other_facts_is_named_by_what_differs() {
    let without = |name: &str| common().into_iter().filter(|object| object["metadata"]["name"] != name).collect::<Vec<_>>();
    let said = |snapshot: &Snapshot| {
        let verdict = admit(&PodRequest::new("shop", wired("")).unwrap(), snapshot);
        verdict
            .findings
            .into_iter()
            .find(|finding| finding.code == Code::SquattedContainer)
            .map_or_else(String::new, |finding| finding.allowed)
    };
    let of_other_services = said(&snapshot_of(without("dapr-placement-server")));
    assert!(of_other_services.contains("args --placement-host-address"), "{of_other_services}");
    let mut rotated = cluster();
    rotated.dapr.trust_anchors = Some("other anchors".to_owned());
    assert!(said(&rotated).contains("env DAPR_TRUST_ANCHORS"), "{}", said(&rotated));
    assert_eq!(said(&cluster()), "");
}
