//! What a change means for events: sides that are taken away, publishers that arrive where nobody listens, new consumer groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::workload::{State, sides};
use crate::api::annotations::{APP_ID, LISTEN, PUBLISH, STYLE};
use crate::api::style::Style;
use crate::engine::admit::{Decision, Untouched};
use crate::engine::app::Member;
use crate::engine::snapshot::{Condition, Snapshot, Wiring};
use crate::engine::status::{DRAINED, drained, ready_on, settled_after};
use crate::engine::{Code, Finding, Subject};

/// The Wirings of a member's namespace, by app-id.
fn wirings<'a>(member: &'a Member, snapshot: &'a Snapshot) -> impl Iterator<Item = (&'a str, &'a Wiring)> {
    let namespace = member.key().0;
    let all = snapshot.wirings.iter().flat_map(move |known| known.range((namespace.to_owned(), String::new())..));
    all.take_while(move |((one, _), _)| one == namespace).map(|((_, app_id), wiring)| (app_id.as_str(), Arc::as_ref(wiring)))
}

fn wiring_of<'a>(member: &Member, snapshot: &'a Snapshot) -> Option<&'a Wiring> {
    let (namespace, app_id) = member.key();
    Some(snapshot.wirings.as_ref()?.get(&(namespace.to_owned(), app_id.to_owned()))?.as_ref())
}

/// Sides on which the application listened and would listen no more, each with what its Wiring says of it.
pub(super) fn departures(old: &Member, new: &State, place: Subject, code: Code, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let (kept, subject) = match (&new.member, &new.verdict.decision) {
        (Some(member), _) if member.key() != old.key() || member.intent.subscribe.is_empty() => return,
        (Some(member), _) if member.publish != old.publish => (sides(member), Subject::Annotation(STYLE.to_owned())),
        (Some(member), _) => (sides(member), Subject::Annotation(LISTEN.to_owned())),
        (None, Decision::Untouched(Untouched::NotAsked | Untouched::OptedOut)) => (Vec::new(), place),
        // Nothing is taken away until the template is mended.
        (None, _) => return,
    };
    let Some(wiring) = wiring_of(old, snapshot).filter(|_| !old.intent.subscribe.is_empty()) else { return };
    for side in sides(old).into_iter().filter(|side| !kept.contains(side) && wiring.listens.contains(side)) {
        let help = match (&new.member, side) {
            (None, _) => "keep the annotations until then".to_owned(),
            (Some(_), Style::Broker) => format!("keep {LISTEN}: both on the workload until then"),
            (Some(_), Style::Sidecar) => format!("keep {LISTEN}: both on the template until then"),
        };
        if let Some(why) = undrained(old, side, wiring.conditions.get(DRAINED), snapshot) {
            findings.push(Finding::new(code, subject.clone(), why).help(help));
        }
    }
}

/// Why a side may not be taken away yet, with the seconds; nothing where the Wiring says that it may.
fn undrained(old: &Member, side: Style, said: Option<&Condition>, snapshot: &Snapshot) -> Option<String> {
    let word = side.word();
    match said {
        Some(Condition { status, reason, .. }) if status == "True" && reason == drained(side) => None,
        Some(Condition { status, reason, message }) if status != "True" && (reason == "Published" || message.starts_with(word)) => {
            Some(message.clone())
        }
        _ => {
            let wait = settled_after(old, side, old.component(snapshot)).as_secs_f64().ceil();
            Some(format!("{word}: wait {wait} s after its last publisher ended"))
        }
    }
}

/// What begins with the change: on a side, as a consumer, with an app-id.
pub(super) fn arrivals(title: &str, new: &Member, old: Option<&Member>, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    consumers(new, old, snapshot, findings);
    group(new, old, snapshot, findings);
    let (_, app_id) = new.key();
    let others = wiring_of(new, snapshot).map(|wiring| wiring.workloads.as_slice()).unwrap_or_default();
    if let Some(other) = others.first().filter(|_| !new.states_app_id() && !others.iter().any(|one| one == title)) {
        let finding = Finding::annotation(Code::AppIdTaken, APP_ID, app_id, format!("{other} has it and not both state it"));
        findings.push(finding.help("state it in both, or give each its own"));
    }
}

/// Consumers that do not listen where the application begins to publish.
fn consumers(new: &Member, old: Option<&Member>, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let side = new.publish;
    let before = old.filter(|old| old.publish == side).map(|old| old.intent.publish.as_slice()).unwrap_or_default();
    for topic in new.intent.publish.iter().filter(|topic| !before.contains(topic)) {
        for (app_id, wiring) in wirings(new, snapshot).filter(|(app_id, _)| *app_id != new.key().1) {
            if !wiring.topics.contains(topic.as_str()) {
                continue;
            }
            let subject = Subject::Annotation(if old.is_some_and(|old| old.publish != side) { STYLE } else { PUBLISH }.to_owned());
            let said = wiring.conditions.get(ready_on(side));
            if !wiring.listens.contains(&side) {
                let allowed = format!("{app_id} consumes {topic} and does not listen in {} style", side.word());
                let finding = Finding::new(Code::ConsumerElsewhere, subject, allowed);
                findings.push(finding.help(format!("add podwire.io/listen: both to {app_id} first")));
            } else if let (Some(_), Some(said)) = (old, said.filter(|said| said.status != "True")) {
                let allowed = format!("{app_id} consumes {topic}, and its {} is {}: {}", ready_on(side), said.status, said.reason);
                findings.push(Finding::new(Code::ConsumerNotReady, subject, allowed).help("wait until it is True"));
            }
        }
    }
}

/// A consumer group that has not been there: a new app-id, or a sidecar beside a Broker.
fn group(new: &Member, old: Option<&Member>, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let Some(old) = old.filter(|_| !new.intent.subscribe.is_empty()) else { return };
    let ((_, app_id), (_, before)) = (new.key(), old.key());
    let replay = "Redis delivers again all that it retains, Kafka begins at its end";
    let sidecar = sides(new).contains(&Style::Sidecar);
    if app_id != before {
        let replay = if sidecar { replay } else { "its Triggers begin now, what waits is given up" };
        findings.push(Finding::annotation(Code::NewConsumer, APP_ID, app_id, format!("it was {before}: {replay}")));
        return;
    }
    let wiring = wiring_of(new, snapshot);
    let first: BTreeSet<String> = new.groups().filter(|group| !wiring.is_some_and(|wiring| wiring.groups.contains(group))).collect();
    let listens = wiring.is_some_and(|wiring| wiring.listens.contains(&Style::Sidecar));
    if sidecar && !sides(old).contains(&Style::Sidecar) && !listens && !first.is_empty() {
        let subject = Subject::Annotation(if new.publish == old.publish { LISTEN } else { STYLE }.to_owned());
        findings.push(Finding::new(
            Code::NewConsumer,
            subject,
            format!("it has had no group of {}: {replay}", first.into_iter().collect::<Vec<_>>().join(", ")),
        ));
    }
}
