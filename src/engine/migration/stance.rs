//! What the annotations of one workload say of its style, and what they say after each step.

use std::collections::BTreeMap;

use super::{Edit, Stage};
use crate::api::annotations::{LISTEN, STYLE};
use crate::api::style::Style;

/// The three annotations by which a workload moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stance {
    /// `podwire.io/style` of the template, as it was decided.
    pub(super) style: Style,
    /// `podwire.io/listen: both` on the template: its pods carry both sides.
    pub(super) template: bool,
    /// `podwire.io/listen: both` on the workload: its pods are as before, and the Broker's side is added by objects alone.
    pub(super) workload: bool,
}

impl Stance {
    /// Whether its pods take events of a side. A sidecar is a container: an annotation of the workload adds none.
    pub(super) fn listens(self, side: Style) -> bool {
        self.style == side || self.template || (side == Style::Broker && self.workload)
    }

    /// What it becomes by a step.
    pub(super) fn after(self, stage: Stage, to: Style, consumes: bool, publishes: bool) -> Stance {
        match (to, stage) {
            (Style::Broker, Stage::Listen) => Stance { workload: true, ..self },
            (Style::Sidecar, Stage::Listen) if publishes => Stance { template: true, ..self },
            (Style::Sidecar, Stage::Listen) => Stance { style: to, template: false, workload: true },
            (Style::Broker, Stage::Publish) => Stance { style: to, template: consumes, ..self },
            (Style::Sidecar, Stage::Publish) => Stance { style: to, template: false, workload: consumes },
            (_, Stage::Leave) => Stance { style: to, template: false, workload: false },
        }
    }

    /// The annotations that change on the way to another one.
    pub(super) fn edit(self, title: &str, next: Stance) -> Option<Edit> {
        let both = |listens: bool| listens.then_some("both");
        let mut edit = Edit { title: title.to_owned(), workload: BTreeMap::new(), template: BTreeMap::new() };
        if self.style != next.style {
            edit.template.insert(STYLE, Some(next.style.word()));
        }
        if self.template != next.template {
            edit.template.insert(LISTEN, both(next.template));
        }
        if self.workload != next.workload {
            edit.workload.insert(LISTEN, both(next.workload));
        }
        (self != next).then_some(edit)
    }
}
