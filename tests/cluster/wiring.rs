//! Workloads of every kind and style become wired pods.

use serde_json::{Value, json};

use crate::support::lab::{Failure, Lab, wait_for};
use crate::support::podwire::Podwire;
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("wiring::workloads_of_every_kind_become_wired_pods", workloads),
    ("wiring::a_job_of_a_cron_job_is_wired", cron_job),
    ("wiring::the_examples_are_wired_in_either_style", examples),
    ("wiring::a_pod_that_did_not_ask_never_reaches_podwire", not_asked),
    ("wiring::what_inject_prints_is_what_the_webhook_makes", offline_is_online),
    ("wiring::a_pod_that_inject_wired_is_not_wired_again", wired_before),
];

/// A workload of this kind whose pods ask.
pub(crate) fn workload(kind: &str, name: &str, namespace: &str, annotations: &Value) -> Value {
    let template = json!({
        "metadata": { "labels": { "app": name }, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none", "ports": [{ "containerPort": 8080 }] }] },
    });
    let selector = json!({ "matchLabels": { "app": name } });
    let (version, spec) = match kind {
        "Job" => {
            let mut template = template;
            template["spec"]["restartPolicy"] = json!("Never");
            ("batch/v1", json!({ "template": template }))
        }
        "StatefulSet" => ("apps/v1", json!({ "serviceName": name, "selector": selector, "template": template })),
        _ => ("apps/v1", json!({ "selector": selector, "template": template })),
    };
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": namespace }, "spec": spec })
}

/// Variables of a pod's container, by name.
pub(crate) fn variable<'a>(pod: &'a Value, container: &str, name: &str) -> Option<&'a str> {
    let containers = pod["spec"]["containers"].as_array()?;
    let env = containers.iter().find(|one| one["name"] == container)?["env"].as_array()?;
    env.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}

/// Where the sidecar stands: `containers`, `initContainers`.
pub(crate) fn sidecar(pod: &Value) -> Option<&'static str> {
    let lists = ["containers", "initContainers"].into_iter();
    lists.into_iter().find(|list| pod["spec"][*list].as_array().is_some_and(|all| all.iter().any(|container| container["name"] == "daprd")))
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Result<(), Failure> {
    if got == expected { Ok(()) } else { Err(Failure::new(format!("{what}: {got:?}, expected {expected:?}"))) }
}

fn workloads(world: &World) -> Result<(), Failure> {
    for style in ["sidecar", "broker"] {
        for kind in ["Deployment", "StatefulSet", "ReplicaSet", "Job"] {
            let name = format!("{}-{style}", kind.to_lowercase());
            let mut annotations = json!({ "podwire.io/style": style, "podwire.io/publish": "orders" });
            if kind == "ReplicaSet" || kind == "Job" {
                annotations["podwire.io/app-id"] = json!(name);
            }
            world.lab.apply(&workload(kind, &name, "shop", &annotations))?;
            let pod = world.lab.pods("shop", &format!("app={name}"), 1)?.remove(0);
            expect("app-id", variable(&pod, "app", "PODWIRE_APP_ID"), Some(&name))?;
            expect("style", pod["metadata"]["labels"]["podwire.io/wired-style"].as_str(), Some(style))?;
            let sink = "http://broker-ingress.knative-eventing.svc.cluster.local/shop/orders";
            let (container, url) = match style {
                "broker" => (None, sink),
                _ => (Some("initContainers"), "http://localhost:3500/v1.0/publish/pubsub/orders"),
            };
            expect("sidecar", sidecar(&pod), container)?;
            expect("address", variable(&pod, "app", "PODWIRE_PUBLISH_URL_ORDERS"), Some(url))?;
            expect("K_SINK", variable(&pod, "app", "K_SINK"), (style == "broker").then_some(sink))?;
            expect("request", pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].as_str(), Some("100m"))?;
        }
    }
    Ok(())
}

fn cron_job(world: &World) -> Result<(), Failure> {
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": "nightly" });
    let job = workload("Job", "nightly", "shop", &annotations);
    let object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "shop" },
        "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": job["spec"] } },
    });
    world.lab.apply(&object)?;
    let pod = wait_for("the CronJob's first pod is there", 90, || {
        world.lab.get(&["pods", "-n", "shop", "-l", "app=nightly"]).ok()?["items"].as_array()?.first().cloned()
    })?;
    expect("sidecar", sidecar(&pod), Some("initContainers"))?;
    world.lab.kubectl(&["delete", "cronjob", "nightly", "-n", "shop"]).map(drop)
}

fn examples(world: &World) -> Result<(), Failure> {
    let shop = include_str!("../../manifests/examples/shop.yaml");
    let namespace = "order-system";
    world.lab.namespace(namespace, &json!({}))?;
    let cluster = include_str!("../golden/snapshot.yaml");
    let brokers: Vec<&str> = cluster.split("\n---").filter(|part| part.contains("kind: Broker")).collect();
    world.lab.apply_snapshot(&brokers.join("\n---").replace("namespace: shop", "namespace: order-system"))?;
    for (style, expected) in [("sidecar", [Some("initContainers"), Some("containers"), Some("containers")]), ("broker", [None; 3])] {
        let text = shop.replace("namespace: shop", "namespace: order-system").replace("style: sidecar", &format!("style: {style}"));
        let output = world.lab.try_kubectl(&["apply", "-f", "-"], Some(&text))?;
        expect("kubectl apply", output.status.success(), true)?;
        for (app, expected) in ["web", "billing", "complaints"].into_iter().zip(expected) {
            let selector = format!("app={app},podwire.io/wired-style={style}");
            let pod = world.lab.pods(namespace, &selector, 1)?.remove(0);
            expect(app, sidecar(&pod), expected)?;
        }
        // A StatefulSet whose pod never becomes ready does not replace it.
        world.lab.kubectl(&["delete", "pod", "shipping-0", "-n", namespace, "--force", "--grace-period=0", "--ignore-not-found"])?;
        world.lab.pods(namespace, &format!("app=shipping,podwire.io/wired-style={style}"), 1)?;
        let plain = world.lab.pods(namespace, "app=static", 1)?.remove(0);
        expect("a pod that did not ask", plain["metadata"]["labels"]["podwire.io/app-id"].as_str(), None)?;
    }
    Ok(())
}

/// Creates a pod that does not ask and one that does, and counts what reached podwire for each.
pub(crate) fn count(lab: &Lab, podwire: &Podwire) -> Result<(u64, u64), Failure> {
    let requests_for = |name: &str, annotations: Value| {
        let before = podwire.requests()?;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default", "annotations": annotations },
            "spec": { "containers": [{ "name": "app", "image": "none" }] },
        });
        lab.create(&pod)?;
        Ok::<u64, Failure>(podwire.requests()? - before)
    };
    Ok((requests_for("plain", json!({ "example.com/other": "x" }))?, requests_for("asking", json!({ "podwire.io/style": "none" }))?))
}

fn not_asked(world: &World) -> Result<(), Failure> {
    expect("requests for a pod that did not ask, and for one that did", world.counted, (0, 1))
}

/// A Deployment with the template that `podwire inject` prints for it, in a cluster that holds more than the shared objects.
pub(crate) fn injected(world: &World, object: &Value, more: &[Value]) -> Result<Value, Failure> {
    let folder = world.lab.plane.dir().join("inject");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.json", object["metadata"]["name"].as_str().unwrap_or("x")));
    std::fs::write(&file, object.to_string())?;
    let cluster = folder.join(format!("{}-cluster.json", object["metadata"]["name"].as_str().unwrap_or("x")));
    std::fs::write(&cluster, json!({ "apiVersion": "v1", "kind": "List", "items": more }).to_string())?;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_podwire"));
    command.args(["inject", "-q", "-o", "json", "--snapshot"]).arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot.yaml"));
    let output = command.arg("--snapshot").arg(&cluster).arg("-f").arg(&file).output()?;
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn offline_is_online(world: &World) -> Result<(), Failure> {
    for style in ["sidecar", "broker"] {
        let name = format!("same-{style}");
        let annotations = json!({ "podwire.io/style": style, "podwire.io/publish": "orders", "podwire.io/subscribe": "payments" });
        let mut object = workload("Deployment", &name, "shop", &annotations);
        object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "limits": { "cpu": "500m" } });
        let offline = injected(world, &object, &[])?;
        world.lab.apply(&object)?;
        let online = world.lab.pods("shop", &format!("app={name}"), 1)?.remove(0);
        let template = &offline["spec"]["template"];
        expect("labels", subset(&template["metadata"]["labels"], &online["metadata"]["labels"]), None)?;
        let annotations =
            template["metadata"]["annotations"].as_object().into_iter().flatten().filter(|(key, _)| *key != "podwire.io/wired");
        for (key, value) in annotations {
            expect(key, &online["metadata"]["annotations"][key], value)?;
        }
        for list in ["containers", "initContainers"] {
            for container in template["spec"][list].as_array().into_iter().flatten() {
                let same = online["spec"][list].as_array().into_iter().flatten().find(|other| other["name"] == container["name"]);
                let same = same.ok_or_else(|| Failure::new(format!("{} is missing", container["name"])))?;
                for field in ["args", "env", "image", "resources", "securityContext", "lifecycle"] {
                    expect(field, subset(&container[field], &same[field]), None)?;
                }
            }
        }
    }
    Ok(())
}

/// What of `part` does not stand in `whole`.
fn subset(part: &Value, whole: &Value) -> Option<String> {
    match part {
        Value::Object(members) => members.iter().find_map(|(key, value)| subset(value, &whole[key])),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| subset(item, &whole[index])),
        // An empty text is no text to the API server.
        _ if part == whole || part.is_null() || (part == "" && whole.is_null()) => None,
        _ => Some(format!("{part} is not {whole}")),
    }
}

fn wired_before(world: &World) -> Result<(), Failure> {
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/subscribe": "payments" });
    let object = injected(world, &workload("Deployment", "wired-before", "shop", &annotations), &[])?;
    world.lab.apply(&object)?;
    let pod = world.lab.pods("shop", "app=wired-before", 1)?.remove(0);
    let record = |pod: &Value| pod["metadata"]["annotations"]["podwire.io/wired"].clone();
    expect("the record", record(&pod), record(&object["spec"]["template"]))?;
    let sidecars = pod["spec"]["containers"].as_array().into_iter().flatten().filter(|container| container["name"] == "daprd").count();
    expect("sidecars", sidecars, 1)
}
