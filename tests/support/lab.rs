//! A control plane with the CRDs of Dapr and Knative, and kubectl in a few words.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, Error, Options, Tools};
use super::podwire::{Podwire, documents, installation};

/// Why something that was expected did not come.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure(format!("no JSON: {error}"))
    }
}

/// Asks until there is an answer, for so many seconds.
pub(crate) fn wait_for<T>(what: impl Display, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if start.elapsed() > Duration::from_secs(seconds) {
            return Err(Failure(format!("after {seconds} s it is still not so that {what}")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A control plane with what podwire expects of a cluster.
pub(crate) struct Lab {
    pub(crate) plane: ControlPlane,
}

impl Lab {
    /// Starts the control plane; with the CRDs of Dapr and Knative, and podwire's permissions.
    pub(crate) fn start(tools: &Tools, options: &Options) -> Result<Self, Failure> {
        let lab = Lab { plane: ControlPlane::start_with(tools, options)? };
        let ours = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds"));
        for folder in [&tools.dapr_crds, &tools.knative_crds, &ours] {
            lab.kubectl(&["apply", "--server-side", "-f", &folder.display().to_string()])?;
        }
        lab.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        lab.apply(&installation())?;
        lab.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "dapr-system" } }))?;
        Ok(lab)
    }

    /// Runs kubectl; its standard output, where it succeeds.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.try_kubectl(arguments, None)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure(format!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))))
    }

    /// Runs kubectl with a text on its standard input, whatever comes of it.
    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<Output, Failure> {
        let mut command = self.plane.kubectl();
        command.args(arguments).stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            pipe.write_all(input.as_bytes())?;
        }
        Ok(child.wait_with_output()?)
    }

    /// Applies an object, or the items of a List.
    pub(crate) fn apply(&self, object: &Value) -> Result<(), Failure> {
        self.send(&["apply", "-f", "-"], object).map(drop)
    }

    /// Creates an object and answers what it became; with `--dry-run=server` among `more`, what it would become.
    pub(crate) fn create(&self, object: &Value, more: &[&str]) -> Result<Value, Failure> {
        let arguments: Vec<&str> =
            ["create", "--validate=false", "-o", "json", "-f", "-"].into_iter().chain(more.iter().copied()).collect();
        Ok(serde_json::from_str(&self.send(&arguments, object)?)?)
    }

    fn send(&self, arguments: &[&str], object: &Value) -> Result<String, Failure> {
        let output = self.try_kubectl(arguments, Some(&object.to_string()))?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(Failure(error.into_owned())) }
    }

    /// `kubectl get … -o json`.
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let arguments: Vec<&str> = ["get", "-o", "json"].into_iter().chain(arguments.iter().copied()).collect();
        Ok(serde_json::from_str(&self.kubectl(&arguments)?)?)
    }

    /// The pods of a namespace with a label, as soon as there are so many.
    pub(crate) fn pods(&self, namespace: &str, selector: &str, count: usize) -> Result<Vec<Value>, Failure> {
        wait_for(format!("{count} pods of {selector} are in {namespace}"), 30, || {
            let list = self.get(&["pods", "-n", namespace, "-l", selector]).ok()?;
            let pods: Vec<Value> =
                list["items"].as_array()?.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned().collect();
            (pods.len() == count).then_some(pods)
        })
    }

    /// A namespace with labels, ready to take pods.
    pub(crate) fn namespace(&self, name: &str, labels: &Value) -> Result<(), Failure> {
        self.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } }))?;
        wait_for(format!("namespace {name} has its service account"), 30, || self.get(&["serviceaccount", "default", "-n", name]).ok())
            .map(drop)
    }

    /// How a webhook at this address is called.
    pub(crate) fn client_config(&self, url: &str) -> Value {
        json!({ "url": url, "caBundle": STANDARD.encode(self.plane.ca_pem()) })
    }

    /// Registers podwire as it ships, and waits until the API server calls it.
    pub(crate) fn register(&self, podwire: &Podwire) -> Result<(), Failure> {
        self.apply(&podwire.registration(self))?;
        let probe = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "probe", "namespace": "default", "annotations": { "podwire.io/style": "none" } },
            "spec": { "containers": [{ "name": "app", "image": "none" }] },
        });
        let before = podwire.requests()?;
        wait_for("the API server calls podwire", 30, || {
            self.create(&probe, &["--dry-run=server"]).ok()?;
            podwire.requests().ok().filter(|requests| *requests > before)
        })
        .map(drop)
    }

    /// Creates the objects of a snapshot, and writes the status of its Brokers: no Knative runs here.
    pub(crate) fn apply_snapshot(&self, text: &str) -> Result<(), Failure> {
        for object in documents(text) {
            self.apply(&object)?;
            if object["kind"] == "Broker" {
                self.write_status(&object)?;
            }
        }
        Ok(())
    }

    fn write_status(&self, broker: &Value) -> Result<(), Failure> {
        let text = |field: &str| broker["metadata"][field].as_str().unwrap_or("default").to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let patch = |kind: &str, patch: Value| {
            let patch = patch.to_string();
            let mut arguments = vec!["patch", "broker", &name, "-n", &namespace, "--type=merge", "-p", &patch];
            arguments.extend((kind == "status").then_some("--subresource=status"));
            self.kubectl(&arguments).map(drop)
        };
        if !broker["status"].is_null() {
            patch("status", json!({ "status": broker["status"] }))?;
        }
        // A Broker that is ahead of its status: the API server counts its generations.
        let generations = broker["metadata"]["generation"].as_i64().unwrap_or(1);
        (1..generations).try_for_each(|number| patch("spec", json!({ "spec": { "delivery": { "retry": number } } })))
    }

    /// Applies a file of the repository.
    pub(crate) fn apply_file(&self, path: &str) -> Result<(), Failure> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        self.kubectl(&["apply", "-f", &path.display().to_string()]).map(drop)
    }
}
