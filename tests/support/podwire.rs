//! podwire's webhook as a process beside the control plane: with the permissions, and behind the registration, that `manifests/podwire.yaml` ships.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use podwire::api::yaml;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::{Value, json};

use super::control_plane::{Error, Process};
use super::http;
use super::lab::{Failure, Lab, wait_for};

/// The user that a pod of the webhook's ServiceAccount is.
const ACCOUNT: &str = "system:serviceaccount:podwire-system:podwire-webhook";

/// A running webhook. Dropping it ends it.
pub(crate) struct Podwire {
    process: Process,
    /// Where it answers the API server.
    pub(crate) port: u16,
    metrics: u16,
    tls: PathBuf,
}

/// The objects of `manifests/podwire.yaml`.
pub(crate) fn manifests() -> Vec<Value> {
    documents(include_str!("../../manifests/podwire.yaml"))
}

/// The documents of a text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").filter_map(|part| Some(yaml::read(part).ok()?.value()));
    documents.filter(|value| value.is_object()).collect()
}

impl Podwire {
    /// Starts the webhook with what the lab's API server grants it, and waits until it is ready.
    pub(crate) fn start(lab: &Lab, program: &Path) -> Result<Self, Failure> {
        let dir = lab.plane.dir().join("podwire");
        let tls = dir.join("tls");
        fs::create_dir_all(&tls)?;
        let kubeconfig = lab.plane.kubeconfig_for(ACCOUNT, None)?;
        let (port, metrics) = (free_port()?, free_port()?);
        let file = |name: &str| tls.join(name).display().to_string();
        let arguments = [
            "webhook".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--listen=127.0.0.1:{port}"),
            format!("--metrics-listen=127.0.0.1:{metrics}"),
            format!("--tls-cert={}", file("tls.crt")),
            format!("--tls-key={}", file("tls.key")),
            "--shutdown-delay=0s".to_owned(),
        ];
        write_certificate(lab, &tls)?;
        let process = Process::start("podwire", program, arguments, dir.join("podwire.log"))?;
        let podwire = Podwire { process, port, metrics, tls };
        podwire.ready()?;
        Ok(podwire)
    }

    fn ready(&self) -> Result<(), Failure> {
        let ready = wait_for("podwire is ready", 30, || self.get("/readyz").ok().filter(|(status, _)| *status == 200));
        ready.map(drop).map_err(|failure| Failure::from(self.process.error(failure.to_string())))
    }

    /// Writes another certificate of the same authority into the files that the webhook serves with, and waits until it is served.
    pub(crate) fn replace_certificate(&self, lab: &Lab) -> Result<(), Failure> {
        write_certificate(lab, &self.tls)?;
        let written = CertificateDer::from_pem_file(self.tls.join("tls.crt")).map_err(|error| Failure::new(error.to_string()))?;
        wait_for("the new certificate is served", 20, || self.served(lab).ok().filter(|served| *served == written)).map(drop)
    }

    /// The certificate that a client gets.
    fn served(&self, lab: &Lab) -> Result<CertificateDer<'static>, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(lab.plane.ca_pem().as_bytes()).map_err(|error| failed(&error))?;
        roots.add(authority).map_err(|error| failed(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let name = ServerName::try_from("localhost").map_err(|error| failed(&error))?;
        let mut connection = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let chain = connection.peer_certificates().and_then(|chain| chain.first()).cloned();
        chain.map(CertificateDer::into_owned).ok_or_else(|| Failure::new("no certificate is served"))
    }

    /// Answers of the second port: status and body.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), std::io::Error> {
        http::request(("127.0.0.1", self.metrics), "GET", path, "")
    }

    /// How many admission requests were answered, of whatever outcome.
    pub(crate) fn requests(&self) -> Result<u64, Failure> {
        self.requests_to("")
    }

    /// How many of them came to a path.
    pub(crate) fn requests_to(&self, path: &str) -> Result<u64, Failure> {
        let (_, body) = self.get("/metrics")?;
        let to = format!("path=\"{path}");
        let lines = body.lines().filter(|line| line.starts_with("podwire_admission_requests_total{") && line.contains(&to));
        Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).map(|value| value as u64).sum())
    }

    /// The registration of `manifests/podwire.yaml`, called at this process' address instead of the Service's.
    pub(crate) fn registration(&self, lab: &Lab) -> Value {
        self.shipped(lab, "MutatingWebhookConfiguration", "mutate")
    }

    /// The same of the reviews.
    pub(crate) fn reviews(&self, lab: &Lab) -> Value {
        self.shipped(lab, "ValidatingWebhookConfiguration", "review")
    }

    fn shipped(&self, lab: &Lab, kind: &str, path: &str) -> Value {
        let shipped = manifests().into_iter().find(|object| object["kind"] == *kind);
        let mut registration = shipped.unwrap_or_default();
        let url = format!("https://127.0.0.1:{}/{path}", self.port);
        for webhook in registration["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["clientConfig"] = lab.client_config(&url);
        }
        registration
    }
}

fn write_certificate(lab: &Lab, tls: &Path) -> Result<(), Failure> {
    let pair = lab.plane.serving_certificate(&["127.0.0.1", "localhost"])?;
    for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
        let new = tls.join(format!(".{name}"));
        fs::write(&new, text)?;
        fs::rename(new, tls.join(name))?;
    }
    Ok(())
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> Result<u16, Error> {
    let taken = |error| Error::Io("free port".to_owned(), error);
    Ok(TcpListener::bind(("127.0.0.1", 0)).map_err(taken)?.local_addr().map_err(taken)?.port())
}

/// What podwire's ServiceAccounts may do, and their namespace: everything of the manifests but what needs a node or calls the Service.
pub(crate) fn installation() -> Value {
    let left_out = ["Deployment", "MutatingWebhookConfiguration", "PodDisruptionBudget", "Service", "ValidatingWebhookConfiguration"];
    let items: Vec<Value> = manifests().into_iter().filter(|object| !left_out.iter().any(|kind| object["kind"] == *kind)).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}
