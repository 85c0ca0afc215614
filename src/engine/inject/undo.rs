//! The record of podwire's edits, and taking them back. Everything is recorded by name, since others may have moved it meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::edit::{Edit, List};
use crate::api::annotations::WIRED;
use crate::api::names::SIDECAR;
use crate::api::style::Style;
use crate::engine::governing::Governing;
use crate::engine::plan::{Amount, Plan};
use crate::engine::{Code, Finding};

/// What [`undo`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undone {
    /// The pod carries no record: podwire did not wire it.
    Nothing,
    /// The edits that the record names are gone.
    Taken,
}

/// The annotation `podwire.io/wired`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    version: u32,
    /// The style in which the pod publishes.
    style: String,
    /// The styles in which it listens.
    listen: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    annotations: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
    /// `list/name`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    containers: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    volumes: BTreeSet<String>,
    /// Volumes mounted in containers of the author's, by `list/name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mounts: BTreeMap<String, BTreeSet<String>>,
    /// Variables, and the containers that got them: most containers of a pod get the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<Variables>,
    /// What stood at `section.resource` before, by container.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    amounts: BTreeMap<String, BTreeMap<String, Option<Value>>>,
    /// What stood at `section.resource` of the pod before.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pod: BTreeMap<String, Option<Value>>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pre_stop: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace: Option<i64>,
    /// Parents that were made, as paths with containers by name: they go when they are empty.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    made: BTreeSet<String>,
    /// Those of them that stood there as `null`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    null: BTreeSet<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Variables {
    /// `list/name` of each.
    containers: BTreeSet<String>,
    names: BTreeSet<String>,
}

const VERSION: u32 = 1;

/// The record of edits that are about to be made on `pod`, as the annotation's text.
pub(super) fn record(pod: &Value, plan: &Plan, governing: &Governing, edits: &[Edit]) -> String {
    let again = !edits.iter().any(|edit| matches!(edit, Edit::Label { .. }));
    // A pod that was wired before keeps what was recorded then.
    let before = pod["metadata"]["annotations"][WIRED].as_str().filter(|_| again);
    let mut record: Record = before.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    record.version = VERSION;
    record.style = plan.publish.word().to_owned();
    record.listen = plan.listen.iter().map(|style| Style::word(*style).to_owned()).collect();
    record.policy = governing.name.clone();
    edits.iter().for_each(|edit| record.note(pod, edit));
    // Strings and maps of strings always have a JSON form.
    serde_json::to_string(&record).unwrap_or_default()
}

impl Record {
    fn note(&mut self, pod: &Value, edit: &Edit) {
        match edit {
            Edit::Amount { container, amount, .. } => {
                let resources = format!("containers/{container}/resources");
                self.parents(pod, &[&resources, &format!("{resources}/{}", amount.section.word())]);
                if at(pod, &resources).is_some_and(only_copied) {
                    self.made.insert(format!("{resources}/requests"));
                }
                let was = at(pod, &format!("{resources}/{}/{}", amount.section.word(), amount.resource)).cloned();
                self.amounts.entry(container.clone()).or_default().insert(place(amount), was);
            }
            Edit::Annotation { key, .. } => {
                self.annotations.insert(key.clone());
            }
            Edit::Grace { .. } => {
                self.parents(pod, &["spec/terminationGracePeriodSeconds"]);
                self.grace = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
            }
            Edit::Label { key, .. } => {
                self.parents(pod, &["metadata/labels"]);
                self.labels.insert(key.clone());
            }
            Edit::Mount { list, container, volume, .. } => {
                let owner = format!("{}/{container}", list.field());
                self.parents(pod, &[&format!("{owner}/volumeMounts")]);
                self.mounts.entry(owner).or_default().insert((*volume).to_owned());
            }
            Edit::PodAmount(amount) => {
                let was = pod["spec"]["resources"][amount.section.word()].get(&amount.resource).cloned();
                self.pod.insert(place(amount), was);
            }
            Edit::PreStop { container, .. } => {
                self.parents(pod, &[&format!("containers/{container}/lifecycle")]);
                self.pre_stop.insert(container.clone());
            }
            Edit::Sidecar { list, .. } => {
                self.parents(pod, &[&format!("spec/{}", list.field())]);
                self.containers.insert(format!("{}/{SIDECAR}", list.field()));
            }
            Edit::Variables { list, container, variables, .. } => {
                let owner = format!("{}/{container}", list.field());
                self.parents(pod, &[&format!("{owner}/env")]);
                let names: BTreeSet<String> = variables.iter().map(|variable| variable.name.clone()).collect();
                match self.variables.iter_mut().find(|group| group.names == names) {
                    Some(group) => drop(group.containers.insert(owner)),
                    None => self.variables.push(Variables { containers: [owner].into(), names }),
                }
            }
            Edit::Volume(volume) => {
                self.parents(pod, &["spec/volumes"]);
                self.volumes.extend(volume["name"].as_str().map(str::to_owned));
            }
        }
    }

    fn parents(&mut self, pod: &Value, paths: &[&str]) {
        for path in paths {
            match at(pod, path) {
                None => drop(self.made.insert((*path).to_owned())),
                Some(Value::Null) => drop((self.made.insert((*path).to_owned()), self.null.insert((*path).to_owned()))),
                Some(_) => {}
            }
        }
    }
}

/// Whether nothing but the API server's copying of limits may have made the requests.
fn only_copied(resources: &Value) -> bool {
    let requests = resources["requests"].as_object().filter(|requests| !requests.is_empty());
    requests.is_some_and(|requests| requests.iter().all(|(resource, request)| resources["limits"].get(resource) == Some(request)))
}

fn place(amount: &Amount) -> String {
    format!("{}.{}", amount.section.word(), amount.resource)
}

/// The value at a path of the record: `spec/volumes`, or `containers/NAME/…` with the container by its name.
fn at<'a>(pod: &'a Value, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('/');
    let first = parts.next()?;
    let mut here = if is_list(first) {
        let name = parts.next()?;
        pod["spec"].get(first)?.as_array()?.iter().find(|container| container["name"] == name)?
    } else {
        pod.get(first)?
    };
    for part in parts {
        here = here.get(part)?;
    }
    Some(here)
}

fn is_list(part: &str) -> bool {
    [List::Containers, List::InitContainers].iter().any(|list| list.field() == part)
}

/// Takes back what the record of a pod (or of a template) names, and the record.
///
/// # Errors
/// A finding where the record cannot be read: nothing is changed then.
#[expect(clippy::result_large_err, reason = "a finding is a value of every door, and this one is opened once a document")]
pub fn undo(pod: &mut Value) -> Result<Undone, Finding> {
    let Some(text) = pod["metadata"]["annotations"][WIRED].as_str() else { return Ok(Undone::Nothing) };
    let unreadable = |why: String| Finding::annotation(Code::UnreadableRecord, WIRED, text, why);
    let record: Record = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if record.version != VERSION {
        return Err(unreadable(format!("version {} is not {VERSION}: another version of podwire wrote it", record.version)));
    }
    for owner in &record.containers {
        if let Some((list, name)) = owner.split_once('/') {
            drop_named(pod.get_mut("spec").and_then(|spec| spec.get_mut(list)), name);
        }
    }
    record.volumes.iter().for_each(|name| drop_named(pod.get_mut("spec").and_then(|spec| spec.get_mut("volumes")), name));
    for (owner, volumes) in &record.mounts {
        if let Some(mounts) = find(pod, &format!("{owner}/volumeMounts")).and_then(Value::as_array_mut) {
            mounts.retain(|mount| !mount["name"].as_str().is_some_and(|name| volumes.contains(name)));
        }
    }
    let groups = record.variables.iter().flat_map(|group| group.containers.iter().map(move |owner| (owner, &group.names)));
    for (owner, names) in groups {
        if let Some(env) = find(pod, &format!("{owner}/env")).and_then(Value::as_array_mut) {
            env.retain(|variable| !variable["name"].as_str().is_some_and(|name| names.contains(name)));
        }
    }
    for (container, amounts) in &record.amounts {
        amounts.iter().for_each(|(place, was)| restore(pod, &format!("containers/{container}/resources"), place, was));
    }
    record.pod.iter().for_each(|(place, was)| restore(pod, "spec/resources", place, was));
    record.pre_stop.iter().for_each(|container| drop_member(pod, &format!("containers/{container}/lifecycle"), "preStop"));
    if let (Some(seconds), Some(spec)) = (record.grace, pod.get_mut("spec").and_then(Value::as_object_mut)) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), seconds.into());
    }
    record.labels.iter().for_each(|key| drop_member(pod, "metadata/labels", key));
    record.annotations.iter().map(String::as_str).chain([WIRED]).for_each(|key| drop_member(pod, "metadata/annotations", key));
    // The longest first: a parent is empty only when its children are gone.
    let mut made: Vec<&String> = record.made.iter().collect();
    made.sort_by_key(|path| std::cmp::Reverse(path.len()));
    made.into_iter().for_each(|path| drop_empty(pod, path, record.null.contains(path)));
    Ok(Undone::Taken)
}

/// As [`at`], to change.
fn find<'a>(pod: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    let mut parts = path.split('/');
    let first = parts.next()?;
    let mut here = if is_list(first) {
        let name = parts.next()?;
        pod.get_mut("spec")?.get_mut(first)?.as_array_mut()?.iter_mut().find(|container| container["name"] == name)?
    } else {
        pod.get_mut(first)?
    };
    for part in parts {
        here = here.get_mut(part)?;
    }
    Some(here)
}

fn members<'a>(pod: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    find(pod, path)?.as_object_mut()
}

fn drop_named(list: Option<&mut Value>, name: &str) {
    if let Some(items) = list.and_then(Value::as_array_mut) {
        items.retain(|item| item["name"] != name);
    }
}

fn drop_member(pod: &mut Value, path: &str, key: &str) {
    if let Some(members) = members(pod, path) {
        members.shift_remove(key);
    }
}

fn restore(pod: &mut Value, resources: &str, place: &str, was: &Option<Value>) {
    let Some((section, resource)) = place.split_once('.') else { return };
    let Some(amounts) = members(pod, &format!("{resources}/{section}")) else { return };
    match was {
        Some(was) => drop(amounts.insert(resource.to_owned(), was.clone())),
        None => drop(amounts.shift_remove(resource)),
    }
}

fn drop_empty(pod: &mut Value, path: &str, was_null: bool) {
    let Some(made) = find(pod, path) else { return };
    let empty = match made {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        // The grace period, which has a default of its own.
        Value::Number(_) => true,
        _ => false,
    };
    if empty && was_null {
        *made = Value::Null;
    } else if empty && let Some((parent, name)) = path.rsplit_once('/') {
        drop_member(pod, parent, name);
    }
}
