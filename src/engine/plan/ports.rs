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

/// Decides the ports; `found` are those of a sidecar that is in the pod already, which keeps them.
pub(super) fn decide(case: Case, found: Option<Ports>, findings: &mut Vec<Finding>) -> Ports {
    let Case { request, intent, .. } = case;
    if let Some(found) = found {
        return found;
    }
    let mut taken = declared(request);
    taken.extend(intent.app_port.map(Port::number));
    let mut next = |usual: u16| {
        let others = (0..TRIES).filter_map(|more| usual.checked_add(STEP)?.checked_add(more));
        let free = std::iter::once(usual).chain(others).find(|port| !taken.contains(port));
        taken.insert(free.unwrap_or(usual));
        free
    };
    let metrics = intent.sidecar.metrics_port.map_or(USUAL.metrics, Port::number);
    let decided = [USUAL.http, USUAL.grpc, USUAL.internal, USUAL.public, metrics].map(&mut next);
    if let Some(stated) = intent.sidecar.metrics_port.filter(|port| decided[4] != Some(port.number())) {
        let allowed = "allowed: a port that neither a container of the pod nor the sidecar uses";
        findings.push(Finding::annotation(Code::DaprInvalidValue, "dapr.io/metrics-port", &stated.to_string(), allowed));
    } else if decided.contains(&None) {
        findings.push(Finding::new(
            Code::NoPortLeft,
            Subject::Field("spec.containers".to_owned()),
            "declare fewer ports between 13500 and 60101",
        ));
    }
    let [http, grpc, internal, public, metrics] = decided.map(|port| port.unwrap_or_default());
    Ports { http, grpc, internal, public, metrics }
}

fn declared(request: &PodRequest) -> BTreeSet<u16> {
    let Some(spec) = &request.view.spec else { return BTreeSet::new() };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter(|container| container.name != SIDECAR);
    containers.flat_map(|container| container.ports.iter().flatten()).filter_map(|port| u16::try_from(port.container_port).ok()).collect()
}
