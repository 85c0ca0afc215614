//! The broker side: Brokers, one Service to the application, and a Trigger for each entry.

use serde_json::{Value, json};

use super::names::{hashed, joined, metadata};
use super::retry::{self, KNATIVE_FIRST, iso8601};
use crate::api::annotations::APP_ID_LABEL;
use crate::api::names::BrokerName;
use crate::api::policy::BrokerPolicy;
use crate::api::style::Style;
use crate::api::subscribe::Entry;
use crate::engine::app::Member;

/// podwire's Service of an application.
pub(crate) fn service_name(app_id: &str) -> String {
    format!("pw-{app_id}")
}

/// The name of an entry's first Trigger.
pub(super) fn trigger_name(app_id: &str, entry: &Entry) -> String {
    joined(app_id, entry.name.as_str())
}

/// Whether a Trigger is an entry's: it has the first name, or that of a replacement on its Broker.
pub(crate) fn is_trigger_of(app_id: &str, entry: &Entry, trigger: &Value) -> bool {
    let (first, name) = (trigger_name(app_id, entry), &trigger["metadata"]["name"]);
    *name == *first || trigger["spec"]["broker"].as_str().is_some_and(|broker| *name == *hashed(&first, broker))
}

/// Knative calls a Service at port 80, whatever ports it has. Nothing where the application takes no events.
pub(super) fn service(member: &Member) -> Option<Value> {
    let (namespace, app_id) = member.key();
    let port = member.intent.app_port.filter(|_| !member.intent.subscribe.is_empty())?;
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(&service_name(app_id), namespace, app_id),
        "spec": {
            "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": port.number() }],
            "selector": { APP_ID_LABEL: app_id },
            "type": "ClusterIP",
        },
    }))
}

/// A Trigger names its Broker and its subscriber in its own namespace; its path begins with exactly one slash, so it names no host.
pub(super) fn trigger(member: &Member, entry: &Entry, name: &str, broker: &BrokerName, timeouts: bool) -> Value {
    let (namespace, app_id) = member.key();
    json!({
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": metadata(name, namespace, app_id),
        "spec": {
            "broker": broker.as_str(),
            "filter": { "attributes": entry.attributes },
            "subscriber": {
                "ref": { "apiVersion": "v1", "kind": "Service", "name": service_name(app_id), "namespace": namespace },
                "uri": entry.path.as_str(),
            },
            "delivery": delivery(member, entry, timeouts),
        },
    })
}

/// Written out in full: a Trigger that states a part of it gets none of the Broker's. `timeouts`: whether Knative takes one (its flag `delivery-timeout`).
fn delivery(member: &Member, entry: &Entry, timeouts: bool) -> Value {
    let retry = &member.intent.retry;
    let mut delivery = json!({
        "backoffDelay": iso8601(KNATIVE_FIRST),
        "backoffPolicy": "exponential",
        "format": "json",
        "retry": retry::knative(retry).retries,
    });
    if let Some(timeout) = retry.timeout.filter(|_| timeouts) {
        delivery["timeout"] = json!(iso8601(timeout));
    }
    if let Some(dead) = entry.dead_letter.as_ref().and_then(BrokerName::of_topic) {
        let broker =
            json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": dead.as_str(), "namespace": member.namespace });
        delivery["deadLetterSink"] = json!({ "ref": broker });
    }
    delivery
}

/// The Brokers that a member needs: those to which it publishes, those on which it listens, and those of its dead letters.
pub(crate) fn needed(member: &Member) -> Vec<BrokerName> {
    let mut needed = awaited(member);
    for entry in member.intent.subscribe.iter().filter(|_| member.listen.contains(&Style::Broker)) {
        needed.extend(member.broker_of(entry));
        needed.extend(entry.dead_letter.as_ref().and_then(BrokerName::of_topic));
    }
    needed.sort();
    needed.dedup();
    needed
}

/// The Brokers whose addresses a member's pods are given.
pub(crate) fn awaited(member: &Member) -> Vec<BrokerName> {
    let topics = member.intent.publish.iter().filter(|_| member.publish == Style::Broker);
    topics.filter_map(|topic| member.intent.broker_of(topic)).collect()
}

/// The class of Knative's Broker that sends through a channel.
const CHANNEL_BASED: &str = "MTChannelBasedBroker";
const CLASS: &str = "eventing.knative.dev/broker.class";
/// Lets such a Broker answer before every Trigger has: otherwise a producer that times out ends retries and dead letters (measured).
const ASYNC: &str = "messaging.knative.dev/async-handler";

/// A Broker as the policy wants it. It belongs to nobody: it holds events of many.
pub(super) fn broker(name: &BrokerName, namespace: &str, policy: &BrokerPolicy) -> Value {
    let mut annotations = serde_json::Map::new();
    if let Some(class) = &policy.class {
        annotations.insert(CLASS.to_owned(), json!(class));
    }
    if policy.class.as_deref().is_none_or(|class| class == CHANNEL_BASED) {
        annotations.insert(ASYNC.to_owned(), json!("true"));
    }
    let mut metadata = json!({ "name": name.as_str(), "namespace": namespace, "labels": { "app.kubernetes.io/managed-by": "podwire" } });
    if !annotations.is_empty() {
        metadata["annotations"] = Value::Object(annotations);
    }
    let mut broker = json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": metadata, "spec": {} });
    if let Some(config) = &policy.config {
        broker["spec"]["config"] = json!({
            "apiVersion": config.api_version(),
            "kind": config.kind,
            "name": config.name,
            "namespace": config.namespace.as_deref().unwrap_or(namespace),
        });
    }
    broker
}
