//! Every annotation of the table that stands on a pod → [`SidecarOptions`].

use super::options::SidecarOptions;
use super::rows::ROWS;
use super::values::{Refusal, overlaps};
use crate::api::annotations::closest;
use crate::engine::governing::Governing;
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding};

const PREFIX: &str = "dapr.io/";

/// Reads every annotation of the table that stands on the pod; what is not in the table is Dapr's own injector's, where that adds the sidecar.
pub(crate) fn read(request: &PodRequest, governing: &Governing, dapr_injects: bool, findings: &mut Vec<Finding>) -> SidecarOptions {
    let mut options = SidecarOptions::default();
    let overrides = &governing.spec.sidecar.allowed_overrides;
    for row in ROWS {
        let Some(value) = request.annotation(row.key) else { continue };
        options.stated.push(row.key.to_owned());
        let name = row.key.strip_prefix(PREFIX).unwrap_or(row.key);
        if !row.open && !overrides.iter().any(|allowed| allowed == name) {
            let open = if overrides.is_empty() { "none".to_owned() } else { overrides.join(", ") };
            let allowed = format!("allowedOverrides of {}: {open}", governing.words());
            findings.push(Finding::annotation(Code::OverrideRefused, row.key, value, allowed).help("remove the annotation"));
            continue;
        }
        let (code, allowed) = match (row.read)(value, &mut options) {
            Ok(()) => continue,
            Err(Refusal::Invalid(allowed)) => (Code::DaprInvalidValue, allowed),
            Err(Refusal::Security(allowed)) => (Code::OverrideRefused, allowed),
        };
        findings.push(Finding::annotation(code, row.key, value, format!("allowed: {allowed}")));
    }
    // A name is written once: the Secret's value would hold.
    options.env.retain(|(name, _)| !options.env_from_secret.iter().any(|(other, _)| other == name));
    together(&options, findings);
    if !dapr_injects {
        unknown(request, findings);
    }
    options
}

/// What no annotation says alone.
fn together(options: &SidecarOptions, findings: &mut Vec<Finding>) {
    let health = &options.health;
    if i64::from(health.timeout) > i64::from(health.interval) * 1000 {
        let allowed = format!("allowed: milliseconds up to the interval of {} s", health.interval);
        findings.push(Finding::annotation(
            Code::DaprInvalidValue,
            "dapr.io/app-health-probe-timeout",
            &health.timeout.to_string(),
            allowed,
        ));
    }
    let folder = (!options.components.is_empty()).then_some(options.components_folder.as_str());
    let mut paths: Vec<&str> = folder.into_iter().collect();
    let all = [("dapr.io/volume-mounts", &options.mounts), ("dapr.io/volume-mounts-rw", &options.mounts_rw)];
    for (key, mount) in all.into_iter().flat_map(|(key, mounts)| mounts.iter().map(move |mount| (key, mount))) {
        // A link in the outer volume would move the inner mount.
        if let Some(other) = paths.iter().find(|other| overlaps(&mount.path, other)) {
            let allowed = format!("allowed: paths beside each other; {other} is mounted too");
            findings.push(Finding::annotation(Code::DaprInvalidValue, key, &mount.path, allowed));
        }
        paths.push(&mount.path);
    }
}

fn unknown(request: &PodRequest, findings: &mut Vec<Finding>) {
    let known = || ROWS.iter().map(|row| row.key);
    for (name, value) in request.view.metadata.annotations.iter().flatten() {
        if !name.starts_with(PREFIX) || known().any(|key| key == name) {
            continue;
        }
        let finding = Finding::annotation(Code::DaprNotHandled, name, value, "podwire knows no such annotation: it has no effect");
        findings.push(match closest(name, PREFIX, known()) {
            Some(near) => finding.help(format!("did you mean {near}?")),
            None => finding,
        });
    }
}
