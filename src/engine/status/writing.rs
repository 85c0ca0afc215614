//! Objects as they are written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::engine::app::App;
use crate::engine::generate::{Desired, Role, metadata};

/// Kinds that podwire makes for an application.
const KINDS: [&str; 6] = ["Broker", "Resiliency", "Service", "Subscription", "Trigger", "ConfigMap"];

/// A kind as it stands in the table.
pub(super) fn known(kind: &str) -> &'static str {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("Object")
}

/// The Wiring of an application. Nobody owns it: an owner that is replaced would take it along, and with it all that it owns.
pub(super) fn wiring(app: &App) -> Value {
    json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "metadata": metadata(&app.app_id, &app.namespace, &app.app_id) })
}

/// The object with the Wiring as its owner; what the namespace shares has none.
pub(super) fn owned(desired: &Desired, wiring: &Value) -> Value {
    let mut object = desired.object.clone();
    if desired.role != Role::Shared {
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "podwire.io/v1alpha1",
            "kind": "Wiring",
            "name": wiring["metadata"]["name"],
            "uid": wiring["metadata"]["uid"],
            "controller": false,
            "blockOwnerDeletion": false,
        }]);
    }
    object
}

/// Enough of an object to say which one is meant: no other that took its name.
pub(super) fn reference(object: &Value) -> Value {
    let field = |field: &str| object["metadata"][field].clone();
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": { "name": field("name"), "namespace": field("namespace"), "uid": field("uid") },
    })
}

/// A number that changes with the object; it is compared within one process only.
pub(super) fn digest(object: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    hasher.finish()
}
