//! From a pod's ReplicaSet or Job up to whoever owns it. Each is read once; what is above is never fetched, its reference says enough.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};

use super::read;

/// Owners by the uid of what they own.
pub(super) struct Tops {
    client: Client,
    known: Mutex<BTreeMap<String, ObjectReference>>,
}

/// why: a namespace with many short Jobs must not fill the memory; what is forgotten is read again.
const REMEMBERED: usize = 10_000;

impl Tops {
    pub(super) fn new(client: Client) -> Self {
        Tops { client, known: Mutex::default() }
    }

    /// Whoever stands above a ReplicaSet or a Job; itself where nobody does, or where it is gone.
    pub(super) async fn of(&self, owner: &ObjectReference) -> Result<ObjectReference, kube::Error> {
        let uid = owner.uid.clone().unwrap_or_default();
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&uid) {
            return Ok(known.clone());
        }
        let (group, plural) = if owner.kind.as_deref() == Some("Job") { ("batch", "jobs") } else { ("apps", "replicasets") };
        let kind = owner.kind.as_deref().unwrap_or_default();
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        let namespace = owner.namespace.as_deref().unwrap_or_default();
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = api.get_metadata_opt(owner.name.as_deref().unwrap_or_default()).await?;
        let object = found.map(|found| serde_json::json!({ "metadata": found.metadata }));
        let top = object.and_then(|object| read::controller(&object)).unwrap_or_else(|| owner.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(uid, top.clone());
        Ok(top)
    }
}
