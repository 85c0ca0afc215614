//! What a kubelet does, as far as podwire's own pods need one: runs a container of a Deployment as a process, with its ServiceAccount's permissions, its arguments and its volumes, and brings changed Secrets and ConfigMaps into the files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::Api;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::control_plane::Process;
use crate::support::http;
use crate::support::lab::{Failure, Lab};
use crate::support::podwire::free_port;

/// How long a change of a Secret takes into the files. A kubelet takes up to two minutes; podwire's overlap is as much longer there as it is here.
const TRAVEL: Duration = Duration::from_millis(300);

/// A node. Dropping it stops its volumes.
pub(crate) struct Node {
    dir: PathBuf,
    client: Client,
    runtime: Arc<Runtime>,
    pods: AtomicUsize,
    volumes: Arc<Mutex<Vec<Volume>>>,
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

/// A Secret or ConfigMap in files.
struct Volume {
    namespace: String,
    source: Source,
    /// Keys, and the files that they become; without it every key is a file.
    items: Option<Vec<(String, String)>>,
    folder: PathBuf,
    revision: usize,
    held: BTreeMap<String, Vec<u8>>,
}

enum Source {
    Secret(String),
    ConfigMap(String),
}

/// A container that runs.
pub(crate) struct Server {
    process: Process,
    /// Where it answers the API server, if it does.
    pub(crate) port: u16,
    metrics: u16,
}

impl Node {
    pub(crate) fn start(lab: &Lab, runtime: &Arc<Runtime>, client: Client) -> Self {
        let volumes: Arc<Mutex<Vec<Volume>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, stopped) = (Arc::clone(&volumes), Arc::clone(&stop));
        let node = (client.clone(), Arc::clone(runtime));
        let (client, runtime) = (client, Arc::clone(runtime));
        let keeper = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut volumes = kept.lock().unwrap_or_else(PoisonError::into_inner);
                volumes.iter_mut().for_each(|volume| runtime.block_on(volume.refresh(&client)));
                drop(volumes);
                thread::sleep(TRAVEL);
            }
        });
        let (client, runtime) = node;
        Node { dir: lab.plane.dir().join("node"), client, runtime, pods: AtomicUsize::new(0), volumes, stop, keeper: Some(keeper) }
    }

    /// Runs the container of a Deployment's pod.
    pub(crate) fn run(&self, lab: &Lab, namespace: &str, deployment: &str) -> Result<Server, Failure> {
        let object = lab.get(&["deployment", deployment, "-n", namespace])?;
        let pod = &object["spec"]["template"]["spec"];
        let dir = self.dir.join(format!("{deployment}-{}", self.pods.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir)?;
        let container = &pod["containers"][0];
        let mut mounts = BTreeMap::new();
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            let name = text(&mount["name"]);
            let volume = pod["volumes"].as_array().into_iter().flatten().find(|volume| volume["name"] == name.as_str());
            let folder = dir.join(&name);
            self.mount(namespace, volume.ok_or_else(|| Failure::new(format!("no volume {name}")))?, &folder)?;
            mounts.insert(text(&mount["mountPath"]), folder);
        }
        let (port, metrics) = (free_port()?, free_port()?);
        let account = format!("system:serviceaccount:{namespace}:{}", text(&pod["serviceAccountName"]));
        let tls = mounts.get("/etc/podwire/tls").cloned().unwrap_or_else(|| dir.clone());
        let mut arguments = Vec::new();
        for argument in container["args"].as_array().into_iter().flatten().map(text) {
            let (flag, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let mounted = mounts.iter().find_map(|(path, folder)| Some(folder.join(value.strip_prefix(path)?.trim_start_matches('/'))));
            arguments.push(match (flag, mounted) {
                ("--listen", _) => format!("--listen=127.0.0.1:{port}"),
                ("--metrics-listen", _) => format!("--metrics-listen=127.0.0.1:{metrics}"),
                (flag, Some(file)) => format!("{flag}={}", file.display()),
                _ => argument,
            });
        }
        arguments.push(format!("--kubeconfig={}", lab.plane.kubeconfig_for(&account, None)?.display()));
        if arguments.first().is_some_and(|verb| verb == "webhook") {
            arguments.extend(
                ["crt", "key"]
                    .map(|end| format!("--tls-{}={}", if end == "crt" { "cert" } else { end }, tls.join(format!("tls.{end}")).display())),
            );
        }
        let program = Path::new(env!("CARGO_BIN_EXE_podwire"));
        let process = Process::start("podwire", program, arguments, dir.join("log"))?;
        Ok(Server { process, port, metrics })
    }

    fn mount(&self, namespace: &str, volume: &Value, folder: &Path) -> Result<(), Failure> {
        let (source, optional) = match (&volume["secret"], &volume["configMap"]) {
            (Value::Object(secret), _) => (Source::Secret(text(&secret["secretName"])), secret.get("optional") == Some(&Value::Bool(true))),
            (_, Value::Object(map)) => (Source::ConfigMap(text(&map["name"])), false),
            _ => return Err(Failure::new(format!("a volume of a kind that no pod of podwire's needs: {volume}"))),
        };
        let items =
            volume["secret"]["items"].as_array().map(|items| items.iter().map(|item| (text(&item["key"]), text(&item["path"]))).collect());
        if items.is_some() && !optional {
            return Err(Failure::new("a pod whose Secret has no certificate yet would not start"));
        }
        fs::create_dir_all(folder)?;
        let mut volume =
            Volume { namespace: namespace.to_owned(), source, items, folder: folder.to_owned(), revision: 0, held: BTreeMap::new() };
        // What is there is in the files before the container starts.
        self.runtime.block_on(volume.refresh(&self.client));
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner).push(volume);
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.keeper.take().map(JoinHandle::join);
    }
}

impl Volume {
    /// Lays what the object holds into the folder: a folder for each revision, and one link that is swapped.
    async fn refresh(&mut self, client: &Client) {
        let Some(data) = self.read(client).await.filter(|data| *data != self.held) else { return };
        self.revision += 1;
        let revision = self.folder.join(format!("..{}", self.revision));
        let laid = || -> std::io::Result<()> {
            fs::create_dir(&revision)?;
            for (name, bytes) in &data {
                fs::write(revision.join(name), bytes)?;
                if !self.folder.join(name).is_symlink() {
                    symlink(Path::new("..data").join(name), self.folder.join(name))?;
                }
            }
            symlink(format!("..{}", self.revision), self.folder.join("..new"))?;
            fs::rename(self.folder.join("..new"), self.folder.join("..data"))
        };
        if laid().is_ok() {
            self.held = data;
        }
    }

    async fn read(&self, client: &Client) -> Option<BTreeMap<String, Vec<u8>>> {
        let all: BTreeMap<String, Vec<u8>> = match &self.source {
            Source::Secret(name) => {
                let secret = Api::<Secret>::namespaced(client.clone(), &self.namespace).get_opt(name).await.ok()??;
                secret.data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0)).collect()
            }
            Source::ConfigMap(name) => {
                let map = Api::<ConfigMap>::namespaced(client.clone(), &self.namespace).get_opt(name).await.ok()??;
                map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes())).collect()
            }
        };
        let Some(items) = &self.items else { return Some(all) };
        Some(items.iter().filter_map(|(key, path)| Some((path.clone(), all.get(key)?.clone()))).collect())
    }
}

impl Server {
    /// Answers of its plain port: status and body.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), std::io::Error> {
        http::request(("127.0.0.1", self.metrics), "GET", path, "")
    }

    /// Whether a kubelet would call it ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|(status, _)| status == 200)
    }

    /// Ends it as a kubelet does.
    pub(crate) fn terminate(self) -> Result<(), Failure> {
        Ok(self.process.terminate().map(drop)?)
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.log().1).unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
