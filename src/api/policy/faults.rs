//! What is wrong with a policy: the rules held against what somebody wrote.

use serde::Deserialize;
use serde_json::Value;

use super::rules::{self, Judge};
use super::spec::InjectionPolicySpec;
use crate::api::annotations::DAPR_NAMES;

/// Something wrong with a policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Where, from the object: `spec.sidecar.allowedImages[0]`.
    pub path: String,
    /// What stands there, where it is one value.
    pub read: Option<String>,
    /// What is allowed, in the words of the API server's refusal.
    pub allowed: String,
    /// What it was compared with, or what to do.
    pub help: Option<String>,
}

/// What a rule found at its place.
#[derive(Default)]
pub(super) struct Wrong {
    /// From the place of the rule to the value: `.image`.
    pub(super) below: String,
    pub(super) read: Option<String>,
    pub(super) help: Option<String>,
}

impl InjectionPolicySpec {
    /// Reads the `spec` of a policy and judges it. Nulls are passed over, as the API server does.
    ///
    /// # Errors
    /// What is wrong where a value does not have the type of its field.
    pub fn read(spec: &Value) -> Result<Self, String> {
        let mut spec = without_nulls(spec);
        let faults = faults(&spec);
        without_unread(&mut spec);
        let read = InjectionPolicySpec::deserialize(&spec).map_err(|error| error.to_string())?;
        Ok(InjectionPolicySpec { faults, ..read })
    }
}

/// Every fault, in the order of the rules.
fn faults(spec: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for rule in rules::all() {
        each(spec, &rule.at, &mut |path, value| {
            let wrong = match rule.judge {
                Judge::NotAbove(lower, upper) => rules::above(value, lower, upper),
                Judge::Text(holds) => value.as_str().filter(|text| !holds(text)).map(|_| Wrong::default()),
                Judge::Value(judge) => judge(value),
            };
            let Some(Wrong { below, read, help }) = wrong else { return };
            let read = read.or_else(|| scalar(value));
            faults.push(Fault { path: path + &below, read, allowed: rule.message.clone(), help });
        });
    }
    sizes(spec, &mut faults);
    words(spec, &mut faults);
    faults
}

/// What is too long, and what stands twice in a list that names each value once.
fn sizes(spec: &Value, faults: &mut Vec<Fault>) {
    for (at, most) in rules::SIZES {
        each(spec, at, &mut |path, value| {
            let (length, of) = match value {
                Value::Array(items) => (items.len(), "items"),
                Value::Object(members) => (members.len(), "items"),
                Value::String(text) => (text.chars().count(), "characters"),
                _ => return,
            };
            if length > *most {
                faults.push(Fault { path, read: None, allowed: format!("it has {length} {of}, at most {most} are allowed"), help: None });
            }
        });
    }
    for at in rules::SETS {
        each(spec, at, &mut |path, list| {
            let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
            let twice = items.iter().enumerate().filter(|(index, item)| items[..*index].contains(item));
            let fault = |(index, item)| Fault {
                path: format!("{path}[{index}]"),
                read: scalar(item),
                allowed: "it stands in the list already".to_owned(),
                help: None,
            };
            faults.extend(twice.map(fault));
        });
    }
}

/// Words that are none of those that podwire knows.
fn words(spec: &Value, faults: &mut Vec<Fault>) {
    let mut among = |at: &str, known: &[&str], allowed: String| {
        each(spec, at, &mut |path, value| {
            if let Some(word) = value.as_str().filter(|word| !known.contains(word)) {
                faults.push(Fault { path, read: Some(word.to_owned()), allowed: allowed.clone(), help: None });
            }
        });
    };
    let operators = format!("allowed: {}", rules::OPERATORS.join(", "));
    among("namespaceSelector.matchExpressions.[].operator", &rules::OPERATORS, operators);
    among("sidecar.allowedOverrides.[]", DAPR_NAMES, "Dapr's injector reads no such annotation".to_owned());
}

/// Calls `f` with every value at a place, and where it stands.
fn each(spec: &Value, at: &str, f: &mut dyn FnMut(String, &Value)) {
    let parts: Vec<&str> = at.split('.').filter(|part| !part.is_empty()).collect();
    walk(spec, &parts, "spec".to_owned(), f);
}

fn walk(value: &Value, parts: &[&str], path: String, f: &mut dyn FnMut(String, &Value)) {
    let Some((first, rest)) = parts.split_first() else { return f(path, value) };
    match (*first, value) {
        ("[]", Value::Array(items)) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, rest, format!("{path}[{index}]"), f));
        }
        ("*" | "{}", Value::Object(members)) => {
            members.iter().for_each(|(key, member)| walk(member, rest, format!("{path}.{key}"), f));
        }
        (field, Value::Object(members)) => {
            members.get(field).into_iter().for_each(|member| walk(member, rest, format!("{path}.{field}"), f));
        }
        _ => {}
    }
}

/// One value as it stands in a message.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().filter(|(_, member)| !member.is_null()).map(|(key, member)| (key.clone(), without_nulls(member))).collect()
        }
        other => other.clone(),
    }
}

/// Takes out what is no quantity: it is a fault already, and the rest of the policy can still be read.
fn without_unread(spec: &mut Value) {
    let containers = spec.get_mut("resources").and_then(Value::as_object_mut);
    for bounds in containers.into_iter().flat_map(|containers| containers.values_mut()) {
        for amounts in bounds.as_object_mut().into_iter().flat_map(|bounds| bounds.values_mut()) {
            for group in amounts.as_object_mut().into_iter().flat_map(|amounts| amounts.values_mut()) {
                if let Some(group) = group.as_object_mut() {
                    group.retain(|_, value| !(value.is_string() || value.is_number()) || rules::quantity(value).is_some());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::InjectionPolicySpec;

    fn paths(spec: Value) -> Vec<String> {
        InjectionPolicySpec::read(&spec).unwrap().faults.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn what_does_not_have_the_type_of_its_field_is_no_policy() {
        for (spec, word) in [
            (json!({ "onInvaild": "Warn" }), "onInvaild"),
            (json!({ "priority": "high" }), "high"),
            (json!({ "broker": { "config": { "kind": "ConfigMap" } } }), "name"),
            (json!({ "allowedStyles": ["mesh"] }), "mesh"),
            (json!({ "resources": { "app": { "min": { "requests": { "cpu": [] } } } } }), "[]"),
        ] {
            let error = InjectionPolicySpec::read(&spec).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_value_that_is_no_quantity_is_one_fault_and_the_rest_is_read() {
        let spec = json!({ "priority": 3, "resources": { "app": { "max": { "requests": { "cpu": "many", "memory": 1.5 } } } } });
        let read = InjectionPolicySpec::read(&spec).unwrap();
        assert_eq!((read.priority, read.resources.app.max.requests.len()), (3, 0));
        assert_eq!(paths(spec), ["spec.resources.app.max.requests.cpu", "spec.resources.app.max.requests.memory"]);
    }

    #[test]
    fn a_null_is_left_out() {
        assert_eq!(paths(json!({ "sidecar": null, "broker": { "config": null }, "allowedStyles": null })), Vec::<String>::new());
    }

    #[test]
    fn what_is_long_or_stands_twice_is_named_by_its_place() {
        let spec = json!({ "sidecar": { "pubsub": "a".repeat(254), "allowedOverrides": ["env", "config", "env"] } });
        assert_eq!(paths(spec), ["spec.sidecar.pubsub", "spec.sidecar.pubsub", "spec.sidecar.allowedOverrides[2]"]);
    }
}
