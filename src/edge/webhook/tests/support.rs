//! What the tests of the webhook share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::ByteString;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt as _;

use crate::api::style::Style;
use crate::edge::certs::tests::{Authority, Pair, lay};
use crate::edge::http::tests::get;
use crate::edge::telemetry::Metrics;
use crate::edge::watch::Snapshots;
use crate::edge::webhook::decide::Decide;
use crate::edge::webhook::server::bind_deciding;
use crate::edge::webhook::{Addresses, Config, Limits, WebhookError, admission};
use crate::engine::{Code, Decision, Finding, Namespace, Snapshot, Subject, Verdict};

pub(super) const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

/// A snapshot that knows the namespace `shop`, and nothing else.
pub(super) fn snapshots() -> Arc<Snapshots> {
    let mut snapshot = Snapshot::empty();
    snapshot.namespaces.get_or_insert_default().insert("shop".to_owned(), Namespace::default());
    Snapshots::fixed(snapshot)
}

/// Something that always decides so.
pub(super) fn always(verdict: Verdict) -> Decide {
    Arc::new(move |_, _| verdict.clone())
}

pub(super) fn verdict(decision: Decision, findings: Vec<Finding>) -> Verdict {
    let rest = Verdict::refuse(finding(Code::Overloaded));
    Verdict { decision, findings, style: Some(Style::Broker), app_id: Some("cart".to_owned()), ..rest }
}

pub(super) fn finding(code: Code) -> Finding {
    Finding::new(code, Subject::Pod, "what is right")
}

pub(super) fn wired() -> Verdict {
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
    verdict(Decision::Wired(serde_json::from_value(patch).unwrap()), vec![finding(Code::EnvFromHidden)])
}

pub(super) fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "cart-5d4f-", "annotations": {"podwire.io/app-id": "cart", "podwire.io/style": "broker"}},
        "spec": {"containers": [{"name": "cart", "image": "cart", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
    })
}

/// A review of the creation of `object`.
pub(super) fn review(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": UID, "operation": "CREATE", "namespace": "shop", "dryRun": false, "options": {"kind": "CreateOptions"},
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "system:admin"}, "object": object, "oldObject": null,
        },
    })
}

/// A review with something else at a place of its request.
pub(super) fn review_with(field: &str, value: Value) -> Value {
    let mut review = review(&pod());
    review["request"][field] = value;
    review
}

pub(super) fn router(limits: Limits, decide: Decide) -> Router {
    admission::router(limits, snapshots(), Metrics::new(), decide)
}

pub(super) fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/mutate?timeout=10s").header("content-type", "application/json").body(body.into()).unwrap()
}

/// One request to a router.
pub(super) async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The response of a well-formed review that answers [`UID`].
#[track_caller]
pub(super) fn answered((status, review): (StatusCode, Value)) -> Value {
    assert_eq!(status, StatusCode::OK, "{review}");
    assert_eq!((&review["apiVersion"], &review["kind"]), (&json!("admission.k8s.io/v1"), &json!("AdmissionReview")));
    let response = review["response"].clone();
    assert_eq!(response["uid"], UID);
    assert!(response["allowed"].is_boolean());
    assert_eq!(response["allowed"] == false, response["status"].is_object(), "{response}");
    assert_eq!(response.get("patch").is_some(), response.get("patchType").is_some(), "{response}");
    if response["allowed"] == false {
        let known = [(403, "Forbidden"), (500, "InternalError"), (503, "ServiceUnavailable")];
        assert!(known.iter().any(|(code, reason)| response["status"]["code"] == *code && response["status"]["reason"] == *reason));
        assert!(response["status"]["message"].as_str().unwrap().starts_with("podwire: PW"));
        assert!(response.get("patch").is_none());
    }
    response
}

pub(super) fn patch_of(response: &Value) -> Value {
    let ByteString(bytes) = serde_json::from_value(response["patch"].clone()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Waits until `condition` holds; a test that waits for longer than ten seconds has failed.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let all = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), all).await.is_ok(), "waited in vain: {what}");
}

/// A webhook that serves on loopback, and what its clients need.
pub(super) struct Serving {
    pub(super) addresses: Addresses,
    pub(super) folder: TempDir,
    pub(super) authority: Authority,
    shutdown: Arc<Notify>,
    served: JoinHandle<Result<(), WebhookError>>,
}

/// How [`serve`] differs from the usual.
#[derive(Default)]
pub(super) struct Unusual {
    pub(super) limits: Limits,
    pub(super) checks_clients: bool,
    pub(super) lacks_key: bool,
    pub(super) shutdown_delay: Duration,
}

/// Serves on free ports, with the certificate of serial 1.
pub(super) async fn serve(unusual: Unusual, decide: Decide) -> Serving {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let client_ca = unusual.checks_clients.then(|| authority.pem());
    let mut files = lay(folder.path(), "1", &authority.issue(1), client_ca.as_deref());
    if unusual.lacks_key {
        files.key = folder.path().join("missing.key");
    }
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        listen: free,
        metrics_listen: free,
        limits: unusual.limits,
        reload_every: Duration::from_millis(10),
        shutdown_delay: unusual.shutdown_delay,
        ..Config::new(files)
    };
    let bound = bind_deciding(config, snapshots(), decide).await.unwrap();
    let addresses = bound.addresses();
    let shutdown = Arc::new(Notify::new());
    let asked = Arc::clone(&shutdown);
    let served = tokio::spawn(bound.serve(async move { asked.notified().await }));
    Serving { addresses, folder, authority, shutdown, served }
}

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    H1,
    H2,
}

impl Serving {
    /// Asks it to end.
    pub(super) fn stop(&self) {
        self.shutdown.notify_one();
    }

    /// Waits for its end.
    pub(super) async fn ended(self) -> Result<(), WebhookError> {
        tokio::time::timeout(Duration::from_secs(10), self.served).await.unwrap().unwrap()
    }

    pub(super) fn tls(&self, client: Option<&Pair>, protocol: Protocol) -> Arc<ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = match protocol {
            Protocol::H1 => vec![b"http/1.1".to_vec()],
            Protocol::H2 => vec![b"h2".to_vec()],
        };
        Arc::new(config)
    }

    /// A connection to the admission port, without a client's certificate.
    pub(super) async fn connect(&self, protocol: Protocol) -> Connection {
        connect(self.addresses.admission, self.tls(None, protocol)).await.unwrap()
    }

    /// What the metrics port answers.
    pub(super) async fn get(&self, path: &str) -> (StatusCode, String) {
        get(self.addresses.metrics, path).await
    }
}

pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

pub(super) async fn handshake(at: SocketAddr, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, AnyError> {
    let stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let connected = TlsConnector::from(tls).connect(ServerName::try_from("localhost")?, stream);
    Ok(timeout(Duration::from_secs(10), connected).await.map_err(|_| "no handshake")??)
}

/// A connection on which reviews are sent.
pub(super) enum Connection {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

pub(super) async fn connect(at: SocketAddr, tls: Arc<ClientConfig>) -> Result<Connection, AnyError> {
    let stream = handshake(at, tls).await?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if h2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        return Ok(Connection::H2(sender));
    }
    let (sender, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    Ok(Connection::H1(sender))
}

impl Connection {
    /// Sends a body to `/mutate`.
    pub(super) async fn post(&mut self, body: impl Into<Body>) -> Result<(StatusCode, Bytes), AnyError> {
        let request = Request::post("https://localhost/mutate?timeout=10s").header("content-type", "application/json");
        let request = request.header("host", "localhost").body(body.into())?;
        let response = match self {
            Connection::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Connection::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = response.status();
        Ok((status, to_bytes(Body::new(response.into_body()), usize::MAX).await?))
    }

    /// Sends the usual review and checks that it is wired.
    pub(super) async fn wire(&mut self) -> Result<(), AnyError> {
        // why: a request that is sent while the other side closes may never be told so by the client.
        let posted = timeout(Duration::from_secs(10), self.post(review(&pod()).to_string())).await;
        let (status, body) = posted.map_err(|_| "no answer")??;
        let response = answered((status, serde_json::from_slice(&body)?));
        if response["allowed"] == true && response.get("patch").is_some() { Ok(()) } else { Err(response.to_string().into()) }
    }
}
