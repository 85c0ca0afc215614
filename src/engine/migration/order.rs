//! Who goes first.

use std::collections::{BTreeMap, BTreeSet};

use super::part::{Part, parts};
use super::{Advance, Migration, Move, Stage, gates, refusals};
use crate::api::annotations::{PUBLISH, SUBSCRIBE};
use crate::api::style::Style;
use crate::engine::snapshot::{Snapshot, Wiring};
use crate::engine::topology::Role;
use crate::engine::{Code, Finding, Subject};

/// The steps by which the applications of a namespace move, from where they stand now to the end.
///
/// Gates are looked at as the snapshot's Wirings are now; of later turns they say what will have to be true.
pub fn migrate(of: &Move, snapshot: &Snapshot) -> Migration {
    let (parts, unwired) = parts(of, snapshot);
    let mut world = World { of, snapshot, to: of.to, from: of.to.other(), parts };
    let refused = refusals::all(&world);
    let mut migration = Migration { unwired, refused, ..Migration::default() };
    loop {
        let moving = world.parts.iter().filter(|(app_id, _)| !migration.refused.contains_key(*app_id));
        let tried: Vec<(String, Result<Advance, Hindrance>)> =
            moving.filter_map(|(app_id, part)| Some((app_id.clone(), world.advance(app_id, part, part.next(of.to)?)))).collect();
        let mut turn: Vec<Advance> = tried.iter().filter_map(|(_, tried)| tried.as_ref().ok().cloned()).collect();
        if turn.is_empty() {
            // Applications that publish to each other, or bury in each other: somebody begins.
            turn.extend(tried.iter().find_map(|(_, tried)| match tried {
                Err(Hindrance::Order(advance)) => Some((**advance).clone()),
                _ => None,
            }));
        }
        if turn.is_empty() {
            let held = tried.into_iter().filter_map(|(app_id, tried)| match tried {
                Err(Hindrance::Held(finding)) => Some((app_id, *finding)),
                _ => None,
            });
            migration.held = held.collect();
            return migration;
        }
        for advance in &turn {
            if let Some(part) = world.parts.get_mut(&advance.app_id) {
                *part = part.moved(advance.stage, of.to);
            }
        }
        migration.turns.push(turn);
    }
}

/// Why a step is not possible yet.
enum Hindrance {
    /// Another one should go first, and need not.
    Order(Box<Advance>),
    /// It would lose events.
    Held(Box<Finding>),
}

/// The applications as they are at one moment of a migration.
pub(super) struct World<'a> {
    pub(super) of: &'a Move,
    pub(super) snapshot: &'a Snapshot,
    pub(super) to: Style,
    pub(super) from: Style,
    pub(super) parts: BTreeMap<String, Part>,
}

impl World<'_> {
    /// The Wiring of an application.
    pub(super) fn wiring(&self, app_id: &str) -> Option<&Wiring> {
        self.snapshot.wirings.as_ref()?.get(&(self.of.namespace.clone(), app_id.to_owned())).map(AsRef::as_ref)
    }

    /// Whether any Wiring of the namespace is known.
    pub(super) fn knows_wirings(&self) -> bool {
        self.snapshot.wirings.iter().flatten().any(|((namespace, _), _)| *namespace == self.of.namespace)
    }

    /// The applications that consume one of the topics, and those that take what these cannot.
    pub(super) fn takers(&self, topics: &BTreeSet<String>) -> BTreeSet<&str> {
        let (mut takers, mut open) = (BTreeSet::new(), topics.clone());
        loop {
            let new = self.parts.iter().filter(|(app_id, part)| !takers.contains(app_id.as_str()) && !part.consumes.is_disjoint(&open));
            let new: Vec<(&str, &Part)> = new.map(|(app_id, part)| (app_id.as_str(), part)).collect();
            if new.is_empty() {
                return takers;
            }
            open = new.iter().flat_map(|(_, part)| part.dead_letters.iter().cloned()).collect();
            takers.extend(new.iter().map(|(app_id, _)| *app_id));
        }
    }

    /// The applications that publish one of the topics, or send there what they could not take.
    pub(super) fn senders<'a>(&'a self, topics: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
        let sends = |part: &Part| !part.publishes.is_disjoint(topics) || !part.dead_letters.is_disjoint(topics);
        self.parts.iter().filter(move |(_, part)| sends(part)).map(|(app_id, _)| app_id.as_str())
    }

    /// The applications that should publish on the new side before this one does: there, those from which it hears; back, those that hear it.
    pub(super) fn before(&self, app_id: &str, part: &Part) -> Vec<&str> {
        let next_to = |other: &Part| match self.to {
            Style::Broker => !other.publishes.is_disjoint(&part.consumes),
            Style::Sidecar => !other.publishes.is_empty() && !other.consumes.is_disjoint(&part.publishes),
        };
        let others = self.parts.iter().filter(|(other, theirs)| *other != app_id && next_to(theirs));
        others.map(|(other, _)| other.as_str()).collect()
    }

    /// The step, or what stands in its way.
    fn advance(&self, app_id: &str, part: &Part, stage: Stage) -> Result<Advance, Hindrance> {
        let held = match stage {
            Stage::Listen => None,
            Stage::Publish => self.unheard(part),
            Stage::Leave => self.still_sent(app_id, part),
        };
        if let Some(finding) = held {
            return Err(Hindrance::Held(Box::new(finding)));
        }
        let edits = part.stances.iter().filter_map(|(title, stance)| stance.edit(title, part.after(*stance, stage, self.to)));
        let advance = Advance { app_id: app_id.to_owned(), stage, edits: edits.collect(), gates: gates::of(self, app_id, part, stage) };
        let waits = match stage {
            Stage::Listen => false,
            Stage::Publish => self.before(app_id, part).into_iter().any(|other| !self.parts[other].is_of(self.to)),
            Stage::Leave => self.is_buried_in(app_id, part),
        };
        if waits { Err(Hindrance::Order(Box::new(advance))) } else { Ok(advance) }
    }

    /// A consumer that does not hear the new side.
    fn unheard(&self, part: &Part) -> Option<Finding> {
        let deaf = self.takers(&part.publishes).into_iter().find(|taker| !self.parts[*taker].listens(self.to))?;
        let text = format!("{deaf} does not listen in {} style, and would not get what it publishes", self.to.word());
        Some(Finding::new(Code::StaysBehind, Subject::Annotation(PUBLISH.to_owned()), text))
    }

    /// Somebody who publishes on the old side, and will go on.
    fn still_sent(&self, app_id: &str, part: &Part) -> Option<Finding> {
        let subject = || Subject::Annotation(SUBSCRIBE.to_owned());
        let outside =
            |topic: &&String| self.of.outside.get(&((*topic).clone(), Role::Publishes)).is_some_and(|sides| sides.contains(&self.from));
        if let Some(topic) = part.consumes.iter().find(outside) {
            let text = format!("it is published in {} style from outside, so it is heard on both sides", self.from.word());
            return Some(Finding::new(Code::StaysBehind, subject(), text).read(topic));
        }
        let publishes = |other: &Part| !other.publishes.is_disjoint(&part.consumes) && !other.is_of(self.to);
        let (other, _) = self.parts.iter().find(|(other, theirs)| *other != app_id && publishes(theirs))?;
        let text = format!("{other} still publishes to it in {} style", self.from.word());
        Some(Finding::new(Code::StaysBehind, subject(), text))
    }

    /// Whether another application, which has not left the old side, sends there what it could not take.
    fn is_buried_in(&self, app_id: &str, part: &Part) -> bool {
        let buries =
            |other: &Part| !other.dead_letters.is_disjoint(&part.consumes) && other.stances.values().any(|one| one.listens(self.from));
        self.parts.iter().any(|(other, theirs)| other != app_id && buries(theirs))
    }
}
