//! What is true of every patch, stated once. Golden tests, property tests and a debug assertion in [`super::admit`] call the same function.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::request::PodRequest;
use crate::api::names::{BROKERS_CONFIG_MAP, COMPONENTS_VOLUME, SOCKETS_VOLUME};
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
    for law in [requests_fit_limits, containers_fit_the_pod, is_guaranteed] {
        if law(&request.pod).is_ok() {
            law(&after)?;
        }
    }
    application_requests(&after)?;
    sidecar_is_restricted(&request.pod, &after)
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

/// A container gains variables before its own, requests, limits, a preStop and mounts of the sockets that it shares with the sidecar, and nothing else.
fn container_is_kept(before: &Value, after: &Value) -> Result<(), Broken> {
    let name = before["name"].as_str().unwrap_or_default();
    members_are_kept(name, before, after, &["env", "lifecycle", "resources", "volumeMounts"])?;
    mounts_are_kept(name, &before["volumeMounts"], &after["volumeMounts"])?;
    let env = |container: &Value| container["env"].as_array().cloned().unwrap_or_default();
    let (own, all) = (env(before), env(after));
    let added = all.strip_suffix(own.as_slice());
    let added = added.ok_or_else(|| format!("the variables of {name} are not at the end of its environment"))?;
    if let Some(other) = added.iter().find(|variable| !is_text_or_fact(variable)) {
        return Err(format!("{name} takes what is not podwire's to give: {other}"));
    }
    members_are_kept(name, &before["lifecycle"], &after["lifecycle"], &[])
}

/// Mounts are only added to, and what is added is a folder of sockets.
fn mounts_are_kept(name: &str, before: &Value, after: &Value) -> Result<(), Broken> {
    let mounts = |mounts: &Value| mounts.as_array().cloned().unwrap_or_default();
    let (own, all) = (mounts(before), mounts(after));
    let added = all.strip_prefix(own.as_slice()).ok_or_else(|| format!("the mounts of {name} were changed"))?;
    match added.iter().find(|mount| mount["name"] != SOCKETS_VOLUME && mount["name"] != COMPONENTS_VOLUME) {
        Some(other) => Err(format!("{name} mounts what is not podwire's to give: {other}")),
        None => Ok(()),
    }
}

/// A variable that is added holds a text, or refers to podwire's ConfigMap of Brokers; never to a Secret or to what is somebody else's.
fn is_text_or_fact(variable: &Value) -> bool {
    let sources = variable["valueFrom"].as_object();
    match sources {
        None => variable["value"].is_string(),
        Some(sources) => sources.len() == 1 && sources.get("configMapKeyRef").is_some_and(|key| key["name"] == BROKERS_CONFIG_MAP),
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
}

fn quantity(resources: &Value, section: &str, resource: &str) -> Option<Quantity> {
    Quantity::parse(resources[section][resource].as_str()?).ok()
}

/// What the API server asks of a pod that states its own resources: its containers together request no more, and none may use more.
fn containers_fit_the_pod(pod: &Value) -> Result<(), Broken> {
    let own = &pod["spec"]["resources"];
    for resource in ["cpu", "memory"] {
        let running = containers(pod).filter(|container| {
            let of_init =
                pod["spec"]["initContainers"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == container["name"]));
            !of_init || container["restartPolicy"] == "Always"
        });
        let asked = running.filter_map(|container| quantity(&container["resources"], "requests", resource));
        let asked = asked.fold(Quantity::ZERO, |sum, one| sum + one);
        if quantity(own, "requests", resource).is_some_and(|most| asked > most) {
            return Err(format!("the containers ask for more {resource} than the pod: {asked}"));
        }
        let most = containers(pod).filter_map(|container| quantity(&container["resources"], "limits", resource)).max();
        if let (Some(own), Some(most)) = (quantity(own, "limits", resource), most)
            && most > own
        {
            return Err(format!("a container may use more {resource} than the pod: {most} > {own}"));
        }
    }
    Ok(())
}

/// Whether the pod is Guaranteed by its containers.
fn is_guaranteed(pod: &Value) -> Result<(), Broken> {
    let equal = |container: &Value, resource: &str| {
        let of = |section| quantity(&container["resources"], section, resource);
        of("limits").is_some() && of("limits") == of("requests")
    };
    let own = &pod["spec"]["resources"];
    if ["cpu", "memory"].iter().any(|resource| own["limits"].get(*resource).or(own["requests"].get(*resource)).is_some()) {
        return Err("the pod states its own resources".to_owned());
    }
    let burstable = containers(pod).find(|container| !(equal(container, "cpu") && equal(container, "memory")));
    match burstable {
        Some(container) => Err(format!("{} is not Guaranteed", container["name"])),
        None => Ok(()),
    }
}

/// One container at least is the application, and requests CPU and memory where the pod does not state them for all.
fn application_requests(pod: &Value) -> Result<(), Broken> {
    let states = |resource: &str| ["limits", "requests"].iter().any(|section| pod["spec"]["resources"][section].get(resource).is_some());
    let asks = |container: &Value| {
        ["cpu", "memory"].iter().all(|resource| states(resource) || quantity(&container["resources"], "requests", resource).is_some())
    };
    let mut applications =
        pod["spec"]["containers"].as_array().into_iter().flatten().filter(|container| container["name"] != "daprd").peekable();
    if applications.peek().is_none() || applications.any(asks) { Ok(()) } else { Err("no application requests CPU and memory".to_owned()) }
}

/// A container that was added requests CPU and memory, stays off the node's network and meets Pod Security `restricted`, but for the seccomp profile where an annotation chooses it (and a policy let it).
fn sidecar_is_restricted(before: &Value, after: &Value) -> Result<(), Broken> {
    let is_new = |container: &&Value| !containers(before).any(|other| other["name"] == container["name"]);
    let chosen = before["metadata"]["annotations"]["dapr.io/sidecar-seccomp-profile-type"].as_str().unwrap_or("RuntimeDefault");
    for container in containers(after).filter(is_new) {
        let context = &container["securityContext"];
        let restricted = context["allowPrivilegeEscalation"] == false
            && context["runAsNonRoot"] == true
            && context["runAsUser"] != 0
            && context["capabilities"] == serde_json::json!({ "drop": ["ALL"] })
            && context["seccompProfile"]["type"] == chosen;
        let requests = ["cpu", "memory"].iter().all(|resource| quantity(&container["resources"], "requests", resource).is_some());
        let on_node = container["ports"].as_array().into_iter().flatten().any(|port| port.get("hostPort").is_some());
        if !restricted || !requests || on_node {
            return Err(format!("{} is no sidecar of a restricted pod: {container}", container["name"]));
        }
    }
    Ok(())
}

fn requests_fit_limits(pod: &Value) -> Result<(), Broken> {
    let of_pod = (&Value::Null, &pod["spec"]["resources"]);
    for (name, resources) in containers(pod).map(|container| (&container["name"], &container["resources"])).chain([of_pod]) {
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
