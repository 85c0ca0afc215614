//! What in a pod is podwire's already. It is recognised by its content; the record that podwire leaves is never read here.

use k8s_openapi::api::core::v1::{Capabilities, Container, EnvVar, EnvVarSource, LifecycleHandler, Probe, SecurityContext, VolumeMount};

use super::variables::GO_MEMORY_LIMIT;
use crate::api::names::{BROKERS_CONFIG_MAP, SIDECAR, TOKEN_VOLUME};
use crate::api::policy::fits_image;
use crate::engine::intent::{RESERVED, overlaps};
use crate::engine::plan::{Fact, Ports, Sidecar};
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

    /// What makes it another container than the planned sidecar, if anything: the fields of identity and privilege say what the plan says. Resources, the timing of probes, added mounts and variables, and order may differ.
    pub(super) fn difference(&self, planned: &Container, sidecar: &Sidecar) -> Option<String> {
        let (found, init) = self.container?;
        // A container of `containers` may state a restart policy too, from Kubernetes 1.35 on: ours states none.
        let restarts = found.restart_policy == init.then(|| "Always".to_owned());
        let image = found.image.as_deref().unwrap_or_default();
        let allowed = sidecar.allowed_images.as_ref().is_none_or(|all| all.iter().any(|pattern| fits_image(pattern, image)));
        let host_port = found.ports.iter().flatten().any(|port| port.host_port.is_some_and(|port| port != 0));
        let parts = [
            ("command", found.command.as_ref().is_none_or(Vec::is_empty)),
            ("restartPolicy", restarts),
            ("image", allowed),
            ("lifecycle, probes or devices", runs_nothing_else(found)),
            ("volumeMounts", same_mounts(found, planned)),
            ("hostPort", !host_port),
            ("securityContext", found.security_context.as_ref().is_some_and(|context| is_strict(context, &sidecar.options.seccomp))),
        ];
        let part = parts.into_iter().find_map(|(part, same)| (!same).then(|| part.to_owned()));
        part.or_else(|| other_argument(found, planned)).or_else(|| other_variable(found, planned))
    }
}

/// The first argument that the container has and the plan has not, or the other way round.
fn other_argument(found: &Container, planned: &Container) -> Option<String> {
    let args = |container: &Container| container.args.clone().unwrap_or_default();
    let (found, planned) = (args(found), args(planned));
    let at = found.iter().zip(&planned).position(|(one, other)| one != other).unwrap_or(found.len().min(planned.len()));
    let other = found.get(at).or(planned.get(at))?;
    Some(format!("args {other}"))
}

/// No hook and no probe runs a command in it or calls another host, and no device is mapped into it.
fn runs_nothing_else(found: &Container) -> bool {
    let hook = |handler: &LifecycleHandler| handler.exec.is_none() && handler.http_get.is_none() && handler.tcp_socket.is_none();
    let probe = |probe: &Probe| {
        let hosts = [probe.http_get.as_ref().map(|get| &get.host), probe.tcp_socket.as_ref().map(|socket| &socket.host)];
        probe.exec.is_none() && hosts.into_iter().flatten().all(Option::is_none)
    };
    let hooks = found.lifecycle.iter().flat_map(|lifecycle| [&lifecycle.post_start, &lifecycle.pre_stop]).flatten();
    let probes = [&found.liveness_probe, &found.readiness_probe, &found.startup_probe].into_iter().flatten();
    let devices = found.volume_devices.as_ref().is_none_or(Vec::is_empty);
    devices && hooks.into_iter().all(hook) && probes.into_iter().all(probe)
}

/// Every planned mount is there, the token is mounted nowhere else, and nothing lies over one of them or over the program.
fn same_mounts(found: &Container, planned: &Container) -> bool {
    let as_planned = |mount: &VolumeMount| VolumeMount {
        recursive_read_only: None,
        mount_propagation: None,
        read_only: mount.read_only.filter(|read_only| *read_only),
        ..mount.clone()
    };
    let found: Vec<VolumeMount> = found.volume_mounts.iter().flatten().map(as_planned).collect();
    let planned = planned.volume_mounts.as_deref().unwrap_or_default();
    let covers = |mount: &VolumeMount| {
        let kept = planned.iter().map(|planned| planned.mount_path.as_str()).chain(["/daprd", "/dlv"]);
        kept.into_iter().any(|kept| overlaps(&mount.mount_path, kept))
    };
    let others = found.iter().filter(|mount| !planned.contains(mount));
    planned.iter().all(|mount| found.contains(mount)) && !others.into_iter().any(|mount| mount.name == TOKEN_VOLUME || covers(mount))
}

/// Where a variable is taken from, less what the API server fills in.
fn source(from: &EnvVarSource) -> EnvVarSource {
    let mut from = from.clone();
    if let Some(field) = &mut from.field_ref {
        field.api_version = None;
    }
    from
}

/// The first variable that is not as planned. Every planned one is the last of its name and has the planned value; of the reserved names there is none beside those.
fn other_variable(found: &Container, planned: &Container) -> Option<String> {
    let last = |name: &str| found.env.iter().flatten().rev().find(|variable| variable.name == name);
    let same = |one: &EnvVar, other: &EnvVar| match (&one.value_from, &other.value_from) {
        (None, None) => one.value.as_deref().unwrap_or_default() == other.value.as_deref().unwrap_or_default(),
        (Some(one), Some(other)) => source(one) == source(other),
        _ => false,
    };
    let is_planned = |name: &str| planned.env.iter().flatten().any(|variable| variable.name == name);
    // Clusters that bring certificates of their own set SSL_CERT_DIR everywhere.
    let reserved = |name: &str| RESERVED.contains(&name) && name != "SSL_CERT_DIR" && !is_planned(name);
    // What `envFrom` brings cannot be seen.
    if found.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return Some("envFrom".to_owned());
    }
    let added = found.env.iter().flatten().find(|variable| reserved(&variable.name));
    let mut wanted = planned.env.iter().flatten().filter(|variable| variable.name != GO_MEMORY_LIMIT);
    let other = added.or_else(|| wanted.find(|variable| last(&variable.name).is_none_or(|found| !same(found, variable))));
    other.map(|variable| format!("env {}", variable.name))
}

/// Whether a variable takes this fact of a Broker from where podwire lets it be taken.
pub(super) fn refers(stated: &EnvVar, fact: &Fact) -> bool {
    let reference = stated.value_from.as_ref().and_then(|source| source.config_map_key_ref.as_ref());
    reference.is_some_and(|reference| {
        let optional = reference.optional.unwrap_or_default();
        reference.name == BROKERS_CONFIG_MAP && reference.key == fact.key() && optional == fact.is_optional()
    })
}

/// At least as strict as what podwire writes.
fn is_strict(context: &SecurityContext, seccomp: &str) -> bool {
    let capabilities = |capabilities: &Capabilities| {
        let dropped = capabilities.drop.iter().flatten().any(|name| name == "ALL");
        dropped && capabilities.add.as_ref().is_none_or(Vec::is_empty)
    };
    context.privileged != Some(true)
        && context.allow_privilege_escalation == Some(false)
        && context.run_as_non_root == Some(true)
        && context.run_as_user != Some(0)
        && context.read_only_root_filesystem == Some(true)
        && context.proc_mount.as_deref().is_none_or(|mount| mount == "Default")
        && context.app_armor_profile.as_ref().is_none_or(|profile| profile.type_ != "Unconfined")
        && context.windows_options.is_none()
        && context.capabilities.as_ref().is_some_and(capabilities)
        && context.seccomp_profile.as_ref().is_some_and(|profile| profile.type_ != "Unconfined" || seccomp == "Unconfined")
}
