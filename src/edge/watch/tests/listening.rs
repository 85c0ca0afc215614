//! What a listener hears of the reducer.

use kube::api::{DynamicObject, PartialObjectMeta};

use super::*;

/// What was heard, a line each.
#[derive(Clone, Debug, Default)]
pub(super) struct Ears(Arc<Mutex<Vec<String>>>);

impl Ears {
    pub(super) fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// What was heard since the last time.
    fn news(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Listener for Ears {
    fn hear(&mut self, part: Part, event: &Event<Value>) {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        let said = match event {
            Event::Init => "begins".to_owned(),
            Event::InitApply(object) => format!("has {}", name(object)),
            Event::InitDone => "is listed".to_owned(),
            Event::Apply(object) => format!("+ {}", name(object)),
            Event::Delete(object) => format!("- {}", name(object)),
        };
        self.note(format!("{part:?} {said}"));
    }

    fn unserved(&mut self, part: Part) {
        self.note(format!("{part:?} unserved"));
    }

    fn served(&mut self, part: Part) {
        self.note(format!("{part:?} served"));
    }

    fn published(&mut self) {
        self.note("published".to_owned());
    }
}

fn heard_by() -> (Ears, Reducer<Ears>) {
    let ears = Ears::default();
    (ears.clone(), Reducer::new(Settings::default(), Watched::Controller.kinds(), ears))
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}})
}

#[test]
fn lists_and_events_are_heard_in_order_and_once_that_they_are_published() {
    let (ears, mut reducer) = heard_by();
    hear(&mut reducer, Part::Namespaces, list([namespace("old", "broker"), namespace("shop", "broker")]));
    hear(&mut reducer, Part::Namespaces, [Event::Apply(namespace("young", "broker")), Event::Delete(namespace("old", "broker"))]);
    let all = ["served", "begins", "has old", "has shop", "is listed", "+ young", "- old"];
    assert_eq!(ears.news(), all.map(|said| format!("Namespaces {said}")));
    assert!(reducer.heard());
    reducer.published();
    reducer.published();
    assert_eq!((ears.news(), reducer.heard()), (vec!["published".to_owned()], false));
}

#[test]
fn a_list_begins_when_the_server_answers_and_begins_anew_where_it_broke_off() {
    let (ears, mut reducer) = heard_by();
    hear(&mut reducer, Part::Jobs, [Event::Init, Event::Init]);
    assert_eq!((ears.news(), reducer.heard()), (vec![], false));
    let job = |name: &str| Event::InitApply(json!({"metadata": {"name": name}}));
    hear(&mut reducer, Part::Jobs, [job("gone"), Event::Init, job("here"), Event::InitDone, Event::Init, Event::InitDone]);
    let all = ["served", "begins", "has gone", "begins", "has here", "is listed", "begins", "is listed"];
    assert_eq!(ears.news(), all.map(|said| format!("Jobs {said}")));
}

#[test]
fn a_kind_is_served_from_its_first_answer_until_its_definition_goes() {
    let (ears, mut reducer) = heard_by();
    definition(&mut reducer, Part::Triggers, false);
    definition(&mut reducer, Part::Triggers, false);
    assert_eq!(ears.news(), ["Triggers unserved"]);

    let trigger = || json!({"metadata": {"name": "orders"}});
    assert_eq!(definition(&mut reducer, Part::Triggers, true), Some(Order::Start(Part::Triggers)));
    reducer.unserved(Source::Objects(Part::Triggers));
    assert_eq!(ears.news(), Vec::<String>::new());
    hear(&mut reducer, Part::Triggers, list([trigger()]));
    definition(&mut reducer, Part::Triggers, true);
    assert_eq!(ears.news(), ["Triggers served", "Triggers begins", "Triggers has orders", "Triggers is listed"]);

    assert_eq!(definition(&mut reducer, Part::Triggers, false), Some(Order::Stop(Part::Triggers)));
    hear(&mut reducer, Part::Triggers, [Event::Apply(trigger()), Event::Delete(trigger())]);
    hear(&mut reducer, Part::Triggers, list([trigger()]));
    assert_eq!(ears.news(), ["Triggers unserved"]);
    assert!(reducer.heard());

    definition(&mut reducer, Part::Triggers, true);
    hear(&mut reducer, Part::Triggers, list([]));
    assert_eq!(ears.news(), ["Triggers served", "Triggers begins", "Triggers is listed"]);
}

#[test]
fn a_kind_of_which_no_version_is_served_is_unserved() {
    let (ears, mut reducer) = heard_by();
    definition(&mut reducer, Part::Resiliencies, true);
    reducer.unserved(Source::Objects(Part::Resiliencies));
    reducer.unserved(Source::Objects(Part::Resiliencies));
    assert_eq!(ears.news(), ["Resiliencies unserved"]);
    hear(&mut reducer, Part::Resiliencies, list([]));
    // A server that comes late takes nothing away.
    reducer.unserved(Source::Objects(Part::Resiliencies));
    assert_eq!(ears.news(), ["Resiliencies served", "Resiliencies begins", "Resiliencies is listed"]);
}

#[test]
fn readiness_waits_for_what_only_the_listener_keeps() {
    let (_, mut reducer) = heard_by();
    for kind in Watched::Controller.kinds().iter().filter(|kind| kind.part != Part::OtherPods) {
        match kind.definition() {
            Some(_) => drop(definition(&mut reducer, kind.part, false)),
            None => hear(&mut reducer, kind.part, list([])),
        }
    }
    assert_eq!(reducer.missing(), ["pods (!podwire.io/app-id)"]);
    reducer.snapshot();
    hear(&mut reducer, Part::OtherPods, list([]));
    // Readiness is published with the snapshot.
    assert!(reducer.changed() && reducer.missing().is_empty());
}

#[test]
fn what_only_the_listener_keeps_makes_no_snapshot() {
    let (ears, mut reducer) = heard_by();
    let placement =
        || json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dapr-placement-server", "namespace": "dapr-system"}});
    hear(&mut reducer, Part::Placement, list([placement()]));
    hear(&mut reducer, Part::OwnServices, list([placement()]));
    hear(&mut reducer, Part::Deployments, list([deployment("orders")]));
    reducer.snapshot();
    ears.news();
    hear(&mut reducer, Part::Deployments, [Event::Apply(deployment("orders")), Event::Delete(deployment("orders"))]);
    hear(&mut reducer, Part::OwnServices, [Event::Delete(placement())]);
    assert!(!reducer.changed() && reducer.heard());
    assert!(reducer.snapshot().dapr.placement);
    assert_eq!(ears.news(), ["Deployments + orders", "Deployments - orders", "OwnServices - dapr-placement-server"]);
}

#[test]
fn features_are_those_of_the_config_map_and_the_defaults_without_it() {
    let (_, mut reducer) = heard_by();
    assert_eq!(reducer.snapshot().features, None);
    let metadata = json!({"name": "config-features", "namespace": "knative-eventing"});
    let off = || json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"delivery-timeout": "Disabled"}});
    let mut timeout_after = |events: Vec<Event<Value>>| {
        hear(&mut reducer, Part::Features, events);
        fresh(&mut reducer).features.map(|features| features.delivery_timeout)
    };
    assert_eq!(timeout_after(list([])), Some(true));
    assert_eq!(timeout_after(vec![Event::Apply(off())]), Some(false));
    assert_eq!(timeout_after(vec![Event::Delete(off())]), Some(true));
    assert_eq!(timeout_after(list([off()])), Some(false));
    assert_eq!(timeout_after(list([])), Some(true));
}

#[test]
fn objects_keep_their_metadata_and_are_of_a_kind() {
    let mut metadata = json!({
        "name": "orders-1", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 2, "labels": {"a": "b"},
        "annotations": {"c": "d"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "orders", "uid": "r"}],
        "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
    });
    let (kept, resource) = (metadata.clone(), Part::WiredPods.kind().resource());
    metadata["managedFields"] = json!([{"manager": "kubectl"}]);
    let object = json!({"metadata": metadata, "spec": {"nodeName": "one"}});
    let plain = |event: Event<Value>| match event {
        Event::Apply(object) => object,
        _ => panic!("another event"),
    };
    let whole = plain(streams::lean(Event::Apply(serde_json::from_value::<DynamicObject>(object.clone()).unwrap()), &resource));
    assert_eq!(whole, json!({"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": {"nodeName": "one"}}));
    let bare = serde_json::from_value::<PartialObjectMeta<DynamicObject>>(object).unwrap();
    assert_eq!(plain(streams::lean(Event::Apply(bare), &resource)), json!({"apiVersion": "v1", "kind": "Pod", "metadata": kept}));
}
