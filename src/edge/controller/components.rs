//! Dapr's pub/sub components, as far as podwire depends on them: read by name, and kept for a minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use tracing::debug;

use crate::edge::telemetry::chain;
use crate::engine::{Component, Found};

const KEPT: Duration = Duration::from_secs(60);

/// Components by namespace and name, and when they were read.
type Known = BTreeMap<(String, String), (Instant, Option<Found>)>;

/// Reads components.
pub(super) struct Components {
    client: Client,
    known: Mutex<Known>,
}

impl Components {
    pub(super) fn new(client: Client) -> Self {
        Components { client, known: Mutex::default() }
    }

    /// What is there; nothing where it cannot be read.
    pub(super) async fn get(&self, namespace: &str, name: &str) -> Option<Found> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some((at, known)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && at.elapsed() < KEPT
        {
            return known.clone();
        }
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("dapr.io", "v1alpha1", "Component"), "components");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let read = api.get_opt(name).await.inspect_err(|error| debug!(namespace, name, error = chain(error), "a component cannot be read"));
        let found = read.ok().map(|object| object.map_or(Found::Nothing, |object| Found::This(Component::of(&object.data))));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < KEPT);
        known.insert(key, (Instant::now(), found.clone()));
        found
    }
}
