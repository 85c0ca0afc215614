//! The volumes that come with a sidecar, and what is mounted where.

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, PodSpec, ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use serde_json::json;

use super::edit::{Edit, List};
use super::variables::COMPONENTS_FOLDER;
use crate::api::names::{COMPONENTS_VOLUME, SIDECAR, SOCKETS_VOLUME, TOKEN_VOLUME};
use crate::engine::intent::Mount;
use crate::engine::plan::{Place, Sidecar, Variable};
use crate::engine::{Code, Finding, Subject};

/// Where the identity token is mounted.
pub(super) const TOKEN_PATH: &str = "/var/run/secrets/dapr.io/sentrytoken";
/// Where the sidecar opens the sockets of its API.
pub(super) const SOCKETS_PATH: &str = "/var/run/dapr-sockets";

/// The sidecar's mounts, in the order in which Dapr's injector writes them.
pub(super) fn mounts(sidecar: &Sidecar) -> Vec<VolumeMount> {
    let options = &sidecar.options;
    let stated = |mounts: &[Mount], read_only: Option<bool>| -> Vec<VolumeMount> {
        mounts.iter().map(|stated| VolumeMount { read_only, ..mount(&stated.volume, &stated.path) }).collect()
    };
    let mut mounts = stated(&options.mounts, Some(true));
    mounts.extend(stated(&options.mounts_rw, None));
    mounts.extend(options.socket_path.as_ref().map(|_| mount(SOCKETS_VOLUME, SOCKETS_PATH)));
    mounts.push(VolumeMount { read_only: Some(true), ..mount(TOKEN_VOLUME, TOKEN_PATH) });
    mounts.extend((!options.components.is_empty()).then(|| mount(COMPONENTS_VOLUME, &options.components_folder)));
    mounts
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..Default::default() }
}

/// The volumes that the pod gets, or has where it was wired before.
fn volumes(sidecar: &Sidecar) -> Vec<Volume> {
    let empty = |name: &str, medium: Option<&str>| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { medium: medium.map(str::to_owned), size_limit: None }),
        ..Default::default()
    };
    let mut volumes: Vec<Volume> = sidecar.options.socket_path.iter().map(|_| empty(SOCKETS_VOLUME, Some("Memory"))).collect();
    volumes.push(token(sidecar));
    volumes.extend((!sidecar.options.components.is_empty()).then(|| empty(COMPONENTS_VOLUME, None)));
    volumes
}

/// The volume of the token that Sentry checks.
fn token(sidecar: &Sidecar) -> Volume {
    let settings = &sidecar.settings;
    let token = ServiceAccountTokenProjection {
        audience: Some(format!("spiffe://{}/ns/{}/dapr-sentry", settings.trust_domain, settings.dapr_namespace)),
        expiration_seconds: Some(7200),
        path: "token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..Default::default() };
    let projected = ProjectedVolumeSource { default_mode: Some(0o644), sources: Some(vec![source]) };
    Volume { name: TOKEN_VOLUME.to_owned(), projected: Some(projected), ..Default::default() }
}

/// The volumes that are missing. One of their names that holds something else is refused.
pub(super) fn missing(spec: &PodSpec, sidecar: &Sidecar, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for planned in volumes(sidecar) {
        match spec.volumes.iter().flatten().find(|volume| volume.name == planned.name) {
            None => edits.push(Edit::Volume(json!(planned))),
            Some(present) if is_planned(present, &planned) => {}
            Some(_) => {
                let finding = Finding::new(Code::SquattedVolume, Subject::Field("spec.volumes".to_owned()), "the name is the sidecar's");
                findings.push(finding.read(&planned.name).help("rename the volume"));
            }
        }
    }
    edits
}

/// Whether a volume is the planned one: the same token and nothing beside it, or an empty folder.
fn is_planned(found: &Volume, planned: &Volume) -> bool {
    let sources = |volume: &Volume| volume.projected.as_ref().map(|projected| projected.sources.clone());
    let medium = |volume: &Volume| volume.empty_dir.as_ref().map(|folder| folder.medium.clone().unwrap_or_default());
    sources(found) == sources(planned) && medium(found) == medium(planned)
}

/// What containers of the author's get of these volumes: applications the sidecar's sockets, components the folder in which they open theirs.
pub(super) fn in_containers(spec: &PodSpec, sidecar: &Sidecar) -> Vec<Edit> {
    let options = &sidecar.options;
    let first = if let Place::Native(at) = sidecar.place { at } else { usize::MAX };
    let init =
        spec.init_containers.iter().flatten().enumerate().skip(first).map(|(index, container)| (List::InitContainers, index, container));
    let main = spec.containers.iter().enumerate().map(|(index, container)| (List::Containers, index, container));
    let mut edits = Vec::new();
    for (list, index, container) in init.chain(main).filter(|(_, _, container)| container.name != SIDECAR) {
        let is_component = list == List::Containers && options.components.contains(&container.name);
        let wanted = if is_component {
            Some((COMPONENTS_VOLUME, options.components_folder.as_str()))
        } else {
            options.socket_path.as_deref().map(|path| (SOCKETS_VOLUME, path))
        };
        let name = container.name.clone();
        if is_component && !container.env.iter().flatten().any(|variable| variable.name == COMPONENTS_FOLDER) {
            let variables = vec![Variable::text(COMPONENTS_FOLDER, options.components_folder.as_str())];
            edits.push(Edit::Variables { list, index, container: name.clone(), variables });
        }
        let mounted = |volume: &str, path: &str| {
            container.volume_mounts.iter().flatten().any(|mount| mount.name == volume || mount.mount_path == path)
        };
        if let Some((volume, path)) = wanted.filter(|(volume, path)| !mounted(volume, path)) {
            edits.push(Edit::Mount { list, index, container: name, volume, path: path.to_owned() });
        }
    }
    edits
}
