//! What is true of every patch, stated once. Golden tests, property tests and a debug assertion in [`super::admit`] call the same function.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::request::PodRequest;
use crate::api::quantity::Quantity;

/// A law that a patch broke, in words.
pub(crate) type Broken = String;

/// Checks a patch against the pod for which it was made.
pub(crate) fn check(request: &PodRequest, patch: &Patch) -> Result<(), Broken> {
    if let Some(other) = patch.0.iter().find(|operation| !matches!(operation, PatchOperation::Add(_) | PatchOperation::Replace(_))) {
        return Err(format!("a patch only adds and replaces: {other}"));
    }
    let mut after = request.pod.clone();
    json_patch::patch(&mut after, patch).map_err(|error| format!("the patch does not apply: {error}"))?;
    metadata_is_kept(&request.pod, &after)?;
    for list in ["initContainers", "containers"] {
        list_is_kept(&request.pod["spec"][list], &after["spec"][list], container_is_kept)?;
    }
    list_is_kept(&request.pod["spec"]["volumes"], &after["spec"]["volumes"], |before, after| same("volume", before, after))?;
    let known = ["initContainers", "containers", "volumes", "resources", "terminationGracePeriodSeconds"];
    members_are_kept("spec", &request.pod["spec"], &after["spec"], &known)?;
    if requests_fit_limits(&request.pod).is_ok() { requests_fit_limits(&after) } else { Ok(()) }
}

fn same(what: &str, before: &Value, after: &Value) -> Result<(), Broken> {
    if before == after { Ok(()) } else { Err(format!("{what} was changed: {before} became {after}")) }
}

/// Every member that was there is there and the same, but for those that have a law of their own.
fn members_are_kept(what: &str, before: &Value, after: &Value, but: &[&str]) -> Result<(), Broken> {
    for (key, value) in before.as_object().into_iter().flatten().filter(|(key, _)| !but.contains(&key.as_str())) {
        same(&format!("{what}.{key}"), value, &after[key])?;
    }
    Ok(())
}

/// Labels are never changed; of the annotations only the record may be.
fn metadata_is_kept(before: &Value, after: &Value) -> Result<(), Broken> {
    let (before, after) = (&before["metadata"], &after["metadata"]);
    members_are_kept("metadata", before, after, &["annotations", "labels"])?;
    members_are_kept("labels", &before["labels"], &after["labels"], &[])?;
    members_are_kept("annotations", &before["annotations"], &after["annotations"], &[crate::api::annotations::WIRED])
}

/// A list is only added to: what was in it is in it, in the same order, and itself kept.
fn list_is_kept(before: &Value, after: &Value, kept: impl Fn(&Value, &Value) -> Result<(), Broken>) -> Result<(), Broken> {
    let mut rest = after.as_array().into_iter().flatten();
    for item in before.as_array().into_iter().flatten() {
        let found = rest.find(|other| other["name"] == item["name"]);
        kept(item, found.ok_or_else(|| format!("{} was lost or moved", item["name"]))?)?;
    }
    Ok(())
}

/// A container gains variables before its own, requests, limits and a preStop, and nothing else.
fn container_is_kept(before: &Value, after: &Value) -> Result<(), Broken> {
    let name = before["name"].as_str().unwrap_or_default();
    members_are_kept(name, before, after, &["env", "lifecycle", "resources"])?;
    if let Some(own) = before["env"].as_array() {
        let all = after["env"].as_array().map(Vec::as_slice).unwrap_or_default();
        let kept = all.len() >= own.len() && all[all.len() - own.len()..] == own[..];
        kept.then_some(()).ok_or_else(|| format!("the variables of {name} are not at the end of its environment"))?;
    }
    members_are_kept(name, &before["lifecycle"], &after["lifecycle"], &[])
}

fn requests_fit_limits(pod: &Value) -> Result<(), Broken> {
    let containers = ["initContainers", "containers"].iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    for (name, resources) in
        containers.map(|container| (&container["name"], &container["resources"])).chain([(&Value::Null, &pod["spec"]["resources"])])
    {
        for (resource, request) in resources["requests"].as_object().into_iter().flatten() {
            let read = |value: &Value| Quantity::parse(value.as_str().unwrap_or_default()).ok();
            if let (Some(request), Some(limit)) = (read(request), read(&resources["limits"][resource]))
                && request > limit
            {
                return Err(format!("{name} asks for more {resource} than it may use: {request} > {limit}"));
            }
        }
    }
    Ok(())
}
