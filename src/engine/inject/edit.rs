//! Intended edits, and the only maker of JSON pointers.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation};
use serde_json::{Map, Value, json};

use crate::api::names::BROKERS_CONFIG_MAP;
use crate::engine::plan::{Amount, Content, Fact, Variable};

/// One thing that podwire changes in a pod. Containers are named by index for the patch and by name for the record.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// A request or a limit of a container of `containers`.
    Amount { index: usize, container: String, amount: Amount },
    /// An annotation.
    Annotation { key: String, value: String },
    /// The time that the pod has to end.
    Grace { seconds: i64 },
    /// A label.
    Label { key: String, value: String },
    /// A mount of a volume that podwire adds, in a container of the author's.
    Mount { list: List, index: usize, container: String, volume: &'static str, path: String },
    /// A request or a limit of the pod.
    PodAmount(Amount),
    /// A pause before a container of `containers` is told to end.
    PreStop { index: usize, container: String, seconds: i64 },
    /// The sidecar; always the last edit that counts containers.
    Sidecar { list: List, at: usize, container: Value },
    /// Variables before a container's own.
    Variables { list: List, index: usize, container: String, variables: Vec<Variable> },
    /// A volume.
    Volume(Value),
}

/// A list of containers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum List {
    Containers,
    InitContainers,
}

impl List {
    pub(crate) fn field(self) -> &'static str {
        match self {
            List::Containers => "containers",
            List::InitContainers => "initContainers",
        }
    }
}

/// The edits as an RFC 6902 patch of `pod`.
pub(crate) fn patch(pod: &Value, edits: &[Edit]) -> Patch {
    let mut writer = Writer { made: pod_outline(pod), operations: Vec::new() };
    let (last, first): (Vec<&Edit>, Vec<&Edit>) = edits.iter().partition(|edit| matches!(edit, Edit::Sidecar { .. }));
    first.into_iter().chain(last).for_each(|edit| writer.write(edit));
    Patch(writer.operations)
}

/// The parts of a pod in which edits are made: containers without what podwire never looks at, so that a large pod is not copied whole.
fn pod_outline(pod: &Value) -> Value {
    let part = |value: &Value, fields: &[&str]| -> Value {
        let kept = fields.iter().filter_map(|field| Some(((*field).to_owned(), value.get(field)?.clone())));
        Value::Object(kept.collect())
    };
    let container = |value: &Value| part(value, &["env", "lifecycle", "resources", "volumeMounts"]);
    let list = |name: &str| match pod["spec"][name].as_array() {
        Some(containers) => Value::Array(containers.iter().map(container).collect()),
        None => Value::Null,
    };
    let mut spec = part(&pod["spec"], &["resources", "terminationGracePeriodSeconds", "volumes"]);
    for name in [List::Containers, List::InitContainers].map(List::field) {
        spec[name] = list(name);
    }
    json!({ "metadata": part(&pod["metadata"], &["annotations", "labels"]), "spec": spec })
}

struct Writer {
    /// The pod's outline with the operations so far applied.
    made: Value,
    operations: Vec<PatchOperation>,
}

impl Writer {
    fn write(&mut self, edit: &Edit) {
        match edit {
            Edit::Amount { index, amount, .. } => {
                let path = ["spec", "containers", &index.to_string(), "resources", amount.section.word(), &amount.resource];
                self.set(&path, json!(amount.value));
            }
            Edit::Annotation { key, value } => self.set(&["metadata", "annotations", key], json!(value)),
            Edit::Grace { seconds } => self.set(&["spec", "terminationGracePeriodSeconds"], json!(seconds)),
            Edit::Label { key, value } => self.set(&["metadata", "labels", key], json!(value)),
            Edit::Mount { list, index, volume, path, .. } => {
                let mount = json!({ "mountPath": path, "name": volume });
                self.insert(&["spec", list.field(), &index.to_string(), "volumeMounts"], usize::MAX, vec![mount]);
            }
            Edit::PodAmount(amount) => self.set(&["spec", "resources", amount.section.word(), &amount.resource], json!(amount.value)),
            Edit::PreStop { index, seconds, .. } => {
                self.set(&["spec", "containers", &index.to_string(), "lifecycle", "preStop"], json!({ "sleep": { "seconds": seconds } }));
            }
            Edit::Sidecar { list, at, container } => self.insert(&["spec", list.field()], *at, vec![container.clone()]),
            Edit::Variables { list, index, variables, .. } => {
                self.insert(&["spec", list.field(), &index.to_string(), "env"], 0, variables.iter().map(written).collect());
            }
            Edit::Volume(volume) => self.insert(&["spec", "volumes"], usize::MAX, vec![volume.clone()]),
        }
    }

    /// Sets a member, making the parents that are missing or null.
    fn set(&mut self, path: &[&str], value: Value) {
        let mut here = &mut self.made;
        for (depth, field) in path.iter().enumerate() {
            let is_last = depth + 1 == path.len();
            let missing = child(here, field).is_none_or(Value::is_null);
            if is_last || missing {
                let nested = path[depth + 1..].iter().rev().fold(value, |inner, field| json!({ *field: inner }));
                let path = PointerBuf::from_tokens(path[..=depth].iter().copied());
                self.operations.push(if missing {
                    PatchOperation::Add(AddOperation { path, value: nested.clone() })
                } else {
                    PatchOperation::Replace(ReplaceOperation { path, value: nested.clone() })
                });
                put(here, field, nested);
                return;
            }
            match child_mut(here, field) {
                Some(next) => here = next,
                None => return,
            }
        }
    }

    /// Inserts items into a list at a position (or at its end), making the list where it is missing or null.
    fn insert(&mut self, path: &[&str], at: usize, items: Vec<Value>) {
        let mut here = &mut self.made;
        for field in path {
            // The list's parent always exists: a pod has a spec, a container is an object.
            if child(here, field).is_none() {
                put(here, field, Value::Null);
            }
            match child_mut(here, field) {
                Some(next) => here = next,
                None => return,
            }
        }
        let Some(list) = here.as_array_mut() else {
            *here = Value::Array(items.clone());
            self.operations.push(PatchOperation::Add(AddOperation {
                path: PointerBuf::from_tokens(path.iter().copied()),
                value: Value::Array(items),
            }));
            return;
        };
        let first = at.min(list.len());
        let end = at > list.len();
        for (offset, item) in items.into_iter().enumerate() {
            let place = if end { "-".to_owned() } else { (first + offset).to_string() };
            let path = PointerBuf::from_tokens(path.iter().copied().chain([place.as_str()]));
            self.operations.push(PatchOperation::Add(AddOperation { path, value: item }));
        }
    }
}

/// A variable as it stands in `env`.
fn written(variable: &Variable) -> Value {
    match &variable.value {
        Content::Text(text) => json!({ "name": variable.name, "value": text }),
        Content::Fact(fact) => json!({ "name": variable.name, "valueFrom": { "configMapKeyRef": reference(fact) } }),
    }
}

fn reference(fact: &Fact) -> Value {
    let mut reference = json!({ "name": BROKERS_CONFIG_MAP, "key": fact.key() });
    if fact.is_optional() {
        reference["optional"] = json!(true);
    }
    reference
}

fn child<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(field.parse::<usize>().ok()?),
        Value::Object(members) => members.get(field),
        _ => None,
    }
}

fn child_mut<'a>(value: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    match value {
        Value::Array(items) => items.get_mut(field.parse::<usize>().ok()?),
        Value::Object(members) => members.get_mut(field),
        _ => None,
    }
}

fn put(parent: &mut Value, field: &str, value: Value) {
    if !parent.is_object() {
        *parent = Value::Object(Map::new());
    }
    if let Some(members) = parent.as_object_mut() {
        members.insert(field.to_owned(), value);
    }
}
