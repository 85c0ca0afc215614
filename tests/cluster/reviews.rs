//! Every folder of tests/review about a workload, through the API server: kubectl apply says the same codes, and the same is taken.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::World;
use crate::review::{governed, try_out};
use crate::support::lab::{Failure, wait_for};
use crate::support::podwire::documents;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/review")
}

fn read(case: &str, file: &str) -> String {
    fs::read_to_string(folder().join(case).join(file)).unwrap_or_default()
}

/// The folders, and whether each brings a policy. Those about a pod are left out: kubectl apply is not how one is changed.
pub(crate) fn cases() -> Vec<(String, bool)> {
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let workloads = names.into_iter().filter(|case| !read(case, "new.in.yaml").contains("kind: Pod\n"));
    workloads.map(|case| (case.clone(), read(&case, "snapshot.yaml").contains("kind: InjectionPolicy"))).collect()
}

/// Replays one.
pub(crate) fn check(world: &World, case: &str) -> Result<(), Failure> {
    let namespace = format!("review-{case}");
    let here = |text: &str| text.replace("namespace: shop", &format!("namespace: {namespace}"));
    world.lab.namespace(&namespace, &json!({}))?;
    // What every folder finds in its namespace.
    let shared = documents(&here(include_str!("../golden/snapshot.yaml")));
    let shared: Vec<Value> = shared.into_iter().filter(|object| object["metadata"]["namespace"] == namespace.as_str()).collect();
    let (policies, own): (Vec<Value>, Vec<Value>) =
        documents(&here(&read(case, "snapshot.yaml"))).into_iter().partition(|object| object["kind"] == "InjectionPolicy");
    for object in shared.iter().chain(&own) {
        found(world, object)?;
    }
    let replay = || replayed(world, case, &here);
    match policies.first() {
        Some(policy) => governed(&world.lab, policy["spec"].clone(), replay),
        None => replay(),
    }
}

/// An object that is there, with its status.
fn found(world: &World, object: &Value) -> Result<(), Failure> {
    if object["kind"] != "Wiring" {
        return world.lab.apply_snapshot(&object.to_string());
    }
    let mut bare = object.clone();
    let status = bare["status"].take();
    world.lab.apply(&json!({ "apiVersion": bare["apiVersion"], "kind": "Wiring", "metadata": bare["metadata"] }))?;
    let mut whole = json!({ "publishes": [], "pods": { "summary": "1/1", "wired": 1, "outdated": 0, "lacking": 0 } });
    for (field, value) in status.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    let name = bare["metadata"]["name"].as_str().unwrap_or_default();
    let namespace = bare["metadata"]["namespace"].as_str().unwrap_or_default();
    let patch = json!({ "status": whole }).to_string();
    world.lab.kubectl(&["patch", "wiring", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch]).map(drop)
}

fn replayed(world: &World, case: &str, here: &dyn Fn(&str) -> String) -> Result<(), Failure> {
    let one = |file: &str| documents(&here(&read(case, file))).into_iter().next();
    if let Some(old) = one("old.in.yaml") {
        world.lab.apply(&old)?;
    }
    let new = one("new.in.yaml").ok_or_else(|| Failure::new("no new.in.yaml"))?;
    let said = read(case, "findings.out.txt");
    let (taken, expected) = (!said.starts_with("denied"), codes(&said));
    let mut last = String::new();
    let same = wait_for(format!("kubectl says {expected:?}"), 15, || {
        let (success, text) = try_out(&world.lab, &new).ok()?;
        let fits = success == taken && codes(&text) == expected;
        last = text;
        fits.then_some(())
    });
    same.map_err(|failure| Failure::new(format!("{failure}; last: {last}")))
}

/// The codes of findings in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 5 && word.starts_with("PW")).map(str::to_owned).collect()
}
