//! What a sidecar says of itself: what it has loaded, and what came in. Both ports are plain and open to every pod.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::exposition;

/// For a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// For everything, from the connection to the last byte.
const WHOLE: Duration = Duration::from_secs(2);
/// From one question to the next, whomever they are asked: ten a second.
const PACE: Duration = Duration::from_millis(100);
const METADATA_BYTES: usize = 1 << 20;
const METRICS_BYTES: usize = 4 << 20;

/// Why a sidecar is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaprdError {
    #[error("the sidecar cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the sidecar cannot be reached within {} second", CONNECT.as_secs())]
    NoConnection,
    #[error("the sidecar did not answer within {} seconds", WHOLE.as_secs())]
    Slow,
    #[error("the connection to the sidecar broke")]
    Broken(#[from] hyper::Error),
    #[error("the question cannot be asked")]
    Question(#[from] hyper::http::Error),
    #[error("the sidecar answered {0}")]
    Status(StatusCode),
    #[error("the sidecar's answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("the sidecar's metadata cannot be read")]
    Metadata(#[source] serde_json::Error),
    #[error("the sidecar's metrics cannot be read")]
    Metrics,
}

/// What a sidecar has loaded. It says nothing of whether its broker serves it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Loaded {
    pub(super) subscriptions: Vec<LoadedSubscription>,
    /// Names and types.
    pub(super) components: Vec<(String, String)>,
    /// Names; `None` where the sidecar does not say.
    pub(super) resiliencies: Option<Vec<String>>,
}

/// A subscription as a sidecar has loaded it; what it does not say is empty.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(super) struct LoadedSubscription {
    #[serde(rename = "pubsubname")]
    pub(super) component: String,
    pub(super) topic: String,
    #[serde(deserialize_with = "or_null")]
    pub(super) rules: Vec<LoadedRule>,
    #[serde(rename = "deadLetterTopic")]
    pub(super) dead_letter_topic: String,
    /// `DECLARATIVE`, `PROGRAMMATIC` or `STREAMING`.
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A rule of a subscription; the one without a condition is the default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(super) struct LoadedRule {
    #[serde(rename = "match")]
    pub(super) condition: String,
    pub(super) path: String,
}

/// How many messages came in, tries counted each, by component and topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ingress(pub(super) BTreeMap<(String, String), u64>);

/// Asks sidecars, at most ten a second in all; whoever comes faster waits for its turn.
pub(super) struct Sidecars {
    pace: Mutex<Interval>,
}

impl Sidecars {
    /// Must be called where tokio runs.
    pub(super) fn new() -> Self {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Sidecars { pace: Mutex::new(pace) }
    }

    /// What the sidecar has loaded; `at` is its public port, 3501 by default.
    pub(super) async fn loaded(&self, at: SocketAddr) -> Result<Loaded, DaprdError> {
        let body = self.get(at, "/v1.0/metadata", METADATA_BYTES).await?;
        metadata(&body).map_err(DaprdError::Metadata)
    }

    /// What came in from brokers; `at` is the metrics port, 9090 by default.
    pub(super) async fn ingress(&self, at: SocketAddr) -> Result<Ingress, DaprdError> {
        let body = self.get(at, "/metrics", METRICS_BYTES).await?;
        std::str::from_utf8(&body).ok().and_then(ingress).ok_or(DaprdError::Metrics)
    }

    async fn get(&self, at: SocketAddr, path: &str, at_most: usize) -> Result<Vec<u8>, DaprdError> {
        self.pace.lock().await.tick().await;
        timeout(WHOLE, fetch(at, path, at_most)).await.unwrap_or(Err(DaprdError::Slow))
    }
}

/// One request on one connection. Redirects are not followed: whoever sends one is no sidecar.
async fn fetch(at: SocketAddr, path: &str, at_most: usize) -> Result<Vec<u8>, DaprdError> {
    let connected = timeout(CONNECT, TcpStream::connect(at)).await.map_err(|_| DaprdError::NoConnection)?;
    let stream = TokioIo::new(connected.map_err(DaprdError::Unreachable)?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    // Dropped with the answer, whatever that is.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path).header(HOST, at.to_string()).header(ACCEPT, "*/*").header(CONNECTION, "close");
    let response = sender.send_request(request.body(String::new())?).await?;
    if response.status() != StatusCode::OK {
        return Err(DaprdError::Status(response.status()));
    }
    read(response.into_body(), at_most).await
}

async fn read(mut body: Incoming, at_most: usize) -> Result<Vec<u8>, DaprdError> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if data.len() > at_most - bytes.len() {
            return Err(DaprdError::TooLarge(at_most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn metadata(body: &[u8]) -> Result<Loaded, serde_json::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        #[serde(deserialize_with = "or_null")]
        subscriptions: Vec<LoadedSubscription>,
        #[serde(deserialize_with = "or_null")]
        components: Vec<Component>,
        #[serde(rename = "runtimeVersion")]
        version: String,
        resiliencies: Option<Vec<Resiliency>>,
    }
    #[derive(Deserialize)]
    struct Resiliency {
        name: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Component {
        name: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let Metadata { subscriptions, components, version, resiliencies } = serde_json::from_slice(body)?;
    // An empty list is left out.
    let resiliencies = resiliencies.or_else(|| tells_resiliencies(&version).then(Vec::new));
    Ok(Loaded {
        subscriptions,
        components: components.into_iter().map(|Component { name, kind }| (name, kind)).collect(),
        resiliencies: resiliencies.map(|all| all.into_iter().map(|one| one.name).collect()),
    })
}

/// Whether a sidecar of this version says which Resiliencies it has loaded: since 1.18.
fn tells_resiliencies(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
    matches!((numbers.next().flatten(), numbers.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= (1, 18))
}

/// Go writes `null` for a list that nobody filled.
fn or_null<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The sum of the samples for each component and topic; `None` where a sample cannot be read: a wrong zero would look like silence.
fn ingress(text: &str) -> Option<Ingress> {
    let mut sums = BTreeMap::new();
    if !text.is_empty() && !text.lines().any(|line| line.starts_with("# TYPE ")) {
        return None;
    }
    for line in text.lines().map(str::trim_start) {
        let Some(sample) = line.strip_prefix("dapr_component_pubsub_ingress_count").and_then(|rest| rest.trim_start().strip_prefix('{'))
        else {
            continue;
        };
        let (mut labels, value) = exposition::sample(sample)?;
        let sum: &mut u64 = sums.entry((labels.remove("component")?, labels.remove("topic")?)).or_default();
        *sum = sum.saturating_add(value);
    }
    Some(Ingress(sums))
}

#[cfg(test)]
mod tests;
