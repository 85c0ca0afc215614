//! The sidecar's ports: the usual ones, or others where a container of the pod declares them.

use std::collections::BTreeSet;

use super::Case;
use crate::api::names::{Port, SIDECAR};
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding, Subject};

/// Where the sidecar listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) grpc: u16,
    pub(crate) internal: u16,
    pub(crate) public: u16,
    pub(crate) metrics: u16,
}

/// Where Dapr's injector lets daprd listen.
pub(crate) const USUAL: Ports = Ports { http: 3500, grpc: 50001, internal: 50002, public: 3501, metrics: 9090 };

impl Ports {
    /// Whether the port that a variable of Dapr's names is another than usual.
    pub(crate) fn moved(self, variable: &str) -> bool {
        match variable {
            "DAPR_GRPC_PORT" => self.grpc != USUAL.grpc,
            "DAPR_HTTP_PORT" => self.http != USUAL.http,
            _ => false,
        }
    }
}

/// why ten thousand: 3500 becomes 13500, which people recognise; why a hundred: a pod that declares more of them means it.
const STEP: u16 = 10_000;
const TRIES: u16 = 100;

/// Where daprd serves profiles.
const PROFILES: u16 = 7777;

/// Decides the ports; `found` are those of a sidecar that is in the pod already, which keeps them.
pub(super) fn decide(case: Case, found: Option<Ports>, findings: &mut Vec<Finding>) -> Ports {
    let Case { request, intent, .. } = case;
    if let Some(found) = found {
        return found;
    }
    let options = &intent.sidecar;
    let mut free = Free { taken: declared(request), none_left: false };
    free.taken.extend(intent.app_port.map(Port::number));
    let [http, public] = [USUAL.http, USUAL.public].map(|usual| free.near(usual));
    // What is stated stays; the others move out of its way.
    let stated = [
        ("dapr.io/grpc-port", options.grpc_port),
        ("dapr.io/internal-grpc-port", options.internal_grpc_port),
        ("dapr.io/metrics-port", options.metrics_port),
    ];
    for (key, port) in stated.into_iter().filter_map(|(key, port)| Some((key, port?))) {
        if !free.taken.insert(port.number()) {
            let allowed = "allowed: a port that neither a container of the pod nor the sidecar uses";
            findings.push(Finding::annotation(Code::DaprInvalidValue, key, &port.to_string(), allowed));
        }
    }
    let servers = [("dapr.io/enable-debug", options.debugger()), ("dapr.io/enable-profiling", options.profiling.then_some(PROFILES))];
    for (key, port) in servers.into_iter().filter_map(|(key, port)| Some((key, port?))) {
        if !free.taken.insert(port) {
            let allowed = format!("it needs port {port}, which a container of the pod or the sidecar uses");
            findings.push(Finding::annotation(Code::DaprInvalidValue, key, "true", allowed));
        }
    }
    let mut or_near = |stated: Option<Port>, usual| stated.map_or_else(|| free.near(usual), Port::number);
    let grpc = or_near(options.grpc_port, USUAL.grpc);
    let internal = or_near(options.internal_grpc_port, USUAL.internal);
    let metrics = or_near(options.metrics_port, USUAL.metrics);
    if free.none_left {
        let subject = Subject::Field("spec.containers".to_owned());
        findings.push(Finding::new(Code::NoPortLeft, subject, "declare fewer ports between 13500 and 60101"));
    }
    Ports { http, grpc, internal, public, metrics }
}

/// Which ports of the pod are free.
struct Free {
    taken: BTreeSet<u16>,
    none_left: bool,
}

impl Free {
    /// Takes the usual port, or the first free one that people recognise as its stand-in.
    fn near(&mut self, usual: u16) -> u16 {
        let others = (0..TRIES).filter_map(|more| usual.checked_add(STEP)?.checked_add(more));
        let free = std::iter::once(usual).chain(others).find(|port| !self.taken.contains(port));
        self.none_left |= free.is_none();
        self.taken.extend(free);
        free.unwrap_or(usual)
    }
}

fn declared(request: &PodRequest) -> BTreeSet<u16> {
    let Some(spec) = &request.view.spec else { return BTreeSet::new() };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter(|container| container.name != SIDECAR);
    containers.flat_map(|container| container.ports.iter().flatten()).filter_map(|port| u16::try_from(port.container_port).ok()).collect()
}
