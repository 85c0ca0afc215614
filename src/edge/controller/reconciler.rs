//! One reconciliation: what is seen goes through the engine's door, and what comes out is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::Status;
use tracing::{debug, info, warn};

use super::channels::Channels;
use super::climb::Tops;
use super::components::Components;
use super::key::{Key, Place};
use super::notices::Notices;
use super::pace::Pace;
use super::queue::{After, Queue};
use super::read::part_of;
use super::server::Config;
use super::sidecars::Asked;
use super::world::{Climb, Seen, World};
use super::writer::{Writer, Wrote};
use crate::edge::clock::now;
use crate::edge::telemetry::{ControllerMetrics, chain};
use crate::edge::watch::Snapshots;
use crate::engine::{App, End, Flows, Memory, Observed, PodRequest, Reconciliation, Running, Snapshot, Step, reconcile, survey};

/// Everything that reconciliations have in common.
pub(super) struct Reconciler {
    world: Arc<Mutex<World>>,
    snapshots: Arc<Snapshots>,
    queue: Queue<Key>,
    writer: Writer,
    tops: Tops,
    channels: Channels,
    components: Components,
    asked: Asked,
    notices: Notices,
    grace: Duration,
    /// Who publishes and who listens, by namespace and app-id.
    flows: Mutex<BTreeMap<String, BTreeMap<String, BTreeSet<End>>>>,
    memories: Mutex<BTreeMap<Key, Memory>>,
    /// When objects in an application's way were last looked at.
    met: Mutex<BTreeMap<Key, Instant>>,
    /// When the status of an application may be written.
    pace: Mutex<BTreeMap<Key, Pace>>,
    /// Why the last reconciliation of an application failed.
    refused: Mutex<BTreeMap<Key, String>>,
    /// Brokers that were made a moment ago, by whichever application was the first.
    brokers: Mutex<BTreeMap<Place, Instant>>,
}

/// How often one reconciliation may go on with what it has just written.
const ROUNDS: usize = 3;
/// An object of somebody else in an application's way is looked at again after this, for no watch shows it.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The watch shows a new Broker within this. Until then the other applications of its topic do not try to make it too.
const SHOWN: Duration = Duration::from_secs(2);

/// What became of the steps.
#[derive(Default)]
struct Done {
    /// There was one whose outcome the next ones need.
    more: bool,
    /// When to look again at what was put off.
    again: Option<Duration>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reconciler {
    pub(super) fn new(
        client: &Client,
        world: Arc<Mutex<World>>,
        snapshots: Arc<Snapshots>,
        metrics: &Arc<ControllerMetrics>,
        queue: Queue<Key>,
        config: &Config,
    ) -> Self {
        Reconciler {
            world,
            snapshots,
            queue,
            writer: Writer::new(client.clone(), Arc::clone(metrics)),
            tops: Tops::new(client.clone()),
            channels: Channels::new(client.clone()),
            components: Components::new(client.clone()),
            asked: Asked::new(),
            notices: Notices::new(client.clone(), &config.identity),
            grace: config.grace,
            flows: Mutex::default(),
            memories: Mutex::default(),
            met: Mutex::default(),
            pace: Mutex::default(),
            refused: Mutex::default(),
            brokers: Mutex::default(),
        }
    }

    /// Looks at every application without doing anything, so that the first reconciliation knows all publishers and consumers. Then all of them are due.
    pub(super) fn prime(&self) {
        lock(&self.memories).clear();
        let keys = lock(&self.world).keys();
        let snapshot = self.snapshots.current();
        for key in &keys {
            let app = self.gather(key, &snapshot);
            self.take_ends(key, &app);
        }
        keys.into_iter().for_each(|key| self.queue.add(key));
    }

    /// An application as far as nobody need be asked.
    fn gather(&self, key: &Key, snapshot: &Snapshot) -> App {
        let seen = lock(&self.world).seen(key);
        let pods: Vec<Running> = seen.pods.into_iter().map(unclimbed).collect();
        App::gather((&key.namespace, app_id(key)), &seen.workloads, &pods, &[], snapshot)
    }

    /// Reconciles an application; what a namespace shares is part of each.
    pub(super) async fn run(&self, key: Key) -> After {
        match self.rounds(&key).await {
            Ok(again) => {
                if lock(&self.refused).remove(&key).is_some() {
                    info!(app = %key, "reconciliations go through again");
                }
                again.map_or(After::Done, After::Again)
            }
            // Nothing is made in a namespace that is on its way out, and what is there goes with it.
            Err(kube::Error::Api(status)) if status.is_forbidden() && status.message.contains("being terminated") => After::Done,
            // Of the kind that vanishes its definition's watch tells, and this is about all applications that have it.
            Err(kube::Error::Api(status)) if is_vanishing(&status) => {
                debug!(app = %key, why = status.message, "a kind vanishes, the reconciliation is tried again");
                After::Failed
            }
            Err(error) => {
                let why = chain(&error);
                if lock(&self.refused).insert(key.clone(), why.clone()).as_ref() == Some(&why) {
                    debug!(app = %key, error = why, "a reconciliation failed again");
                } else {
                    warn!(app = %key, error = why, "a reconciliation failed, it is tried again");
                }
                After::Failed
            }
        }
    }

    /// Tells a policy whom it governs, and whom it would hit.
    async fn survey(&self, key: &Key) -> Result<(), kube::Error> {
        let Some(policy) = lock(&self.world).seen(key).objects.first().cloned() else { return Ok(()) };
        let keys = lock(&self.world).keys();
        let snapshot = self.snapshots.current();
        let apps = keys.iter().filter(|key| !key.is_policy()).map(|key| self.gather(key, &snapshot));
        match survey(&policy, apps, &snapshot, now()) {
            Some(step) => self.writer.write(&step).await.map(drop),
            None => Ok(()),
        }
    }

    async fn rounds(&self, key: &Key) -> Result<Option<Duration>, kube::Error> {
        if key.is_namespace() {
            return Ok(None);
        }
        if key.is_policy() {
            return self.survey(key).await.map(|()| None);
        }
        let mut again = self.look_at_strangers(key).await?;
        for _ in 0..ROUNDS {
            let seen = lock(&self.world).seen(key);
            let before = lock(&self.memories).get(key).cloned().unwrap_or_default();
            let made = self.decide(key, seen, &before).await?;
            let done = self.write(key, &made.steps).await;
            let memory = if done.is_ok() { made.memory } else { made.memory.unwritten(&before) };
            lock(&self.memories).insert(key.clone(), memory);
            let done = done?;
            again = [again, made.again, done.again].into_iter().flatten().min();
            self.notices.tell(&made.notices).await;
            if self.asked.ask(key, &made.questions).await {
                self.queue.add(key.clone());
            }
            if !done.more {
                break;
            }
        }
        if !lock(&self.world).holds(key) {
            self.forget(key);
        }
        Ok(again)
    }

    /// Asks the engine.
    async fn decide(&self, key: &Key, seen: Seen, memory: &Memory) -> Result<Reconciliation, kube::Error> {
        let (pods, unwired) = (self.climbed(seen.pods).await?, self.climbed(seen.unwired).await?);
        let snapshot = self.snapshots.current();
        let app = App::gather((&key.namespace, app_id(key)), &seen.workloads, &pods, &unwired, &snapshot);
        self.note_ends(key, &app);
        let component = match app.component(&seen.objects).filter(|_| seen.kinds.dapr) {
            Some(name) => self.components.get(&key.namespace, name).await,
            None => None,
        };
        let flows = Flows(lock(&self.flows).get(&key.namespace).cloned().unwrap_or_default());
        let mut observed = Observed {
            now: now(),
            grace: self.grace,
            wiring: seen.wiring,
            objects: seen.objects,
            kinds: seen.kinds,
            address_map: seen.address_map,
            addresses: seen.addresses,
            sidecars: self.asked.of(key, &pods),
            channels: BTreeMap::new(),
            component,
            flows: Arc::new(flows),
            triggers: seen.triggers,
            refused: lock(&self.refused).get(key).cloned(),
            memory: memory.clone(),
        };
        observed.channels = self.channels.get(&key.namespace, app.channels(&snapshot, &observed)).await?;
        Ok(reconcile(&app, &snapshot, &observed))
    }

    /// Pods with whoever made them, which may have to be asked.
    async fn climbed(&self, pods: Vec<(Arc<PodRequest>, Duration, Climb)>) -> Result<Vec<Running>, kube::Error> {
        let mut climbed = Vec::with_capacity(pods.len());
        for (request, created, climb) in pods {
            let owner = match climb {
                Climb::Known(owner) => owner,
                Climb::Ask(owner) => self.tops.of(&owner).await?,
            };
            climbed.push(Running { owner, created, request });
        }
        Ok(climbed)
    }

    /// Does the steps. One that fails ends them, but for the status, which says so.
    async fn write(&self, key: &Key, steps: &[Step]) -> Result<Done, kube::Error> {
        let mut done = Done::default();
        let mut failed = None;
        lock(&self.pace).entry(key.clone()).or_default().wishes(steps.iter().any(|step| matches!(step, Step::Status(_))));
        for step in steps {
            let is_status = matches!(step, Step::Status(_));
            let wait = match is_status {
                true => lock(&self.pace).entry(key.clone()).or_default().wait(Instant::now()),
                false if failed.is_some() => continue,
                false => self.others_make(step),
            };
            if let Some(wait) = wait {
                done.again = Some(done.again.map_or(wait, |known| known.min(wait)));
                continue;
            }
            debug!(app = %key, ?step, "writing");
            let wrote = match self.writer.write(step).await {
                Ok(wrote) => wrote,
                // Whoever does not answer takes no status either.
                Err(error @ kube::Error::Api(_)) if !is_status => {
                    self.unmade(step);
                    failed = failed.or(Some(error));
                    continue;
                }
                Err(error) => return Err(failed.unwrap_or(error)),
            };
            lock(&self.pace).entry(key.clone()).or_default().wrote(is_status, Instant::now());
            done.more |= self.take_in(key, step, wrote);
        }
        failed.map_or(Ok(done), Err)
    }

    /// Takes in what became of a step; whether the next ones need to know.
    fn take_in(&self, key: &Key, step: &Step, wrote: Wrote) -> bool {
        let mut world = lock(&self.world);
        match wrote {
            Wrote::Is(object) => {
                put(&mut world, &object);
                object["kind"] == "Wiring" && matches!(step, Step::Create(_))
            }
            // why: the watch shows every Broker, whoever made it. It is in nobody's way.
            Wrote::Taken(object) if object["kind"] == "Broker" => false,
            Wrote::Taken(object) => {
                info!(app = %key, kind = %object["kind"], name = %object["metadata"]["name"], "an object of this name is there already");
                match part_of(&object).filter(|_| world.shows(key, &object)) {
                    Some(part) => world.put(part, &object),
                    None => world.meet(key, object),
                }
                true
            }
            Wrote::Gone => {
                if let Step::Delete(object) = step {
                    part_of(object).into_iter().for_each(|part| world.remove(part, object));
                    world.part_from(key, object);
                }
                false
            }
        }
    }

    /// After which time to look again where a step makes a Broker that was made a moment ago. Else this application makes it.
    fn others_make(&self, step: &Step) -> Option<Duration> {
        let broker = new_broker(step)?;
        let mut brokers = lock(&self.brokers);
        brokers.retain(|_, since| since.elapsed() < SHOWN);
        if let Some(since) = brokers.get(&broker) {
            return Some(SHOWN.saturating_sub(since.elapsed()));
        }
        brokers.insert(broker, Instant::now());
        None
    }

    fn unmade(&self, step: &Step) {
        if let Some(broker) = new_broker(step) {
            lock(&self.brokers).remove(&broker);
        }
    }

    /// Objects that no watch shows may have changed since they were met.
    async fn look_at_strangers(&self, key: &Key) -> Result<Option<Duration>, kube::Error> {
        let strangers = lock(&self.world).strangers(key);
        if strangers.is_empty() {
            lock(&self.met).remove(key);
            return Ok(None);
        }
        let since = *lock(&self.met).entry(key.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= LOOK_AGAIN {
            for stranger in strangers {
                let now = self.writer.read(&stranger).await?;
                let mut world = lock(&self.world);
                match now {
                    Some(object) => world.meet(key, object),
                    None => world.part_from(key, &stranger),
                }
            }
            lock(&self.met).insert(key.clone(), Instant::now());
            return Ok(Some(LOOK_AGAIN));
        }
        Ok(Some(LOOK_AGAIN.saturating_sub(since.elapsed())))
    }

    /// Takes in where an application publishes and listens; its neighbours hear of a change.
    fn note_ends(&self, key: &Key, app: &App) {
        if self.take_ends(key, app) {
            let neighbours = lock(&self.world).neighbours(&key.namespace);
            neighbours.into_iter().filter(|other| other != key).for_each(|other| self.queue.add(other));
        }
    }

    /// Whether the application publishes and listens elsewhere than before.
    fn take_ends(&self, key: &Key, app: &App) -> bool {
        let ends = app.ends();
        let mut flows = lock(&self.flows);
        let namespace = flows.entry(key.namespace.clone()).or_default();
        let before = if ends.is_empty() { namespace.remove(app_id(key)) } else { namespace.insert(app_id(key).to_owned(), ends.clone()) };
        before.unwrap_or_default() != ends
    }

    fn forget(&self, key: &Key) {
        lock(&self.world).part_from_all(key);
        lock(&self.memories).remove(key);
        lock(&self.met).remove(key);
        lock(&self.refused).remove(key);
        lock(&self.pace).remove(key);
        let mut flows = lock(&self.flows);
        if let Some(namespace) = flows.get_mut(&key.namespace) {
            namespace.remove(app_id(key));
            if namespace.is_empty() {
                flows.remove(&key.namespace);
            }
        }
    }
}

/// Whether a request failed because its kind is about to go, or has just gone.
fn is_vanishing(status: &Status) -> bool {
    // The server's answer to a path that it does not know is no Status with a reason.
    let unknown = status.code == 404 && status.message.starts_with("404 page not found");
    unknown || status.is_forbidden() && status.message.contains("custom resource definition is terminating")
}

/// A pod with its owner as far as the pod itself tells.
fn unclimbed((request, created, climb): (Arc<PodRequest>, Duration, Climb)) -> Running {
    let (Climb::Known(owner) | Climb::Ask(owner)) = climb;
    Running { owner, created, request }
}

fn app_id(key: &Key) -> &str {
    key.app_id.as_deref().unwrap_or_default()
}

fn new_broker(step: &Step) -> Option<Place> {
    match step {
        Step::Create(object) if object["kind"] == "Broker" => Some(Place::of(object)),
        _ => None,
    }
}

fn put(world: &mut World, object: &serde_json::Value) {
    part_of(object).into_iter().for_each(|part| world.put(part, object));
}
