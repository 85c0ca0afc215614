//! The snapshot of a moment, as far as one namespace needs it: for whoever asks once and does not watch.

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::kinds::{KINDS, Kind, Part, Reading};
use super::streams::{self, lean};
use crate::engine::{Settings, Snapshot};

/// What was read.
#[derive(Debug)]
pub(crate) struct Once {
    /// What admission would know of the namespace.
    pub(crate) snapshot: Snapshot,
    /// The namespace's Wirings, whole.
    pub(crate) wirings: Vec<Value>,
    /// What could not be read, and of which nothing is known therefore, in words.
    pub(crate) unread: Vec<String>,
}

/// What admission needs cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read")]
pub(crate) struct NotListed {
    what: String,
    source: Box<kube::Error>,
}

/// Reads what fills a snapshot, each kind once: of kinds with namespaces only the objects of this one, or of Dapr's and Knative's.
///
/// A kind that is not installed has no objects. A kind that the caller may not read stays unknown, and is named.
pub(crate) async fn once(client: Client, settings: Settings, namespace: &str) -> Result<Once, NotListed> {
    let mut once = Once { snapshot: Snapshot { settings, ..Snapshot::empty() }, wirings: Vec::new(), unread: Vec::new() };
    let failed = |what: String| move |error| NotListed { what, source: Box::new(error) };
    once.snapshot.server = streams::version(&client).await.map_err(failed("the version".to_owned()))?;
    for kind in KINDS.iter().filter(|kind| kind.part.fills()) {
        match objects(&client, kind, &once.snapshot.settings, namespace).await {
            Ok(objects) => objects.iter().for_each(|object| once.take(kind, object)),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                kind.part.replace(&mut once.snapshot, Snapshot::default());
                once.unread.push(format!("{kind} may not be read, and nothing is known of them: {}", status.message));
            }
            Err(error) => return Err(failed(kind.to_string())(error)),
        }
    }
    Ok(once)
}

impl Once {
    fn take(&mut self, kind: &Kind, object: &Value) {
        if let Err(error) = self.snapshot.take(object) {
            self.unread.push(error.to_string());
        }
        if kind.part == Part::Wirings {
            self.wirings.push(object.clone());
        }
    }
}

async fn objects(client: &Client, kind: &Kind, settings: &Settings, namespace: &str) -> Result<Vec<Value>, kube::Error> {
    let resource = kind.resource();
    let within = |namespace: &str| Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let all = || Api::<DynamicObject>::all_with(client.clone(), &resource);
    let name = kind.name().unwrap_or_default();
    let found = match (kind.reading, kind.part) {
        (Reading::OfDapr(_), _) => within(&settings.dapr_namespace).get_opt(name).await?.into_iter().collect(),
        (Reading::OfKnative(_), _) => within(&settings.knative_namespace).get_opt(name).await?.into_iter().collect(),
        (_, Part::Namespaces) => all().get_opt(namespace).await?.into_iter().collect(),
        (_, Part::Policies) => all().list(&ListParams::default()).await?.items,
        _ => within(namespace).list(&ListParams::default()).await?.items,
    };
    let plain = |object: DynamicObject| match lean(Event::Apply(object), &resource) {
        Event::Apply(object) => object,
        _ => Value::Null,
    };
    Ok(found.into_iter().map(plain).collect())
}
