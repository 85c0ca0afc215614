//! The conditions of a Wiring, each with a reason that a person can act on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::condition::{Said, Truth, camel, ready_on};
use super::live::{Live, is_ready, kind, name};
use super::loading::denies;
use super::steps::{Made, State};
use crate::api::names::BROKERS_CONFIG_MAP;
use crate::api::style::Style;
use crate::engine::Finding;
use crate::engine::app::App;
use crate::engine::generate::{Role, budget, expected, needed};
use crate::engine::observed::{Found, Observed};
use crate::engine::snapshot::{Broker, Snapshot};

/// What the conditions are made of.
pub(crate) struct Case<'a> {
    pub(crate) app: &'a App,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) observed: &'a Observed,
    pub(crate) made: &'a Made,
    /// A Resiliency of somebody else that names the application's component.
    pub(crate) neighbour: Option<&'a str>,
    /// A Trigger that is ready and to which its Broker's channel sends nothing yet.
    pub(crate) unfed: Option<&'a Value>,
    /// The ConfigMap of addresses is somebody else's.
    pub(crate) addresses_taken: bool,
}

/// Whether every workload of the app-id is part of the application.
pub(super) fn accepted(case: &Case) -> Said {
    let Case { app, observed, .. } = case;
    let said = |truth, reason: &str, message: String| Said::new("Accepted", truth, reason, message);
    if app.is_gone() {
        let grace = seconds(observed.grace);
        return said(Truth::False, "Gone", format!("no workload and no pod has the app-id: what was made for it goes after {grace} s"));
    }
    match app.faults.first() {
        None => said(Truth::True, "Wired", String::new()),
        Some(first) => {
            let texts = app.faults.iter().map(|fault| format!("{}/{}: {}", word(&fault.of.kind), word(&fault.of.name), fault.finding));
            said(Truth::False, &camel(first.finding.code.name()), texts.collect::<Vec<_>>().join(" | "))
        }
    }
}

fn word(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

/// The Brokers that the application needs, as they are.
fn brokers<'a>(case: &'a Case) -> BTreeMap<String, Option<&'a Broker>> {
    let known = case.snapshot.brokers.as_ref();
    let broker = |name: &str| known.and_then(|known| known.get(&(case.app.namespace.clone(), name.to_owned())));
    let needed = case.app.members.iter().flat_map(needed);
    needed.map(|name| (name.to_string(), broker(name.as_str()))).collect()
}

/// Whether the Brokers are there and have an address.
pub(super) fn broker_ready(case: &Case) -> Option<Said> {
    let brokers = brokers(case);
    let said = |truth, reason: &str, message: String| Some(Said::new("BrokerReady", truth, reason, message));
    if brokers.is_empty() {
        return None;
    }
    if !case.observed.kinds.knative {
        return said(Truth::False, "NotInstalled", "the cluster has no Knative Eventing".to_owned());
    }
    if case.addresses_taken {
        let message = format!("ConfigMap {BROKERS_CONFIG_MAP} is not podwire's: pods that wait for an address do not start; rename it");
        return said(Truth::False, "Conflict", message);
    }
    let made = |name: &str| case.made.states.iter().find(|(one, _)| one.role == Role::Shared && super::live::name(&one.object) == name);
    for (name, broker) in &brokers {
        match (broker, made(name)) {
            (None, Some((_, State::TooMany))) => {
                return said(
                    Truth::False,
                    "TooManyBrokers",
                    format!("podwire makes no more Brokers in the namespace: create {name} yourself"),
                );
            }
            (None, Some(_)) => return said(Truth::False, "BrokerPending", format!("Broker {name} is being made")),
            (None, None) => {
                return said(
                    Truth::False,
                    "BrokerMissing",
                    format!("there is no Broker {name}, and the policy does not let podwire make it"),
                );
            }
            (Some(Broker { url: None, not_ready, .. }), _) => {
                let why = not_ready.as_deref().unwrap_or("it has no address");
                return said(Truth::False, "BrokerNotReady", format!("Broker {name}: {why}"));
            }
            (Some(_), _) => {}
        }
    }
    said(Truth::True, "Ready", String::new())
}

/// Whether the Brokers keep what they take.
pub(super) fn durable(case: &Case) -> Option<Said> {
    let brokers = brokers(case);
    if brokers.is_empty() {
        return None;
    }
    let said = |truth, reason: &str, message: String| Some(Said::new("Durable", truth, reason, message));
    let with = |fits: &dyn Fn(&Broker) -> bool| -> Vec<&str> {
        brokers.iter().filter(|(_, broker)| broker.is_some_and(fits)).map(|(name, _)| name.as_str()).collect()
    };
    let channel_based = |broker: &Broker| broker.class.as_deref() == Some("MTChannelBasedBroker");
    let waiting = with(&|broker| channel_based(broker) && !broker.async_handler);
    let note = match waiting.is_empty() {
        true => String::new(),
        false => format!(
            "; without the annotation messaging.knative.dev/async-handler a producer that times out ends the retries of {}",
            waiting.join(", ")
        ),
    };
    let memory = with(&|broker| broker.channel.as_deref() == Some("InMemoryChannel"));
    if !memory.is_empty() {
        let message = format!("a restart of Knative's dispatcher loses what {} holds{note}", memory.join(", "));
        return said(Truth::False, "InMemory", message);
    }
    let known = brokers
        .values()
        .all(|broker| broker.is_some_and(|broker| broker.class.is_some() && (!channel_based(broker) || broker.channel.is_some())));
    let (truth, reason) = if known { (Truth::True, "Durable") } else { (Truth::Unknown, "BrokerNotKnown") };
    said(truth, reason, note.trim_start_matches("; ").to_owned())
}

/// What stands in the way of the objects of a side, the worst first.
fn objects(case: &Case, side: Style) -> Option<(&'static str, String)> {
    let of = |state: &State| -> Vec<String> {
        let states = case.made.states.iter().filter(|(one, at)| one.role == Role::Own(side) && at == state);
        states.map(|(one, _)| format!("{} {}", kind(&one.object), name(&one.object))).collect()
    };
    let product = if side == Style::Broker { "Knative Eventing" } else { "Dapr" };
    let [conflicts, lacking, many, missing] =
        [State::Conflict, State::NotInstalled, State::TooMany, State::Missing].map(|state| of(&state));
    if !lacking.is_empty() {
        return Some(("NotInstalled", format!("the cluster has no {product}")));
    }
    if !conflicts.is_empty() {
        return Some(("Conflict", format!("{} is not podwire's and is left alone: rename or delete it", conflicts.join(", "))));
    }
    if !many.is_empty() {
        return Some(("TooManyTriggers", format!("podwire makes no more Triggers in the namespace: {} is missing", many.join(", "))));
    }
    (!missing.is_empty()).then(|| pending(case, &missing.join(", ")))
}

/// Reason and text where something is not there yet.
fn pending(case: &Case, what: &str) -> (&'static str, String) {
    match &case.observed.refused {
        None => ("Pending", format!("{what} is being made")),
        Some(why) => ("Refused", format!("{what} could not be made and is tried again: {why}")),
    }
}

fn subscribes(case: &Case, side: Style) -> bool {
    case.app.listens(side) && case.app.first().is_some_and(|first| !first.intent.subscribe.is_empty())
}

/// Whether the Triggers are ready, and what they do not see: whether anybody takes their events.
pub(super) fn triggers_ready(case: &Case) -> Option<Said> {
    let first = case.app.first().filter(|_| subscribes(case, Style::Broker))?;
    let said = |truth, reason: &str, message: String| Some(Said::new(ready_on(Style::Broker), truth, reason, message));
    if let Some((reason, message)) = objects(case, Style::Broker) {
        return said(Truth::False, reason, message);
    }
    let live = Live::new(&case.observed.objects, case.observed.wiring.as_deref());
    let triggers = case.made.states.iter().map(|(one, _)| &one.object).filter(|one| kind(one) == "Trigger");
    let mut waiting = triggers.filter_map(|one| live.find("Trigger", name(one))).filter(|one| !is_ready(one));
    if let Some(trigger) = waiting.next() {
        return said(Truth::False, "TriggerNotReady", format!("Trigger {}: {}", name(trigger), unready(trigger)));
    }
    if let Some(trigger) = case.unfed {
        let message = format!(
            "Trigger {} is ready, and the channel of Broker {} does not send to it yet: until it does, events are accepted and lost",
            name(trigger),
            trigger["spec"]["broker"].as_str().unwrap_or_default()
        );
        return said(Truth::False, "ChannelBehind", message);
    }
    if !case.app.pods.iter().any(|pod| pod.is_ready()) {
        let after = seconds(budget(&first.intent.retry, Style::Broker));
        return said(Truth::False, "NoEndpoints", format!("no pod is ready: an event is given up after {after} s"));
    }
    said(Truth::True, "Ready", String::new())
}

/// What Knative says of an object that is not ready.
fn unready(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|one| one["type"] == "Ready");
    let text = |field: &str| ready.and_then(|ready| ready[field].as_str()).filter(|text| !text.is_empty());
    let parts: Vec<&str> = [text("reason"), text("message")].into_iter().flatten().collect();
    if parts.is_empty() { "Knative has not said anything of it yet".to_owned() } else { parts.join(": ") }
}

/// Whether the sidecars have loaded the Subscriptions, as they themselves say.
pub(super) fn subscriptions_ready(case: &Case) -> Option<Said> {
    let first = case.app.first().filter(|_| subscribes(case, Style::Sidecar))?;
    let said = |truth, reason: &str, message: String| Some(Said::new(ready_on(Style::Sidecar), truth, reason, message));
    if let Some(resiliency) = case.made.resiliency()
        && let Some(pod) = denies(case.app, case.observed, resiliency)
    {
        let message = format!(
            "the sidecar of pod {} has not loaded Resiliency {resiliency}: until it has, it takes failed events for delivered, and no Subscription is added",
            pod.name()
        );
        return said(Truth::False, "ResiliencyNotLoaded", message);
    }
    if let Some((reason, message)) = objects(case, Style::Sidecar) {
        return said(Truth::False, reason, message);
    }
    match &case.observed.component {
        Some(Found::Nothing) => return said(Truth::False, "ComponentMissing", format!("the namespace has no component {}", first.pubsub)),
        Some(Found::This(component)) if !component.admits(&case.app.app_id) => {
            let message = format!("the scopes of component {} do not hold {}", first.pubsub, case.app.app_id);
            return said(Truth::False, "ComponentOutOfScope", message);
        }
        Some(Found::This(_)) | None => {}
    }
    if let Some(other) = case.neighbour {
        let message = format!("Resiliency {other} names component {}: it holds, and podwire's is not written", first.pubsub);
        return said(Truth::False, "ResiliencyConflict", message);
    }
    let pods: Vec<_> = case.app.sidecars().collect();
    if pods.is_empty() {
        return said(Truth::Unknown, "NoPods", "no pod is ready whose sidecar could have loaded them".to_owned());
    }
    let wanted: Vec<_> =
        case.made.states.iter().filter(|(one, _)| kind(&one.object) == "Subscription").map(|(one, _)| expected(&one.object)).collect();
    let mut unknown = None;
    for pod in pods {
        match case.observed.sidecars.get(pod.name()).and_then(|answers| answers.loaded.as_ref()) {
            None => unknown = unknown.or(Some(("NotAsked", format!("the sidecar of pod {} was not asked yet", pod.name())))),
            Some(Err(why)) => {
                let message = format!(
                    "the sidecar of pod {} does not answer ({why}): a NetworkPolicy must let podwire reach its port 3501",
                    pod.name()
                );
                unknown = unknown.or(Some(("Unreachable", message)));
            }
            Some(Ok(loaded)) => {
                if let Some(missing) = wanted.iter().find(|one| !loaded.contains(one)) {
                    let message = format!(
                        "the sidecar of pod {} has not loaded topic {} of {} as written",
                        pod.name(),
                        missing.topic,
                        missing.pubsub
                    );
                    return said(Truth::False, "NotLoaded", message);
                }
            }
        }
    }
    match unknown {
        Some((reason, message)) => said(Truth::Unknown, reason, message),
        None => said(Truth::True, "Loaded", String::new()),
    }
}

/// Whether every pod carries the wiring that it would get now.
pub(super) fn pods_wired(case: &Case) -> Said {
    let Case { app, .. } = case;
    let said = |truth, reason: &str, message: String| Said::new("PodsWired", truth, reason, message);
    let line = |of: &BTreeMap<String, Vec<String>>| {
        let parts =
            of.iter().map(|(owner, pods)| format!("{} of {owner} ({}): {}", pods.len(), some(pods), restart(owner, &app.namespace)));
        parts.collect::<Vec<_>>().join("; ")
    };
    if !app.lacking.is_empty() {
        return said(Truth::False, "PodsLacking", format!("pods asked and are not wired: {}", line(&app.lacking)));
    }
    if !app.outdated.is_empty() {
        return said(Truth::False, "RolloutNeeded", format!("pods carry an older wiring: {}", line(&app.outdated)));
    }
    if app.pods.is_empty() {
        return said(Truth::True, "NoPods", "no pod runs".to_owned());
    }
    said(Truth::True, "Wired", String::new())
}

/// The first few names.
fn some(names: &[String]) -> String {
    let more = if names.len() > 3 { ", …" } else { "" };
    format!("{}{more}", names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "))
}

/// What to type so that a workload's pods are made anew.
fn restart(owner: &str, namespace: &str) -> String {
    let Some((kind, name)) = owner.split_once('/') else { return String::new() };
    match kind {
        "DaemonSet" | "Deployment" | "StatefulSet" => format!("kubectl rollout restart {}/{name} -n {namespace}", kind.to_lowercase()),
        _ => "delete them, so that they are made anew".to_owned(),
    }
}

/// Whether publishers and consumers meet.
pub(super) fn connected(case: &Case) -> Option<Said> {
    let meetings = case.observed.flows.meetings(&case.app.app_id);
    let said = |truth, reason: &str, message: String| Some(Said::new("Connected", truth, reason, message));
    if case.observed.flows.0.get(&case.app.app_id).is_none_or(BTreeSet::is_empty) {
        return None;
    }
    if !meetings.missed.is_empty() {
        let texts: Vec<String> = meetings.missed.iter().map(ToString::to_string).collect();
        return said(Truth::False, "Missed", texts.join("; "));
    }
    use crate::engine::topology::Role::{Consumes, Publishes};
    let of = |role| -> Vec<&str> { meetings.unknown.iter().filter(|(_, other)| *other == role).map(|(topic, _)| topic.as_str()).collect() };
    let (no_consumer, no_publisher) = (of(Consumes), of(Publishes));
    if !no_publisher.is_empty() {
        return said(Truth::Unknown, "NoPublisherKnown", format!("nobody whom podwire wired publishes {}", no_publisher.join(", ")));
    }
    if !no_consumer.is_empty() {
        return said(Truth::Unknown, "NoConsumerKnown", format!("nobody whom podwire wired consumes {}", no_consumer.join(", ")));
    }
    said(Truth::True, "Connected", String::new())
}

/// What hinders a Wiring that looks accepted: findings about its objects, as a sentence.
pub(super) fn doubts(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

/// Whole seconds, never too few.
pub(super) fn seconds(of: Duration) -> u64 {
    of.as_secs() + u64::from(of.subsec_nanos() > 0)
}

/// A time as people write it.
pub(super) fn instant(at: Duration) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or_default();
    k8s_openapi::jiff::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}
