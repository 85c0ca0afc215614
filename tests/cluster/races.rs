//! What comes in another order, or between podwire's own calls.

use std::net::SocketAddr;
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::lab::{Failure, wait_for};
use crate::support::podwire::free_port;
use crate::wiring::{sidecar, workload};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("races::a_namespace_and_its_deployment_in_one_stroke_200_times", one_stroke),
    ("races::another_webhook_between_two_of_our_calls", another_webhook),
    ("races::a_broker_that_becomes_ready_is_seen_by_the_next_pod", broker_becomes_ready),
];

/// k14: the API server may know a namespace before podwire's watch does. Nobody is passed over.
fn one_stroke(world: &World) -> Result<(), Failure> {
    const COUNT: usize = 200;
    let objects = |number: usize| {
        let name = format!("stroke-{number}");
        let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" });
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        [namespace, workload("Deployment", "stroke", &name, &annotations)]
    };
    let items: Vec<Value> = (0..COUNT).flat_map(objects).collect();
    world.lab.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }))?;
    wait_for(format!("{COUNT} pods are there and each is wired"), 120, || {
        let list = world.lab.get(&["pods", "-A", "-l", "app=stroke"]).ok()?;
        let pods = list["items"].as_array()?;
        (pods.len() == COUNT && pods.iter().all(|pod| sidecar(pod).is_some())).then_some(())
    })?;
    let list = world.lab.get(&["pods", "-A", "-l", "app=stroke"])?;
    let unwired = list["items"].as_array().into_iter().flatten().filter(|pod| sidecar(pod).is_none()).count();
    world.lab.kubectl(&["delete", "deployment", "-A", "--field-selector=metadata.name=stroke", "--wait=false"])?;
    if unwired == 0 { Ok(()) } else { Err(Failure::new(format!("{unwired} pods were passed over"))) }
}

/// A webhook that does what many do: it adds a sidecar and takes images from a mirror.
async fn meddle(body: Bytes) -> String {
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let pod = &review["request"]["object"];
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let mut patch = Vec::new();
    if !containers.iter().any(|container| container["name"] == "meddler") {
        patch.push(json!({ "op": "add", "path": "/spec/containers/-", "value": { "name": "meddler", "image": "meddler:1", "ports": [{ "containerPort": 3500 }] } }));
        for (index, container) in containers.iter().enumerate() {
            let image = format!("mirror.internal/{}", container["image"].as_str().unwrap_or_default());
            patch.push(json!({ "op": "replace", "path": format!("/spec/containers/{index}/image"), "value": image }));
        }
    }
    let response = json!({ "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(json!(patch).to_string()) });
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }).to_string()
}

/// Serves the other webhook in a thread of its own for the rest of the run.
fn serve_meddler(world: &World) -> Result<u16, Failure> {
    let pair = world.lab.plane.serving_certificate(&["127.0.0.1"])?;
    let port = free_port()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let tls = RustlsConfig::from_pem(pair.certificate.into_bytes(), pair.key.into_bytes()).await?;
            let app = Router::new().route("/", post(meddle));
            axum_server::bind_rustls(SocketAddr::from(([127, 0, 0, 1], port)), tls).serve(app.into_make_service()).await
        })
    });
    wait_for("the other webhook listens", 20, || std::net::TcpStream::connect(("127.0.0.1", port)).ok())?;
    Ok(port)
}

fn another_webhook(world: &World) -> Result<(), Failure> {
    let port = serve_meddler(world)?;
    world.lab.namespace("meddled", &json!({ "meddled": "yes" }))?;
    let registration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": { "name": "zz-meddler" },
        "webhooks": [{
            "name": "meddler.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "clientConfig": world.lab.client_config(&format!("https://127.0.0.1:{port}/")),
            "namespaceSelector": { "matchLabels": { "meddled": "yes" } },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
        }],
    });
    world.lab.apply(&registration)?;
    for subscribe in ["", "payments"] {
        let mut annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" });
        if !subscribe.is_empty() {
            annotations["podwire.io/subscribe"] = json!(subscribe);
        }
        let name = format!("meddled{subscribe}");
        world.lab.apply(&workload("Deployment", &name, "meddled", &annotations))?;
        let pod = world.lab.pods("meddled", &format!("app={name}"), 1)?.remove(0);
        let everybody = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
        let names: Vec<&str> = everybody.filter_map(|container| container["name"].as_str()).collect();
        let count = |name: &str| names.iter().filter(|known| **known == name).count();
        if (count("daprd"), count("meddler"), count("app")) != (1, 1, 1) {
            return Err(Failure::new(format!("one of each was expected: {names:?}")));
        }
    }
    Ok(())
}

fn broker_becomes_ready(world: &World) -> Result<(), Failure> {
    world.lab.namespace("later", &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "fresh", "podwire.io/app-id": "later" });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "later", "namespace": "later", "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    let text = pod.to_string();
    let create = || {
        let arguments = ["create", "--dry-run=server", "--validate=false", "-o", "json", "-f", "-"];
        let output = world.lab.try_kubectl(&arguments, Some(&text)).ok().filter(|output| output.status.success())?;
        let pod: Value = serde_json::from_slice(&output.stdout).ok()?;
        let env = pod["spec"]["containers"][0]["env"].as_array()?;
        let address = env.iter().find(|variable| variable["name"] == "PODWIRE_PUBLISH_URL_FRESH")?.clone();
        Some((address, String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let expect = |what: &'static str, address: Value, warning: &'static str| {
        wait_for(what, 20, || create().filter(|(got, warnings)| *got == address && warnings.contains(warning))).map(drop)
    };
    let name = "PODWIRE_PUBLISH_URL_FRESH";
    let awaited = json!({ "name": name, "valueFrom": { "configMapKeyRef": { "name": "podwire-brokers", "key": "fresh" } } });
    expect("the pod waits for a Broker that is not there", awaited.clone(), "namespace later has no such Broker")?;
    let broker = "apiVersion: eventing.knative.dev/v1\nkind: Broker\nmetadata: {name: fresh, namespace: later}\n";
    world.lab.apply_snapshot(broker)?;
    expect("the pod waits for a Broker that is not ready", awaited, "the Broker has no address yet")?;
    let status = "status:\n  conditions: [{type: Ready, status: \"True\"}]\n  address: {url: \"http://broker.example/later/fresh\"}\n";
    world.lab.apply_snapshot(&format!("{broker}{status}"))?;
    expect("the pod is wired to the Broker", json!({ "name": name, "value": "http://broker.example/later/fresh" }), "")
}
