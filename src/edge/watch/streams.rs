//! One watch: a stream that never ends, backs off where it fails, and feels the pulse of the API server.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Config, DefaultBackoff, Event};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::kinds::{Kind, Part, Reading, definitions};
use super::snapshots::Pulse;
use crate::edge::telemetry::chain;
use crate::engine::Settings;

/// Seconds after which the server ends a watch, which then goes on where it was. A connection that died in silence is noticed five seconds later.
const WATCH_SECONDS: u32 = 120;
/// The part of kube's pauses after errors that is waited: 0.1 s at first, 8 s at last. Its own grow to a minute, and what podwire has not seen cannot be admitted.
pub(super) const PATIENCE: u32 = 8;
/// Objects in a page of a list: no more of them are held at once, however many the cluster has.
const PAGE: u32 = 100;
/// How often the API server's version is read.
const VERSION_EVERY: Duration = Duration::from_secs(300);

/// Whose stream it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Source {
    /// Objects.
    Objects(Part),
    /// The definition of their kind.
    Definition(Part),
    /// The API server's version.
    Version,
}

/// What a stream says.
pub(super) type Said = Result<Heard, Failure>;

/// What is heard from the API server.
#[derive(Debug)]
pub(super) enum Heard {
    Event(Event<Value>),
    Version(Option<(u32, u32)>),
}

/// What went wrong with a watch; it goes on.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server has no objects of this kind.
    Unserved,
    /// The server does not remember what happened since; everything is listed again.
    Expired,
    /// Anything else, in words.
    Other(String),
}

/// The stream of a source. It never ends. A pause after an error ends early when `hurry` is notified.
pub(super) fn of(source: Source, client: Client, settings: &Settings, hurry: Arc<Notify>) -> BoxStream<'static, Said> {
    match source {
        Source::Objects(part) => patient(objects(client, part.kind(), settings), DefaultBackoff::default(), hurry).boxed(),
        Source::Definition(part) => {
            let name = part.kind().definition().unwrap_or_default();
            patient(definition(client, &name), DefaultBackoff::default(), hurry).boxed()
        }
        Source::Version => stream::unfold(client, |client| async move {
            tokio::time::sleep(VERSION_EVERY).await;
            let version = version(&client).await.map(Heard::Version).map_err(|error| Failure::Other(chain(&error)));
            Some((version, client))
        })
        .boxed(),
    }
}

/// Major and minor version of the API server; `None` where it does not say.
pub(super) async fn version(client: &Client) -> Result<Option<(u32, u32)>, kube::Error> {
    match client.apiserver_version().await {
        Ok(info) => Ok(number(&info.major).zip(number(&info.minor))),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Some servers say `33+`.
pub(super) fn number(text: &str) -> Option<u32> {
    text.trim_end_matches(|last: char| !last.is_ascii_digit()).parse().ok()
}

fn objects(client: Client, kind: &Kind, settings: &Settings) -> BoxStream<'static, Said> {
    let resource = kind.resource();
    let config = Config { label_selector: kind.labels(), ..config(kind.name()) };
    let within = |namespace: &str| Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    match kind.reading {
        Reading::Metadata | Reading::Without(_) => {
            watch(Api::<PartialObjectMeta<DynamicObject>>::all_with(client, &resource), config, resource)
        }
        Reading::OfDapr(_) => watch(within(&settings.dapr_namespace), config, resource),
        Reading::OfKnative(_) => watch(within(&settings.knative_namespace), config, resource),
        Reading::All | Reading::With(_) | Reading::Own | Reading::Named(_) => {
            watch(Api::<DynamicObject>::all_with(client, &resource), config, resource)
        }
    }
}

/// How is watched: lists come in pages of [`PAGE`].
fn config(name: Option<&str>) -> Config {
    let config = Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    match name {
        Some(name) => config.fields(&format!("metadata.name={name}")),
        None => config,
    }
}

fn definition(client: Client, name: &str) -> BoxStream<'static, Said> {
    let config = config(Some(name));
    watch(Api::<PartialObjectMeta<DynamicObject>>::all_with(client, &definitions()), config, definitions())
}

fn watch<K>(api: Api<K>, config: Config, resource: ApiResource) -> BoxStream<'static, Said>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Lean + Resource + Send + 'static,
{
    let plain = move |event| Heard::Event(lean(event, &resource));
    watcher::watcher(api, config).map(move |event| event.map(&plain).map_err(Failure::from)).boxed()
}

/// Waits longer after every error in a row. `Init` is said before the server is asked, so it is no sign of success.
pub(super) fn patient<S, B>(events: S, backoff: B, hurry: Arc<Notify>) -> impl Stream<Item = Said> + Send
where
    S: Stream<Item = Said> + Send + Unpin,
    B: Backoff,
{
    stream::unfold((events, backoff, hurry, None::<Duration>), |(mut events, mut backoff, hurry, pause)| async move {
        if let Some(pause) = pause {
            let _either = tokio::time::timeout(pause, hurry.notified()).await;
        }
        let said = events.next().await?;
        let pause = match &said {
            Ok(Heard::Event(Event::Init)) => None,
            Ok(_) => {
                backoff.reset();
                None
            }
            Err(_) => backoff.next().map(|pause| pause / PATIENCE),
        };
        Some((said, (events, backoff, hurry, pause)))
    })
}

impl From<watcher::Error> for Failure {
    fn from(error: watcher::Error) -> Self {
        use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
        let status = match &error {
            InitialListFailed(kube::Error::Api(status)) | WatchStartFailed(kube::Error::Api(status)) => Some(status),
            WatchFailed(kube::Error::Api(status)) | WatchError(status) => Some(status),
            InitialListFailed(_) | WatchStartFailed(_) | WatchFailed(_) | NoResourceVersion => None,
        };
        match status {
            Some(status) if status.code == 404 => Failure::Unserved,
            Some(status) if status.code == 410 => Failure::Expired,
            Some(status) => Failure::Other(format!("{} ({})", status.message, status.code)),
            None => Failure::Other(chain(&error)),
        }
    }
}

/// What of an object is worth keeping.
pub(super) trait Lean {
    fn parts(self) -> (ObjectMeta, Value);
}

impl Lean for DynamicObject {
    fn parts(self) -> (ObjectMeta, Value) {
        (self.metadata, self.data)
    }
}

impl Lean for PartialObjectMeta<DynamicObject> {
    fn parts(self) -> (ObjectMeta, Value) {
        (self.metadata, Value::Null)
    }
}

/// The event with plain JSON objects. Neither the items of a list nor bare metadata say of what kind they are.
pub(super) fn lean<K: Lean>(event: Event<K>, resource: &ApiResource) -> Event<Value> {
    let plain = |object: K| {
        let (mut metadata, rest) = object.parts();
        metadata.managed_fields = None;
        let mut plain = match rest {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        plain.insert("apiVersion".to_owned(), json!(resource.api_version));
        plain.insert("kind".to_owned(), json!(resource.kind));
        plain.insert("metadata".to_owned(), json!(metadata));
        Value::Object(plain)
    };
    match event {
        Event::Apply(object) => Event::Apply(plain(object)),
        Event::Delete(object) => Event::Delete(plain(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(plain(object)),
        Event::InitDone => Event::InitDone,
    }
}

/// The client, with a pulse that beats whenever the server sends something. Bookmarks never become events, and are often all that a watch hears.
pub(super) fn listening(client: Client, pulse: Arc<Pulse>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let (client, pulse) = (client.clone(), pulse.clone());
        async move {
            let response = client.send(request).await?;
            let answered = response.status().is_success();
            let heard = move || {
                if answered {
                    pulse.beat();
                }
            };
            heard();
            let listened =
                |body| Body::from_stream(Body::new(body).into_data_stream().inspect(move |chunk| chunk.iter().for_each(|_| heard())));
            Ok::<_, kube::Error>(response.map(listened))
        }
    });
    Client::new(service, namespace)
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Objects(part) => write!(f, "{}", part.kind()),
            Source::Definition(part) => write!(f, "the definition of {}", part.kind().definition().unwrap_or_default()),
            Source::Version => write!(f, "the version"),
        }
    }
}
