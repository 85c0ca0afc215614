//! What nobody needs any more: it lingers, then it goes, a Trigger before its Service and a Subscription before its Resiliency.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::drain::Drains;
use super::live::{Live, is_ending, is_ready, kind, name};
use super::steps::{Made, Step};
use super::writing::{known, reference};
use crate::api::style::Style;
use crate::api::subscribe::Retry;
use crate::engine::app::App;
use crate::engine::generate::{Name, budget, delivery_budget, is_trigger_of, service_name, uses};
use crate::engine::observed::{Memory, Observed};

/// Deletes what has lingered long enough, and asks to be called again for the rest.
pub(super) fn unneeded(app: &App, observed: &Observed, live: Live, drains: &Drains, memory: &mut Memory, made: &mut Made) {
    let wanted: BTreeSet<Name> = made.states.iter().map(|(one, _)| (known(kind(&one.object)), name(&one.object).to_owned())).collect();
    let is_carried = |object: &Value| app.carried.iter().any(|member| uses(member, &member.listen, object));
    let mut present: BTreeSet<&str> = live.ours().map(kind).collect();
    memory.gone = app.is_gone().then(|| memory.gone.unwrap_or(observed.now));
    for object in live.ours().filter(|object| !is_ending(object)) {
        let key = (known(kind(object)), name(object).to_owned());
        if wanted.contains(&key) {
            continue;
        }
        if yields(app, live, object) {
            made.steps.push(Step::Delete(reference(object)));
            continue;
        }
        let remembered = (key.0.to_owned(), key.1.clone());
        let held = is_carried(object) || !app.faults.is_empty() || drains.hold(app, object) || unreplaced(app, live, made, object);
        if held {
            memory.unneeded.remove(&remembered);
            made.kept.push(key);
            continue;
        }
        let since = *memory.unneeded.entry(remembered).or_insert(observed.now);
        let due = since + linger(app, observed, object);
        if due > observed.now {
            made.again_in(due - observed.now);
            made.kept.push(key);
        } else if !is_needed_by_another(app, object, &present) {
            made.steps.push(Step::Delete(reference(object)));
        }
    }
    memory.unneeded.retain(|(of, named), _| live.find(of, named).is_some());
    if let (Some(since), Some(wiring)) = (memory.gone, &observed.wiring) {
        let due = since + observed.grace;
        present.remove("Wiring");
        if due > observed.now {
            made.again_in(due - observed.now);
        } else if present.is_empty() {
            made.steps.push(Step::Delete(reference(wiring)));
        }
    }
}

/// Of two Resiliencies that name a component, daprd keeps the one that it loaded last: podwire's makes way for somebody else's.
fn yields(app: &App, live: Live, object: &Value) -> bool {
    let Some(first) = app.first().filter(|_| kind(object) == "Resiliency" && app.faults.is_empty()) else { return false };
    live.neighbour(&app.app_id, &first.pubsub).is_some()
}

/// A Service goes after the Triggers that name it, a Resiliency after the Subscriptions that need it.
fn is_needed_by_another(app: &App, object: &Value, present: &BTreeSet<&str>) -> bool {
    match kind(object) {
        "Resiliency" => present.contains("Subscription"),
        "Service" => present.contains("Trigger") && name(object) == service_name(&app.app_id),
        _ => false,
    }
}

/// A Trigger that another takes the place of stays until that one is ready.
fn unreplaced(app: &App, live: Live, made: &Made, object: &Value) -> bool {
    let Some(first) = app.first().filter(|_| kind(object) == "Trigger") else { return false };
    let Some(entry) = first.intent.subscribe.iter().find(|entry| is_trigger_of(&app.app_id, entry, object)) else { return false };
    let wanted = made.states.iter().map(|(one, _)| &one.object).filter(|one| kind(one) == "Trigger");
    let mut replacements = wanted.filter(|one| is_trigger_of(&app.app_id, entry, one));
    replacements.any(|one| !live.find("Trigger", name(one)).is_some_and(is_ready))
}

fn linger(app: &App, observed: &Observed, object: &Value) -> Duration {
    if app.is_gone() {
        return observed.grace;
    }
    let retry = app.first().map_or_else(Retry::default, |first| first.intent.retry);
    match kind(object) {
        "Trigger" => delivery_budget(&object["spec"]["delivery"]),
        "Service" => budget(&retry, Style::Broker),
        _ => budget(&retry, Style::Sidecar),
    }
}
