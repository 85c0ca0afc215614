//! Applications that must not begin to move: a flow of theirs could not be kept.

use std::collections::{BTreeMap, BTreeSet};

use super::order::World;
use super::part::Part;
use super::stance::Stance;
use crate::api::annotations::{LISTEN, PUBLISH, STYLE, SUBSCRIBE};
use crate::api::style::Style;
use crate::engine::admit::admit;
use crate::engine::app::{App, Member};
use crate::engine::request::{PodRequest, Unreadable};
use crate::engine::topology::{Flows, Role};
use crate::engine::{Code, Finding, Subject};

/// Why applications that are not there yet must not begin, by app-id.
pub(super) fn all(world: &World) -> BTreeMap<String, Vec<Finding>> {
    let flows = at_the_end(world);
    let mut refused = BTreeMap::new();
    for (app_id, part) in world.parts.iter().filter(|(_, part)| part.next(world.to).is_some()) {
        let mut findings = part.faults.clone();
        unknown_ends(world, part, &mut findings);
        replay(world, app_id, part, &mut findings);
        let missed = flows.meetings(app_id).missed;
        findings.extend(missed.iter().map(|missed| {
            Finding::new(Code::MissedThere, Subject::Annotation(STYLE.to_owned()), missed.to_string()).read(world.to.word())
        }));
        stations(world, part, &mut findings);
        findings.sort();
        findings.dedup();
        if !findings.is_empty() {
            refused.insert(app_id.clone(), findings);
        }
    }
    refused
}

/// Topics of which one end is not seen, and nobody has said where it is.
fn unknown_ends(world: &World, part: &Part, findings: &mut Vec<Finding>) {
    let said = |topic: &String, role| world.of.outside.get(&(topic.clone(), role));
    let only = |topic: &String| BTreeSet::from([topic.clone()]);
    for topic in &part.consumes {
        if world.senders(&only(topic)).next().is_none() && said(topic, Role::Publishes).is_none() {
            let finding = Finding::annotation(Code::UnknownEnd, SUBSCRIBE, topic, "nobody whom podwire wires publishes it");
            findings.push(finding.help(format!("say where it is published: --external-publisher {topic}=sidecar, broker, both or none")));
        }
    }
    for topic in &part.publishes {
        match said(topic, Role::Consumes) {
            None if world.takers(&only(topic)).is_empty() => {
                let finding = Finding::annotation(Code::UnknownEnd, PUBLISH, topic, "nobody whom podwire wires consumes it");
                findings.push(finding.help(format!("say where it is consumed: --external-consumer {topic}=sidecar, broker, both or none")));
            }
            Some(sides) if !sides.is_empty() && !sides.contains(&world.to) => {
                let text = format!("it is consumed from outside, in {} style only", world.from.word());
                findings.push(Finding::annotation(Code::MissedThere, PUBLISH, topic, text));
            }
            Some(_) | None => {}
        }
    }
}

/// A consumer group that has not been there.
fn replay(world: &World, app_id: &str, part: &Part, findings: &mut Vec<Finding>) {
    if world.to == Style::Broker || world.of.replay_ok || part.listens(Style::Sidecar) {
        return;
    }
    let had = world.wiring(app_id).map(|wiring| wiring.groups.clone()).unwrap_or_default();
    for group in part.first().into_iter().flat_map(Member::groups).filter(|group| !had.contains(group)) {
        let text =
            "no sidecar of the application is known to have consumed it: Redis delivers again all that it retains, Kafka begins at its end";
        findings.push(Finding::annotation(Code::ReplayExpected, SUBSCRIBE, &group, text).help("--replay-ok where that may be"));
    }
}

/// The ends of all topics when everything has moved.
fn at_the_end(world: &World) -> Flows {
    let ends = |part: &Part| {
        let mut first = part.first()?.clone();
        (first.publish, first.listen) = (world.to, vec![world.to]);
        Some(App::new(first).ends())
    };
    Flows(world.parts.iter().filter_map(|(app_id, part)| Some((app_id.clone(), ends(part)?))).collect())
}

/// What the webhook would say of the pods at each station of the way.
fn stations(world: &World, part: &Part, findings: &mut Vec<Finding>) {
    let mut here = part.clone();
    while let Some(stage) = here.next(world.to) {
        let there = here.moved(stage, world.to);
        for (title, request) in &part.requests {
            let (before, after) = (here.stances[title], there.stances[title]);
            if (before.style, before.template) == (after.style, after.template) {
                continue;
            }
            match with(request, after) {
                Ok(request) => findings.extend(admit(&request, world.snapshot).findings.into_iter().filter(Finding::prevents)),
                Err(error) => findings.push(Finding::new(Code::UnreadablePod, Subject::Pod, error.to_string())),
            }
        }
        here = there;
    }
}

/// The template with other annotations.
fn with(request: &PodRequest, stance: Stance) -> Result<PodRequest, Unreadable> {
    let mut pod = request.pod.clone();
    let annotations = &mut pod["metadata"]["annotations"];
    annotations[STYLE] = stance.style.word().into();
    if let Some(annotations) = annotations.as_object_mut() {
        match stance.template {
            true => drop(annotations.insert(LISTEN.to_owned(), "both".into())),
            false => drop(annotations.shift_remove(LISTEN)),
        }
    }
    PodRequest::from_template(&request.namespace, request.owner.clone(), &pod)
}
