//! The sidecar side: a Resiliency, a Subscription for each topic, and the Service by which sidecars find each other.

use serde_json::{Value, json};

use super::names::{hashed, joined, metadata};
use super::retry;
use crate::api::annotations as key;
use crate::api::names::Topic;
use crate::api::subscribe::Entry;
use crate::engine::app::Member;
use crate::engine::observed::Loaded;
use crate::engine::snapshot::Component;
use crate::engine::{Code, Finding, Subject};

/// Answers that are tried again; another 4xx gives up. docs/portability.md, rule 3.
const RETRIED: &str = "408,409,429,500-599";

/// The Subscriptions, one for each topic in the order of the entries.
pub(super) fn subscriptions(member: &Member, findings: &mut Vec<Finding>) -> Vec<Value> {
    let entries = &member.intent.subscribe;
    let mut topics: Vec<&Topic> = Vec::new();
    for entry in entries {
        if !topics.contains(&&entry.topic) {
            topics.push(&entry.topic);
        }
    }
    let of = |topic: &Topic| entries.iter().filter(|entry| entry.topic == *topic).collect::<Vec<&Entry>>();
    topics.into_iter().map(|topic| subscription(member, topic, &of(topic), findings)).collect()
}

/// The headless Service `<app-id>-dapr`, which Dapr's operator makes only for templates that carry `dapr.io/enabled`.
pub(super) fn invocation(member: &Member) -> Option<Value> {
    let (namespace, app_id) = member.key();
    let ports = member.ports?;
    let named = [
        ("dapr-http", 80, ports.http),
        ("dapr-grpc", 50001, ports.grpc),
        ("dapr-internal", 50002, ports.internal),
        ("dapr-metrics", 9090, ports.metrics),
    ];
    let ports: Vec<Value> =
        named.iter().map(|(name, port, target)| json!({ "name": name, "port": port, "protocol": "TCP", "targetPort": target })).collect();
    let mut metadata = metadata(&format!("{app_id}-dapr"), namespace, app_id);
    metadata["labels"][key::DAPR_ENABLED] = json!("true");
    metadata["annotations"] = json!(member.intent.sidecar.service_annotations);
    metadata["annotations"][key::DAPR_APP_ID] = json!(app_id);
    Some(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": { "clusterIP": "None", "ports": ports, "selector": { key::APP_ID_LABEL: app_id, "dapr.io/sidecar-injected": "true" }, "type": "ClusterIP" },
    }))
}

/// The name of an application's Resiliency, and of everything in it.
pub(super) fn resiliency_name(app_id: &str) -> String {
    format!("podwire-{app_id}")
}

/// The name of a topic's Subscription.
pub(super) fn subscription_name(app_id: &str, topic: &Topic) -> String {
    let joined = joined(app_id, &topic.slug());
    if topic.is_portable() { joined } else { hashed(&joined, topic.as_str()) }
}

/// Policies carry the app-id in their names: daprd keeps all that it loads in one map.
pub(super) fn resiliency(member: &Member, component: Option<&Component>, findings: &mut Vec<Finding>) -> Value {
    let (namespace, app_id) = member.key();
    let asked = &member.intent.retry;
    let schedule = retry::dapr(asked);
    let budget = schedule.dapr_budget(asked);
    if let Some(patience) = Component::patience(component).filter(|patience| budget >= *patience) {
        let allowed = format!("up to {} s, and Redis waits {} s", budget.as_secs(), patience.as_secs());
        let subject = Subject::Annotation(key::RETRY.to_owned());
        findings.push(Finding::new(Code::RetryTooLong, subject, allowed).help("shorten it, or raise the component's processingTimeout"));
    }
    let name = resiliency_name(app_id);
    let policy = json!({ "policy": "exponential", "maxInterval": "60s", "maxRetries": schedule.retries, "matching": { "httpStatusCodes": RETRIED } });
    let mut policies = json!({ "retries": { name.as_str(): policy } });
    let mut inbound = json!({ "retry": name });
    if let Some(timeout) = asked.timeout {
        policies["timeouts"] = json!({ name.as_str(): format!("{}ms", timeout.as_millis()) });
        inbound["timeout"] = json!(name);
    }
    json!({
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Resiliency",
        "metadata": metadata(&name, namespace, app_id),
        "scopes": [app_id],
        "spec": { "policies": policies, "targets": { "components": { member.pubsub.as_str(): { "inbound": inbound } } } },
    })
}

/// Always scoped: without scopes every sidecar of the namespace would subscribe.
fn subscription(member: &Member, topic: &Topic, entries: &[&Entry], findings: &mut Vec<Finding>) -> Value {
    let (namespace, app_id) = member.key();
    let name = subscription_name(app_id, topic);
    let rules = entries.iter().filter(|entry| !entry.attributes.is_empty());
    let rules: Vec<Value> = rules.map(|entry| json!({ "match": condition(entry), "path": entry.path.as_str() })).collect();
    let rest = entries.iter().find(|entry| entry.attributes.is_empty()).map(|entry| entry.path.as_str());
    let mut spec = json!({ "pubsubname": member.pubsub, "topic": topic.as_str(), "routes": { "rules": rules } });
    if let Some(rest) = rest {
        spec["routes"]["default"] = json!(rest);
    }
    if let Some(dead) = entries.iter().find_map(|entry| entry.dead_letter.as_ref()) {
        spec["deadLetterTopic"] = json!(dead.as_str());
        if rest.is_none() {
            let subject = Subject::Annotation(key::SUBSCRIBE.to_owned());
            let finding =
                Finding::new(Code::UnmatchedDeadLettered, subject, format!("in sidecar style {dead} also gets what no entry asks for"));
            findings.push(finding.read(topic.as_str()));
        }
    }
    json!({
        "apiVersion": "dapr.io/v2alpha1",
        "kind": "Subscription",
        "metadata": metadata(&name, namespace, app_id),
        "scopes": [app_id],
        "spec": spec,
    })
}

/// What a sidecar has loaded once it has loaded a Subscription.
pub(crate) fn expected(subscription: &Value) -> Loaded {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &subscription["spec"];
    let rules = spec["routes"]["rules"].as_array().into_iter().flatten().map(|rule| (text(&rule["match"]), text(&rule["path"])));
    let rest = spec["routes"]["default"].as_str().map(|path| (String::new(), path.to_owned()));
    Loaded {
        pubsub: text(&spec["pubsubname"]),
        topic: text(&spec["topic"]),
        rules: rules.chain(rest).collect(),
        dead_letter: spec["deadLetterTopic"].as_str().map(str::to_owned),
    }
}

/// The attributes of an entry as CEL: a missing attribute is false and no error, and a value is a literal whatever it holds.
pub(super) fn condition(entry: &Entry) -> String {
    let one = |(name, value): (&String, &String)| {
        let (name, value) = (literal(name), literal(value));
        format!("{name} in event && event[{name}] == {value}")
    };
    entry.attributes.iter().map(one).collect::<Vec<_>>().join(" && ")
}

/// A text as a CEL literal: JSON's escapes are among CEL's.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}
