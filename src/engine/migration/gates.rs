//! What must be true before a step, as Wirings say it.

use super::order::World;
use super::part::Part;
use super::{Gate, Seen, Stage};
use crate::api::style::Style;
use crate::engine::snapshot::Wiring;
use crate::engine::status::{DRAINED, drained, ready_on, settled_after};
use crate::engine::topology::Role;

/// The gates of an application's step.
pub(super) fn of(world: &World, app_id: &str, part: &Part, stage: Stage) -> Vec<Gate> {
    let mut gates = match stage {
        Stage::Listen => Vec::new(),
        Stage::Publish => publish(world, app_id, part),
        Stage::Leave => leave(world, app_id, part),
    };
    // The same condition is asked of more than one reason: where one of them is not met, it is not.
    gates.sort_by_key(|gate| matches!(gate, Gate::Condition { seen: Seen::Open, .. }));
    let mut once: Vec<Gate> = Vec::new();
    for gate in gates {
        if !once.iter().any(|known| is_same(known, &gate)) {
            once.push(gate);
        }
    }
    once
}

fn is_same(one: &Gate, other: &Gate) -> bool {
    match (one, other) {
        (Gate::Condition { app_id, kind, .. }, Gate::Condition { app_id: others, kind: kinds, .. }) => (app_id, kind) == (others, kinds),
        _ => one == other,
    }
}

/// Whoever is to take the events takes them there; and who moves first has moved.
fn publish(world: &World, app_id: &str, part: &Part) -> Vec<Gate> {
    let mut gates = Vec::new();
    for taker in world.takers(&part.publishes) {
        let to = world.to;
        gates.push(condition(world, taker, ready_on(to), None, |wiring| wiring.listens.contains(&to)));
        // A Trigger is for every pod, and a Subscription for those with a sidecar.
        if to == Style::Sidecar {
            gates.push(condition(world, taker, "PodsWired", None, |wiring| wiring.listens.contains(&to)));
        }
    }
    for first in world.before(app_id, part) {
        gates.push(rolled_out(world, first));
    }
    gates
}

/// Nobody publishes on the old side any more, and what was published there has been delivered.
fn leave(world: &World, app_id: &str, part: &Part) -> Vec<Gate> {
    let mut gates: Vec<Gate> =
        world.senders(&part.consumes).filter(|other| *other != app_id).map(|other| rolled_out(world, other)).collect();
    let outside = part.consumes.iter().any(|topic| world.of.outside.contains_key(&(topic.clone(), Role::Publishes)));
    match (outside, part.first()) {
        (true, Some(first)) => gates.push(Gate::Silence {
            app_id: app_id.to_owned(),
            side: world.from,
            needs: settled_after(first, world.from, first.component(world.snapshot)),
        }),
        _ => gates.push(condition(world, app_id, DRAINED, Some(drained(world.from)), |_| true)),
    }
    gates
}

/// Every pod of an application publishes in the new style.
fn rolled_out(world: &World, app_id: &str) -> Gate {
    condition(world, app_id, "PodsWired", None, |wiring| wiring.style == Some(world.to))
}

/// A condition of a Wiring that speaks of the state which is meant.
fn condition(world: &World, app_id: &str, kind: &'static str, reason: Option<&'static str>, meant: impl Fn(&Wiring) -> bool) -> Gate {
    let seen = match world.wiring(app_id) {
        None if world.knows_wirings() => Seen::Shut("it has no Wiring yet".to_owned()),
        None => Seen::NotKnown,
        Some(wiring) if !meant(wiring) => Seen::Shut("its Wiring does not speak of it yet".to_owned()),
        Some(wiring) => match wiring.conditions.get(kind) {
            Some(said) if said.status == "True" && reason.is_none_or(|reason| said.reason == reason) => Seen::Open,
            Some(said) => {
                let parts = [&said.status, &said.reason, &said.message];
                Seen::Shut(parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(": "))
            }
            None => Seen::Shut("its Wiring does not speak of it yet".to_owned()),
        },
    };
    Gate::Condition { app_id: app_id.to_owned(), kind, reason, seen }
}
