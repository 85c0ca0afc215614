//! A pod in a few lines, compared with the template that it came from.

use std::collections::BTreeSet;

use podwire::api::quantity::Quantity;
use serde_json::Value;

/// What a pod requests of one resource: the sum over what runs at the same time, its containers and native sidecars.
pub(crate) fn requests(spec: &Value, resource: &str) -> Quantity {
    let containers = members(spec, "containers").chain(members(spec, "initContainers").filter(|container| is_native(container)));
    let stated = containers.filter_map(|container| container["resources"]["requests"][resource].as_str());
    stated.filter_map(|text| Quantity::parse(text).ok()).fold(Quantity::ZERO, |sum, quantity| sum + quantity)
}

/// The rows of a pod or a template, `+` at those that the template does not have. What Kubernetes itself adds is left out.
pub(crate) fn rows(pod: &Value, template: &Value) -> String {
    let known: BTreeSet<(String, String)> = facts(template).into_iter().collect();
    let (mut text, mut last) = (String::new(), String::new());
    for fact in facts(pod) {
        let mark = if known.contains(&fact) { ' ' } else { '+' };
        let (title, value) = fact;
        let shown = if title == last { "" } else { &title };
        // A long address gets a line of its own.
        let value = match value.split_once('=') {
            Some((name, address)) if value.len() > 70 => format!("{name}=\n{:<23}{address}", ""),
            _ => value,
        };
        text.push_str(&format!("{shown:<18} {mark} {value}\n"));
        last = title;
    }
    text
}

/// What a pod consists of, as titles and values.
fn facts(pod: &Value) -> Vec<(String, String)> {
    let spec = &pod["spec"];
    let mut facts = Vec::new();
    let mut add = |title: &str, value: String| facts.push((title.to_owned(), value));
    for (list, title) in [("initContainers", "init containers"), ("containers", "containers")] {
        members(spec, list).for_each(|container| add(title, container_line(container)));
    }
    for container in members(spec, "initContainers").chain(members(spec, "containers")).filter(|container| !is_ours(container)) {
        for variable in members(container, "env") {
            let value = if variable["valueFrom"].is_null() { variable["value"].as_str().unwrap_or_default() } else { "(a reference)" };
            add(&format!("env of {}", name(container)), format!("{}={value}", name(variable)));
        }
    }
    for container in members(spec, "initContainers").chain(members(spec, "containers")) {
        let requests = container["resources"]["requests"].as_object().into_iter().flatten();
        let list: Vec<String> = requests.map(|(resource, value)| format!("{resource} {}", value.as_str().unwrap_or_default())).collect();
        add(&format!("requests of {}", name(container)), if list.is_empty() { "none".to_owned() } else { list.join(", ") });
    }
    members(spec, "volumes")
        .map(name)
        .filter(|name| !name.starts_with("kube-api-access-"))
        .for_each(|name| add("volumes", name.to_owned()));
    for (field, title) in [("labels", "labels"), ("annotations", "annotations")] {
        let entries = pod["metadata"][field].as_object().into_iter().flatten();
        for (key, value) in entries.filter(|(key, _)| *key != "pod-template-hash") {
            add(title, format!("{key}: {}", short(value.as_str().unwrap_or_default())));
        }
    }
    facts
}

fn container_line(container: &Value) -> String {
    let image = container["image"].as_str().unwrap_or_default();
    let native = if is_native(container) { ", a native sidecar" } else { "" };
    format!("{} ({image}{native})", name(container))
}

fn is_native(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// Dapr's container, whose environment is its own affair.
fn is_ours(container: &Value) -> bool {
    container["name"] == "daprd"
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn members<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    value[list].as_array().into_iter().flatten()
}

/// A value in the space that is there for it.
fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= 40 { text } else { text.chars().take(39).collect::<String>() + "…" }
}
