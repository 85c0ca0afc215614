//! Golden folders: plain YAML in, plain YAML and a list of findings out. `UPDATE=1 cargo test golden` writes them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;
use similar::TextDiff;

use super::{check, common, documents, repository, snapshot_of};
use crate::api::yaml;
use crate::engine::{App, Decision, Member, Observed, PodRequest, Reconciliation, Snapshot, Verdict, admit, copy_limits, reconcile};

const KNOWN: [&str; 7] =
    ["findings.out.txt", "namespace.yaml", "objects.out.yaml", "pod.in.yaml", "pod.out.yaml", "policy.yaml", "snapshot.yaml"];

#[test]
fn golden() {
    let mut failures = Vec::new();
    let mut folders: Vec<_> =
        fs::read_dir(repository("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 40, "only {} golden folders", folders.len());
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        match std::panic::catch_unwind(|| case(&folder)) {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => failures.push(format!("── {name}\n{differences}")),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                failures.push(format!("── {name}\n{}", text.unwrap_or_default()));
            }
        }
    }
    assert!(failures.is_empty(), "{}\n\nUPDATE=1 cargo test golden writes what is expected", failures.join("\n"));
}

/// Runs one folder; the differences, empty where there are none.
fn case(folder: &Path) -> String {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let namespace = read("namespace.yaml").map(|text| documents(&text));
    let own = ["snapshot.yaml", "policy.yaml"].into_iter().filter_map(read).flat_map(|text| documents(&text));
    let shared = if folder.join("snapshot.yaml").exists() { Vec::new() } else { common() };
    let name = namespace.iter().flatten().find_map(|object| object["metadata"]["name"].as_str().map(str::to_owned));
    let snapshot = snapshot_of(shared.into_iter().chain(namespace.into_iter().flatten()).chain(own));
    let mut pod = documents(&read("pod.in.yaml").expect("pod.in.yaml")).remove(0);
    // The API server has done so before a webhook sees the pod.
    copy_limits(&mut pod);
    let name = name.or_else(|| pod["metadata"]["namespace"].as_str().map(str::to_owned)).unwrap_or_else(|| "shop".to_owned());
    let request = PodRequest::new(&name, pod).unwrap();
    let verdict = admit(&request, &snapshot);
    let wired = check(&request, &snapshot, &verdict);
    let changed = matches!(&verdict.decision, Decision::Wired(patch) if !patch.0.is_empty());
    let mut findings = report(&verdict);
    let objects = objects(&request, &snapshot, &mut findings);
    let expected =
        [("findings.out.txt", Some(findings)), ("objects.out.yaml", objects), ("pod.out.yaml", changed.then(|| written(&wired)))];
    let stale = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let stale: Vec<String> = stale.filter(|file| !KNOWN.contains(&file.as_str())).collect();
    assert!(stale.is_empty(), "no case reads or writes {stale:?}");
    expected.into_iter().map(|(file, text)| compare(&folder.join(file), text)).collect()
}

/// What the pod's application needs beside it, where it is wired and needs something.
fn objects(request: &PodRequest, snapshot: &Snapshot, findings: &mut String) -> Option<String> {
    let member = Member::of(request, snapshot, &request.owner.to_string(), false)?;
    let Reconciliation { objects, findings: more, .. } = reconcile(&App::new(member), snapshot, &Observed::default());
    more.iter().for_each(|finding| writeln!(findings, "objects: {}: {finding}", finding.severity().word()).unwrap());
    let texts: Vec<String> = objects.iter().map(written).collect();
    (!texts.is_empty()).then(|| texts.join("---\n"))
}

/// What was decided, why, and what was found.
fn report(verdict: &Verdict) -> String {
    let mut text = match &verdict.decision {
        Decision::Untouched(why) => format!("untouched: {}\n", why.word()),
        _ => format!("{}\n", verdict.word()),
    };
    verdict.reasons.iter().filter(|reason| !reason.minor).for_each(|reason| writeln!(text, "  {reason}").unwrap());
    verdict.findings.iter().for_each(|finding| writeln!(text, "{}: {finding}", finding.severity().word()).unwrap());
    text
}

/// The value, with a record that can be read: it is JSON in a string, which nobody reviews.
fn written(pod: &Value) -> String {
    yaml::write(pod).unwrap()
}

fn compare(path: &Path, text: Option<String>) -> String {
    let present = fs::read_to_string(path).ok();
    if present == text {
        return String::new();
    }
    if std::env::var_os("UPDATE").is_some() {
        assert!(std::env::var_os("CI").is_none(), "golden files are not written in CI");
        match &text {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        return String::new();
    }
    let (present, text) = (present.unwrap_or_default(), text.unwrap_or_default());
    let file = path.file_name().unwrap().to_string_lossy();
    TextDiff::from_lines(&present, &text).unified_diff().header(&format!("{file} as committed"), "now").to_string()
}
