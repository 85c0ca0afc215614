//! The second door: what the cluster must hold for an application, what to do next for it, and what is said of it.

use std::time::Duration;

use serde_json::Value;

use super::Finding;
use super::app::App;
use super::generate;
use super::observed::{Memory, Observed};
use super::snapshot::Snapshot;
use super::status::{self, Case, Drains, Live, Notice, Question, Step};
use crate::api::wiring::WiringStatus;

/// What an application needs, and how to get there.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    /// The objects that should be there, in the order in which they are written: a Service before the Trigger that names it, a Resiliency before its Subscription.
    pub objects: Vec<Value>,
    /// What a person should know of them.
    pub findings: Vec<Finding>,
    /// What to do now, in order; a step that fails ends them.
    pub steps: Vec<Step>,
    /// What to ask sidecars before the next reconciliation.
    pub questions: Vec<Question>,
    /// Events to tell.
    pub notices: Vec<Notice>,
    /// What the Wiring says.
    pub status: WiringStatus,
    /// When to look again although nothing happened.
    pub again: Option<Duration>,
    /// What the next reconciliation is to be told.
    pub memory: Memory,
}

/// Decides for an application: from its members, the cluster around it and what was made for it, and from nothing else.
pub fn reconcile(app: &App, snapshot: &Snapshot, observed: &Observed) -> Reconciliation {
    let mut memory = observed.memory.clone();
    let mut findings = Vec::new();
    let live = Live::new(&observed.objects, observed.wiring.as_deref());
    let neighbour = app.first().and_then(|first| live.neighbour(&app.app_id, &first.pubsub));
    let name = |first: &str, broker: &_| live.trigger_name(first, broker);
    let component = observed.component().or_else(|| app.first()?.component(snapshot));
    let desired = generate::desired(app, snapshot, name, neighbour.is_some(), component, &mut findings);
    let objects = desired.iter().map(|one| one.object.clone()).collect();
    let drains = Drains::of(app, observed, &mut memory);
    let in_namespace = |(namespace, _): &&(String, String)| *namespace == app.namespace;
    let brokers = snapshot.brokers.iter().flat_map(|known| known.keys()).filter(in_namespace).count();
    let mut made = status::make(app, observed, desired, &drains, brokers, &mut memory);
    let addresses = status::addresses(app, snapshot, observed);
    let unfed = status::unfed(app, snapshot, observed, &mut memory);
    unfed.iter().for_each(|(_, wait)| made.again_in(*wait));
    let unfed = unfed.first().map(|(trigger, _)| *trigger);
    let case = Case { app, snapshot, observed, made: &made, neighbour, unfed, addresses_taken: addresses.is_err() };
    let (wiring, said) = status::report(&case, &drains, &findings);
    let notices = status::announce(app, observed, &made, &mut memory);
    let (questions, wait) = status::questions(app, observed, &made, &drains);
    wait.into_iter().for_each(|wait| made.again_in(wait));
    let leaving = made.steps.last().is_some_and(|step| matches!(step, Step::Delete(object) if object["kind"] == "Wiring"));
    let mut steps = made.steps;
    if observed.wiring.is_some() {
        // Pods wait for the addresses, and for nothing else that is written here.
        steps.splice(0..0, addresses.ok().flatten());
        steps.extend(said.filter(|_| !leaving));
    }
    Reconciliation { objects, findings, steps, questions, notices, status: wiring, again: made.again, memory }
}
