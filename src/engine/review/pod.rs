//! A pod: its labels and annotations are written when it is created and never again, and its resize keeps to the policy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use serde::Deserialize as _;
use serde_json::Value;

use super::Change;
use crate::api::annotations::{APP_ID_LABEL, PREFIX, STYLE_LABEL};
use crate::api::names::SIDECAR;
use crate::api::policy::{Amounts, Bounds, OnViolation};
use crate::api::quantity::Quantity;
use crate::engine::admit::{Decision, Verdict};
use crate::engine::governing::Governing;
use crate::engine::intent::{self, Ask};
use crate::engine::request::PodRequest;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// Refusals of what may not be changed.
pub(super) fn review(change: &Change, snapshot: &Snapshot) -> Verdict {
    let mut findings = Vec::new();
    let governing = Governing::of(&change.namespace, snapshot);
    match &change.old {
        None => copied(&change.object, &mut findings),
        Some(old) => edited(old, &change.object, &mut findings),
    }
    if let Some(old) = change.old.as_ref().filter(|_| change.resize) {
        resized(change, old, &governing, snapshot, &mut findings);
    }
    let denied = findings.iter().any(Finding::prevents);
    Verdict {
        findings,
        app_id: texts(&change.object, "labels").get(APP_ID_LABEL).map(|app_id| (*app_id).to_owned()),
        policy: governing.name,
        ..Verdict::of(if denied { Decision::Denied } else { Decision::Passed })
    }
}

/// podwire's own among a pod's labels or annotations.
fn texts<'a>(pod: &'a Value, field: &str) -> BTreeMap<&'a str, &'a str> {
    let all = pod["metadata"][field].as_object().into_iter().flatten();
    all.filter(|(key, _)| key.starts_with(PREFIX)).map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect()
}

/// A label without the wiring that it stands for: a pod that was wired has a variable of its value, whoever created it.
fn copied(pod: &Value, findings: &mut Vec<Finding>) {
    let Some(app_id) = pod["metadata"]["labels"][APP_ID_LABEL].as_str() else { return };
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut variables = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
    if !variables.any(|variable| variable["name"] == "PODWIRE_APP_ID" && variable["value"] == app_id) {
        let finding = Finding::new(Code::LabelWithoutWiring, Subject::Label(APP_ID_LABEL.to_owned()), "podwire has not wired the pod so");
        findings.push(finding.read(app_id).help("remove the label: podwire adds it to a pod that asks by an annotation"));
    }
}

/// Labels and annotations that would be added, changed or removed.
fn edited(old: &Value, new: &Value, findings: &mut Vec<Finding>) {
    let mut differences = |field: &str, code: Code, subject: fn(String) -> Subject| {
        let (old, new) = (texts(old, field), texts(new, field));
        let mut keys: Vec<&str> = old.keys().chain(new.keys()).copied().filter(|key| old.get(key) != new.get(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let allowed = match old.get(key) {
                Some(was) => format!("it stays {was} for as long as the pod lives"),
                None => "it is not added to a pod that is there".to_owned(),
            };
            let finding = Finding::new(code, subject(key.to_owned()), allowed).help("change the template, and replace the pod");
            findings.push(match new.get(key) {
                Some(read) => finding.read(*read),
                None => finding,
            });
        }
    };
    differences("labels", Code::LabelEdited, Subject::Label);
    let labels = texts(old, "labels");
    if labels.contains_key(APP_ID_LABEL) || labels.contains_key(STYLE_LABEL) {
        differences("annotations", Code::AnnotationEdited, Subject::Annotation);
    }
}

/// Values of the application and of the sidecar that the resize changes and the policy does not allow.
fn resized(change: &Change, old: &Value, governing: &Governing, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let (Ok(request), Ok(old)) = (PodRequest::new(&change.namespace, change.object.clone()), Pod::deserialize(old)) else { return };
    let Ask::Wire(intent) = intent::read(&request, snapshot, governing, &mut Vec::new()) else { return };
    let Some(spec) = &request.view.spec else { return };
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let before = |name: &str| {
        let spec = old.spec.as_ref()?;
        spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|container| container.name == name)
    };
    let application = spec.containers.get(intent.application).map(|container| container.name.as_str());
    let resources = &governing.spec.resources;
    for container in all {
        if container.name == SIDECAR {
            beyond(container, before(SIDECAR), ("resources.sidecar", &resources.sidecar), governing, findings);
        } else if Some(container.name.as_str()) == application {
            beyond(container, before(&container.name), ("resources.app", &resources.app), governing, findings);
        }
    }
}

fn beyond(
    container: &Container,
    old: Option<&Container>,
    (field, bounds): (&str, &Bounds),
    governing: &Governing,
    findings: &mut Vec<Finding>,
) {
    let code = match governing.spec.resources.on_violation() {
        OnViolation::Adjust | OnViolation::Deny => Code::ResizeRefused,
        OnViolation::Warn => Code::ResourceOutOfBounds,
    };
    for section in ["requests", "limits"] {
        let of = |amounts: &Amounts| if section == "requests" { amounts.requests.clone() } else { amounts.limits.clone() };
        let (min, max) = (of(&bounds.min), of(&bounds.max));
        for (resource, value) in amounts(Some(container), section) {
            if amounts(old, section).get(&resource) == Some(&value) {
                continue;
            }
            let bound = match (min.get(&resource), max.get(&resource)) {
                (Some(min), _) if value < *min => ("min", min),
                (_, Some(max)) if value > *max => ("max", max),
                _ => continue,
            };
            let subject = Subject::Resource { container: Some(container.name.clone()), section, resource };
            let allowed = format!("must respect {}, {field}.{} of {}", bound.1, bound.0, governing.words());
            findings.push(Finding::new(code, subject, allowed).read(value.to_string()));
        }
    }
}

fn amounts(container: Option<&Container>, section: &str) -> BTreeMap<String, Quantity> {
    let resources = container.and_then(|container| container.resources.as_ref());
    let written =
        resources.and_then(|resources| if section == "requests" { resources.requests.as_ref() } else { resources.limits.as_ref() });
    written.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), Quantity::parse(&value.0).ok()?))).collect()
}
