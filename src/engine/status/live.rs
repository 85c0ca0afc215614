//! The objects that are there: whose they are, and in what they differ from what they should be.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::names::BrokerName;
use crate::engine::generate::hashed;

/// The objects of an application as they are.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    objects: &'a [Arc<Value>],
    wiring: Option<&'a Value>,
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// This Wiring's.
    Ours,
    /// That of a Wiring which is no more: the garbage collector takes it away.
    Orphan,
    /// Somebody's.
    Others,
}

/// The kind of an object.
pub(super) fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// The name of an object.
pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The uid of an object.
pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// Whether somebody deleted the object and something holds it back.
pub(super) fn is_ending(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether a condition of an object's status is true, and of the spec that is there now.
pub(super) fn is_ready(object: &Value) -> bool {
    let status = &object["status"];
    let current = status["observedGeneration"].as_i64().is_none_or(|observed| object["metadata"]["generation"] == observed);
    let conditions = status["conditions"].as_array().into_iter().flatten();
    current && conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

impl<'a> Live<'a> {
    pub(crate) fn new(objects: &'a [Arc<Value>], wiring: Option<&'a Value>) -> Self {
        Live { objects, wiring }
    }

    /// The object of a kind and name.
    pub(super) fn find(self, of: &str, named: &str) -> Option<&'a Value> {
        self.objects.iter().map(|object| &**object).find(|object| kind(object) == of && name(object) == named)
    }

    /// The objects of this Wiring.
    pub(super) fn ours(self) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().map(|object| &**object).filter(move |object| self.whose(object) == Whose::Ours)
    }

    /// Whose an object is: an owner reference says so, and no label does.
    pub(super) fn whose(self, object: &Value) -> Whose {
        let Some(wiring) = self.wiring else { return Whose::Others };
        let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let wirings = owners.filter(|owner| owner["kind"] == "Wiring" && owner["apiVersion"] == "podwire.io/v1alpha1");
        let mut whose = Whose::Others;
        for owner in wirings.filter(|owner| owner["name"] == wiring["metadata"]["name"]) {
            if owner["uid"] == wiring["metadata"]["uid"] {
                return Whose::Ours;
            }
            whose = Whose::Orphan;
        }
        whose
    }

    /// The name of an entry's Trigger: the one that is there for this Broker; else the first, unless that one stands on another Broker, which cannot be changed.
    pub(crate) fn trigger_name(self, first: &str, broker: &BrokerName) -> String {
        let replacement = hashed(first, broker.as_str());
        let on = |name: &str| {
            self.find("Trigger", name).filter(|trigger| self.whose(trigger) == Whose::Ours).map(|trigger| &trigger["spec"]["broker"])
        };
        match on(first) {
            Some(other) if other != broker.as_str() => replacement,
            None if on(&replacement).is_some() => replacement,
            Some(_) | None => first.to_owned(),
        }
    }

    /// A Resiliency in the application's scope that names its component and is not the application's.
    pub(crate) fn neighbour(self, app_id: &str, component: &str) -> Option<&'a str> {
        let others = self.objects.iter().map(|object| &**object);
        let mut others = others.filter(|object| kind(object) == "Resiliency" && self.whose(object) == Whose::Others);
        others
            .find(|other| {
                let podwires = other["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "podwire";
                let scopes = other["scopes"].as_array().filter(|scopes| !scopes.is_empty());
                let in_scope = scopes.is_none_or(|scopes| scopes.iter().any(|scope| scope == app_id));
                in_scope && !podwires && !other["spec"]["targets"]["components"][component].is_null()
            })
            .map(name)
    }
}

/// Fields of a `spec` that the API server fills in.
const FILLED: [(&str, &[&str]); 1] =
    [("Service", &["clusterIP", "clusterIPs", "internalTrafficPolicy", "ipFamilies", "ipFamilyPolicy", "sessionAffinity"])];

/// What somebody made of an object that podwire wrote.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    /// A value is another one, or gone: applying the object brings it back.
    pub(super) changed: bool,
    /// What was added, as a merge patch that takes it away; applying the object would leave it.
    pub(super) added: Option<Value>,
}

/// In what an object differs. What others may fill in does not count.
pub(super) fn difference(desired: &Value, live: &Value) -> Difference {
    let mut difference = Difference::default();
    let labels = ["labels", "annotations"].iter().any(|field| lacks(&desired["metadata"][field], &live["metadata"][field]));
    let owners = desired["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let disowned = owners.into_iter().any(|owner| !live["metadata"]["ownerReferences"].as_array().is_some_and(|all| all.contains(owner)));
    difference.changed = labels || disowned;
    let filled = FILLED.iter().find(|(of, _)| *of == kind(desired)).map(|(_, fields)| *fields).unwrap_or_default();
    let mut added = Map::new();
    for field in ["spec", "scopes"] {
        compare(field, desired.get(field), live.get(field), filled, &mut difference.changed, &mut added);
    }
    difference.added = (!added.is_empty()).then_some(Value::Object(added));
    difference
}

fn lacks(desired: &Value, live: &Value) -> bool {
    desired.as_object().into_iter().flatten().any(|(key, value)| live.get(key) != Some(value))
}

/// Whether a value says as much as none.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.values().all(is_blank),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn compare(key: &str, desired: Option<&Value>, live: Option<&Value>, filled: &[&str], changed: &mut bool, added: &mut Map<String, Value>) {
    let blank = |value: Option<&Value>| value.is_none_or(is_blank);
    match (desired, live) {
        (desired, live) if blank(desired) && blank(live) => {}
        (None, Some(_)) => drop(added.insert(key.to_owned(), Value::Null)),
        (Some(Value::Object(members)), Some(Value::Object(others))) => {
            let mut inner = Map::new();
            let keys = members.keys().chain(others.keys().filter(|key| !members.contains_key(*key) && !filled.contains(&key.as_str())));
            keys.for_each(|key| compare(key, members.get(key), others.get(key), &[], changed, &mut inner));
            if !inner.is_empty() {
                added.insert(key.to_owned(), Value::Object(inner));
            }
        }
        (Some(Value::Array(items)), Some(Value::Array(others))) if others.len() > items.len() => {
            added.insert(key.to_owned(), json!(items));
        }
        (Some(value), other) => *changed |= other != Some(value),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(desired: Value, live: Value, changed: bool, added: Option<Value>) {
        let object = |spec| json!({ "kind": "Service", "metadata": { "labels": { "a": "b" } }, "spec": spec });
        assert_eq!(difference(&object(desired), &object(live)), Difference { changed, added });
    }

    #[test]
    fn what_others_fill_in_is_no_difference() {
        check(json!({ "x": 1, "none": {} }), json!({ "x": 1, "clusterIP": "10.0.0.1" }), false, None);
        check(json!({ "x": { "y": [] } }), json!({}), false, None);
    }

    #[test]
    fn a_changed_value_is_brought_back_and_an_added_one_taken_away() {
        check(json!({ "x": 1 }), json!({ "x": 2 }), true, None);
        check(json!({ "x": { "y": 1 } }), json!({ "x": { "y": 1, "z": 2 } }), false, Some(json!({ "spec": { "x": { "z": null } } })));
        check(json!({ "x": [1] }), json!({ "x": [1, 2] }), false, Some(json!({ "spec": { "x": [1] } })));
        check(json!({ "x": [1] }), json!({ "x": [2] }), true, None);
        check(json!({ "x": 1 }), json!({ "externalIPs": ["1.2.3.4"] }), true, Some(json!({ "spec": { "externalIPs": null } })));
    }
}
