//! Changes in, findings out: folders of plain YAML. `UPDATE=1 cargo test reviews` writes what is expected.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use similar::TextDiff;

use super::{Change, review};
use crate::api::yaml;
use crate::engine::{Decision, Snapshot, Verdict};

const KNOWN: [&str; 4] = ["findings.out.txt", "new.in.yaml", "old.in.yaml", "snapshot.yaml"];

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn documents(text: &str) -> Vec<Value> {
    let full = |part: &&str| part.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    text.split("\n---").filter(full).map(|part| yaml::read(part).unwrap_or_else(|error| panic!("{error} of\n{part}")).value()).collect()
}

/// What golden folders share, and what is given beside it.
fn snapshot(more: &str) -> Snapshot {
    let mut snapshot = Snapshot::empty();
    let common = fs::read_to_string(repository("tests/golden/snapshot.yaml")).unwrap();
    documents(&common).iter().chain(&documents(more)).for_each(|object| snapshot.take(object).unwrap());
    snapshot
}

fn said(verdict: &Verdict) -> String {
    let mut text = format!("{}\n", verdict.word());
    verdict.findings.iter().for_each(|finding| writeln!(text, "{}: {finding}", finding.severity().word()).unwrap());
    text
}

/// Runs one folder; the differences, empty where there are none.
fn check(folder: &Path) -> String {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let object = |file: &str| read(file).map(|text| documents(&text).remove(0));
    let object_is_new = object("new.in.yaml").expect("new.in.yaml");
    let namespace = object_is_new["metadata"]["namespace"].as_str().unwrap_or("shop").to_owned();
    let resize = folder.file_name().unwrap().to_string_lossy().starts_with("resize");
    let change = Change { namespace, object: object_is_new, old: object("old.in.yaml"), resize };
    let snapshot = snapshot(&read("snapshot.yaml").unwrap_or_default());
    let verdict = review(&change, &snapshot);
    assert_eq!(format!("{verdict:?}"), format!("{:?}", review(&change, &snapshot)), "the same change gave another verdict");
    laws(&change, &snapshot, &verdict);
    let stray = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let stray: Vec<String> = stray.filter(|file| !KNOWN.contains(&file.as_str())).collect();
    assert!(stray.is_empty(), "no case reads or writes {stray:?}");
    let (text, path) = (said(&verdict), folder.join("findings.out.txt"));
    let present = fs::read_to_string(&path).unwrap_or_default();
    if present != text && std::env::var_os("UPDATE").is_some() {
        assert!(std::env::var_os("CI").is_none(), "golden files are not written in CI");
        fs::write(&path, &text).unwrap();
        return String::new();
    }
    TextDiff::from_lines(&present, &text).unified_diff().header("as committed", "now").to_string()
}

/// What is true of every change: no patch, no refusal of a workload but the one, and nothing is said of one that changes nothing.
fn laws(change: &Change, snapshot: &Snapshot, verdict: &Verdict) {
    assert!(!matches!(verdict.decision, Decision::Wired(_) | Decision::Unwired));
    let denied = matches!(verdict.decision, Decision::Denied);
    let undrained = verdict.findings.iter().any(|finding| finding.code.id() == "PW102");
    let pod = change.object["kind"] == "Pod";
    assert_eq!(denied, if pod { verdict.findings.iter().any(|finding| finding.prevents()) } else { undrained });
    let same = Change { old: Some(change.object.clone()), ..change.clone() };
    let again = review(&same, snapshot);
    assert!(!matches!(again.decision, Decision::Denied), "a change that changes nothing is refused: {again:?}");
    let moves = ["PW101", "PW102", "PW103", "PW104", "PW105"];
    assert!(!again.findings.iter().any(|finding| moves.contains(&finding.code.id())), "{again:?}");
}

#[test]
fn reviews() {
    let folders = fs::read_dir(repository("tests/review")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "only {} folders", folders.len());
    let mut failures = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        match std::panic::catch_unwind(|| check(&folder)) {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => failures.push(format!("── {name}\n{differences}")),
            Err(panic) => failures.push(format!("── {name}\n{}", panic.downcast_ref::<String>().cloned().unwrap_or_default())),
        }
    }
    assert!(failures.is_empty(), "{}\n\nUPDATE=1 cargo test reviews writes what is expected", failures.join("\n"));
}

fn pod(labels: Value, variable: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "cart", "labels": labels },
        "spec": { "containers": [{ "name": "app", "env": [{ "name": "PODWIRE_APP_ID", "value": variable }] }] },
    })
}

#[test]
fn a_label_is_believed_where_the_pod_was_wired_with_it() {
    let verdict = |namespace: &str, pod: Value| {
        let change = Change { namespace: namespace.to_owned(), object: pod, old: None, resize: false };
        said(&review(&change, &snapshot("")))
    };
    let labels = json!({ "podwire.io/app-id": "cart", "podwire.io/wired-style": "broker" });
    assert_eq!(verdict("shop", pod(labels.clone(), "cart")), "passed\n");
    assert!(verdict("shop", pod(labels.clone(), "other")).starts_with("denied\nerror: PW112"));
    assert_eq!(verdict("kube-system", pod(labels.clone(), "other")), "untouched\n");
    assert!(verdict("young", pod(labels, "other")).contains("PW071"));
    assert_eq!(verdict("shop", pod(json!({ "app": "cart" }), "other")), "passed\n");
}

#[test]
fn an_edit_is_refused_whichever_way_it_goes() {
    let codes = |old: Value, new: Value| {
        let of = |metadata: Value| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": { "containers": [] } });
        let change = Change { namespace: "shop".to_owned(), object: of(new), old: Some(of(old)), resize: false };
        let verdict = review(&change, &snapshot(""));
        verdict.findings.iter().map(|finding| finding.code.id()).collect::<Vec<_>>().join(",")
    };
    let labelled = |value: &str| json!({ "labels": { "podwire.io/app-id": value, "app": "a" } });
    assert_eq!(codes(json!({}), labelled("a")), "PW110");
    assert_eq!(codes(labelled("a"), labelled("b")), "PW110");
    assert_eq!(codes(labelled("a"), json!({ "labels": { "app": "b" } })), "PW110");
    assert_eq!(codes(labelled("a"), json!({ "labels": { "podwire.io/app-id": "a", "app": "b" } })), "");
    let noted =
        |value: &str| json!({ "labels": { "podwire.io/app-id": "a" }, "annotations": { "podwire.io/broker": value, "note": value } });
    assert_eq!(codes(noted("a"), noted("b")), "PW111");
    let unwired = |value: &str| json!({ "annotations": { "podwire.io/broker": value } });
    assert_eq!(codes(unwired("a"), unwired("b")), "");
}
