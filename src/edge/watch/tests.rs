mod listening;
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::kinds::{KINDS, Reading, Watched};
use super::reducer::{Order, Reducer};
use super::snapshots::{Pulse, Snapshots};
use super::streams::{Failure, Heard, Source, number, patient};
use super::trouble::Troubles;
use super::{Listener, Part, streams};
use crate::engine::{Settings, Snapshot};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);

fn namespace(name: &str, style: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"podwire.io/style": style}}})
}

fn broker(name: &str) -> Value {
    let status = json!({"conditions": [{"type": "Ready", "status": "True"}], "address": {"url": format!("http://{name}")}});
    json!({"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": {"name": name, "namespace": "shop"}, "status": status})
}

fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": {"name": name}, "spec": spec})
}

fn reducer() -> Reducer {
    Reducer::new(Settings::default(), Watched::Webhook.kinds(), ())
}

fn hear(reducer: &mut Reducer<impl Listener>, part: Part, events: impl IntoIterator<Item = Event<Value>>) {
    for event in events {
        assert_eq!(reducer.hear(Source::Objects(part), Heard::Event(event)), None);
    }
}

fn list(objects: impl IntoIterator<Item = Value>) -> Vec<Event<Value>> {
    let objects = objects.into_iter().map(Event::InitApply);
    std::iter::once(Event::Init).chain(objects).chain([Event::InitDone]).collect()
}

/// The definition of the part's kind is listed: it is there, or not.
fn definition(reducer: &mut Reducer<impl Listener>, part: Part, there: bool) -> Option<Order> {
    let orders = list(there.then(|| json!({}))).into_iter().map(|event| reducer.hear(Source::Definition(part), Heard::Event(event)));
    orders.last().flatten()
}

/// The snapshot, which must have changed.
fn fresh(reducer: &mut Reducer<impl Listener>) -> Snapshot {
    assert!(reducer.changed());
    reducer.snapshot()
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.namespaces.iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn brokers(snapshot: &Snapshot) -> Option<Vec<&str>> {
    Some(snapshot.brokers.as_ref()?.keys().map(|(_, name)| name.as_str()).collect())
}

#[test]
fn a_list_is_seen_when_it_is_complete_and_drops_what_vanished() {
    let mut reducer = reducer();
    hear(&mut reducer, Part::Namespaces, list([namespace("old", "broker"), namespace("shop", "broker")]));
    assert_eq!(names(&fresh(&mut reducer)), ["old", "shop"]);

    hear(&mut reducer, Part::Namespaces, [Event::Init, Event::InitApply(namespace("shop", "sidecar"))]);
    assert!(!reducer.changed());
    hear(&mut reducer, Part::Namespaces, [Event::InitApply(namespace("young", "sidecar")), Event::InitDone]);
    let snapshot = fresh(&mut reducer);
    assert_eq!(names(&snapshot), ["shop", "young"]);
    assert_eq!(snapshot.namespaces.unwrap()["shop"].labels["podwire.io/style"], "sidecar");
}

#[test]
fn a_list_that_broke_off_leaves_nothing_behind() {
    let mut reducer = reducer();
    hear(&mut reducer, Part::Namespaces, [Event::Init, Event::InitApply(namespace("gone", "broker"))]);
    hear(&mut reducer, Part::Namespaces, list([namespace("shop", "broker")]));
    assert_eq!(names(&fresh(&mut reducer)), ["shop"]);
}

#[test]
fn after_the_list_every_event_counts_and_other_parts_stay() {
    let mut reducer = reducer();
    assert_eq!(definition(&mut reducer, Part::Brokers, true), Some(Order::Start(Part::Brokers)));
    hear(&mut reducer, Part::Brokers, list([broker("orders")]));
    hear(&mut reducer, Part::Namespaces, list([namespace("shop", "broker")]));
    hear(&mut reducer, Part::Namespaces, [Event::Apply(namespace("young", "broker")), Event::Delete(namespace("shop", "broker"))]);
    let snapshot = fresh(&mut reducer);
    assert_eq!((names(&snapshot), brokers(&snapshot)), (vec!["young"], Some(vec!["orders"])));
    assert!(!reducer.changed());
}

#[test]
fn a_kind_appears_and_goes() {
    let mut reducer = reducer();
    assert_eq!(brokers(&reducer.snapshot()), None);
    assert_eq!(definition(&mut reducer, Part::Brokers, false), None);
    assert_eq!(brokers(&fresh(&mut reducer)), Some(vec![]));

    let source = Source::Definition(Part::Brokers);
    let applied = |reducer: &mut Reducer| reducer.hear(source, Heard::Event(Event::Apply(json!({}))));
    assert_eq!(applied(&mut reducer), Some(Order::Start(Part::Brokers)));
    // The definition is established meanwhile: the watch need not wait for its next try.
    assert_eq!(applied(&mut reducer), Some(Order::Start(Part::Brokers)));
    hear(&mut reducer, Part::Brokers, list([broker("orders")]));
    assert_eq!(brokers(&fresh(&mut reducer)), Some(vec!["orders"]));
    assert_eq!(applied(&mut reducer), None);
    assert_eq!(definition(&mut reducer, Part::Brokers, true), None);

    assert_eq!(reducer.hear(source, Heard::Event(Event::Delete(json!({})))), Some(Order::Stop(Part::Brokers)));
    assert_eq!(brokers(&fresh(&mut reducer)), Some(vec![]));
    hear(&mut reducer, Part::Brokers, [Event::Apply(broker("late"))]);
    hear(&mut reducer, Part::Brokers, list([broker("late")]));
    assert!(!reducer.changed());
}

#[test]
fn a_definition_that_went_while_nobody_listened_is_gone() {
    let mut reducer = reducer();
    definition(&mut reducer, Part::Mtls, true);
    let metadata = json!({"name": "daprsystem", "namespace": "dapr-system"});
    let spec = json!({"mtls": {"enabled": false}});
    let system = json!({"apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": metadata, "spec": spec});
    hear(&mut reducer, Part::Mtls, list([system]));
    assert_eq!(fresh(&mut reducer).dapr.mtls, Some(false));
    assert_eq!(definition(&mut reducer, Part::Mtls, false), Some(Order::Stop(Part::Mtls)));
    assert_eq!(fresh(&mut reducer).dapr.mtls, None);
}

#[test]
fn a_kind_that_is_not_served_has_no_objects_but_a_late_server_takes_none_away() {
    let mut reducer = reducer();
    definition(&mut reducer, Part::Brokers, true);
    assert_eq!(brokers(&reducer.snapshot()), None);
    reducer.unserved(Source::Objects(Part::Brokers));
    assert_eq!(brokers(&fresh(&mut reducer)), Some(vec![]));
    hear(&mut reducer, Part::Brokers, list([broker("orders")]));
    reducer.unserved(Source::Objects(Part::Brokers));
    assert_eq!(brokers(&fresh(&mut reducer)), Some(vec!["orders"]));
}

#[test]
fn of_an_unreadable_object_the_last_readable_version_stays_until_it_is_deleted() {
    let mut reducer = reducer();
    definition(&mut reducer, Part::Policies, true);
    let broken = || policy("strict", json!({"priority": "high"}));
    hear(&mut reducer, Part::Policies, list([policy("strict", json!({"priority": 7})), policy("lax", json!({}))]));
    hear(&mut reducer, Part::Policies, [Event::Apply(broken())]);
    hear(&mut reducer, Part::Policies, list([broken()]));
    let policies = fresh(&mut reducer).policies.unwrap();
    assert_eq!(policies.keys().collect::<Vec<_>>(), ["strict"]);
    assert_eq!(policies["strict"].priority, 7);

    hear(&mut reducer, Part::Policies, [Event::Delete(broken())]);
    assert_eq!(fresh(&mut reducer).policies.unwrap().len(), 0);
}

#[test]
fn nothing_is_missing_once_everything_was_known() {
    let mut reducer = reducer();
    let all: Vec<_> = Watched::Webhook.kinds().iter().map(ToString::to_string).collect();
    assert_eq!(all[..3], ["components.dapr.io", "networkpolicies.networking.k8s.io", "namespaces"]);
    assert_eq!(reducer.missing(), all);
    for kind in Watched::Webhook.kinds().iter().filter(|kind| kind.definition().is_none()) {
        hear(&mut reducer, kind.part, list([]));
    }
    for part in [Part::Components, Part::Policies, Part::Wirings, Part::Mtls] {
        definition(&mut reducer, part, false);
    }
    assert_eq!(reducer.missing(), ["brokers.eventing.knative.dev"]);
    definition(&mut reducer, Part::Brokers, true);
    assert_eq!(reducer.missing(), ["brokers.eventing.knative.dev"]);
    hear(&mut reducer, Part::Brokers, list([]));
    assert!(reducer.missing().is_empty());

    definition(&mut reducer, Part::Wirings, true);
    assert!(reducer.missing().is_empty());
}

#[test]
fn the_engine_takes_what_fills_the_snapshot() {
    for kind in &KINDS {
        assert_eq!(kind.part.kind().part, kind.part);
        let namespace = match kind.reading {
            Reading::OfDapr(_) => Settings::default().dapr_namespace,
            Reading::OfKnative(_) => Settings::default().knative_namespace,
            _ => "shop".to_owned(),
        };
        let name = kind.name().unwrap_or("orders");
        let resource = kind.resource();
        let metadata = json!({"name": name, "namespace": namespace});
        let object = json!({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": {}});
        assert_eq!(Snapshot::empty().take(&object).is_ok(), kind.part.fills(), "{kind}");
    }
}

#[test]
fn the_version_is_a_pair_of_numbers() {
    let mut reducer = reducer();
    assert_eq!((number("1"), number("33+"), number("")), (Some(1), Some(33), None));
    reducer.hear(Source::Version, Heard::Version(Some((1, 34))));
    assert_eq!(fresh(&mut reducer).server, Some((1, 34)));
    reducer.hear(Source::Version, Heard::Version(None));
    assert!(!reducer.changed());
}

#[tokio::test]
async fn a_fixed_snapshot_is_ready_at_once() {
    let mut snapshot = Snapshot::empty();
    snapshot.take(&namespace("shop", "broker")).unwrap();
    let snapshots = Snapshots::fixed(snapshot);
    assert!(snapshots.missing().is_empty());
    assert_eq!(snapshots.age(), Duration::ZERO);
    assert!(snapshots.wait_for_namespace("shop", LONG).await.holds("shop"));
    Snapshots::fixed(Snapshot::default()).wait_for_namespace("shop", LONG).await;
}

#[tokio::test]
async fn who_waits_for_a_namespace_is_woken() {
    let snapshots = Arc::new(Snapshots::new(Snapshot::default(), vec!["namespaces".to_owned()], Vec::new()));
    let waiting = tokio::spawn({
        let snapshots = snapshots.clone();
        async move { snapshots.wait_for_namespace("shop", LONG).await }
    });
    tokio::task::yield_now().await;
    snapshots.publish(Snapshot::empty(), Vec::new());
    tokio::time::sleep(SHORT).await;
    assert!(!waiting.is_finished());
    let mut snapshot = Snapshot::empty();
    snapshot.take(&namespace("shop", "broker")).unwrap();
    snapshots.publish(snapshot, Vec::new());
    assert!(timeout(LONG, waiting).await.unwrap().unwrap().holds("shop"));
}

#[tokio::test]
async fn who_waits_in_vain_gets_the_newest() {
    let snapshots = Snapshots::fixed(Snapshot::empty());
    let begun = Instant::now();
    let waiting = snapshots.wait_for_namespace("shop", SHORT);
    snapshots.publish(Snapshot { server: Some((1, 34)), ..Snapshot::empty() }, Vec::new());
    let newest = waiting.await;
    assert!(begun.elapsed() >= SHORT);
    assert_eq!((newest.server, newest.holds("shop")), (Some((1, 34)), false));
}

#[tokio::test]
async fn the_age_is_that_of_the_slowest_watch_that_runs() {
    let pulses = [Pulse::resting(), Pulse::resting()];
    let snapshots = Snapshots::new(Snapshot::default(), Vec::new(), pulses.to_vec());
    pulses[0].beat();
    pulses[1].beat();
    tokio::time::sleep(SHORT).await;
    pulses[1].beat();
    assert!(snapshots.age() >= SHORT);
    pulses[1].rest();
    assert!(snapshots.age() >= SHORT);
    pulses[0].rest();
    assert_eq!(snapshots.age(), Duration::ZERO);
}

/// A pause, and how often it was taken since the last reset.
struct Pauses(Duration, Arc<AtomicUsize>);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Some(self.0)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.1.store(0, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn only_an_answer_ends_the_backoff() {
    let tries = Arc::new(AtomicUsize::new(0));
    let failed = || Err(Failure::Other("refused".to_owned()));
    let said = |event| Ok::<_, Failure>(Heard::Event(event));
    let round = [said(Event::Init), failed(), said(Event::Init), failed(), said(Event::Init), said(Event::InitDone)];
    let mut said = patient(stream::iter(round), Pauses(Duration::from_millis(1), tries.clone()), Arc::default()).boxed();
    for expected in [0, 1, 1, 2, 2, 0] {
        assert!(said.next().await.is_some());
        assert_eq!(tries.load(Ordering::Relaxed), expected);
    }
}

#[tokio::test]
async fn a_pause_ends_early_when_another_watch_is_answered() {
    let hurry = Arc::new(Notify::new());
    let round = [Err(Failure::Other("refused".to_owned())), Ok(Heard::Event(Event::InitDone))];
    let mut said = patient(stream::iter(round), Pauses(LONG * streams::PATIENCE, Arc::default()), hurry.clone()).boxed();
    assert!(said.next().await.is_some_and(|said| said.is_err()));
    let mut waiting = said.next();
    assert!(timeout(SHORT, &mut waiting).await.is_err());
    hurry.notify_waiters();
    assert!(timeout(LONG / 2, waiting).await.unwrap().is_some());
}

#[test]
fn a_trouble_is_told_when_it_comes_again_and_once_for_all() {
    let mut troubles = Troubles::default();
    let (one, other) = (Source::Objects(Part::Namespaces), Source::Definition(Part::Brokers));
    let told = [(one, "refused"), (other, "refused"), (one, "refused"), (other, "refused"), (one, "refused"), (one, "forbidden")]
        .map(|(whose, why)| troubles.begin(whose, why.to_owned()));
    assert_eq!(told, [false, false, true, false, false, false]);
    assert_eq!([one, other, one].map(|whose| troubles.end(whose)), [true, true, false]);
}

#[test]
fn a_missing_kind_and_an_expired_watch_are_no_troubles() {
    use kube::core::Status;
    use kube::runtime::watcher::Error;
    let status = |code| Status { code, ..Status::failure("no", "No") };
    let failure = |code| streams::Failure::from(Error::InitialListFailed(kube::Error::Api(Box::new(status(code)))));
    assert!(matches!(failure(404), Failure::Unserved));
    assert!(matches!(Failure::from(Error::WatchError(Box::new(status(410)))), Failure::Expired));
    assert!(matches!(failure(403), Failure::Other(_)));
}
