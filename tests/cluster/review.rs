//! What podwire says of changes, and that nobody else is held up by it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::MANAGER;
use crate::support::failure::require;
use crate::support::lab::{Failure, Lab, wait_for};
use crate::support::podwire::Podwire;
use crate::wiring::workload;
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("review::kubectl_apply_shows_what_would_go_wrong", shown),
    ("review::a_rollout_and_a_scale_are_not_reviewed", counted),
    ("review::a_side_that_is_not_drained_is_not_taken_away_in_silence", undrained),
    ("review::a_network_policy_that_shuts_knative_out_is_named", shut_out),
    ("review::a_component_that_is_not_there_or_not_for_the_application_is_named", component),
    ("review::labels_and_annotations_of_a_pod_stay_as_they_are", edits),
    ("review::a_label_that_was_copied_by_hand_joins_nothing", copied),
    ("review::controllers_go_on_with_their_work", controllers),
];

/// Tests that install a policy.
pub(crate) const GOVERNED: &[(&str, Test)] =
    &[("review::a_resize_keeps_to_the_policy", resize), ("review::a_policy_refuses_what_is_not_drained", refused)];

/// What kubectl says about an object, and whether it is taken. Nothing is stored.
pub(crate) fn try_out(lab: &Lab, object: &Value) -> Result<(bool, String), Failure> {
    let manager = format!("--field-manager={MANAGER}");
    let arguments = ["apply", "--server-side", "--force-conflicts", &manager, "--dry-run=server", "-f", "-"];
    let output = lab.try_kubectl(&arguments, Some(&object.to_string()))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Waits until kubectl says all of this about an object: podwire hears of the cluster by watches.
fn said(lab: &Lab, object: &Value, taken: bool, words: &[&str]) -> Result<(), Failure> {
    let mut last = String::new();
    let seen = wait_for(format!("kubectl says {words:?}"), 15, || {
        let (success, text) = try_out(lab, object).ok()?;
        let fits = success == taken && words.iter().all(|word| text.contains(word));
        last = format!("taken: {success}, {text}");
        fits.then_some(())
    });
    seen.map_err(|failure| Failure::new(format!("{failure}; last: {last}")))
}

fn shown(world: &World) -> Result<(), Failure> {
    world.lab.namespace("review-shown", &json!({}))?;
    let mut object =
        workload("Deployment", "bad", "review-shown", &json!({ "podwire.io/style": "sidcar", "podwire.io/publish": "orders" }));
    object["metadata"]["annotations"] = json!({ "podwire.io/retry": "for=1s", "podwire.io/listen": "both" });
    let words =
        ["Warning: PW100 pods-not-wired: spec.template: its pods are refused for PW003", "Warning: PW003", "PW092", "podwire.io/retry"];
    said(&world.lab, &object, true, &words)?;
    let (_, text) = try_out(&world.lab, &object)?;
    require("listen may stand on the workload", !text.contains("podwire.io/listen"))?;
    for kind in ["StatefulSet", "ReplicaSet", "Job"] {
        said(&world.lab, &workload(kind, "bad", "review-shown", &json!({ "podwire.io/style": "sidcar" })), true, &["Warning: PW003"])?;
    }
    let mut daemon = workload("DaemonSet", "bad", "review-shown", &json!({}));
    daemon["spec"]["selector"]["matchLabels"]["podwire.io/app-id"] = json!("bad");
    daemon["spec"]["template"]["metadata"]["labels"]["podwire.io/app-id"] = json!("bad");
    said(&world.lab, &daemon, true, &["Warning: PW109 label-in-template: label podwire.io/app-id"])?;
    let job = workload("Job", "nightly", "review-shown", &json!({}));
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "nightly", "namespace": "review-shown" },
        "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "metadata": { "annotations": { "podwire.io/publish": "orders" } }, "spec": job["spec"] } },
    });
    said(&world.lab, &cron, true, &["Warning: PW092", "annotate the pod template: spec.jobTemplate"])?;
    pubsub(&world.lab, "review-shown", &json!([]))?;
    let good = workload("Deployment", "good", "review-shown", &json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" }));
    silent(&world.lab, &good)
}

/// Waits until nothing is said of a workload.
fn silent(lab: &Lab, object: &Value) -> Result<(), Failure> {
    let mut last = String::new();
    let seen = wait_for("nothing is said", 15, || {
        let (taken, text) = try_out(lab, object).ok()?;
        last = text;
        (taken && last.is_empty()).then_some(())
    });
    seen.map_err(|failure| Failure::new(format!("{failure}; last: {last}")))
}

/// A pub/sub component for these applications.
fn pubsub(lab: &Lab, namespace: &str, scopes: &Value) -> Result<(), Failure> {
    lab.apply(&json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": { "name": "pubsub", "namespace": namespace }, "scopes": scopes,
        "spec": { "type": "pubsub.redis", "version": "v1", "metadata": [{ "name": "redisPassword", "value": "hunter2" }] },
    }))
}

fn component(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "review-component");
    lab.namespace(namespace, &json!({}))?;
    let object = workload("Deployment", "web", namespace, &json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders" }));
    let missing = format!("podwire.io/pubsub: namespace {namespace} has no Component pubsub");
    said(lab, &object, true, &["Warning: PW114 component-missing", &missing])?;
    pubsub(lab, namespace, &json!(["billing"]))?;
    said(lab, &object, true, &["Warning: PW115 component-out-of-scope", "are billing; add web to them"])?;
    pubsub(lab, namespace, &json!(["billing", "web"]))?;
    silent(lab, &object)
}

/// Waits until nobody has anything more to write into the Deployment, if it is there: where two write at once the API server reviews one of them again.
fn unchanging(lab: &Lab) -> Result<(), Failure> {
    let mut last = None;
    wait_for("the Deployment changes no more", 20, || {
        std::thread::sleep(Duration::from_millis(400));
        let now = lab.find(&["deployment", "reviewed"]).ok()?;
        let same = last.as_ref() == Some(&now);
        last = Some(now);
        same.then_some(())
    })
}

/// How many reviews each of some acts costs, counted while nothing else happens.
pub(crate) fn count(lab: &Lab, podwire: &Podwire) -> Result<Vec<(&'static str, u64)>, Failure> {
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders" });
    let mut object = workload("Deployment", "reviewed", "default", &annotations);
    object["spec"]["replicas"] = json!(3);
    let mut counts = Vec::new();
    let mut before = podwire.requests_to("review")?;
    let mut act = |what: &'static str, act: &mut dyn FnMut() -> Result<(), Failure>| {
        act()?;
        unchanging(lab)?;
        let now = podwire.requests_to("review")?;
        counts.push((what, now - before));
        before = now;
        Ok::<(), Failure>(())
    };
    let replicas = |count: usize| lab.pods("default", "app=reviewed", count).map(drop);
    act("create", &mut || lab.apply(&object).and_then(|()| replicas(3)))?;
    act("scale", &mut || lab.kubectl(&["scale", "deployment/reviewed", "--replicas=5"]).and_then(|_| replicas(5)))?;
    object["spec"]["replicas"] = json!(4);
    act("apply with more replicas", &mut || lab.apply(&object).and_then(|()| replicas(4)))?;
    act("label and annotate", &mut || {
        lab.kubectl(&["label", "deployment/reviewed", "note=x"])?;
        lab.kubectl(&["annotate", "deployment/reviewed", "note=x"])?;
        lab.kubectl(&["label", "pod", "-l", "app=reviewed", "note=x"]).map(drop)
    })?;
    object["spec"]["template"]["metadata"]["labels"]["release"] = json!("2");
    act("rollout", &mut || {
        lab.apply(&object)?;
        lab.pods("default", "app=reviewed,release=2", 2).map(drop)
    })?;
    act("replicas to zero", &mut || {
        object["spec"]["replicas"] = json!(0);
        lab.apply(&object).and_then(|()| replicas(0))
    })?;
    act("delete", &mut || lab.kubectl(&["delete", "deployment/reviewed"]).map(drop))?;
    Ok(counts)
}

fn counted(world: &World) -> Result<(), Failure> {
    let expected = [
        ("create", 1),
        ("scale", 0),
        ("apply with more replicas", 0),
        ("label and annotate", 0),
        ("rollout", 1),
        ("replicas to zero", 1),
        ("delete", 0),
    ];
    require(&format!("each act has its reviews: {:?}", world.reviewed), world.reviewed == expected)
}

/// A Wiring as the controller would write it, for an application that consumes orders on both sides.
fn wiring(lab: &Lab, namespace: &str, name: &str) -> Result<(), Failure> {
    lab.apply(&json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "metadata": { "name": name, "namespace": namespace } }))?;
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        let time = "2026-01-01T00:00:00Z";
        json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time })
    };
    let status = json!({
        "appId": name, "style": "broker", "listensOn": "sidecar,broker", "publishes": [], "pods": { "summary": "1/1", "wired": 1, "outdated": 0, "lacking": 0 },
        "workloads": [{ "kind": "Deployment", "name": name, "wired": true }],
        "subscriptions": [{ "name": "orders", "topic": "orders", "path": "/events/orders", "undelivered": "is gone" }],
        "conditions": [
            condition("Drained", "False", "SidecarDraining", "sidecar: 112 s of silence are needed, and over at 2026-01-01T00:02:12Z"),
            condition("TriggersReady", "False", "NoEndpoints", "no pod is ready"),
        ],
    });
    let patch = json!({ "status": status }).to_string();
    lab.kubectl(&["patch", "wiring", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch]).map(drop)
}

/// A consumer that listens on both sides, and the same one without the sidecar side.
fn consumer(namespace: &str) -> (Value, Value) {
    let one_side = workload("Deployment", "billing", namespace, &json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" }));
    let mut both = one_side.clone();
    both["spec"]["template"]["metadata"]["annotations"]["podwire.io/listen"] = json!("both");
    (both, one_side)
}

fn undrained(world: &World) -> Result<(), Failure> {
    let namespace = "review-drain";
    world.lab.namespace(namespace, &json!({}))?;
    let (both, one_side) = consumer(namespace);
    world.lab.apply(&both)?;
    wiring(&world.lab, namespace, "billing")?;
    said(&world.lab, &one_side, true, &["Warning: PW101 side-not-drained: podwire.io/listen: sidecar: 112 s of silence"])?;
    let publisher = |style: &str| {
        workload(
            "Deployment",
            "cart",
            namespace,
            &json!({ "podwire.io/style": style, "podwire.io/publish": "orders", "podwire.io/app-port": "80" }),
        )
    };
    world.lab.apply(&publisher("sidecar"))?;
    said(&world.lab, &publisher("broker"), true, &["Warning: PW104 consumer-not-ready: podwire.io/style: billing consumes orders"])
}

fn refused(world: &World) -> Result<(), Failure> {
    let namespace = "review-deny";
    world.lab.namespace(namespace, &json!({}))?;
    let (both, one_side) = consumer(namespace);
    world.lab.apply(&both)?;
    wiring(&world.lab, namespace, "billing")?;
    governed(&world.lab, json!({ "onUndrained": "Deny" }), || {
        said(&world.lab, &one_side, false, &["workloads.podwire.io", "PW102 undrained-refused", "112 s of silence"])
    })
}

/// Does something while a policy governs every namespace.
pub(crate) fn governed(lab: &Lab, spec: Value, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    lab.apply(
        &json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "reviewing" }, "spec": spec }),
    )?;
    let done = work();
    lab.kubectl(&["delete", "injectionpolicy", "reviewing"])?;
    // The built-in policy holds again before anybody else looks.
    let probe = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "app", "image": "none" }] },
        "metadata": { "name": "probe", "namespace": "shop", "annotations": { "podwire.io/style": "broker", "podwire.io/publish": "orders", "podwire.io/app-id": "probe" } },
    });
    wait_for("no policy governs any more", 10, || {
        let wired = lab.dry_run(&probe).ok()?;
        (!wired["metadata"]["annotations"]["podwire.io/wired"].as_str()?.contains("\"policy\"")).then_some(())
    })?;
    done
}

fn shut_out(world: &World) -> Result<(), Failure> {
    let namespace = "review-network";
    world.lab.namespace(namespace, &json!({}))?;
    world.lab.apply(&json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "default-deny", "namespace": namespace },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
    }))?;
    let (_, object) = consumer(namespace);
    said(&world.lab, &object, true, &["Warning: PW107 broker-shut-out", "NetworkPolicy default-deny lets nobody of"])
}

/// A pod that podwire wires, created.
fn wired(world: &World, name: &str, namespace: &str) -> Result<Value, Failure> {
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": name });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    world.lab.create(&pod)
}

/// kubectl with an error that names the code.
fn denied(lab: &Lab, arguments: &[&str], code: &str) -> Result<(), Failure> {
    let output = lab.try_kubectl(arguments, None)?;
    let text = String::from_utf8_lossy(&output.stderr);
    require(&format!("{arguments:?} is refused with {code}: {text}"), !output.status.success() && text.contains(code))
}

fn edits(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "review-edits");
    lab.namespace(namespace, &json!({}))?;
    wired(world, "cart", namespace)?;
    let plain = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "plain", "namespace": namespace },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    lab.create(&plain)?;
    let on = |verb, pod, word| [verb, "pod", pod, "-n", namespace, "--overwrite", word];
    denied(lab, &on("label", "cart", "podwire.io/app-id=victim"), "PW110 label-edited")?;
    denied(lab, &on("label", "cart", "podwire.io/wired-style=broker"), "PW110")?;
    denied(lab, &on("label", "cart", "podwire.io/app-id-"), "PW110")?;
    denied(lab, &on("label", "plain", "podwire.io/app-id=victim"), "PW110")?;
    denied(lab, &on("annotate", "cart", "podwire.io/broker=other"), "PW111 annotation-edited")?;
    denied(lab, &on("annotate", "cart", "podwire.io/publish-"), "PW111")?;
    lab.kubectl(&on("label", "cart", "note=x"))?;
    lab.kubectl(&on("annotate", "cart", "note=x"))?;
    lab.kubectl(&on("annotate", "plain", "podwire.io/broker=other")).map(drop)
}

fn copied(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "review-copied");
    lab.namespace(namespace, &json!({}))?;
    let mut object = workload("Deployment", "thief", namespace, &json!({}));
    object["spec"]["template"]["metadata"]["labels"]["podwire.io/app-id"] = json!("victim");
    lab.apply(&object)?;
    wait_for("the ReplicaSet is told why", 30, || {
        let events = lab.get(&["events", "-n", namespace, "--field-selector", "involvedObject.kind=ReplicaSet"]).ok()?;
        events.to_string().contains("PW112 label-without-wiring").then_some(())
    })?;
    lab.pods(namespace, "app=thief", 0)?;
    // A pod that was wired, in a file or in another cluster, is taken as it is.
    let mut pod = wired(world, "cart", namespace)?;
    lab.kubectl(&["delete", "pod", "cart", "-n", namespace, "--grace-period=0", "--force"])?;
    pod["metadata"] = json!({ "name": "cart", "namespace": namespace, "labels": pod["metadata"]["labels"] });
    lab.create(&pod).map(drop)
}

fn resize(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "review-resize");
    lab.namespace(namespace, &json!({}))?;
    wired(world, "cart", namespace)?;
    let to = |list: &str, container: &str, cpu: &str| {
        json!({ "spec": { list: [{ "name": container, "resources": { "requests": { "cpu": cpu } } }] } }).to_string()
    };
    let resize = |patch: &str| {
        let arguments = ["patch", "pod", "cart", "-n", namespace, "--subresource=resize", "-p", patch];
        let output = lab.try_kubectl(&arguments, None)?;
        Ok::<_, Failure>((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let bounds = json!({ "min": { "requests": { "cpu": "50m" } }, "max": { "requests": { "cpu": "1" } } });
    let spec = json!({ "resources": { "app": bounds, "sidecar": bounds } });
    governed(lab, spec, || {
        let mut last = String::new();
        let small = to("containers", "app", "1m");
        let denied = wait_for("a resize below the bound is refused", 10, || {
            let (done, text) = resize(&small).ok()?;
            last = text;
            // Taken before the policy reached podwire: back to where it was.
            if done {
                resize(&to("containers", "app", "100m")).ok()?;
            }
            (!done
                && last.contains(
                    "PW113 resize-refused: container app requests cpu is \"1m\": must respect 50m, resources.app.min of policy reviewing",
                ))
            .then_some(())
        });
        denied.map_err(|failure| Failure::new(format!("{failure}; last: {last}")))?;
        let (done, text) = resize(&to("initContainers", "daprd", "2"))?;
        require(&format!("the sidecar keeps to its bound: {text}"), !done && text.contains("PW113"))?;
        let (done, text) = resize(&to("containers", "app", "200m"))?;
        require(&format!("within the bounds is free: {text}"), done)
    })
}

/// A rollout to its end, and a Job: their controllers update and replace wired pods.
fn controllers(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "review-controllers");
    lab.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders", "podwire.io/app-id": "worker" });
    let mut object = workload("Deployment", "worker", namespace, &annotations);
    object["spec"]["replicas"] = json!(2);
    lab.apply(&object)?;
    object["spec"]["template"]["metadata"]["labels"]["release"] = json!("2");
    lab.apply(&object)?;
    wait_for("the rollout is complete", 60, || {
        for pod in pods(lab, namespace, "app=worker") {
            set_status(lab, &pod, json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }));
        }
        let status = lab.get(&["deployment", "worker", "-n", namespace]).ok()?["status"].clone();
        (status["updatedReplicas"] == 2 && status["replicas"] == 2 && status["readyReplicas"] == 2).then_some(())
    })?;
    // Orphaned pods are adopted again.
    lab.kubectl(&["delete", "replicaset", "-n", namespace, "-l", "release=2", "--cascade=orphan"])?;
    wait_for("the pods have an owner again", 30, || {
        let owned = pods(lab, namespace, "release=2");
        (owned.len() == 2 && owned.iter().all(|pod| pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet")).then_some(())
    })?;
    lab.apply(&workload("Job", "once", namespace, &annotations))?;
    wait_for("the Job is complete", 60, || {
        pods(lab, namespace, "app=once").iter().for_each(|pod| set_status(lab, pod, json!({ "phase": "Succeeded" })));
        let job = lab.get(&["job", "once", "-n", namespace]).ok()?;
        (job["status"]["succeeded"] == 1).then_some(())
    })
}

fn pods(lab: &Lab, namespace: &str, selector: &str) -> Vec<Value> {
    let list = lab.get(&["pods", "-n", namespace, "-l", selector]).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// What a kubelet would say; a pod that is gone meanwhile is no matter.
fn set_status(lab: &Lab, pod: &Value, status: Value) {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let patch = json!({ "status": status }).to_string();
    let (name, namespace) = (text("name"), text("namespace"));
    let _ = lab.kubectl(&["patch", "pod", &name, "-n", &namespace, "--subresource=status", "--type=merge", "-p", &patch]);
}
