//! What a migration is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::api::style::Style;
use crate::engine::Finding;
use crate::engine::request::PodRequest;
use crate::engine::topology::Role;

/// What is to be moved, and what is known of it beside the cluster.
#[derive(Clone, Debug)]
pub struct Move {
    /// The namespace.
    pub namespace: String,
    /// The style to which its applications move.
    pub to: Style,
    /// The workloads that are to be seen.
    pub movers: Vec<Mover>,
    /// Ends of topics that podwire does not see, and on which sides they are; on none where nobody is there.
    pub outside: BTreeMap<(String, Role), BTreeSet<Style>>,
    /// A sidecar may be the first of its consumer group: what its store retains may come again.
    pub replay_ok: bool,
}

/// A workload and its pod template.
#[derive(Clone, Debug)]
pub struct Mover {
    /// `Deployment/orders`.
    pub title: String,
    /// Its template.
    pub request: PodRequest,
    /// `podwire.io/listen: both` stands on the workload itself.
    pub listens_too: bool,
}

/// How a namespace moves.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// What is to be done, in turns: the first now, each other when the one before is done. None where everything has moved.
    pub turns: Vec<Vec<Advance>>,
    /// Applications that must not begin to move, by app-id, and why.
    pub refused: BTreeMap<String, Vec<Finding>>,
    /// Applications that move in part or not at all, by app-id, and what holds them.
    pub held: BTreeMap<String, Finding>,
    /// Workloads that podwire would not wire as they are now, and why.
    pub unwired: BTreeMap<String, Vec<Finding>>,
}

/// A step of one application.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The application.
    pub app_id: String,
    /// Which step.
    pub stage: Stage,
    /// What is to be changed.
    pub edits: Vec<Edit>,
    /// What must be true before.
    pub gates: Vec<Gate>,
}

/// The steps of an application, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// It listens on both sides.
    Listen,
    /// It publishes on the new one.
    Publish,
    /// It leaves the old one.
    Leave,
}

/// Annotations of a workload that change: to a value, or away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// `Deployment/orders`.
    pub title: String,
    /// Those of the workload itself; no pod is replaced for them.
    pub workload: BTreeMap<&'static str, Option<&'static str>>,
    /// Those of its pod template; its pods are replaced.
    pub template: BTreeMap<&'static str, Option<&'static str>>,
}

/// What must be true before a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gate {
    /// A condition of a Wiring is True.
    Condition {
        /// Whose Wiring.
        app_id: String,
        /// The condition's type.
        kind: &'static str,
        /// The reason that it must have, where one matters.
        reason: Option<&'static str>,
        /// Whether it is so now.
        seen: Seen,
    },
    /// No event was published on a side from outside for so long. podwire does not see when that began.
    Silence {
        /// The application that listens there.
        app_id: String,
        /// The side.
        side: Style,
        /// For how long.
        needs: Duration,
    },
}

/// What a Wiring says of a gate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen {
    /// It is open.
    Open,
    /// It is not: what the Wiring says instead.
    Shut(String),
    /// No Wiring of the namespace is known.
    NotKnown,
}

impl Stage {
    /// The word of its step: `listen`, `publish`, `leave`.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Listen => "listen",
            Stage::Publish => "publish",
            Stage::Leave => "leave",
        }
    }
}

impl Advance {
    /// Whether it may be done now.
    pub fn is_open(&self) -> bool {
        self.gates.iter().all(|gate| matches!(gate, Gate::Condition { seen: Seen::Open, .. }))
    }

    /// Whether pods are replaced for it.
    pub fn restarts(&self) -> bool {
        self.edits.iter().any(|edit| !edit.template.is_empty())
    }
}
