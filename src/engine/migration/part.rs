//! The applications of a namespace as a migration sees them: of their templates, else of their Wirings.

use std::collections::{BTreeMap, BTreeSet};

use super::stance::Stance;
use super::{Move, Mover, Stage};
use crate::api::annotations::LISTEN;
use crate::api::style::Style;
use crate::engine::admit::{Decision, admit};
use crate::engine::app::{App, Member};
use crate::engine::snapshot::{Snapshot, Wiring};
use crate::engine::{Finding, PodRequest};

/// An application on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) publishes: BTreeSet<String>,
    pub(super) consumes: BTreeSet<String>,
    /// Topics that get what it could not take.
    pub(super) dead_letters: BTreeSet<String>,
    /// What its workloads say, by title.
    pub(super) stances: BTreeMap<String, Stance>,
    /// Their templates; none where the application is known of its Wiring alone.
    pub(super) requests: BTreeMap<String, PodRequest>,
    /// Its workloads together; none where it is known of its Wiring alone.
    pub(super) app: Option<App>,
    /// Why a workload is not part of it.
    pub(super) faults: Vec<Finding>,
}

impl Part {
    /// The member on whose terms it moves.
    pub(super) fn first(&self) -> Option<&Member> {
        self.app.as_ref()?.first()
    }

    /// Whether every workload takes events of the side.
    pub(super) fn listens(&self, side: Style) -> bool {
        !self.consumes.is_empty() && self.stances.values().all(|stance| stance.listens(side))
    }

    /// Whether every workload publishes there.
    pub(super) fn is_of(&self, style: Style) -> bool {
        self.stances.values().all(|stance| stance.style == style)
    }

    /// Its next step.
    pub(super) fn next(&self, to: Style) -> Option<Stage> {
        let consumes = !self.consumes.is_empty();
        if consumes && !self.listens(to) {
            return Some(Stage::Listen);
        }
        if (!self.publishes.is_empty() || !consumes) && !self.is_of(to) {
            return Some(Stage::Publish);
        }
        let left = Stance { style: to, template: false, workload: false };
        (consumes && self.stances.values().any(|stance| *stance != left)).then_some(Stage::Leave)
    }

    /// What a workload says after a step.
    pub(super) fn after(&self, stance: Stance, stage: Stage, to: Style) -> Stance {
        stance.after(stage, to, !self.consumes.is_empty(), !self.publishes.is_empty())
    }

    /// The application after a step.
    pub(super) fn moved(&self, stage: Stage, to: Style) -> Part {
        let stances = self.stances.iter().map(|(title, stance)| (title.clone(), self.after(*stance, stage, to)));
        Part { stances: stances.collect(), ..self.clone() }
    }
}

/// The applications by app-id, and the workloads that are not wired as they are.
pub(super) fn parts(of: &Move, snapshot: &Snapshot) -> (BTreeMap<String, Part>, BTreeMap<String, Vec<Finding>>) {
    let (mut parts, mut unwired) = (BTreeMap::<String, Part>::new(), BTreeMap::new());
    for mover in of.movers.iter().filter(|mover| mover.request.namespace == of.namespace) {
        let verdict = admit(&mover.request, snapshot);
        let Decision::Wired(_) = verdict.decision else {
            let findings: Vec<Finding> = verdict.findings.into_iter().filter(Finding::prevents).collect();
            if !findings.is_empty() {
                unwired.insert(mover.title.clone(), findings);
            }
            continue;
        };
        let Some(member) = Member::of(&mover.request, snapshot, &mover.title, mover.listens_too) else { continue };
        parts.entry(member.key().1.to_owned()).or_default().take(mover, member);
    }
    let known = snapshot.wirings.iter().flatten().filter(|((namespace, _), _)| *namespace == of.namespace);
    for ((_, app_id), wiring) in known {
        if !parts.contains_key(app_id)
            && let Some(part) = of_wiring(wiring)
        {
            parts.insert(app_id.clone(), part);
        }
    }
    (parts, unwired)
}

impl Part {
    fn take(&mut self, mover: &Mover, member: Member) {
        let stance =
            Stance { style: member.publish, template: mover.request.annotation(LISTEN) == Some("both"), workload: mover.listens_too };
        self.stances.insert(mover.title.clone(), stance);
        self.requests.insert(mover.title.clone(), mover.request.clone());
        let intent = &member.intent;
        self.publishes.extend(intent.publish.iter().map(ToString::to_string));
        self.consumes.extend(intent.subscribe.iter().map(|entry| entry.topic.to_string()));
        self.dead_letters.extend(intent.subscribe.iter().filter_map(|entry| entry.dead_letter.as_ref()).map(ToString::to_string));
        match &mut self.app {
            Some(app) => self.faults.extend(app.join(member).err().map(|finding| *finding)),
            None => self.app = Some(App::new(member)),
        }
    }
}

/// An application whose workloads podwire does not read: a Rollout, a custom kind.
fn of_wiring(wiring: &Wiring) -> Option<Part> {
    let style = wiring.style?;
    let stance = Stance { style, template: wiring.listens.len() > 1, workload: false };
    let stances: BTreeMap<String, Stance> = wiring.workloads.iter().map(|title| (title.clone(), stance)).collect();
    let part = Part { publishes: wiring.publishes.clone(), consumes: wiring.topics.clone(), stances, ..Part::default() };
    (!part.stances.is_empty()).then_some(part)
}
