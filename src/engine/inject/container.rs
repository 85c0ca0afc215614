//! The sidecar's container, as Dapr 1.18's injector builds them (`pkg/injector/patcher`); docs/dapr.md lists what differs on purpose.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ResourceRequirements, SeccompProfile,
    SecurityContext, SleepAction, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::{arguments, variables, volumes};
use crate::api::names::SIDECAR;
use crate::engine::intent::Timing;
use crate::engine::plan::{Place, Section, Sidecar};

/// why 5: endpoints of a pod that ends are out of use after about that time; the application serves on meanwhile.
pub(super) const PRE_STOP_SECONDS: i64 = 5;
/// why 10: the application's preStop and five more seconds, in which it may still publish.
pub(super) const BLOCK_SHUTDOWN_SECONDS: i64 = PRE_STOP_SECONDS + 5;
/// why 2: daprd serves its API within a second of its start.
const POST_START_SECONDS: i64 = 2;
/// why a year: the kubelet restarts a container whose startup probe failed so often, and a sidecar that waits for its broker is not broken.
const STARTUP_FAILURES: i32 = 365 * 24 * 60 * 60;

/// The time that the pod needs to end: what daprd waits, its own shutdown (five seconds unless stated), and five to spare.
pub(super) fn grace_seconds(sidecar: &Sidecar) -> i64 {
    let block = sidecar.options.block_shutdown.as_ref().map(|block| block.length.as_secs_f64().ceil() as i64);
    let own = Some(sidecar.options.graceful_shutdown).filter(|seconds| *seconds >= 0).unwrap_or(5);
    block.unwrap_or(BLOCK_SHUTDOWN_SECONDS) + own + 5
}

/// The container.
pub(super) fn container(sidecar: &Sidecar) -> Container {
    let native = matches!(sidecar.place, Place::Native(_));
    Container {
        name: SIDECAR.to_owned(),
        image: Some(sidecar.image.clone()),
        image_pull_policy: Some(sidecar.pull_policy.clone()),
        args: Some(arguments::of(sidecar)),
        env: Some(variables::of(sidecar)),
        lifecycle: (!native && sidecar.hold).then(|| sleep_after_start(POST_START_SECONDS)),
        liveness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction { port: port(sidecar), ..Default::default() }),
            ..timing(sidecar.options.liveness)
        }),
        ports: Some(ports(sidecar)),
        readiness_probe: sidecar.probe_readiness.then(|| http_probe(sidecar, "/v1.0/healthz", timing(sidecar.options.readiness))),
        resources: Some(resources(sidecar)),
        restart_policy: native.then(|| "Always".to_owned()),
        security_context: Some(security_context(sidecar)),
        startup_probe: (native && sidecar.hold).then(|| {
            let often = Timing { delay: 0, timeout: 1, period: 1, threshold: STARTUP_FAILURES };
            http_probe(sidecar, "/v1.0/healthz/outbound", timing(often))
        }),
        volume_mounts: Some(volumes::mounts(sidecar)),
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

fn ports(sidecar: &Sidecar) -> Vec<ContainerPort> {
    let ports = sidecar.ports;
    let named = [("dapr-http", ports.http), ("dapr-grpc", ports.grpc), ("dapr-internal", ports.internal), ("dapr-metrics", ports.metrics)];
    let debug = sidecar.options.debugger().map(|port| ("dapr-debug", port));
    let declare =
        |(name, port): (&str, u16)| ContainerPort { name: Some(name.to_owned()), container_port: port.into(), ..Default::default() };
    named.into_iter().chain(debug).map(declare).collect()
}

fn port(sidecar: &Sidecar) -> IntOrString {
    IntOrString::Int(sidecar.ports.public.into())
}

fn timing(timing: Timing) -> Probe {
    Probe {
        // The API server leaves it out as well.
        initial_delay_seconds: Some(timing.delay).filter(|delay| *delay != 0),
        timeout_seconds: Some(timing.timeout),
        period_seconds: Some(timing.period),
        failure_threshold: Some(timing.threshold),
        ..Default::default()
    }
}

fn http_probe(sidecar: &Sidecar, path: &str, timing: Probe) -> Probe {
    let get = HTTPGetAction { path: Some(path.to_owned()), port: port(sidecar), ..Default::default() };
    Probe { http_get: Some(get), ..timing }
}

/// What Pod Security `restricted` asks for, but for a seccomp profile that the policy lets the application choose.
fn security_context(sidecar: &Sidecar) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: sidecar.user,
        seccomp_profile: Some(SeccompProfile { type_: sidecar.options.seccomp.clone(), localhost_profile: None }),
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
