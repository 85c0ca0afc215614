//! The engine through its doors: golden folders, laws on generated pods, and the few texts that people read.

mod between;
mod golden;
mod own;
mod policy;
mod properties;
mod security;
mod waiting;

use std::path::PathBuf;

use serde_json::Value;

use super::{Decision, Member, PodRequest, Snapshot, Untouched, Verdict, admit, laws, undo};
use crate::api::yaml;

/// A file or folder of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The documents of a text, as values.
fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---").filter(|part| part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')));
    parts.map(|part| yaml::read(part).unwrap_or_else(|error| panic!("{error} at {:?} of\n{part}", error.place)).value()).collect()
}

/// A snapshot of these objects, in which everything else is known not to exist.
fn snapshot_of(objects: impl IntoIterator<Item = Value>) -> Snapshot {
    let mut snapshot = Snapshot::empty();
    objects.into_iter().for_each(|object| snapshot.take(&object).unwrap());
    snapshot
}

/// The objects that golden folders and generated pods share.
fn common() -> Vec<Value> {
    documents(&std::fs::read_to_string(repository("tests/golden/snapshot.yaml")).unwrap())
}

/// Everything that is true of a verdict, whatever the pod: called for golden folders and generated pods alike. Returns the pod as it was admitted.
fn check(request: &PodRequest, snapshot: &Snapshot, verdict: &Verdict) -> Value {
    assert_eq!(format!("{verdict:?}"), format!("{:?}", admit(request, snapshot)), "the same input gave another verdict");
    let errors = verdict.findings.iter().any(|finding| finding.prevents());
    assert_eq!(
        matches!(verdict.decision, Decision::Denied | Decision::Unwired),
        errors,
        "an error and a wired pod, or neither: {verdict:?}"
    );
    let Decision::Wired(patch) = &verdict.decision else { return request.pod.clone() };
    assert_eq!(laws::check(request, patch), Ok(()));
    let mut wired = request.pod.clone();
    json_patch::patch(&mut wired, patch).unwrap();
    let unchanged = "a second admission changes nothing";
    for pod in [wired.clone(), between::admissions(&wired)] {
        let again = PodRequest { owner: request.owner.clone(), ..PodRequest::new(&request.namespace, pod).unwrap() };
        let verdict = admit(&again, snapshot);
        match &verdict.decision {
            Decision::Wired(patch) => assert_eq!(patch.0, vec![], "{unchanged}"),
            // Others may have made the pod too great for its namespace.
            _ if verdict.findings.iter().filter(|finding| finding.prevents()).all(|finding| is_of_namespace(finding.code)) => {}
            other => panic!("{unchanged}: {other:?} {:?}", verdict.findings),
        }
    }
    assert_eq!(
        ports(request, &wired, snapshot),
        ports(request, &request.pod, snapshot),
        "a template that was wired in its file makes the same member"
    );
    let mut undone = wired.clone();
    undo(&mut undone).unwrap();
    let mut expected = request.pod.clone();
    // A pod that brought a record of its own loses it: nobody can tell whose it is.
    if let Some(annotations) = expected["metadata"]["annotations"].as_object_mut() {
        annotations.shift_remove(crate::api::annotations::WIRED);
    }
    let brought_own = request.annotation(crate::api::annotations::WIRED).is_some();
    assert!(brought_own || undone == expected, "undo gives back what was there:\n{undone:#}\n{expected:#}");
    wired
}

/// The ports of the sidecar of the member that a template makes; outside there is none where it makes no member.
fn ports(request: &PodRequest, pod: &Value, snapshot: &Snapshot) -> Option<Option<super::plan::Ports>> {
    let request = PodRequest { owner: request.owner.clone(), ..PodRequest::new(&request.namespace, pod.clone()).unwrap() };
    Some(Member::of(&request, snapshot, "Deployment/orders", false)?.ports)
}

fn is_of_namespace(code: super::Code) -> bool {
    matches!(code, super::Code::LimitRangeRefuses | super::Code::QuotaRefuses)
}

#[test]
fn a_pod_that_did_not_ask_is_left_alone() {
    let pod = serde_json::json!({ "metadata": { "annotations": { "prometheus.io/scrape": "true" } }, "spec": { "containers": [{ "name": "app" }] } });
    let verdict = admit(&PodRequest::new("shop", pod).unwrap(), &snapshot_of(common()));
    assert!(matches!(verdict.decision, Decision::Untouched(Untouched::NotAsked)));
}

#[test]
fn every_code_has_a_page_an_id_and_a_name_of_its_own() {
    let codes = super::Code::ALL;
    let unique = |of: fn(super::Code) -> &'static str| codes.iter().map(|code| of(*code)).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!((unique(super::Code::id), unique(super::Code::name)), (codes.len(), codes.len()));
    let thin: Vec<&str> = codes.iter().filter(|code| code.page().len() < 3).map(|code| code.id()).collect();
    assert!(thin.is_empty(), "a page is a sentence, an empty line and what to do: {thin:?}");
}

#[test]
fn warnings_are_few_short_and_the_worst_come_first() {
    use super::{Code, Finding, Severity, Subject, warnings};
    let finding = |code, number| Finding::new(code, Subject::Container(format!("container-{number:03}")), "x".repeat(200));
    let findings: Vec<Finding> =
        (0..20).map(|number| finding(if number == 19 { Code::SquattedContainer } else { Code::EnvFromHidden }, number)).collect();
    let texts = warnings(&findings);
    assert_eq!(texts.len(), 10);
    assert!(texts.iter().all(|text| text.chars().count() <= 120), "{texts:?}");
    assert!(texts[0].starts_with("PW040") && texts[9].starts_with("and 11 more"), "{texts:?}");
    assert!(Severity::Security < Severity::Warning);
}

#[test]
fn a_record_that_would_not_fit_is_left_out() {
    let annotations = serde_json::json!({ "podwire.io/style": "broker", "podwire.io/app-id": "a", "large": "x".repeat(261_900) });
    let pod = serde_json::json!({ "metadata": { "annotations": annotations }, "spec": { "containers": [{ "name": "app" }] } });
    let request = PodRequest::new("shop", pod).unwrap();
    let verdict = admit(&request, &snapshot_of(common()));
    let Decision::Wired(patch) = &verdict.decision else { panic!("{verdict:?}") };
    assert_eq!(laws::check(&request, patch), Ok(()));
    assert!(verdict.findings.iter().any(|finding| finding.code == super::Code::RecordLeftOut));
    assert!(!serde_json::to_string(patch).unwrap().contains("podwire.io~1wired\""), "{patch}");
}
