//! The broker side: one Service to the application, and a Trigger for each entry.

use serde_json::{Value, json};

use super::names::{joined, metadata};
use super::retry::{self, KNATIVE_FIRST, iso8601};
use crate::api::annotations::APP_ID_LABEL;
use crate::api::names::BrokerName;
use crate::api::subscribe::Entry;
use crate::engine::app::App;

/// The Service, then the Triggers in the order of the entries; nothing where the application takes no events.
pub(crate) fn broker_side(app: &App) -> Vec<Value> {
    let intent = &app.first.intent;
    let Some(port) = intent.app_port.filter(|_| !intent.subscribe.is_empty()) else { return Vec::new() };
    let triggers = intent.subscribe.iter().filter_map(|entry| trigger(app, entry));
    std::iter::once(service(app, port.number())).chain(triggers).collect()
}

/// podwire's Service of an application.
fn service_name(app_id: &str) -> String {
    format!("pw-{app_id}")
}

/// Knative calls a Service at port 80, whatever ports it has.
fn service(app: &App, port: u16) -> Value {
    let (namespace, app_id) = app.first.key();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(&service_name(app_id), namespace, app_id),
        "spec": {
            "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": port }],
            "selector": { APP_ID_LABEL: app_id },
        },
    })
}

/// A Trigger names its Broker and its subscriber in its own namespace; its path begins with exactly one slash, so it names no host.
fn trigger(app: &App, entry: &Entry) -> Option<Value> {
    let (namespace, app_id) = app.first.key();
    let broker = app.first.intent.broker.clone().or_else(|| BrokerName::of_topic(&entry.topic))?;
    Some(json!({
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": metadata(&joined(app_id, entry.name.as_str()), namespace, app_id),
        "spec": {
            "broker": broker.as_str(),
            "filter": { "attributes": entry.attributes },
            "subscriber": {
                "ref": { "apiVersion": "v1", "kind": "Service", "name": service_name(app_id), "namespace": namespace },
                "uri": entry.path.as_str(),
            },
            "delivery": delivery(app, entry, namespace),
        },
    }))
}

/// Written out in full: a Trigger that states a part of it gets none of the Broker's.
fn delivery(app: &App, entry: &Entry, namespace: &str) -> Value {
    let retry = &app.first.intent.retry;
    let mut delivery = json!({
        "backoffDelay": iso8601(KNATIVE_FIRST),
        "backoffPolicy": "exponential",
        "format": "json",
        "retry": retry::knative(retry).retries,
    });
    if let Some(timeout) = retry.timeout {
        delivery["timeout"] = json!(iso8601(timeout));
    }
    if let Some(dead) = entry.dead_letter.as_ref().and_then(BrokerName::of_topic) {
        let broker = json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": dead.as_str(), "namespace": namespace });
        delivery["deadLetterSink"] = json!({ "ref": broker });
    }
    delivery
}
