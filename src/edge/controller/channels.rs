//! In-memory channels of Knative's, as far as podwire depends on them: read by name, while a Trigger waits for one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::to_value;
use tracing::debug;

use crate::engine::Channel;

/// One that is not there, or that podwire may not read, is not asked for again within this.
const PASSED_OVER: Duration = Duration::from_secs(60);

/// Reads channels.
pub(super) struct Channels {
    client: Client,
    /// When one could not be read, by namespace and name.
    unread: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Channels {
    pub(super) fn new(client: Client) -> Self {
        Channels { client, unread: Mutex::default() }
    }

    /// Those of these that can be read; names and answers by Broker.
    pub(super) async fn get(&self, namespace: &str, names: BTreeMap<String, String>) -> Result<BTreeMap<String, Channel>, kube::Error> {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("messaging.knative.dev", "v1", "InMemoryChannel"), "inmemorychannels");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let mut channels = BTreeMap::new();
        for (broker, name) in names {
            let key = (namespace.to_owned(), name);
            if self.is_passed_over(&key) {
                continue;
            }
            match api.get_opt(&key.1).await {
                Ok(Some(object)) => drop(channels.insert(broker, Channel::of(&to_value(object).map_err(kube::Error::SerdeError)?))),
                Ok(None) => self.pass_over(key, "it is not there"),
                Err(kube::Error::Api(status)) if status.is_forbidden() => self.pass_over(key, &status.message),
                Err(error) => return Err(error),
            }
        }
        Ok(channels)
    }

    fn is_passed_over(&self, key: &(String, String)) -> bool {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        unread.retain(|_, at| at.elapsed() < PASSED_OVER);
        unread.contains_key(key)
    }

    fn pass_over(&self, key: (String, String), why: &str) {
        debug!(namespace = key.0, name = key.1, why, "a channel cannot be read: its Triggers are ready when Knative says so");
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Instant::now());
    }
}
