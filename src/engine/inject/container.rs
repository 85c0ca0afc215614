//! The sidecar's container and volume, as Dapr 1.18's injector builds them (`pkg/injector/patcher`); docs/dapr.md lists what differs on purpose.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Lifecycle, LifecycleHandler, ObjectFieldSelector, Probe,
    ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecurityContext, ServiceAccountTokenProjection, SleepAction,
    TCPSocketAction, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use crate::api::names::{SIDECAR, TOKEN_VOLUME};
use crate::engine::plan::{Place, Section, Sidecar};
use crate::engine::snapshot::{PLACEMENT, SCHEDULER};

/// Where the identity token is mounted.
pub(super) const TOKEN_PATH: &str = "/var/run/secrets/dapr.io/sentrytoken";
/// The memory limit that Go's collector heeds: it follows from resources, which others may change.
pub(super) const GO_MEMORY_LIMIT: &str = "GOMEMLIMIT";
/// why 5: endpoints of a pod that ends are out of use after about that time; the application serves on meanwhile.
pub(super) const PRE_STOP_SECONDS: i64 = 5;
/// why 10: the application's preStop and five more seconds, in which it may still publish.
const BLOCK_SHUTDOWN_SECONDS: i64 = PRE_STOP_SECONDS + 5;
/// why 20: what daprd waits, its own five seconds of shutdown, and five to spare.
pub(super) const GRACE_SECONDS: i64 = BLOCK_SHUTDOWN_SECONDS + 10;
/// why 2: daprd serves its API within a second of its start.
const POST_START_SECONDS: i64 = 2;
/// why a year: the kubelet restarts a container whose startup probe failed so often, and a sidecar that waits for its broker is not broken.
const STARTUP_FAILURES: i32 = 365 * 24 * 60 * 60;

/// The container.
pub(super) fn container(sidecar: &Sidecar) -> Container {
    let native = matches!(sidecar.place, Place::Native(_));
    Container {
        name: SIDECAR.to_owned(),
        image: Some(sidecar.image.clone()),
        image_pull_policy: Some(sidecar.pull_policy.clone()),
        args: Some(args(sidecar)),
        env: Some(env(sidecar)),
        lifecycle: (!native && sidecar.hold).then(|| sleep_after_start(POST_START_SECONDS)),
        liveness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction { port: port(sidecar), ..Default::default() }),
            ..timing(180, 3, 10, 5)
        }),
        ports: Some(ports(sidecar)),
        readiness_probe: sidecar.probe_readiness.then(|| http_probe(sidecar, "/v1.0/healthz", timing(1, 1, 1, 5))),
        resources: Some(resources(sidecar)),
        restart_policy: native.then(|| "Always".to_owned()),
        security_context: Some(security_context(sidecar.user)),
        startup_probe: (native && sidecar.hold).then(|| {
            http_probe(sidecar, "/v1.0/healthz/outbound", Probe { initial_delay_seconds: None, ..timing(0, 1, 1, STARTUP_FAILURES) })
        }),
        volume_mounts: Some(vec![VolumeMount {
            name: TOKEN_VOLUME.to_owned(),
            mount_path: TOKEN_PATH.to_owned(),
            read_only: Some(true),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

/// The container as it is written: who it is first, as people write it.
pub(super) fn written(container: &Container) -> Value {
    let mut written = json!({ "name": container.name, "image": container.image });
    if let (Some(written), Value::Object(rest)) = (written.as_object_mut(), json!(container)) {
        written.extend(rest);
    }
    written
}

/// The volume of the token that Sentry checks.
pub(super) fn token_volume(sidecar: &Sidecar) -> Volume {
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

fn args(sidecar: &Sidecar) -> Vec<String> {
    let settings = &sidecar.settings;
    let service = |name: &str, port: u16| format!("{name}.{}.svc.{}:{port}", settings.dapr_namespace, settings.cluster_domain);
    let mut args = vec!["/daprd".to_owned()];
    let mut flag = |name: &str, value: Option<String>| {
        args.push(format!("--{name}"));
        args.extend(value);
    };
    flag("dapr-http-port", Some(sidecar.ports.http.to_string()));
    flag("dapr-grpc-port", Some(sidecar.ports.grpc.to_string()));
    flag("dapr-internal-grpc-port", Some(sidecar.ports.internal.to_string()));
    flag("dapr-listen-addresses", Some("[::1],127.0.0.1".to_owned()));
    flag("dapr-public-port", Some(sidecar.ports.public.to_string()));
    flag("app-id", Some(sidecar.app_id.clone()));
    flag("app-protocol", Some(sidecar.app_protocol.clone()));
    flag("log-level", Some(sidecar.log_level.clone()));
    flag("dapr-graceful-shutdown-seconds", Some("-1".to_owned()));
    flag("mode", Some("kubernetes".to_owned()));
    flag("control-plane-address", Some(service("dapr-api", 443)));
    flag("sentry-address", Some(service("dapr-sentry", 443)));
    if let Some(port) = sidecar.app_port {
        flag("app-port", Some(port.to_string()));
    }
    if sidecar.metrics {
        flag("enable-metrics", None);
        flag("metrics-port", Some(sidecar.ports.metrics.to_string()));
    } else {
        flag("enable-metrics=false", None);
    }
    if let Some(config) = &sidecar.config {
        flag("config", Some(config.clone()));
    }
    if sidecar.control_plane.placement {
        flag("placement-host-address", Some(service(PLACEMENT, 50005)));
    }
    if sidecar.without_secret_store {
        flag("disable-builtin-k8s-secret-store", None);
    }
    if sidecar.control_plane.mtls.unwrap_or(true) {
        flag("enable-mtls", None);
    }
    if sidecar.place == Place::Container {
        flag("dapr-block-shutdown-duration", Some(format!("{BLOCK_SHUTDOWN_SECONDS}s")));
    }
    if sidecar.control_plane.scheduler {
        flag("scheduler-host-address", Some(service(SCHEDULER, 443)));
    }
    flag("disable-init-endpoints", Some("subscribe,config".to_owned()));
    args
}

fn env(sidecar: &Sidecar) -> Vec<EnvVar> {
    let literal = |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None };
    let pod_name = ObjectFieldSelector { field_path: "metadata.name".to_owned(), ..Default::default() };
    let pod_name = EnvVarSource { field_ref: Some(pod_name), ..Default::default() };
    let mut env = vec![
        literal("NAMESPACE", &sidecar.namespace),
        literal("DAPR_TRUST_ANCHORS", &sidecar.trust_anchors),
        EnvVar { name: "POD_NAME".to_owned(), value: None, value_from: Some(pod_name) },
        literal("DAPR_CONTROLPLANE_NAMESPACE", &sidecar.settings.dapr_namespace),
        literal("DAPR_CONTROLPLANE_TRUST_DOMAIN", &sidecar.settings.trust_domain),
    ];
    env.extend(sidecar.env.iter().map(|(name, value)| literal(name, value)));
    if !sidecar.env.is_empty() {
        let names: Vec<&str> = sidecar.env.iter().map(|(name, _)| name.as_str()).collect();
        env.push(literal("DAPR_ENV_KEYS", &names.join(" ")));
    }
    let stated = sidecar.env.iter().any(|(name, _)| name == GO_MEMORY_LIMIT);
    env.extend(sidecar.go_memory_limit().filter(|_| !stated).map(|limit| literal(GO_MEMORY_LIMIT, &limit)));
    env
}

fn ports(sidecar: &Sidecar) -> Vec<ContainerPort> {
    let ports = sidecar.ports;
    let named = [("dapr-http", ports.http), ("dapr-grpc", ports.grpc), ("dapr-internal", ports.internal), ("dapr-metrics", ports.metrics)];
    let declare =
        |(name, port): (&str, u16)| ContainerPort { name: Some(name.to_owned()), container_port: port.into(), ..Default::default() };
    named.into_iter().map(declare).collect()
}

fn port(sidecar: &Sidecar) -> IntOrString {
    IntOrString::Int(sidecar.ports.public.into())
}

fn timing(delay: i32, timeout: i32, period: i32, failures: i32) -> Probe {
    Probe {
        initial_delay_seconds: Some(delay),
        timeout_seconds: Some(timeout),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        ..Default::default()
    }
}

fn http_probe(sidecar: &Sidecar, path: &str, timing: Probe) -> Probe {
    let get = HTTPGetAction { path: Some(path.to_owned()), port: port(sidecar), ..Default::default() };
    Probe { http_get: Some(get), ..timing }
}

/// What Pod Security `restricted` asks for.
fn security_context(user: Option<i64>) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: user,
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..Default::default()
    }
}

fn resources(sidecar: &Sidecar) -> ResourceRequirements {
    let amounts = |section| {
        let of = sidecar.amounts.iter().filter(|amount| amount.section == section);
        let amounts: BTreeMap<String, Written> = of.map(|amount| (amount.resource.clone(), Written(amount.value.to_string()))).collect();
        (!amounts.is_empty()).then_some(amounts)
    };
    ResourceRequirements { limits: amounts(Section::Limits), requests: amounts(Section::Requests), ..Default::default() }
}

/// A pause before anything behind the container is started; KEP-3960.
fn sleep_after_start(seconds: i64) -> Lifecycle {
    let sleep = LifecycleHandler { sleep: Some(SleepAction { seconds }), ..Default::default() };
    Lifecycle { post_start: Some(sleep), ..Default::default() }
}
