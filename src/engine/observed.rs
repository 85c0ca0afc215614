//! What the controller has seen of an application and of what was made for it. Time and memory are arguments too, so that the same input gives the same answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::snapshot::Component;
use super::topology::Flows;

/// What the controller has seen.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The time, since 1970.
    pub now: Duration,
    /// For how long the objects of an application that is gone are kept: one that is replaced or installed again finds them.
    pub grace: Duration,
    /// The application's Wiring.
    pub wiring: Option<Arc<Value>>,
    /// Objects of the namespace that have the app-id's label, that have a name which podwire would give, and every Resiliency.
    pub objects: Vec<Arc<Value>>,
    /// Which kinds are installed.
    pub kinds: Kinds,
    /// ConfigMap `podwire-brokers` of the namespace.
    pub address_map: Option<Arc<Value>>,
    /// What that ConfigMap held when it was last seen: it is put back when somebody deletes it.
    pub addresses: BTreeMap<String, String>,
    /// What the sidecars of running pods say, by pod.
    pub sidecars: BTreeMap<String, Answers>,
    /// Channels of the application's Brokers that were asked for and can be read, by Broker.
    pub channels: BTreeMap<String, Channel>,
    /// The pub/sub component of the application: `None` where it was not asked for or cannot be read.
    pub component: Option<Found>,
    /// Who publishes and who listens in the namespace.
    pub flows: Arc<Flows>,
    /// How many Triggers of podwire's the namespace holds.
    pub triggers: usize,
    /// Why the last reconciliation failed.
    pub refused: Option<String>,
    /// What the last reconciliation wants to be told again.
    pub memory: Memory,
}

impl Observed {
    /// The component that was found.
    pub(crate) fn component(&self) -> Option<&Component> {
        match &self.component {
            Some(Found::This(component)) => Some(component),
            Some(Found::Nothing) | None => None,
        }
    }
}

/// Kinds that need not be installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kinds {
    /// Knative's Triggers and Brokers.
    pub knative: bool,
    /// Dapr's Subscriptions and Resiliencies.
    pub dapr: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Kinds { knative: true, dapr: true }
    }
}

/// What a sidecar said when it was last asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answers {
    /// The subscriptions that it loaded, or why it did not answer.
    pub loaded: Option<Result<Vec<Loaded>, String>>,
    /// The names of the Resiliencies that it has loaded; `None` where it does not say, as before Dapr 1.18.
    pub resiliencies: Option<Vec<String>>,
    /// Events that it has counted, of all topics of the application; or why it did not answer.
    pub counted: Option<Result<u64, String>>,
    /// When it was last asked what it had counted, since 1970.
    pub counted_at: Duration,
}

impl Answers {
    /// Whether it said that it has not loaded a Resiliency.
    pub(crate) fn denies(&self, resiliency: &str) -> bool {
        self.resiliencies.as_ref().is_some_and(|all| all.iter().all(|one| one != resiliency))
    }
}

/// A subscription that a sidecar has loaded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Loaded {
    /// The component.
    pub pubsub: String,
    /// The topic.
    pub topic: String,
    /// Conditions and paths, in order; the default route has an empty condition.
    pub rules: Vec<(String, String)>,
    /// The dead letter topic.
    pub dead_letter: Option<String>,
}

/// What was found under a component's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// There is none.
    Nothing,
    /// This one.
    This(Component),
}

/// An in-memory channel of Knative's, as far as podwire depends on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Channel {
    /// The addresses of the subscribers that its dispatcher has taken over.
    subscribers: Vec<String>,
}

impl Channel {
    /// What its status says, where it is of the spec that is there now: before that the dispatcher says of every subscriber that it is ready, and passes the
    /// channel over (Knative 0.47, `pkg/reconciler/inmemorychannel/dispatcher`).
    pub(crate) fn of(object: &Value) -> Self {
        let current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let is_ready = |one: &Value| {
            let mut said = subscribers(&object["status"]).filter(|said| said["uid"] == one["uid"]);
            said.any(|said| said["ready"] == "True" && said["observedGeneration"] == one["generation"])
        };
        let taken = subscribers(&object["spec"]).filter(|one| current && is_ready(one));
        Channel { subscribers: taken.filter_map(|one| one["subscriberUri"].as_str().map(str::to_owned)).collect() }
    }

    /// Whether events go to the Trigger with this uid: to `…/triggers/NAMESPACE/NAME/UID` of the Broker's filter.
    pub(crate) fn feeds(&self, trigger: &str) -> bool {
        self.subscribers.iter().any(|address| address.rsplit('/').next() == Some(trigger))
    }
}

fn subscribers(of: &Value) -> impl Iterator<Item = &Value> {
    of["subscribers"].as_array().into_iter().flatten()
}

/// What one reconciliation tells the next. Lost with the process: every clock in it then begins anew, which only makes things last longer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// Since when nobody has needed an object, by kind and name.
    pub(crate) unneeded: BTreeMap<(String, String), Duration>,
    /// Since when nobody publishes on a side: sidecar, broker.
    pub(crate) quiet: BTreeMap<&'static str, Duration>,
    /// What each sidecar had counted.
    pub(crate) counts: BTreeMap<String, u64>,
    /// When a sidecar last counted an event, or ended.
    pub(crate) counted: Duration,
    /// That a sidecar which runs has not loaded the Resiliency.
    pub(crate) unloaded: Option<Unloaded>,
    /// Since when the Broker's channel has said that it sends to each Trigger, by uid; `None` before the first look.
    pub(crate) fed: Option<BTreeMap<String, Duration>>,
    /// Since when the application is gone.
    pub(crate) gone: Option<Duration>,
    /// What was last written, by kind and name: what differs from it was edited by somebody.
    pub(crate) written: BTreeMap<(String, String), u64>,
    /// What was last said of a workload.
    pub(crate) said: BTreeMap<String, String>,
}

/// A Resiliency that a sidecar has not loaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unloaded {
    /// Since when.
    pub(crate) since: Duration,
    /// How often it was told again.
    pub(crate) told: u32,
    /// When it is to be told again.
    pub(crate) next: Duration,
}

impl Memory {
    /// The same, where what was to be written could not be: as far as anybody knows, things are as they were before.
    pub fn unwritten(self, before: &Memory) -> Self {
        Memory { written: before.written.clone(), said: before.said.clone(), ..self }
    }
}
