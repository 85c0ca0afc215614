//! podwire on the node, by its chart.

use serde_json::json;

use super::images::PODWIRE;
use super::{Failure, Node};

pub(crate) const NAMESPACE: &str = "podwire-system";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/podwire");

/// Installs podwire by its chart, with two replicas and certificates of its own, into a `restricted` namespace.
pub(crate) fn install(node: &Node) -> Result<(), Failure> {
    node.apply(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
    }))?;
    let image = [format!("image.repository={}", PODWIRE.0), format!("image.tag={}", PODWIRE.1)];
    let sentry = node.get(&["deployment", "dapr-sentry", "-n", "dapr-system"])?;
    let sentry = sentry["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
    let sidecar = format!("sidecarImage={}", sentry.replace("/sentry:", "/daprd:"));
    // A node of two cores holds many of them.
    let small = ["app", "sidecar"].map(|who| format!("policy.spec.resources.{who}.default.requests.cpu=5m"));
    let all = [&image[0], &image[1], &sidecar, &small[0], &small[1], "image.pullPolicy=Never", "controller.grace=10s"];
    let values: Vec<&str> = all.into_iter().flat_map(|value| ["--set", value]).collect();
    node.helm(&[["install", "podwire", CHART, "--namespace", NAMESPACE, "--wait", "--timeout", "120s"].as_slice(), &values].concat())
        .map_err(|failure| {
            let state = node.kubectl(&["get", "pods,events", "-n", NAMESPACE]).unwrap_or_default();
            let logs = node
                .kubectl(&["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=podwire", "--prefix", "--tail=20"])
                .unwrap_or_default();
            Failure::new(format!("{failure}\n{state}\n{logs}"))
        })?;
    Ok(())
}
