//! What to do next, in order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::live::{Difference, Live, Whose, difference, is_ending, kind, name, uid};
use super::{drain::Drains, loading, removal, writing};
use crate::engine::app::App;
use crate::engine::generate::{Desired, Name, Role};
use crate::engine::observed::{Memory, Observed};

/// A request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the object: POST, so that one that is there already is not merged into.
    Create(Value),
    /// Bring the object back to what it says: server-side apply, with the uid of the object that was read.
    Apply(Value),
    /// Change what the merge patch names, of the object with this uid.
    Merge {
        /// The object, its `apiVersion`, `kind` and `metadata` alone.
        of: Value,
        /// The merge patch.
        patch: Value,
    },
    /// Delete the object, if it is still the one that was read.
    Delete(Value),
    /// Write the status of the Wiring.
    Status(Value),
}

/// What a sidecar is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Which subscriptions it has loaded.
    Loaded,
    /// How many events it has counted.
    Counted,
}

/// A question to the sidecar of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The pod.
    pub pod: String,
    /// Its address.
    pub address: String,
    /// The port of the sidecar that answers.
    pub port: u16,
    /// What is asked.
    pub reading: Reading,
}

/// How far an object that should be there is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// Somebody else has one of that name.
    Conflict,
    /// It is about to be made.
    Missing,
    /// Its kind is not installed.
    NotInstalled,
    /// It is there.
    Present,
    /// The namespace has too many.
    TooMany,
}

/// What came of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) steps: Vec<Step>,
    /// Objects that somebody edited and that are brought back, by kind and name.
    pub(crate) put_back: Vec<Name>,
    /// How far each object is that should be there.
    pub(crate) states: Vec<(Desired, State)>,
    /// Sides that are kept although nobody asks for them, and objects that linger.
    pub(crate) kept: Vec<Name>,
    /// When to look again.
    pub(crate) again: Option<Duration>,
}

impl Made {
    /// Asks to be called again after `wait`, or sooner where somebody asked so.
    pub(crate) fn again_in(&mut self, wait: Duration) {
        self.again = Some(self.again.map_or(wait, |known| known.min(wait)));
    }

    /// The name of the application's Resiliency, where it is there.
    pub(crate) fn resiliency(&self) -> Option<&str> {
        let mut states = self.states.iter().filter(|(_, state)| *state == State::Present).map(|(one, _)| &one.object);
        states.find(|object| kind(object) == "Resiliency").map(name)
    }
}

/// why 500: a namespace with more Triggers than that has a fault or an attacker, and every one of them costs the whole cluster.
const TRIGGERS: usize = 500;
/// The same of Brokers that podwire makes.
const BROKERS: usize = 100;

/// Compares what should be there with what is.
pub(crate) fn make(app: &App, observed: &Observed, desired: Vec<Desired>, drains: &Drains, brokers: usize, memory: &mut Memory) -> Made {
    let live = Live::new(&observed.objects, observed.wiring.as_deref());
    let mut made = Made::default();
    // Workloads without an app-id are told so, and nothing is written for them.
    if app.app_id.is_empty() || app.is_gone() && observed.wiring.is_none() {
        return made;
    }
    let Some(wiring) = &observed.wiring else {
        made.states = desired.into_iter().map(|one| (one, State::Missing)).collect();
        made.steps.push(Step::Create(writing::wiring(app)));
        return made;
    };
    let mut room: BTreeMap<&str, usize> =
        [("Trigger", TRIGGERS.saturating_sub(observed.triggers)), ("Broker", BROKERS.saturating_sub(brokers))].into();
    let mut blocked = false;
    for one in desired {
        let object = writing::owned(&one, wiring);
        let (of, named) = (kind(&object).to_owned(), name(&object).to_owned());
        let state = match live.find(&of, &named).map(|present| (present, live.whose(present))) {
            _ if !installed(&of, observed) => State::NotInstalled,
            // A Subscription without its Resiliency loses events: Redis takes a failed one for done.
            None if blocked && of == "Subscription" => State::Missing,
            None => create(object, &mut room, memory, &mut made),
            Some((_, Whose::Others | Whose::Orphan)) if one.role == Role::Unless => State::Present,
            Some((_, Whose::Others)) => State::Conflict,
            Some((_, Whose::Orphan)) => State::Missing,
            Some((present, Whose::Ours)) if is_ending(present) => State::Missing,
            Some((present, Whose::Ours)) => {
                bring_back(object, present, memory, &mut made);
                State::Present
            }
        };
        if of == "Resiliency" {
            blocked |= state == State::Conflict || loading::is_loading(app, observed, &named, memory);
            let present = live.find(&of, &named).filter(|_| state == State::Present);
            made.steps.extend(present.and_then(|present| loading::tell_again(app, observed, present, memory)));
        }
        memory.unneeded.remove(&(of, named));
        made.states.push((one, state));
    }
    removal::unneeded(app, observed, live, drains, memory, &mut made);
    made
}

fn installed(kind: &str, observed: &Observed) -> bool {
    match kind {
        "Trigger" | "Broker" => observed.kinds.knative,
        "Subscription" | "Resiliency" => observed.kinds.dapr,
        _ => true,
    }
}

/// Makes an object, if there is room for one more of its kind.
fn create(object: Value, room: &mut BTreeMap<&str, usize>, memory: &mut Memory, made: &mut Made) -> State {
    match room.get_mut(kind(&object)) {
        Some(0) => return State::TooMany,
        Some(left) => *left -= 1,
        None => {}
    }
    remember(&object, memory);
    made.steps.push(Step::Create(object));
    State::Missing
}

fn bring_back(object: Value, present: &Value, memory: &mut Memory, made: &mut Made) {
    let Difference { changed, added } = difference(&object, present);
    let key = (kind(&object).to_owned(), name(&object).to_owned());
    if (changed || added.is_some()) && memory.written.get(&key) == Some(&writing::digest(&object)) {
        made.put_back.push((writing::known(kind(&object)), key.1.clone()));
    }
    remember(&object, memory);
    if let Some(patch) = added {
        made.steps.push(Step::Merge { of: writing::reference(present), patch });
    }
    if changed {
        let mut object = object;
        object["metadata"]["uid"] = json!(uid(present));
        made.steps.push(Step::Apply(object));
    }
}

fn remember(object: &Value, memory: &mut Memory) {
    memory.written.insert((kind(object).to_owned(), name(object).to_owned()), writing::digest(object));
}
