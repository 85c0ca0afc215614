//! A real Kubernetes control plane (etcd, API server, controller manager) on free loopback ports, started as an ordinary user.
//! There is no node: pods stay Pending.
//!
//! Nothing outlives the process that started it, however that process ends: each program runs under a small supervisor that
//! reads a pipe which only we hold, and the end of the pipe stops it.
#![allow(dead_code)] // Every program that includes this file uses a part of it.

mod authority;
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, thread};

pub(crate) use process::Process;
use process::watching;

use authority::Authority;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose as Usage, KeyPair};

const TAKEN: &str = "address already in use";
const API_SERVER: &str = "kube-apiserver";

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file, a folder, a port or a program could not be used.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The programs are not there.
    #[error("tests/tools/build {0}")]
    Tools(String),
    /// A program ended or did not become ready: its name, what is wrong, its log, the log's end.
    #[error("{0} {1}; its log is {path}, and ends with:\n{3}", path = .2.display())]
    Program(&'static str, String, PathBuf, String),
}

type Result<T> = std::result::Result<T, Error>;

fn failed(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Io(what.to_string(), error)
}

/// The groups of `tests/tools/build` that a control plane needs.
pub(crate) const GROUPS: [&str; 4] = ["kubernetes", "etcd", "dapr", "knative"];

/// What `tests/tools/build` makes: programs, folders of CRDs, and the program that answers what Dapr's own injector would do.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) kube_apiserver: PathBuf,
    pub(crate) kube_controller_manager: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) etcd: PathBuf,
    pub(crate) dapr_crds: PathBuf,
    pub(crate) knative_crds: PathBuf,
    pub(crate) dapr_oracle: PathBuf,
}

impl Tools {
    /// Asks `tests/tools/build`, which takes what `PODWIRE_*` variables name and builds what this machine lacks, telling its progress.
    pub(crate) fn locate() -> Result<Self> {
        let find = tools(&GROUPS)?;
        Ok(Self {
            kube_apiserver: find("PODWIRE_KUBE_APISERVER")?,
            kube_controller_manager: find("PODWIRE_KUBE_CONTROLLER_MANAGER")?,
            kubectl: find("PODWIRE_KUBECTL")?,
            etcd: find("PODWIRE_ETCD")?,
            dapr_crds: find("PODWIRE_DAPR_CRDS")?,
            knative_crds: find("PODWIRE_KNATIVE_CRDS")?,
            dapr_oracle: find("PODWIRE_DAPR_ORACLE")?,
        })
    }
}

/// What `tests/tools/build` says of these groups: from a variable to a path.
pub(crate) fn tools(groups: &[&str]) -> Result<impl Fn(&str) -> Result<PathBuf>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/build");
    let output = Command::new(script).arg("--env").args(groups).stderr(Stdio::inherit()).output().map_err(failed(script))?;
    if !output.status.success() {
        return Err(Error::Tools(format!("failed: {}", output.status)));
    }
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(move |name: &str| {
        let value = list.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let value = value.ok_or_else(|| Error::Tools(format!("does not list {name}")))?;
        Ok(value.trim_matches('\'').replace(r"'\''", "'").into())
    })
}

/// How a control plane is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The folder of its files, which stays. Without one a temporary folder is made, and removed at the end, unless the start failed.
    pub(crate) dir: Option<PathBuf>,
    /// More arguments of the API server; of a flag that is given twice the last value counts.
    pub(crate) api_server: Vec<String>,
}

/// A certificate and its private key (PKCS #8), both PEM.
#[derive(Debug, Clone)]
pub(crate) struct KeyPairPem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A running control plane. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    processes: Mutex<Vec<Process>>, // the newest first; it is stopped first
    janitor: Option<Child>,
    authority: Authority,
    tools: Tools,
    dir: PathBuf,
    kubeconfig: PathBuf,
    /// Files that were made for users. They are made once: somebody may be reading one.
    kubeconfigs: Mutex<BTreeMap<String, PathBuf>>,
    /// More arguments of the API server.
    api_server: Vec<String>,
    /// Of etcd for clients, of etcd for peers, of the API server.
    ports: [u16; 3],
}

impl ControlPlane {
    /// Starts one in a temporary folder and waits until pods can be created in namespace `default`.
    pub(crate) fn start(tools: &Tools) -> Result<Self> {
        Self::start_with(tools, &Options::default())
    }

    /// As [`ControlPlane::start`], with choices.
    pub(crate) fn start_with(tools: &Tools, options: &Options) -> Result<Self> {
        let mut retries = 2;
        loop {
            let mut plane = Self::prepare(tools, options)?;
            match plane.launch() {
                Ok(()) => return Ok(plane),
                // Somebody took a port between our look at it and the start.
                Err(Error::Program(.., log)) if retries > 0 && log.contains(TAKEN) => retries -= 1,
                Err(error) => {
                    plane.keep_on_failure();
                    return Err(error);
                }
            }
        }
    }

    /// The kubeconfig of an administrator (group `system:masters`).
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The kubeconfig of another user, who may do what RBAC grants to the name and the group.
    pub(crate) fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let mut made = self.kubeconfigs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = made.get(user) {
            return Ok(path.clone());
        }
        let file = user.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        let pair = self.client_certificate(user, group)?;
        self.write(&format!("{file}.crt"), &pair.certificate)?;
        self.write(&format!("{file}.key"), &pair.key)?;
        let text = self.fill(include_str!("../tools/control-plane/kubeconfig.yaml"));
        let text = text.replace("{user}", user).replace("{file}", &file);
        let path = self.write(&format!("{file}.kubeconfig"), &text)?;
        made.insert(user.to_owned(), path.clone());
        Ok(path)
    }

    /// `kubectl` as the administrator, whatever the settings of the person at the keyboard.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.tools.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBERC", "off").env("KUBECACHEDIR", self.dir.join("kubectl-cache"));
        command
    }

    /// The API server's address.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[2])
    }

    /// The certificate of the authority that signs every certificate here.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.authority.certificate
    }

    /// A server certificate for DNS names and addresses (of a webhook under test), with another key and serial number at each call.
    pub(crate) fn serving_certificate(&self, names: &[&str]) -> Result<KeyPairPem> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.authority.sign(CertificateParams::new(names)?, "podwire", Usage::ServerAuth)
    }

    /// A client certificate: the API server takes its holder for this user, in this group.
    pub(crate) fn client_certificate(&self, user: &str, group: Option<&str>) -> Result<KeyPairPem> {
        let mut params = CertificateParams::new(Vec::new())?;
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.authority.sign(params, user, Usage::ClientAuth)
    }

    /// The folder of all files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The logs by program, and `audit`: a line of JSON for each write of a pod, with the webhooks and their patches as annotations, and for each write of podwire's controller.
    pub(crate) fn logs(&self) -> Vec<(&'static str, PathBuf)> {
        let audit = ("audit", self.dir.join("audit.log"));
        self.processes().iter().map(Process::log).chain([audit]).collect()
    }

    /// Stops the API server, and starts it again at the same port; etcd stays. What is done meanwhile finds it gone.
    pub(crate) fn restart_api_server(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut processes = self.processes();
        if let Some(at) = processes.iter().position(|process| process.log().0 == API_SERVER) {
            processes.remove(at);
        }
        drop(processes);
        let done = meanwhile();
        let mut retries = 10;
        loop {
            self.start_api_server()?;
            match self.wait(|plane| plane.can("get --raw=/readyz")) {
                // A client that looked for the server was given its port.
                Err(Error::Program(.., log)) if retries > 0 && log.contains(TAKEN) => {
                    self.processes().remove(0);
                    thread::sleep(Duration::from_millis(500));
                    retries -= 1;
                }
                other => return done.and(other),
            }
        }
    }

    /// Where etcd answers its clients, in plain HTTP.
    pub(crate) fn etcd(&self) -> u16 {
        self.ports[0]
    }

    /// Leaves the temporary folder behind for whoever looks for a cause.
    pub(crate) fn keep_on_failure(&self) {
        let pipe = self.janitor.as_ref().and_then(|janitor| janitor.stdin.as_ref());
        let _ = pipe.map(|mut pipe| pipe.write_all(b"keep\n"));
    }

    /// Stops everything and waits for the end.
    pub(crate) fn stop(self) {
        drop(self);
    }

    fn prepare(tools: &Tools, options: &Options) -> Result<Self> {
        let (dir, janitor) = match &options.dir {
            Some(dir) => (own_dir(dir).map_err(failed(dir.display()))?, None),
            None => temporary_dir().map_err(failed("temporary folder"))?,
        };
        let plane = Self {
            processes: Mutex::default(),
            janitor,
            authority: Authority::new()?,
            tools: tools.clone(),
            kubeconfig: dir.join("admin.kubeconfig"),
            kubeconfigs: Mutex::default(),
            dir,
            api_server: options.api_server.clone(),
            ports: [0; 3],
        };
        let names = ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
        let server = plane.serving_certificate(&names)?;
        let account = KeyPair::generate()?;
        plane.write("ca.crt", plane.ca_pem())?;
        plane.write("server.crt", &server.certificate)?;
        plane.write("server.key", &server.key)?;
        plane.write("service-account.key", &account.serialize_pem())?;
        plane.write("service-account.pub", &account.public_key_pem())?;
        plane.write("audit-policy.yaml", include_str!("../tools/control-plane/audit-policy.yaml"))?;
        Ok(plane)
    }

    fn launch(&mut self) -> Result<()> {
        self.ports = free_ports().map_err(failed("free port"))?;
        self.kubeconfigs = Mutex::default();
        self.kubeconfig_for("admin", Some("system:masters"))?;
        self.kubeconfig_for("system:kube-controller-manager", None)?;
        let tools = self.tools.clone();

        let flags = include_str!("../tools/control-plane/etcd.flags");
        self.spawn("etcd", &tools.etcd, flags, &[])?;
        self.wait(|plane| TcpStream::connect(("127.0.0.1", plane.ports[0])).is_ok())?;

        self.start_api_server()?;
        self.wait(|plane| plane.can("get --raw=/readyz"))?;

        let flags = include_str!("../tools/control-plane/kube-controller-manager.flags");
        self.spawn("kube-controller-manager", &tools.kube_controller_manager, flags, &[])?;
        self.wait(|plane| plane.can("get serviceaccount default"))
    }

    fn start_api_server(&self) -> Result<()> {
        let flags = include_str!("../tools/control-plane/kube-apiserver.flags");
        self.spawn(API_SERVER, &self.tools.kube_apiserver, flags, &self.api_server)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("{dir}", &self.dir.display().to_string());
        let [etcd, peer, port] = self.ports.map(|port| port.to_string());
        text.replace("{etcd}", &etcd).replace("{peer}", &peer).replace("{port}", &port)
    }

    fn spawn(&self, name: &'static str, of: &Path, with: &str, more: &[String]) -> Result<()> {
        let with = self.fill(with);
        let flags = with.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).chain(more.iter().cloned());
        let process = Process::start(name, of, flags, self.dir.join(name).with_extension("log"))?;
        self.processes().insert(0, process);
        Ok(())
    }

    /// Waits for the newest program, and fails as soon as any has ended.
    fn wait(&self, ready: impl Fn(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready(self) {
            let late = start.elapsed().as_secs() >= 60;
            for process in self.processes().iter_mut() {
                if let Some(status) = process.ended() {
                    return Err(process.error(format!("ended ({status})")));
                } else if late {
                    return Err(process.error("is not ready after 60 s".to_owned()));
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn can(&self, arguments: &str) -> bool {
        let output = self.kubectl().args(arguments.split(' ')).arg("--request-timeout=5s").output();
        output.is_ok_and(|output| output.status.success())
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, text).map_err(failed(path.display()))?;
        Ok(path)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.processes().clear();
        // To wait is first to close the pipe.
        let _ = self.janitor.as_mut().map(Child::wait);
    }
}

fn temporary_dir() -> io::Result<(PathBuf, Option<Child>)> {
    let dir = tempfile::Builder::new().prefix("podwire-").tempdir()?;
    let mut janitor = watching(include_str!("../tools/control-plane/clean-up.sh"));
    janitor.arg(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let janitor = janitor.spawn()?;
    Ok((dir.keep(), Some(janitor)))
}

/// Makes the folder, or takes out of it what an earlier control plane stored.
fn own_dir(dir: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = dir.canonicalize()?;
    match fs::remove_dir_all(dir.join("etcd")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(dir),
    }
}

/// Ports that nobody uses now. They are held together, so they differ.
fn free_ports() -> io::Result<[u16; 3]> {
    let hold = || {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        io::Result::Ok((listener.local_addr()?.port(), listener))
    };
    Ok([hold()?, hold()?, hold()?].map(|(port, _listener)| port))
}
