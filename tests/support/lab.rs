//! A control plane with the CRDs of Dapr and Knative, and kubectl in a few words.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::Caller;
use super::control_plane::{ControlPlane, Error, Options, Tools};
pub(crate) use super::failure::{Failure, wait_for};
use super::http;
use super::podwire::{Podwire, documents, installation};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(error.to_string())
    }
}

/// A control plane with what podwire expects of a cluster.
pub(crate) struct Lab {
    caller: Caller,
    pub(crate) plane: ControlPlane,
}

impl Lab {
    /// Starts the control plane; with the CRDs of Dapr and Knative, and podwire's permissions.
    pub(crate) fn start(tools: &Tools, options: &Options) -> Result<Self, Failure> {
        let ours = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds"));
        let lab = Lab::with_kinds(tools, options, &[&tools.dapr_crds, &tools.knative_crds, &ours])?;
        lab.apply(&installation())?;
        lab.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "dapr-system" } }))?;
        Ok(lab)
    }

    /// Starts the control plane, with the CRDs of these folders and nothing of podwire's.
    pub(crate) fn with_kinds(tools: &Tools, options: &Options, folders: &[&PathBuf]) -> Result<Self, Failure> {
        let plane = ControlPlane::start_with(tools, options)?;
        let lab = Lab { caller: Caller::new(plane.kubeconfig())?, plane };
        for folder in folders {
            lab.kubectl(&["apply", "--server-side", "-f", &folder.display().to_string()])?;
        }
        lab.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
        Ok(lab)
    }

    /// Runs kubectl; its standard output, where it succeeds.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.try_kubectl(arguments, None)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(format!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))))
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
        self.caller.apply(object)
    }

    /// Creates an object: what it became.
    pub(crate) fn create(&self, object: &Value) -> Result<Value, Failure> {
        self.caller.create(object, false)
    }

    /// What an object would become.
    pub(crate) fn dry_run(&self, object: &Value) -> Result<Value, Failure> {
        self.caller.create(object, true)
    }

    /// [`Caller::get`].
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value, Failure> {
        self.caller.get(arguments)
    }

    /// [`Caller::find`].
    pub(crate) fn find(&self, arguments: &[&str]) -> Result<Option<Value>, Failure> {
        self.caller.find(arguments)
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
        self.apply(&podwire.reviews(self))?;
        let probe = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "probe", "namespace": "default", "annotations": { "podwire.io/style": "none" } },
            "spec": { "containers": [{ "name": "app", "image": "none" }] },
        });
        let before = podwire.requests()?;
        wait_for("the API server calls podwire", 30, || {
            self.dry_run(&probe).ok()?;
            podwire.requests().ok().filter(|requests| *requests > before)
        })?;
        let mut copied = probe;
        copied["metadata"] = json!({ "name": "probe", "namespace": "default", "labels": { "podwire.io/app-id": "probe" } });
        wait_for("the API server asks podwire for reviews", 30, || self.dry_run(&copied).err()).map(drop)
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

    /// Stops the API server and starts it again; what is done meanwhile finds it gone.
    pub(crate) fn restart_api_server(&self, meanwhile: impl FnOnce(&Lab) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut done = Ok(());
        self.plane.restart_api_server(|| {
            done = meanwhile(self);
            Ok(())
        })?;
        done
    }

    /// Deletes an object behind the API server's back, by its key: `/registry/eventing.knative.dev/triggers/shop/orders`. No watch tells of it
    /// where the API server is down, and every watch has expired when it is back.
    pub(crate) fn delete_from_etcd(&self, key: &str) -> Result<(), Failure> {
        let body = json!({ "key": STANDARD.encode(key) }).to_string();
        let (status, answer) = http::request(("127.0.0.1", self.plane.etcd()), "POST", "/v3/kv/deleterange", &body)?;
        // What is deleted is counted, as a text.
        if status == 200 && answer.contains(r#""deleted":"1""#) { Ok(()) } else { Err(Failure::new(format!("{key}: {status} {answer}"))) }
    }

    /// How many requests that write the API server has answered, by resource (`triggers.eventing.knative.dev`, `wirings.podwire.io/status`),
    /// whoever sent them.
    pub(crate) fn writes(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let text = self.kubectl(&["get", "--raw=/metrics"])?;
        let mut writes = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
            let label = |name: &str| Some(line.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
            let of = |name: &str, before: &str| {
                label(name).filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!("{before}{text}"))
            };
            if ["APPLY", "DELETE", "PATCH", "POST", "PUT"].contains(&label("verb").unwrap_or_default().as_str()) {
                let resource = format!("{}{}{}", of("resource", ""), of(",group", "."), of("subresource", "/"));
                let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or_default();
                *writes.entry(resource).or_default() += count as u64;
            }
        }
        Ok(writes)
    }
}
