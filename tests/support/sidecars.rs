//! Sidecars without daprd: what one answers at its public port and at its metrics port, and pods that seem to run. No node does it here.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::lab::{Failure, Lab};

/// daprd's public port, where its metadata is.
const PUBLIC: u16 = 3501;
const METRICS: u16 = 9090;

/// A sidecar at an address of its own. Dropping it ends it: then nobody answers there.
pub(crate) struct Sidecar {
    answers: Arc<Mutex<Answers>>,
    address: Ipv4Addr,
    servers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Answers {
    subscriptions: Vec<Value>,
    /// Names.
    resiliencies: Vec<Value>,
    /// By component, topic and outcome (`success`, `retry`, `drop`).
    counts: BTreeMap<[String; 3], u64>,
    broken: bool,
    asked: [u64; 2],
}

impl Sidecar {
    /// Starts one that has loaded nothing and has counted nothing.
    pub(crate) fn start() -> Result<Self, Failure> {
        let answers = Arc::<Mutex<Answers>>::default();
        let runtime = runtime()?;
        let (address, [public, metrics]) = runtime.block_on(listen())?;
        let metadata_router = Router::new().route("/v1.0/metadata", get(metadata)).with_state(Arc::clone(&answers));
        let metrics_router = Router::new().route("/metrics", get(exposition)).with_state(Arc::clone(&answers));
        let serve = |listener, router| runtime.spawn(async { drop(axum::serve(listener, router).await) });
        let servers = vec![serve(public, metadata_router), serve(metrics, metrics_router)];
        Ok(Sidecar { answers, address, servers })
    }

    /// Its address, and its pod's.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Has loaded exactly these Subscriptions, as Dapr's operator hands them on.
    pub(crate) fn load(&self, subscriptions: &[Value]) {
        self.answers().subscriptions = subscriptions.iter().map(loaded).collect();
    }

    /// Has loaded the Subscriptions and Resiliencies that are there for an app-id.
    pub(crate) fn load_from(&self, lab: &Lab, namespace: &str, app_id: &str) -> Result<(), Failure> {
        let scoped = |one: &Value| one["scopes"].as_array().is_none_or(|scopes| scopes.is_empty() || scopes.contains(&json!(app_id)));
        let all = |kind: &str| -> Result<Vec<Value>, Failure> {
            let mut list = lab.get(&[kind, "-n", namespace])?;
            let items = list["items"].as_array_mut().map(std::mem::take);
            Ok(items.into_iter().flatten().filter(scoped).collect())
        };
        self.load(&all("subscriptions.dapr.io")?);
        self.answers().resiliencies = all("resiliencies")?.iter().map(|one| json!({ "name": one["metadata"]["name"] })).collect();
        Ok(())
    }

    /// Counts so many more events of a topic, of the outcome `success`, `retry` or `drop`.
    pub(crate) fn count(&self, component: &str, topic: &str, outcome: &str, more: u64) {
        *self.answers().counts.entry([component, topic, outcome].map(str::to_owned)).or_default() += more;
    }

    /// Answers with 500 to everything, or no longer.
    pub(crate) fn break_down(&self, broken: bool) {
        self.answers().broken = broken;
    }

    /// How often it was asked for its metadata, and for its metrics.
    pub(crate) fn asked(&self) -> [u64; 2] {
        self.answers().asked
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        lock(&self.answers)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One for all sidecars of the process.
fn runtime() -> Result<&'static Runtime, Failure> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("sidecars").enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// The next address at which both ports are free: every one of 127.0.0.0/8 can be had, and another run of the tests has others.
async fn listen() -> Result<(Ipv4Addr, [TcpListener; 2]), Failure> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut last = None;
    for _ in 0..1000 {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = (number % 64_000).to_be_bytes();
        // Never 0 nor 255 at the end, and not the range in which Linux has its own.
        let address = Ipv4Addr::new(127, 100 + (std::process::id() % 150) as u8, high, low.clamp(1, 254));
        match (TcpListener::bind((address, PUBLIC)).await, TcpListener::bind((address, METRICS)).await) {
            (Ok(public), Ok(metrics)) => return Ok((address, [public, metrics])),
            (Err(error), _) | (_, Err(error)) => last = Some(error),
        }
    }
    Err(Failure::new(format!("no address for a sidecar: {last:?}")))
}

/// A Subscription as daprd tells of it: the default is a rule without a condition, the last one.
fn loaded(subscription: &Value) -> Value {
    let spec = &subscription["spec"];
    let mut rules = spec["routes"]["rules"].as_array().cloned().unwrap_or_default();
    rules.extend(spec["routes"]["default"].as_str().map(|path| json!({ "path": path })));
    let mut told =
        json!({ "pubsubname": spec["pubsubname"], "topic": spec["topic"], "rules": rules, "metadata": {}, "type": "DECLARATIVE" });
    if let Some(topic) = spec["deadLetterTopic"].as_str() {
        told["deadLetterTopic"] = json!(topic);
    }
    told
}

type Shared = State<Arc<Mutex<Answers>>>;

async fn metadata(State(answers): Shared) -> Result<String, StatusCode> {
    let mut answers = lock(&answers);
    answers.asked[0] += 1;
    let told = json!({
        "id": "app", "runtimeVersion": "1.18.1", "enabledFeatures": [],
        "components": [{ "name": "pubsub", "type": "pubsub.redis", "version": "v1", "capabilities": ["SUBSCRIBE_WILDCARDS"] }],
        "subscriptions": answers.subscriptions, "resiliencies": answers.resiliencies, "extended": { "daprRuntimeVersion": "1.18.1" },
    });
    if answers.broken { Err(StatusCode::INTERNAL_SERVER_ERROR) } else { Ok(told.to_string()) }
}

async fn exposition(State(answers): Shared) -> Result<String, StatusCode> {
    let mut answers = lock(&answers);
    answers.asked[1] += 1;
    let name = "dapr_component_pubsub_ingress_count";
    let mut text = format!("# HELP {name} The number of incoming messages arriving from the pub/sub component.\n# TYPE {name} counter\n");
    for ([component, topic, outcome], count) in &answers.counts {
        let labels = format!(
            r#"app_id="app",component="{component}",namespace="default",process_status="{outcome}",status="{outcome}",topic="{topic}""#
        );
        text.push_str(&format!("{name}{{{labels}}} {count}\n"));
    }
    if answers.broken { Err(StatusCode::INTERNAL_SERVER_ERROR) } else { Ok(text) }
}

/// A pod that nobody starts seems to run at an address, and to be ready or not.
pub(crate) fn run_pod(lab: &Lab, namespace: &str, name: &str, address: &str, ready: bool) -> Result<(), Failure> {
    let word = if ready { "True" } else { "False" };
    let conditions = ["Initialized", "ContainersReady", "Ready"].map(|kind| {
        let status = if kind == "Initialized" { "True" } else { word };
        json!({ "type": kind, "status": status })
    });
    patch_status(
        lab,
        namespace,
        name,
        json!({ "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }], "conditions": conditions }),
    )
}

/// A pod has ended: `Succeeded` or `Failed`.
pub(crate) fn end_pod(lab: &Lab, namespace: &str, name: &str, phase: &str) -> Result<(), Failure> {
    let conditions = ["ContainersReady", "Ready"].map(|kind| json!({ "type": kind, "status": "False", "reason": "PodCompleted" }));
    patch_status(lab, namespace, name, json!({ "phase": phase, "conditions": conditions }))
}

fn patch_status(lab: &Lab, namespace: &str, name: &str, status: Value) -> Result<(), Failure> {
    let patch = json!({ "status": status }).to_string();
    lab.kubectl(&["patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", &patch]).map(drop)
}
