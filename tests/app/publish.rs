//! Publishing by the contract: a structured CloudEvent to the topic's address, and again with the same id while there is no answer, or one that says "later".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request, StatusCode, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{interval, sleep, timeout};

use crate::ledger::Ledger;

/// For how long a publication is repeated that failed: on a busy machine a sidecar may need a minute to start, and one answer ten seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// The pause before it is repeated.
const PAUSE: Duration = Duration::from_millis(50);
/// For one answer: longer than any Broker tries to deliver before it answers.
const ANSWER: Duration = Duration::from_secs(10);

/// What to publish.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Order {
    topic: String,
    /// How many events.
    count: u64,
    /// How many a second; all at once where it is not said.
    per_second: Option<u32>,
    /// What their ids begin with.
    prefix: String,
    /// Their type.
    #[serde(rename = "type")]
    kind: String,
    /// More attributes.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// Publishes.
pub(crate) struct Publisher {
    ledger: Arc<Ledger>,
    pod: String,
    /// Nothing more is begun.
    stopped: AtomicBool,
}

impl Publisher {
    pub(crate) fn new(ledger: Arc<Ledger>, pod: &str) -> Self {
        Publisher { ledger, pod: pod.to_owned(), stopped: AtomicBool::new(false) }
    }

    /// Ends orders that go on, after what has begun.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Publishes all of an order, each event at its time, whatever becomes of the one before.
    pub(crate) async fn publish(self: &Arc<Self>, order: Order) -> Result<(), String> {
        let name = format!("PODWIRE_PUBLISH_URL_{}", variable(&order.topic));
        let url = std::env::var(&name).map_err(|_| format!("{name} is not set"))?;
        let url: Uri = url.parse().map_err(|error| format!("{name}: {error}"))?;
        let address = resolved(&url).await?;
        let mut ticks = order.per_second.map(|rate| interval(Duration::from_secs(1) / rate));
        let mut all = Vec::new();
        for number in 0..order.count {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            if self.stopped.load(Ordering::SeqCst) {
                break;
            }
            let (this, url, event) = (Arc::clone(self), url.clone(), self.event(&order, number));
            all.push(tokio::spawn(async move { this.one(address, &url, &event).await }));
        }
        for one in all {
            one.await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn event(&self, order: &Order, number: u64) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": format!("{}{}-{number}", order.prefix, self.pod),
            "source": format!("/{}", self.pod),
            "type": order.kind,
            "datacontenttype": "application/json",
            "data": { "number": number, "large": 1_234_567_890_123_456_789_u64 },
        });
        order.attributes.iter().for_each(|(name, value)| event[name] = json!(value));
        event
    }

    /// One event, until it is accepted.
    async fn one(&self, address: SocketAddr, url: &Uri, event: &Value) {
        let (begun, mut tries, mut refused) = (Instant::now(), 0_u32, Vec::new());
        let accepted = loop {
            tries += 1;
            match timeout(ANSWER, send(address, url, event)).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(status) if status.is_success() => break Some(status.as_u16()),
                Ok(status) if !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                    refused.push(status.to_string());
                    break None;
                }
                Ok(status) => refused.push(status.to_string()),
                Err(error) => refused.push(error),
            }
            if begun.elapsed() > PATIENCE {
                break None;
            }
            sleep(PAUSE).await;
        };
        refused.truncate(3);
        let facts = json!({ "id": event["id"], "status": accepted, "tries": tries, "refused": refused, "event": event });
        self.ledger.write("published", facts);
    }
}

/// The address of a host, looked up once for all events of an order: a lookup for each would keep CoreDNS busier than the Broker.
async fn resolved(url: &Uri) -> Result<SocketAddr, String> {
    let (host, port) = (url.host().unwrap_or_default(), url.port_u16().unwrap_or(80));
    let begun = Instant::now();
    loop {
        // Who listens on localhost listens on its old address.
        let found = lookup_host((host, port)).await.map(|mut all| all.find(SocketAddr::is_ipv4));
        match found {
            Ok(Some(address)) => return Ok(address),
            _ if begun.elapsed() < PATIENCE => sleep(PAUSE).await,
            Ok(None) => return Err(format!("{host} has no address")),
            Err(error) => return Err(format!("{host}: {error}")),
        }
    }
}

async fn send(address: SocketAddr, url: &Uri, event: &Value) -> Result<StatusCode, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let host = url.host().unwrap_or_default();
    let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, url.authority().map_or(host, |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/cloudevents+json")
        .body(Body::from(event.to_string()))
        .map_err(|error| failed(&error))?;
    let answered = sender.send_request(request).await;
    drop(sender);
    connection.abort();
    Ok(answered.map_err(|error| failed(&error))?.status())
}

/// The topic in the name of its variable.
fn variable(topic: &str) -> String {
    topic.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
