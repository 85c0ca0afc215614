//! ConfigMap `podwire-brokers`: the addresses for which containers wait. A key is never taken out, for a container that starts again reads it again.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::live::is_ending;
use super::steps::Step;
use super::writing::reference;
use crate::api::names::BROKERS_CONFIG_MAP;
use crate::engine::app::App;
use crate::engine::generate::awaited;
use crate::engine::observed::Observed;
use crate::engine::snapshot::Snapshot;

/// The step that makes the ConfigMap, or puts into it what is missing. `Err` where it is somebody else's.
pub(crate) fn addresses(app: &App, snapshot: &Snapshot, observed: &Observed) -> Result<Option<Step>, ()> {
    let mut wanted = observed.addresses.clone();
    wanted.extend(known(app, snapshot));
    if wanted.is_empty() {
        return Ok(None);
    }
    match &observed.address_map {
        None => Ok(Some(Step::Create(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": BROKERS_CONFIG_MAP,
                "namespace": app.namespace,
                "labels": { "app.kubernetes.io/managed-by": "podwire" },
            },
            "data": wanted,
        })))),
        Some(map) if map["metadata"]["labels"]["app.kubernetes.io/managed-by"] != "podwire" => Err(()),
        Some(map) if is_ending(map) => Ok(None),
        Some(map) => {
            let missing: Map<String, Value> = wanted
                .iter()
                .filter(|(key, value)| map["data"][key.as_str()] != **value)
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect();
            Ok((!missing.is_empty()).then(|| Step::Merge { of: reference(map), patch: json!({ "data": missing }) }))
        }
    }
}

/// The addresses of the ready Brokers to which the application publishes.
fn known(app: &App, snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for name in app.members.iter().chain(&app.carried).flat_map(awaited) {
        let broker = snapshot.brokers.as_ref().and_then(|brokers| brokers.get(&(app.namespace.clone(), name.to_string())));
        let Some(url) = broker.and_then(|broker| broker.url.clone()) else { continue };
        known.insert(name.to_string(), url);
        if let Some(pem) = broker.and_then(|broker| broker.ca_certs.clone()) {
            known.insert(name.certificates_key(), pem);
        }
    }
    known
}
