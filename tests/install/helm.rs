//! Helm, and a cluster to which it installs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::node::{Node, Server};
use crate::support::client::client;
use crate::support::control_plane::{Error, Options, Tools, tools};
use crate::support::egress::Egress;
use crate::support::lab::{Failure, Lab, wait_for};

/// The chart.
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/podwire");
/// Where it is installed.
pub(crate) const NAMESPACE: &str = "podwire-system";

/// Programs beside those of a control plane.
pub(crate) struct ChartTools {
    /// Helm 4 and Helm 3.
    pub(crate) helms: [PathBuf; 2],
    /// CRDs of kinds that the chart can write and that others define.
    pub(crate) crds: PathBuf,
    pub(crate) helm_docs: PathBuf,
    pub(crate) actionlint: PathBuf,
    pub(crate) dockerfile_lint: PathBuf,
}

impl ChartTools {
    pub(crate) fn locate() -> Result<Self, Error> {
        let find = tools(&["helm", "helm3", "helm-docs", "chart-crds", "lint"])?;
        Ok(ChartTools {
            helms: [find("PODWIRE_HELM")?, find("PODWIRE_HELM3")?],
            crds: find("PODWIRE_CHART_CRDS")?,
            helm_docs: find("PODWIRE_HELM_DOCS")?,
            actionlint: find("PODWIRE_ACTIONLINT")?,
            dockerfile_lint: find("PODWIRE_DOCKERFILE_LINT")?,
        })
    }
}

/// A control plane whose API server reaches Services, a node for podwire's pods, and a Helm.
pub(crate) struct Cluster {
    pub(crate) lab: Lab,
    pub(crate) egress: Egress,
    pub(crate) node: Node,
    pub(crate) client: Client,
    pub(crate) runtime: Arc<Runtime>,
    helm: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// Does something with one. Where it fails the logs stay, and the failure says where they are.
    pub(crate) fn with(tools: &Tools, helm: &Path, work: impl FnOnce(&Cluster) -> Result<(), Failure>) -> Result<(), Failure> {
        let cluster = Cluster::start(tools, helm)?;
        work(&cluster).map_err(|failure| {
            cluster.lab.plane.keep_on_failure();
            Failure::new(format!("{failure}\nlogs: {}", cluster.lab.plane.dir().display()))
        })
    }

    fn start(tools: &Tools, helm: &Path) -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        let egress = Egress::start(folder.path())?;
        let options = Options { api_server: vec![egress.flag()], ..Options::default() };
        let lab = Lab::with_kinds(tools, &options, &[&tools.dapr_crds, &tools.knative_crds])?;
        let runtime = Arc::new(Runtime::new()?);
        let client = runtime.block_on(client(lab.plane.kubeconfig()))?;
        // As an admin makes it who means what he says.
        lab.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": NAMESPACE, "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        }))?;
        let node = Node::start(&lab, &runtime, client.clone());
        Ok(Cluster { lab, egress, node, client, runtime, helm: helm.to_owned(), folder })
    }

    /// Runs Helm in podwire's namespace.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.try_helm(arguments)?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(Failure::new(format!("helm {}: {error}", arguments.join(" ")))) }
    }

    /// The same, whatever comes of it.
    pub(crate) fn try_helm(&self, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = helm(&self.helm, self.folder.path());
        Ok(command.env("KUBECONFIG", self.lab.plane.kubeconfig()).args(["--namespace", NAMESPACE]).args(arguments).output()?)
    }

    /// Runs replicas of the webhook, and leads the API server to them.
    pub(crate) fn webhooks(&self, count: usize) -> Result<Vec<Server>, Failure> {
        let all: Vec<Server> = (0..count).map(|_| self.node.run(&self.lab, NAMESPACE, "podwire-webhook")).collect::<Result<_, _>>()?;
        self.egress.lead_to(all.iter().map(|server| server.port).collect());
        Ok(all)
    }

    /// Runs a replica of the controller.
    pub(crate) fn controller(&self) -> Result<Server, Failure> {
        self.node.run(&self.lab, NAMESPACE, "podwire-controller")
    }

    /// Waits until all of them are ready.
    pub(crate) fn ready(&self, servers: &[&Server]) -> Result<(), Failure> {
        let ready = wait_for("podwire is ready", 30, || servers.iter().all(|server| server.is_ready()).then_some(()));
        ready.map_err(|failure| Failure::new(format!("{failure}; {}", servers.iter().map(|server| server.log()).collect::<String>())))
    }

    /// A pod that asks: what it would become, or why it would be refused. Nothing is created.
    pub(crate) fn ask(&self, namespace: &str) -> Result<Result<Value, String>, Failure> {
        let pod = asking(namespace);
        let output = self.lab.try_kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], Some(&pod.to_string()))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if output.status.success() { Ok(serde_json::from_slice(&output.stdout)?) } else { Err(error) })
    }

    /// Waits until a pod that asks is wired.
    pub(crate) fn wires(&self) -> Result<(), Failure> {
        let mut last = String::new();
        let wired = wait_for("a pod that asks is wired", 30, || {
            let asked = self.ask("default").ok()?;
            last = format!("{asked:?}");
            asked.ok().filter(is_wired).map(drop)
        });
        wired.map_err(|failure| Failure::new(format!("{failure}; last: {last}")))
    }
}

/// Helm with folders of its own, and nobody else's settings.
pub(crate) fn helm(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (variable, name) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")] {
        command.env(variable, folder.join(name));
    }
    command
}

pub(crate) fn is_wired(pod: &Value) -> bool {
    pod["metadata"]["labels"]["podwire.io/app-id"] == "web" && !pod["metadata"]["annotations"]["podwire.io/wired"].is_null()
}

/// A pod that publishes to a Broker.
pub(crate) fn asking(namespace: &str) -> Value {
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/publish": "orders", "podwire.io/app-id": "web" });
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    })
}
