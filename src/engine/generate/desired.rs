//! Everything that an application needs beside its pods, in the order in which it is written: a Service before the Trigger that names it, a Resiliency before its Subscription.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{broker, sidecar};
use crate::api::names::BrokerName;
use crate::api::policy::{Create, fits};
use crate::api::style::Style;
use crate::api::subscribe::Entry;
use crate::engine::Finding;
use crate::engine::app::{App, Member};
use crate::engine::governing::Governing;
use crate::engine::snapshot::{Component, Snapshot};

/// Kind and name of an object in the application's namespace.
pub(crate) type Name = (&'static str, String);

/// An object that should be there.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) role: Role,
    pub(crate) object: Value,
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// The application's, on a side.
    Own(Style),
    /// The application's, unless somebody made one before.
    Unless,
    /// The namespace's: made where it is missing, never changed, never deleted.
    Shared,
}

/// What an application needs. `name` chooses a Trigger's name among the first one and that of a replacement; where somebody else's Resiliency names the component, there is none of podwire's. `component` is the one that the application uses, where it is known.
pub(crate) fn desired(
    app: &App,
    snapshot: &Snapshot,
    name: impl Fn(&str, &BrokerName) -> String,
    neighbour: bool,
    component: Option<&Component>,
    findings: &mut Vec<Finding>,
) -> Vec<Desired> {
    let Some(first) = app.first() else { return Vec::new() };
    let mut all: Vec<Desired> = brokers(app, snapshot);
    let own = |side, object| Desired { role: Role::Own(side), object };
    if app.listens(Style::Broker)
        && let Some(service) = broker::service(first)
    {
        let timeouts = snapshot.features.clone().unwrap_or_default().delivery_timeout;
        all.push(own(Style::Broker, service));
        for entry in &first.intent.subscribe {
            let Some(broker) = first.broker_of(entry) else { continue };
            let name = name(&broker::trigger_name(&app.app_id, entry), &broker);
            all.push(own(Style::Broker, broker::trigger(first, entry, &name, &broker, timeouts)));
        }
    }
    if app.listens(Style::Sidecar) || first.publish == Style::Sidecar {
        let invocation = app.members.iter().chain(&app.carried).find_map(sidecar::invocation);
        all.extend(invocation.map(|object| Desired { role: Role::Unless, object }));
    }
    if app.listens(Style::Sidecar) && !first.intent.subscribe.is_empty() {
        let resiliency = own(Style::Sidecar, sidecar::resiliency(first, component, findings));
        all.extend((!neighbour).then_some(resiliency));
        all.extend(sidecar::subscriptions(first, findings).into_iter().map(|object| own(Style::Sidecar, object)));
    }
    all
}

/// The Brokers that are missing and that the policy lets podwire make.
fn brokers(app: &App, snapshot: &Snapshot) -> Vec<Desired> {
    let policy = Governing::of(&app.namespace, snapshot).spec.broker;
    let Some(known) = snapshot.brokers.as_ref().filter(|_| policy.create() == Create::IfMissing) else { return Vec::new() };
    let missing = |name: &BrokerName| !known.contains_key(&(app.namespace.clone(), name.to_string()));
    let allowed =
        |name: &BrokerName| policy.allowed_brokers.as_ref().is_none_or(|all| all.iter().any(|pattern| fits(pattern, name.as_str())));
    let needed: BTreeSet<BrokerName> = app.members.iter().flat_map(broker::needed).collect();
    let made = needed.iter().filter(|name| missing(name) && allowed(name));
    made.map(|name| Desired { role: Role::Shared, object: broker::broker(name, &app.namespace, &policy) }).collect()
}

/// Whether a member uses an object where it listens on these sides. A Trigger is used as long as it stands on the member's Broker.
pub(crate) fn uses(member: &Member, listen: &[Style], object: &Value) -> bool {
    let (app_id, entries) = (&member.app_id, &member.intent.subscribe);
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let on = |side: Style| listen.contains(&side) && !entries.is_empty();
    match object["kind"].as_str().unwrap_or_default() {
        "Resiliency" => on(Style::Sidecar) && name == sidecar::resiliency_name(app_id),
        "Subscription" => on(Style::Sidecar) && entries.iter().any(|entry| name == sidecar::subscription_name(app_id, &entry.topic)),
        "Service" if name == broker::service_name(app_id) => on(Style::Broker),
        "Service" => member.publish == Style::Sidecar || listen.contains(&Style::Sidecar),
        "Trigger" => {
            let stands_on = |entry: &Entry| member.broker_of(entry).is_some_and(|broker| object["spec"]["broker"] == broker.as_str());
            on(Style::Broker) && entries.iter().any(|entry| broker::is_trigger_of(app_id, entry, object) && stands_on(entry))
        }
        _ => false,
    }
}
