//! Every golden folder that needs nothing but the shared snapshot, through the API server: the pod that it stores holds every leaf of the expected one, and nothing else of podwire's.

use std::fs;
use std::path::PathBuf;

use podwire::api::quantity::Quantity;
use podwire::api::yaml;
use serde_json::{Value, json};

use crate::World;
use crate::support::lab::Failure;
use crate::support::podwire::documents;

/// Folders that the API server cannot be asked about, each with the reason.
const OFFLINE: [(&str, &str); 5] = [
    ("bad-quantity", "the API server refuses the pod before any webhook"),
    ("mirror-pod", "only a kubelet may create one"),
    ("no-optional-field", "a container without an image is none to the API server"),
    ("null-members", "a container without an image is none to the API server"),
    ("unknown-fields", "fields of tomorrow are dropped today"),
];

/// The record names the parents that podwire made; the API server makes some of them itself.
fn without_made(record: &Value) -> Option<Value> {
    let mut record: Value = serde_json::from_str(record.as_str()?).ok()?;
    record.as_object_mut()?.remove("made");
    Some(record)
}

/// The golden folders.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The folders that bring policies, and nothing else of their own.
pub(crate) fn governed() -> Vec<String> {
    let has = |case: &String, file: &str| folder().join(case).join(file).exists();
    // The registration does not send pods that say nothing but dapr.io/enabled.
    let adopted = "adopted-dapr-annotations";
    let all = all().into_iter().filter(|case| has(case, "policy.yaml") && !has(case, "namespace.yaml") && !has(case, "snapshot.yaml"));
    all.filter(|case| case != adopted).collect()
}

fn all() -> Vec<String> {
    let entries = fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let names = entries.filter(|path| path.is_dir()).filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The folders without a policy, a namespace or a snapshot of their own: each holds for the whole cluster, and the tests run side by side.
pub(crate) fn cases() -> Vec<String> {
    let own = ["namespace.yaml", "policy.yaml", "snapshot.yaml"];
    let shared = |case: &String| !own.iter().any(|file| folder().join(case).join(file).exists());
    all().into_iter().filter(shared).filter(|case| !OFFLINE.iter().any(|(offline, _)| offline == case)).collect()
}

pub(crate) fn check(world: &World, case: &str) -> Result<(), Failure> {
    let read = |file: &str| fs::read_to_string(folder().join(case).join(file)).ok();
    let value = |file: &str| Some(yaml::read(&read(file)?).ok()?.value());
    let mut pod = value("pod.in.yaml").ok_or_else(|| Failure::new("no pod.in.yaml"))?;
    pod["metadata"]["namespace"] = json!("shop");
    let report = read("findings.out.txt").unwrap_or_default();
    let created = world.lab.dry_run(&pod);
    if report.starts_with("denied") {
        return denied(created, &report);
    }
    let created = created?;
    let expected = value("pod.out.yaml").unwrap_or(pod);
    leaves("pod", &expected, &created)?;
    nothing_else(&expected, &created)?;
    generated(world, &read("objects.out.yaml").unwrap_or_default())
}

/// What is generated is taken as it stands, by the schemas of Knative and Dapr.
fn generated(world: &World, objects: &str) -> Result<(), Failure> {
    if objects.is_empty() {
        return Ok(());
    }
    let output = world.lab.try_kubectl(&["create", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-"], Some(objects))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&output.stderr)));
    }
    let stored = serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<Vec<Value>, _>>()?;
    let expected = documents(objects);
    let pairs = expected.iter().zip(&stored);
    pairs.into_iter().try_for_each(|(expected, stored)| leaves(expected["kind"].as_str().unwrap_or_default(), expected, stored))
}

/// A denial names every code of the report that prevents wiring.
fn denied(created: Result<Value, Failure>, report: &str) -> Result<(), Failure> {
    let Err(message) = created else { return Err(Failure::new("the API server took it")) };
    let message = message.to_string();
    let codes = report.lines().filter_map(|line| line.strip_prefix("error: ")?.split(' ').next());
    match codes.into_iter().find(|code| !message.contains(code)) {
        Some(missing) => Err(Failure::new(format!("{missing} is not in the denial: {message}"))),
        None => Ok(()),
    }
}

/// Every leaf of `expected` stands in `got`, list items by name where they have one.
fn leaves(path: &str, expected: &Value, got: &Value) -> Result<(), Failure> {
    match (expected, got) {
        (Value::Object(members), _) => members.iter().try_for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, &got[key])),
        (Value::Array(items), Value::Array(all)) => {
            let same = |item: &Value, index: usize| match item["name"].as_str() {
                Some(name) => all.iter().find(|other| other["name"] == name).cloned(),
                None => all.get(index).cloned(),
            };
            items.iter().enumerate().try_for_each(|(index, item)| {
                let other = same(item, index).ok_or_else(|| Failure::new(format!("{path}[{index}] is lost: {item}")))?;
                leaves(&format!("{path}[{index}]"), item, &other)
            })
        }
        _ if path.ends_with(".podwire.io/wired") && without_made(expected).is_some() && without_made(expected) == without_made(got) => {
            Ok(())
        }
        _ if expected == got || same_quantity(expected, got) || dropped(expected, got) => Ok(()),
        _ => Err(Failure::new(format!("{path} is {got}, expected {expected}"))),
    }
}

/// The API server writes quantities in their canonical form.
fn same_quantity(expected: &Value, got: &Value) -> bool {
    let quantity = |value: &Value| Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)).ok();
    quantity(expected).is_some_and(|expected| Some(expected.round_to_milli()) == quantity(got))
}

/// What the API server leaves out when it stores an object: nothing, and what is as good as nothing.
fn dropped(expected: &Value, got: &Value) -> bool {
    let empty = match expected {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    got.is_null() && empty
}

/// Labels, annotations, containers, variables and volumes with podwire's and Dapr's names are there only where they are expected.
fn nothing_else(expected: &Value, got: &Value) -> Result<(), Failure> {
    let ours =
        |name: &str| ["podwire.io/", "dapr.io/", "PODWIRE_", "DAPR_", "K_", "dapr-", "daprd"].iter().any(|prefix| name.starts_with(prefix));
    let known = names(expected);
    match names(got).into_iter().find(|(place, name)| ours(name) && !known.contains(&(place.clone(), name.clone()))) {
        Some((place, name)) => Err(Failure::new(format!("{name} of {place} was not expected"))),
        None => Ok(()),
    }
}

/// Every name in a pod, with the place where it stands.
fn names(pod: &Value) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for field in ["annotations", "labels"] {
        let keys = pod["metadata"][field].as_object().into_iter().flatten().map(|(key, _)| (field.to_owned(), key.clone()));
        names.extend(keys);
    }
    for list in ["containers", "initContainers", "volumes"] {
        for item in pod["spec"][list].as_array().into_iter().flatten() {
            let name = item["name"].as_str().unwrap_or_default();
            names.push((list.to_owned(), name.to_owned()));
            let variables = item["env"].as_array().into_iter().flatten().filter_map(|variable| variable["name"].as_str());
            names.extend(variables.map(|variable| (format!("{list}/{name}"), variable.to_owned())));
        }
    }
    names
}
