//! What in a pod is podwire's already. It is recognised by its content; the record that podwire leaves is never read here.

use k8s_openapi::api::core::v1::{Capabilities, Container, EnvVar, SecurityContext, Volume};

use super::container::{GO_MEMORY_LIMIT, TOKEN_PATH};
use crate::api::policy::fits;
use crate::engine::plan::{Ports, SIDECAR, Sidecar};
use crate::engine::request::PodRequest;

/// A container of the sidecar's name that stands in a pod.
pub(crate) struct Found<'a> {
    container: Option<(&'a Container, bool)>,
}

impl<'a> Found<'a> {
    /// Looks for it in both lists.
    pub(crate) fn of(request: &'a PodRequest) -> Self {
        let spec = request.view.spec.as_ref();
        let init = spec.into_iter().flat_map(|spec| spec.init_containers.iter().flatten()).map(|container| (container, true));
        let main = spec.into_iter().flat_map(|spec| &spec.containers).map(|container| (container, false));
        Found { container: init.chain(main).find(|(container, _)| container.name == SIDECAR) }
    }

    /// Whether there is one at all.
    pub(super) fn is_some(&self) -> bool {
        self.container.is_some()
    }

    /// The ports with which it runs: a sidecar keeps those that it was given, whatever joined the pod since.
    pub(crate) fn ports(&self) -> Option<Ports> {
        let args = self.container?.0.args.as_ref()?;
        let after = |flag: &str| args.iter().skip_while(|arg| *arg != flag).nth(1)?.parse::<u16>().ok().filter(|port| *port > 0);
        // Without metrics there is no flag for their port, but the container declares it.
        let declared = self.container?.0.ports.iter().flatten().find(|port| port.name.as_deref() == Some("dapr-metrics"));
        let metrics = after("--metrics-port").or_else(|| declared.and_then(|port| u16::try_from(port.container_port).ok()))?;
        Some(Ports {
            http: after("--dapr-http-port")?,
            grpc: after("--dapr-grpc-port")?,
            internal: after("--dapr-internal-grpc-port")?,
            public: after("--dapr-public-port")?,
            metrics,
        })
    }

    /// Whether it is the planned sidecar: the fields of identity and privilege say what the plan says. Resources, probes, added mounts and order may differ.
    pub(super) fn is(&self, planned: &Container, sidecar: &Sidecar) -> bool {
        let Some((found, init)) = self.container else { return false };
        let always = found.restart_policy.as_deref() == Some("Always");
        let image = found.image.as_deref().unwrap_or_default();
        let allowed = sidecar.allowed_images.as_ref().is_none_or(|all| all.iter().any(|pattern| fits(pattern, image)));
        let mounted = found
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| mount.mount_path == TOKEN_PATH && mount.name == crate::engine::plan::TOKEN_VOLUME);
        found.command.as_ref().is_none_or(Vec::is_empty)
            && found.args == planned.args
            && init == always
            && allowed
            && mounted
            && same_environment(found, planned)
            && found.security_context.as_ref().is_some_and(is_strict)
    }
}

/// Every planned variable is the last of its name and has the planned value.
fn same_environment(found: &Container, planned: &Container) -> bool {
    let last = |name: &str| found.env.iter().flatten().rev().find(|variable| variable.name == name);
    let same = |one: &EnvVar, other: &EnvVar| match (&one.value_from, &other.value_from) {
        (None, None) => one.value.as_deref().unwrap_or_default() == other.value.as_deref().unwrap_or_default(),
        (Some(one), Some(other)) => {
            one.field_ref.as_ref().map(|field| &field.field_path) == other.field_ref.as_ref().map(|field| &field.field_path)
        }
        _ => false,
    };
    let planned = planned.env.iter().flatten().filter(|variable| variable.name != GO_MEMORY_LIMIT);
    planned.into_iter().all(|variable| last(&variable.name).is_some_and(|found| same(found, variable)))
}

/// At least as strict as what podwire writes.
fn is_strict(context: &SecurityContext) -> bool {
    let capabilities = |capabilities: &Capabilities| {
        let dropped = capabilities.drop.iter().flatten().any(|name| name == "ALL");
        dropped && capabilities.add.as_ref().is_none_or(Vec::is_empty)
    };
    context.privileged != Some(true)
        && context.allow_privilege_escalation == Some(false)
        && context.run_as_non_root == Some(true)
        && context.run_as_user != Some(0)
        && context.read_only_root_filesystem == Some(true)
        && context.capabilities.as_ref().is_some_and(capabilities)
        && context.seccomp_profile.as_ref().is_some_and(|profile| profile.type_ != "Unconfined")
}

/// Whether a volume is the planned one: the same token and nothing beside it.
pub(super) fn is_token_volume(found: &Volume, planned: &Volume) -> bool {
    let sources = |volume: &Volume| volume.projected.as_ref().map(|projected| projected.sources.clone());
    sources(found) == sources(planned)
}
