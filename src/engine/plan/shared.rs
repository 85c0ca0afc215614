//! What the annotations of a sidecar ask of the rest of its pod: volumes, containers, the way to its API.

use k8s_openapi::api::core::v1::Container;

use super::Case;
use crate::api::annotations as key;
use crate::api::names::SIDECAR;
use crate::api::style::Style;
use crate::engine::{Code, Finding};

/// Finds what the pod does not have, where Dapr would pass it over in silence.
pub(super) fn check(case: Case, publish: Style, findings: &mut Vec<Finding>) {
    volumes(case, findings);
    components(case, findings);
    socket(case, publish, findings);
}

fn wrong(key: &str, read: &str, allowed: impl Into<String>) -> Finding {
    Finding::annotation(Code::DaprInvalidValue, key, read, allowed)
}

fn volumes(case: Case, findings: &mut Vec<Finding>) {
    let Case { request, intent, .. } = case;
    let volumes = request.view.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let names: Vec<&str> = volumes.map(|volume| volume.name.as_str()).collect();
    let options = &intent.sidecar;
    for (key, mounts) in [("dapr.io/volume-mounts", &options.mounts), ("dapr.io/volume-mounts-rw", &options.mounts_rw)] {
        for mount in mounts.iter().filter(|mount| !names.contains(&mount.volume.as_str())) {
            findings.push(wrong(key, &mount.volume, "allowed: volumes of the pod"));
        }
    }
}

/// Components are containers beside the application.
fn components(case: Case, findings: &mut Vec<Finding>) {
    let Case { request, intent, .. } = case;
    let containers: &[Container] = request.view.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let application = containers.get(intent.application).map(|container| container.name.as_str());
    let others: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    for name in &intent.sidecar.components {
        let fits = others.contains(&name.as_str()) && Some(name.as_str()) != application && name != SIDECAR;
        if !fits {
            findings.push(wrong("dapr.io/pluggable-components", name, "allowed: containers of the pod beside the application"));
        }
    }
}

/// With sockets daprd opens no port for its API, and the addresses of `PODWIRE_PUBLISH_URL_` lead nowhere.
fn socket(case: Case, publish: Style, findings: &mut Vec<Finding>) {
    let Case { request, intent, .. } = case;
    let Some(path) = &intent.sidecar.socket_path else { return };
    let annotation = "dapr.io/unix-domain-socket-path";
    if publish == Style::Sidecar && !intent.publish.is_empty() {
        let allowed = format!("{} needs the sidecar's port, and with sockets it has none", key::PUBLISH);
        findings.push(wrong(annotation, path, allowed).help("remove one of the two"));
    }
    let spec = request.view.spec.iter();
    let taken = |container: &&Container| {
        let mut mounts = container.volume_mounts.iter().flatten();
        mounts.any(|mount| mount.mount_path == *path && mount.name != crate::api::names::SOCKETS_VOLUME)
    };
    if let Some(container) = spec.flat_map(|spec| &spec.containers).filter(|container| container.name != SIDECAR).find(taken) {
        findings.push(wrong(annotation, path, format!("container {} mounts another volume there", container.name)));
    }
}
