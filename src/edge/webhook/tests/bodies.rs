//! Bytes in, bytes out: whatever comes, what goes back is well formed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures::stream;
use serde_json::{Value, json};

use super::support::{UID, always, answered, ask, finding, patch_of, pod, post, review, review_with, router, snapshots, verdict, wired};
use crate::api::duration::parse_duration;
use crate::api::style::Style;
use crate::edge::telemetry::{Facts, Metrics};
use crate::edge::webhook::config::Limits;
use crate::edge::webhook::{admission, decide::Decide};
use crate::engine::{Code, Decision, Finding, PodRequest, Snapshot, Subject, Verdict, admit};

/// What `decide` makes of `review`.
async fn check(decide: Decide, review: &Value) -> Value {
    answered(ask(&router(Limits::default(), decide), post(review.to_string())).await)
}

#[tokio::test]
async fn a_patch_is_sent_with_warnings_and_audit_annotations() {
    let response = check(always(wired()), &review(&pod())).await;
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(patch_of(&response), json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]));
    assert_eq!(response["warnings"], json!(["PW046 env-from-hidden: pod: what is right"]));
    assert_eq!(response["auditAnnotations"], json!({"decision": "wired", "style": "broker", "reason": "PW046"}));
}

#[tokio::test]
async fn an_empty_patch_is_not_sent() {
    let response = check(always(verdict(Decision::Wired(json_patch::Patch(Vec::new())), Vec::new())), &review(&pod())).await;
    assert_eq!(response, json!({"uid": UID, "allowed": true, "auditAnnotations": {"decision": "wired", "style": "broker"}}));
}

#[tokio::test]
async fn a_denial_tells_errors_in_its_message_and_the_rest_as_warnings() {
    let findings = vec![finding(Code::InvalidStyle), finding(Code::InvalidAppId), finding(Code::UnknownAnnotation)];
    let response = check(always(verdict(Decision::Denied, findings.clone())), &review(&pod())).await;
    let message = "podwire: PW003 invalid-style: pod: what is right | PW005 invalid-app-id: pod: what is right";
    assert_eq!(response["status"], json!({"status": "Failure", "code": 403, "reason": "Forbidden", "message": message}));
    assert_eq!(response["warnings"], json!(["PW002 unknown-annotation: pod: what is right"]));
    let response = check(always(verdict(Decision::Unwired, findings)), &review(&pod())).await;
    assert_eq!((&response["allowed"], response["warnings"].as_array().map(Vec::len)), (&json!(true), Some(3)));
}

#[tokio::test]
async fn what_passes_is_refused_for_now() {
    for code in [Code::DeadlinePassed, Code::NamespaceNotKnown, Code::Overloaded] {
        let response = check(always(Verdict::refuse(finding(code))), &review(&pod())).await;
        assert_eq!((&response["status"]["code"], &response["status"]["reason"]), (&json!(503), &json!("ServiceUnavailable")));
    }
}

#[tokio::test]
async fn only_the_creation_of_pods_is_decided_about() {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let others = [
        ("operation", json!("UPDATE")),
        ("operation", json!("DELETE")),
        ("operation", json!("CONNECT")),
        ("operation", Value::Null),
        ("subResource", json!("ephemeralcontainers")),
        ("subResource", json!("status")),
        ("kind", kind("apps", "v1", "Deployment")),
        ("kind", kind("metrics.k8s.io", "v1", "Pod")),
        ("kind", kind("", "v2", "Pod")),
        ("kind", kind("", "v1", "ConfigMap")),
        ("kind", Value::Null),
    ];
    for (field, value) in others {
        let response = check(Arc::new(|_, _| unreachable!("it is none of podwire's")), &review_with(field, value)).await;
        assert_eq!(response, json!({"uid": UID, "allowed": true}), "{field}");
    }
    let response = check(always(wired()), &review_with("subResource", json!(""))).await;
    assert!(response.get("patch").is_some());
}

/// The pod of a ReplicaSet has neither name nor namespace when it is admitted.
#[tokio::test]
async fn the_namespace_is_that_of_the_request() {
    let tell: Decide = Arc::new(|request: &PodRequest, _: &Snapshot| {
        verdict(Decision::Unwired, vec![Finding::new(Code::UnknownAnnotation, Subject::Pod, format!("in {}", request.namespace))])
    });
    for dry_run in [true, false] {
        let response = check(Arc::clone(&tell), &review_with("dryRun", json!(dry_run))).await;
        assert_eq!(response["warnings"], json!(["PW002 unknown-annotation: pod: in shop"]));
    }
}

/// A body whose uid can be read is answered by a review.
#[tokio::test]
async fn hostile_bodies_are_answered() {
    let good = review(&pod()).to_string();
    let with_pod = |pod: Value| review(&pod).to_string();
    let raw_pod = |text: &str| review(&json!("the pod")).to_string().replace("\"the pod\"", text);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let mut not_utf8 = raw_pod(r#"{"metadata":{"name":"~"}}"#).into_bytes();
    if let Some(byte) = not_utf8.iter_mut().find(|byte| **byte == b'~') {
        *byte = 0xff;
    }
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("no object", raw_pod("null").into()),
        ("a number", raw_pod("7").into()),
        ("a list", raw_pod("[]").into()),
        ("a text", raw_pod(r#""pod""#).into()),
        ("metadata of another type", with_pod(json!({"metadata": []})).into()),
        ("annotations of another type", with_pod(json!({"metadata": {"annotations": {"podwire.io/style": 3}}})).into()),
        ("containers of another type", with_pod(json!({"spec": {"containers": {"name": "a"}}})).into()),
        ("deep", raw_pod(&deep).into()),
        ("a number beyond any", raw_pod(r#"{"spec":{"priority":1e999}}"#).into()),
        ("not UTF-8", not_utf8),
        ("half a surrogate", raw_pod(r#"{"metadata":{"name":"\ud800"}}"#).into()),
        ("cut within the pod", good[..good.len() - 80].into()),
        ("cut behind the uid", good[..good.find(UID).unwrap() + UID.len() + 1].into()),
        ("something behind it", format!("{good}}}").into()),
        ("another version", good.replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1").into()),
        ("another review", good.replace("AdmissionReview", "ConversionReview").into()),
        ("no version", good.replace("\"apiVersion\":\"admission.k8s.io/v1\",", "").into()),
        ("an operation of another type", review_with("operation", json!(1)).to_string().into()),
        ("a namespace of another type", review_with("namespace", json!({})).to_string().into()),
        ("two operations", good.replace("\"operation\"", "\"operation\":\"DELETE\",\"operation\"").into()),
    ];
    for (what, body) in bodies {
        let response = answered(ask(&router(Limits::default(), Arc::new(admit)), post(body)).await);
        assert_eq!(response["allowed"], false, "{what}: {response}");
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("podwire: PW001 unreadable-pod: pod: "), "{what}: {message}");
    }
}

/// Pods that are odd, and that `core/v1` takes.
#[tokio::test]
async fn odd_pods_are_answered() {
    let annotated = |annotations: Value| json!({"metadata": {"annotations": annotations}});
    let odd = [
        json!({}),
        json!({"metadata": null, "spec": null}),
        json!({"spec": {"containers": []}}),
        annotated(json!({"podwire.io/style": "sidecar"})),
        annotated(json!({"podwire.io/subscribe": "[".repeat(100_000)})),
        annotated(json!({"podwire.io/subscribe": "&a [*a,*a,*a]", "podwire.io/app-port": "99999999999999999999"})),
        annotated(json!({"podwire.io/publish": ",".repeat(10_000), "podwire.io/app-id": "\u{0}\n\u{202e}"})),
        annotated(json!({"podwire.io/wired": "{\"", "dapr.io/enabled": "perhaps"})),
        annotated(json!({"kubernetes.io/config.mirror": "", "podwire.io/": ""})),
    ];
    for pod in odd {
        check(Arc::new(admit), &review(&pod)).await;
    }
}

#[tokio::test]
async fn without_a_uid_there_is_nobody_to_answer() {
    let bodies = [
        "".to_owned(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\u{feff}{}".to_owned(),
        json!({}).to_string(),
        json!({"request": null}).to_string(),
        json!({"request": {}}).to_string(),
        json!({"request": [{"uid": UID}]}).to_string(),
        json!({"uid": UID}).to_string(),
        review_with("uid", json!("")).to_string(),
        review_with("uid", json!(7)).to_string(),
        "[".repeat(100_000),
    ];
    for body in bodies {
        let (status, error) = ask(&router(Limits::default(), Arc::new(admit)), post(body.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:.60}");
        assert_eq!(error, json!({"error": "the body names no request.uid, so there is nobody to answer"}));
    }
}

#[tokio::test]
async fn only_json_is_read() {
    let cases = [
        (Some("application/json"), 200),
        (Some("application/json; charset=utf-8"), 200),
        (Some("Application/JSON;charset=UTF-8"), 200),
        (Some("application/yaml"), 415),
        (Some("application/jsonp"), 415),
        (Some(""), 415),
        (None, 415),
    ];
    for (kind, expected) in cases {
        let mut request = Request::post("/mutate");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(Body::from(review(&pod()).to_string())).unwrap();
        let (status, _) = ask(&router(Limits::default(), always(wired())), request).await;
        assert_eq!(status.as_u16(), expected, "{kind:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let limits = || Limits { max_body_bytes: 10_000, ..Limits::default() };
    let exactly = format!("{:<10000}", review(&pod()).to_string());
    answered(ask(&router(limits(), always(wired())), post(exactly.clone())).await);
    let (status, error) = ask(&router(limits(), always(wired())), post(exactly + " ")).await;
    assert_eq!((status, error), (StatusCode::PAYLOAD_TOO_LARGE, json!({"error": "the body is larger than this webhook takes"})));

    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let chunks = stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(Bytes::from_static(&[b' '; 1000]))
    });
    let (status, _) = ask(&router(limits(), always(wired())), post(Body::from_stream(chunks))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    // A little more is thrown away, so that a client that still sends sees the answer.
    assert!(sent.load(Ordering::Relaxed) <= 60);
}

#[tokio::test]
async fn a_body_that_breaks_off_or_does_not_come_is_refused() {
    let limits = Limits { body: Duration::from_millis(20), ..Limits::default() };
    let broken = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), Err(io::Error::other("reset"))]));
    assert_eq!(ask(&router(limits.clone(), always(wired())), post(broken)).await.0, StatusCode::BAD_REQUEST);
    let stuck = Body::from_stream(stream::pending::<Result<Bytes, io::Error>>());
    assert_eq!(ask(&router(limits, always(wired())), post(stuck)).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_panic_is_a_refusal() {
    let response = check(Arc::new(|_, _| panic!("of a test")), &review(&pod())).await;
    let help = format!("the webhook's log names the place, under uid {UID}");
    let message = format!("podwire: PW081 internal-failure: pod: the webhook failed while it decided; {help}");
    assert_eq!(response["status"], json!({"status": "Failure", "code": 500, "reason": "InternalError", "message": message}));
}

#[tokio::test]
async fn the_deadline_and_the_queue_end_the_waiting() {
    let slow: Decide = Arc::new(|_, _| {
        std::thread::sleep(Duration::from_millis(300));
        wired()
    });
    let request = || Request::post("/mutate?timeout=100ms").header("content-type", "application/json");
    let request = request().body(Body::from(review(&pod()).to_string())).unwrap();
    let response = answered(ask(&router(Limits::default(), Arc::clone(&slow)), request).await);
    let message = "podwire: PW080 deadline-passed: pod: the webhook had no time left to decide; try again";
    assert_eq!((&response["status"]["message"], &response["status"]["code"]), (&json!(message), &json!(503)));

    let full = Limits { max_in_flight: 0, queue: Duration::from_millis(10), ..Limits::default() };
    let response = answered(ask(&router(full, slow), post(review(&pod()).to_string())).await);
    let message = "podwire: PW082 overloaded: pod: the webhook has too many requests at once; try again";
    assert_eq!((&response["status"]["message"], &response["status"]["code"]), (&json!(message), &json!(503)));
}

#[tokio::test]
async fn a_namespace_that_is_not_known_is_refused_for_now() {
    let limits = Limits { namespace: Duration::from_millis(10), ..Limits::default() };
    let body = review_with("namespace", json!("new")).to_string();
    let response = answered(ask(&router(limits, Arc::new(admit)), post(body)).await);
    assert_eq!(response["status"]["code"], 503);
    assert!(response["status"]["message"].as_str().unwrap().starts_with("podwire: PW071 namespace-not-known: "));
}

/// A namespace that arrives while it is waited for: the pod is decided about again.
#[tokio::test]
async fn a_namespace_that_arrives_is_no_reason_to_refuse() {
    let asked = AtomicUsize::new(0);
    let decide: Decide = Arc::new(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Verdict::refuse(finding(Code::NamespaceNotKnown)),
        _ => wired(),
    });
    let response = check(decide, &review(&pod())).await;
    assert!(response.get("patch").is_some(), "{response}");
}

#[test]
fn the_shorter_deadline_holds() {
    let limits = Limits { deadline: Duration::from_secs(8), ..Limits::default() };
    let cases = [
        (None, 8000),
        (Some(""), 8000),
        (Some("timeout=10s"), 8000),
        (Some("dry=1&timeout=5s"), 4500),
        (Some("timeout=1s"), 750),
        (Some("timeout=1m0s"), 8000),
        (Some("timeout=soon"), 8000),
        (Some("timeout=0s"), 0),
    ];
    for (query, milliseconds) in cases {
        assert_eq!(limits.deadline_of(query).as_millis(), milliseconds, "{query:?}");
    }
    let texts = [("1.5s", Some(1500)), ("1m30s", Some(90_000)), ("250ms", Some(250)), ("1h", Some(3_600_000))];
    let none = ["", "5", "s", "-1s", "1 s", "1e400s", "1..s", "99999999999999999999999h"].map(|text| (text, None));
    for (text, milliseconds) in texts.into_iter().chain(none) {
        assert_eq!(parse_duration(text).map(|duration| duration.as_millis()), milliseconds, "{text}");
    }
}

#[tokio::test]
async fn what_was_answered_is_counted() {
    let metrics = Metrics::new();
    let router = admission::router(Limits::default(), snapshots(), Arc::clone(&metrics), always(wired()));
    answered(ask(&router, post(review(&pod()).to_string())).await);
    answered(ask(&router, post(review_with("operation", json!("DELETE")).to_string())).await);
    ask(&router, post("{}")).await;
    let facts = Facts { certificate_expires_at: Some(1_900_000_000), snapshot_age: Duration::from_millis(1500) };
    let text = metrics.expose(facts).unwrap();
    let lines = [
        "podwire_admission_requests_total{outcome=\"wired\",path=\"mutate\",style=\"broker\"} 1",
        "podwire_admission_requests_total{outcome=\"ignored\",path=\"mutate\",style=\"none\"} 1",
        "podwire_admission_requests_total{outcome=\"malformed\",path=\"mutate\",style=\"none\"} 1",
        "podwire_admission_findings_total{code=\"PW046\"} 1",
        "podwire_admission_duration_seconds_count 3",
        "podwire_admission_duration_seconds_bucket{le=\"0.0001\"}",
        "podwire_admission_duration_seconds_bucket{le=\"10.0\"} 3",
        "podwire_certificate_expiry_timestamp_seconds 1900000000",
        "podwire_snapshot_age_seconds 1.5",
        "podwire_requests_in_flight 0",
        "# EOF",
    ];
    for line in lines {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_decision_is_one_line_without_the_pod() {
    // The log of the whole process: one of a thread is deaf to places that another thread met first. The uid tells our line apart.
    let (lines, uid) = (Lines::default(), "a-decision-is-one-line");
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(log).unwrap();
    let mut owned = pod();
    owned["metadata"]["labels"] = json!({"pod-template-hash": "5d4f"});
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-5d4f", "uid": "u", "controller": true}]);
    let mut review = review(&owned);
    review["request"]["dryRun"] = json!(true);
    review["request"]["uid"] = json!(uid);
    ask(&router(Limits::default(), always(wired())), post(review.to_string())).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains(uid)).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    let line: Value = serde_json::from_str(ours[0]).unwrap();
    let expected = json!({
        "uid": uid, "namespace": "shop", "generate_name": "cart-5d4f-", "owner": "Deployment/cart", "app_id": "cart",
        "path": "mutate", "style": Style::Broker.word(), "outcome": "wired", "codes": "PW046", "dry_run": true, "message": "decided",
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&line[field], value, "{field}");
    }
    assert!(line["duration_ms"].is_number());
    assert!(!ours[0].contains("hunter2"));
}
