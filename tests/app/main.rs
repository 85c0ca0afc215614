//! An application that keeps podwire's contract: it publishes to the addresses that its environment names, and takes events on a port. Nothing in it knows of Dapr or Knative, and the same program
//! runs in both styles.
//!
//! What it publishes and what it receives it writes into a file before it answers, so that whoever counts afterwards misses nothing, however the process ends. A test tells it what to do through paths
//! that begin with `/_`. Beside its service it has one command, `migrate`, which ends at once: an init container of manifests/examples.

mod ledger;
mod publish;
mod receive;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use ledger::Ledger;
use publish::{Order, Publisher};
use receive::Receiver;

/// What the process is told by its environment.
struct Settings {
    port: u16,
    /// The folder of the file that it writes.
    ledger: String,
    /// Its name in that file.
    pod: String,
    /// What it does at SIGTERM.
    on_term: OnTerm,
    /// What it publishes as soon as it runs, as a Job does; then it ends.
    job: Option<Order>,
    /// What it publishes as long as it runs.
    stream: Option<Order>,
    /// For how long it works on each event.
    work: Millis,
}

/// What a process does when it is asked to end.
#[derive(Clone, Copy, PartialEq)]
enum OnTerm {
    /// Answers what is in flight, and ends.
    Drain,
    /// Ends at once.
    Exit,
    /// Goes on until it is killed.
    Ignore,
}

struct App {
    ledger: Arc<Ledger>,
    receiver: Receiver,
    publisher: Arc<Publisher>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("migrate") {
        return Ok(());
    }
    let settings = Settings::of_environment()?;
    let ledger = Arc::new(Ledger::open(&settings.ledger, &settings.pod)?);
    let publisher = Arc::new(Publisher::new(Arc::clone(&ledger), &settings.pod));
    if let Some(order) = settings.job {
        return publisher.publish(order).await.map_err(Into::into);
    }
    let app = Arc::new(App { receiver: Receiver::new(Arc::clone(&ledger), settings.work), publisher: Arc::clone(&publisher), ledger });
    let stream = settings.stream.map(|order| {
        let publisher = Arc::clone(&publisher);
        tokio::spawn(async move { publisher.publish(order).await })
    });
    let router = Router::new()
        .route("/_health", get(async || "ok"))
        .route("/_environment", get(environment))
        .route("/_answers", post(answers))
        .route("/_publish", post(order))
        .route("/_ledger", get(written))
        .fallback(receive)
        .with_state(app);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.port)).await?;
    let mut asked = signal(SignalKind::terminate())?;
    let ended = async move {
        loop {
            asked.recv().await;
            match settings.on_term {
                OnTerm::Drain => return,
                OnTerm::Exit => std::process::exit(0),
                OnTerm::Ignore => {}
            }
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(ended).await?;
    publisher.stop();
    if let Some(stream) = stream {
        stream.await??;
    }
    Ok(())
}

impl Settings {
    fn of_environment() -> Result<Self, String> {
        let read = |name: &str| std::env::var(name).ok();
        let on_term = match read("ON_TERM").as_deref() {
            None | Some("drain") => OnTerm::Drain,
            Some("exit") => OnTerm::Exit,
            Some("ignore") => OnTerm::Ignore,
            Some(other) => return Err(format!("ON_TERM is {other:?}: drain, exit or ignore")),
        };
        let order = |name: &str| read(name).map(|text| serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))).transpose();
        let work = read("WORK_MS").map_or(Ok(0), |text| text.parse().map_err(|error| format!("WORK_MS: {error}")))?;
        let port = read("PORT").map_or(Ok(8080), |text| text.parse().map_err(|error| format!("PORT: {error}")))?;
        Ok(Settings {
            port,
            ledger: read("LEDGER").unwrap_or_else(|| "/ledger".to_owned()),
            pod: read("HOSTNAME").unwrap_or_else(|| "app".to_owned()),
            on_term,
            job: order("PUBLISH")?,
            stream: order("STREAM")?,
            work: Millis(work),
        })
    }
}

/// What podwire, or anybody, put into the environment.
async fn environment() -> String {
    json!(std::env::vars().collect::<BTreeMap<_, _>>()).to_string()
}

/// How events are answered from now on.
async fn answers(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, (StatusCode, String)> {
    app.receiver.answer(read(&body)?);
    Ok(StatusCode::NO_CONTENT)
}

/// Publishes, and answers at once.
async fn order(State(app): State<Arc<App>>, body: Bytes) -> Result<StatusCode, (StatusCode, String)> {
    let (publisher, order) = (Arc::clone(&app.publisher), read::<Order>(&body)?);
    tokio::spawn(async move {
        if let Err(error) = publisher.publish(order).await {
            eprintln!("{error}");
        }
    });
    Ok(StatusCode::ACCEPTED)
}

/// What a test says.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// What was written down until now, for whoever cannot read the file.
async fn written(State(app): State<Arc<App>>) -> Result<String, (StatusCode, String)> {
    app.ledger.read().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn receive(State(app): State<Arc<App>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let (status, after) = app.receiver.receive(&method, uri.path(), &headers, &body);
    tokio::time::sleep(after).await;
    status
}

/// A number of milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Millis(u64);

impl From<Millis> for Duration {
    fn from(Millis(number): Millis) -> Self {
        Duration::from_millis(number)
    }
}
