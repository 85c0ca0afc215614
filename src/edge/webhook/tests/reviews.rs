//! `/review`: whatever happens, a workload passes, and a pod does not slip through.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::support::{UID, answered, ask, finding, pod, review, snapshots, verdict, wired};
use crate::edge::telemetry::{Facts, Metrics};
use crate::edge::watch::Snapshots;
use crate::edge::webhook::config::Limits;
use crate::edge::webhook::decide::{Doors, Judge};
use crate::edge::webhook::{admission, decide::Decide};
use crate::engine::{self, Change, Code, Decision, Snapshot};

fn doors(review: Judge) -> Doors {
    let admit: Decide = Arc::new(|_, _| unreachable!("it is not asked"));
    Doors { admit, review }
}

fn post(body: &Value) -> Request<Body> {
    Request::post("/review?timeout=10s").header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

/// What `review` makes of a request.
async fn check(judge: Judge, body: &Value) -> Value {
    let router = admission::router(Limits::default(), snapshots(), Metrics::new(), doors(judge));
    answered(ask(&router, post(body)).await)
}

/// A request about the Deployment of the usual pod.
fn workload() -> Value {
    let template = json!({"metadata": pod()["metadata"], "spec": pod()["spec"]});
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart"}, "spec": {"template": template}});
    let mut body = review(&object);
    body["request"]["kind"] = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    body
}

#[tokio::test]
async fn a_workload_passes_with_warnings_and_no_patch() {
    let mut body = workload();
    body["request"]["object"]["spec"]["template"]["metadata"]["annotations"]["podwire.io/style"] = json!("brokre");
    let response = check(Arc::new(engine::review), &body).await;
    assert_eq!((&response["allowed"], response.get("patch")), (&json!(true), None));
    let first = "PW100 pods-not-wired: spec.template: its pods are refused for PW003, PW034";
    assert_eq!(response["warnings"][0], first);
    assert!(response["warnings"][1].as_str().unwrap().starts_with("PW003 invalid-style: "), "{response}");
    assert_eq!(response["auditAnnotations"], json!({"decision": "passed", "reason": "PW003,PW034,PW100"}));
}

#[tokio::test]
async fn the_object_as_it_is_and_the_subresource_reach_the_engine() {
    let tell: Judge = Arc::new(|change: &Change, _: &Snapshot| {
        let old = change.old.as_ref().map_or(Value::Null, |old| old["metadata"]["name"].clone());
        let finding = finding(Code::UnknownAnnotation).read(format!("{} {old} {}", change.namespace, change.resize));
        verdict(Decision::Passed, vec![finding])
    });
    for (subresource, resize) in [("", false), ("resize", true)] {
        let mut body = review(&pod());
        body["request"]["operation"] = json!("UPDATE");
        body["request"]["subResource"] = json!(subresource);
        body["request"]["oldObject"] = json!({"metadata": {"name": "old"}});
        let response = check(Arc::clone(&tell), &body).await;
        let warning = response["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.contains("shop") && warning.contains("old") && warning.contains(&resize.to_string()), "{warning}");
    }
}

#[tokio::test]
async fn what_is_not_reviewed_passes_without_a_word() {
    for (field, value) in [
        ("operation", json!("DELETE")),
        ("operation", json!("CONNECT")),
        ("subResource", json!("scale")),
        ("subResource", json!("status")),
        ("kind", json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})),
        ("kind", json!({"group": "apps", "version": "v1", "kind": "ControllerRevision"})),
        ("kind", Value::Null),
    ] {
        let mut body = workload();
        body["request"][field] = value;
        let response = check(Arc::new(|_, _| unreachable!("it is none of podwire's")), &body).await;
        assert_eq!(response, json!({"uid": UID, "allowed": true}), "{field}");
    }
}

/// Whatever goes wrong with podwire itself: the workload passes with one warning, the pod is refused, for now or with the place of the log.
#[tokio::test]
async fn a_failure_lets_workloads_pass_and_no_pod() {
    let slow: Judge = Arc::new(|_, _| {
        std::thread::sleep(Duration::from_millis(300));
        verdict(Decision::Passed, Vec::new())
    });
    let never: Judge = Arc::new(|_, _| unreachable!("it has no turn"));
    let unloaded = || Snapshots::waiting_for(&["namespaces"]);
    let brief = Limits { deadline: Duration::from_millis(100), ..Limits::default() };
    let full = Limits { max_in_flight: 0, queue: Duration::from_millis(10), ..Limits::default() };
    let cases: [(&str, u16, Limits, Arc<Snapshots>, Judge); 4] = [
        ("PW081", 500, Limits::default(), snapshots(), Arc::new(|_, _| panic!("of a test"))),
        ("PW080", 503, brief, snapshots(), slow),
        ("PW082", 503, full, snapshots(), Arc::clone(&never)),
        ("PW072", 503, Limits::default(), unloaded(), never),
    ];
    for (code, status, limits, snapshots, judge) in cases {
        let router = admission::router(limits, snapshots, Metrics::new(), doors(judge));
        let response = answered(ask(&router, post(&workload())).await);
        assert_eq!(response["allowed"], true, "{code}: {response}");
        assert_eq!(response["warnings"].as_array().map(Vec::len), Some(1));
        assert!(response["warnings"][0].as_str().unwrap().starts_with(code), "{response}");
        let response = answered(ask(&router, post(&review(&pod()))).await);
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(status)), "{code}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_not_known_holds_up_pods_only() {
    let limits = Limits { namespace: Duration::from_millis(10), ..Limits::default() };
    let router = admission::router(limits, snapshots(), Metrics::new(), doors(Arc::new(engine::review)));
    for (mut body, allowed) in [(workload(), true), (review(&pod()), false)] {
        body["request"]["namespace"] = json!("new");
        let response = answered(ask(&router, post(&body)).await);
        assert_eq!(response["allowed"], allowed, "{response}");
        assert!(response.to_string().contains("PW071"), "{response}");
    }
}

/// Odd objects are answered, and a workload is never refused for them.
#[tokio::test]
async fn odd_objects_are_answered() {
    let router = admission::router(Limits::default(), snapshots(), Metrics::new(), doors(Arc::new(engine::review)));
    let workload_of = |fields: Value| {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment"});
        fields.as_object().unwrap().iter().for_each(|(key, value)| object[key] = value.clone());
        object
    };
    let odd = [
        Value::Null,
        json!(7),
        json!([]),
        workload_of(json!({})),
        workload_of(json!({"metadata": null, "spec": null})),
        workload_of(json!({"metadata": {"annotations": []}, "spec": {"template": {"spec": {"containers": {}}}}})),
        workload_of(json!({"metadata": {"annotations": {"podwire.io/style": 3}}, "spec": {"selector": [], "template": {"spec": {}}}})),
    ];
    for object in &odd {
        for old in &odd {
            let mut body = workload();
            body["request"]["object"] = object.clone();
            body["request"]["oldObject"] = old.clone();
            let response = answered(ask(&router, post(&body)).await);
            assert_eq!(response["allowed"], true, "{object} {response}");
            let mut body = review(object);
            body["request"]["oldObject"] = old.clone();
            body["request"]["operation"] = json!("UPDATE");
            answered(ask(&router, post(&body)).await);
        }
    }
}

#[tokio::test]
async fn reviews_are_counted_by_their_path() {
    let metrics = Metrics::new();
    let doors = Doors { admit: Arc::new(|_, _| wired()), review: Arc::new(|_, _| verdict(Decision::Passed, Vec::new())) };
    let router = admission::router(Limits::default(), snapshots(), Arc::clone(&metrics), doors);
    answered(ask(&router, post(&workload())).await);
    answered(ask(&router, super::support::post(review(&pod()).to_string())).await);
    let text = metrics.expose(Facts::default()).unwrap();
    for line in ["outcome=\"passed\",path=\"review\",style=\"broker\"} 1", "outcome=\"wired\",path=\"mutate\",style=\"broker\"} 1"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
