//! What the controller keeps of the cluster: workloads that ask, pods that podwire wired, and what it made for them. Nothing of anybody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;

use super::key::{Key, Place};
use super::read::{self, Kept};
use crate::api::annotations::APP_ID_LABEL;
use crate::api::names::BROKERS_CONFIG_MAP;
use crate::edge::telemetry::Wirings;
use crate::edge::watch::Part;
use crate::engine::{Kinds, Owner, PodRequest, Workload};

/// What the controller keeps of the cluster.
#[derive(Debug, Default)]
pub(super) struct World {
    objects: BTreeMap<Part, BTreeMap<Place, Kept>>,
    /// The objects of each application, and those of whole namespaces under an empty app-id.
    apps: BTreeMap<Key, BTreeSet<(Part, Place)>>,
    /// Objects that have a name which podwire would give and that no watch shows, by kind and name.
    strangers: BTreeMap<Key, BTreeMap<(String, String), Arc<Value>>>,
    /// What the ConfigMap of a namespace held when it was last seen.
    addresses: BTreeMap<String, BTreeMap<String, String>>,
    served: BTreeSet<Part>,
    /// Applications about which there is news.
    news: BTreeSet<Key>,
}

/// What there is of an application.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) workloads: Vec<Arc<Workload>>,
    /// Its running pods, and who made them where the world knows.
    pub(super) pods: Vec<(Arc<PodRequest>, Duration, Climb)>,
    /// Pods that carry a word for podwire and no label of it.
    pub(super) unwired: Vec<(Arc<PodRequest>, Duration, Climb)>,
    pub(super) objects: Vec<Arc<Value>>,
    pub(super) wiring: Option<Arc<Value>>,
    pub(super) address_map: Option<Arc<Value>>,
    pub(super) addresses: BTreeMap<String, String>,
    pub(super) kinds: Kinds,
    pub(super) triggers: usize,
}

/// Who made a pod.
#[derive(Clone, Debug)]
pub(super) enum Climb {
    /// This workload, or the pod stands for itself.
    Known(ObjectReference),
    /// A ReplicaSet or a Job that must be asked whose it is.
    Ask(ObjectReference),
}

/// why: an app-id that cannot be read still has a place where its workloads are told so.
pub(super) const UNKNOWN_APP: &str = "";

impl World {
    /// Takes an object in, in place of an older one.
    pub(super) fn put(&mut self, part: Part, object: &Value) {
        let place = Place::of(object);
        if self.objects.get(&part).and_then(|all| all.get(&place)).is_some_and(|known| known.is_newer_than(object)) {
            return;
        }
        let kept = read::kept(part, object);
        let told = part == Part::Policies && self.says_the_same(part, &place, object);
        self.forget(part, &place, kept.as_ref());
        if !told {
            self.spread(part, &place);
        }
        let Some(kept) = kept else { return };
        if part == Part::AddressMaps {
            let data = object["data"].as_object().into_iter().flatten();
            let data = data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
            self.addresses.insert(place.namespace.clone(), data);
        }
        for key in kept.keys(&place) {
            self.apps.entry(key.clone()).or_default().insert((part, place.clone()));
            self.strangers.get_mut(&key).into_iter().for_each(|all| drop(all.remove(&read::kind_and_name(object))));
            self.news.insert(key);
        }
        self.objects.entry(part).or_default().insert(place, kept);
    }

    /// Lets an object go.
    pub(super) fn remove(&mut self, part: Part, object: &Value) {
        self.let_go(part, &Place::of(object));
    }

    /// Everything of a part that is not among these is gone.
    pub(super) fn retain(&mut self, part: Part, listed: &BTreeSet<Place>) {
        let known = self.objects.get(&part).into_iter().flat_map(|all| all.keys());
        let gone: Vec<Place> = known.filter(|place| !listed.contains(place)).cloned().collect();
        gone.iter().for_each(|place| self.let_go(part, place));
        // Of what is not kept nobody knows whether something is gone.
        if !read::keeps(part) {
            self.everybody();
        }
    }

    /// A kind is installed, or is no more.
    pub(super) fn serve(&mut self, part: Part, served: bool) {
        if !served {
            self.retain(part, &BTreeSet::new());
        }
        let changed = if served { self.served.insert(part) } else { self.served.remove(&part) };
        if changed {
            self.everybody();
        }
    }

    /// The applications about which there was news since the last time.
    pub(super) fn take_news(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.news)
    }

    /// Every application that is known.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.apps.keys().filter(|key| !key.is_namespace()).cloned().collect()
    }

    /// The policies, each as what it is about.
    pub(super) fn policies(&self) -> Vec<Key> {
        self.of_namespace("").cloned().collect()
    }

    /// The applications of a namespace.
    pub(super) fn neighbours(&self, namespace: &str) -> Vec<Key> {
        self.of_namespace(namespace).filter(|key| !key.is_namespace()).cloned().collect()
    }

    /// An object that no watch shows stands in an application's way.
    pub(super) fn meet(&mut self, key: &Key, object: Value) {
        self.strangers.entry(key.clone()).or_default().insert(read::kind_and_name(&object), Arc::new(object));
    }

    /// The objects that stand in an application's way, as they were met.
    pub(super) fn strangers(&self, key: &Key) -> Vec<Arc<Value>> {
        self.strangers.get(key).into_iter().flat_map(|all| all.values().cloned()).collect()
    }

    /// It stands in the way no more.
    pub(super) fn part_from(&mut self, key: &Key, object: &Value) {
        self.strangers.get_mut(key).into_iter().for_each(|all| drop(all.remove(&read::kind_and_name(object))));
    }

    /// Everything that there is of an application.
    pub(super) fn seen(&self, key: &Key) -> Seen {
        let kinds = Kinds {
            knative: self.served.contains(&Part::Triggers) && self.served.contains(&Part::Brokers),
            dapr: self.served.contains(&Part::Subscriptions) && self.served.contains(&Part::Resiliencies),
        };
        let mut seen = Seen { kinds, addresses: self.addresses.get(&key.namespace).cloned().unwrap_or_default(), ..Seen::default() };
        let own = self.apps.get(key).into_iter().flatten();
        let shared = self.apps.get(&Key::of_namespace(&key.namespace)).into_iter().flatten();
        for (part, place) in own.chain(shared) {
            let Some(kept) = self.objects.get(part).and_then(|all| all.get(place)) else { continue };
            match kept {
                Kept::Workload(workload) => seen.workloads.push(workload.clone()),
                Kept::Pod(pod) => seen.pods.extend(self.climbing(pod)),
                Kept::Unwired(pod) => seen.unwired.extend(self.climbing(pod)),
                Kept::Object(object) => match part {
                    Part::Wirings => seen.wiring = Some(object.clone()),
                    Part::AddressMaps if place.name == BROKERS_CONFIG_MAP => seen.address_map = Some(object.clone()),
                    _ if seen.objects.iter().any(|known| Arc::ptr_eq(known, object)) => {}
                    _ => seen.objects.push(object.clone()),
                },
            }
        }
        seen.objects.extend(self.strangers(key));
        let triggers = self.objects.get(&Part::Triggers);
        seen.triggers = triggers.into_iter().flat_map(|all| all.keys()).filter(|place| place.namespace == key.namespace).count();
        seen
    }

    /// How many Wirings there are, by what they say.
    pub(super) fn wirings(&self) -> Wirings {
        let mut count = Wirings::default();
        for kept in self.objects.get(&Part::Wirings).into_iter().flat_map(|all| all.values()) {
            let Kept::Object(wiring) = kept else { continue };
            let conditions = wiring["status"]["conditions"].as_array().into_iter().flatten();
            let ready = conditions.into_iter().find(|one| one["type"] == "Ready").and_then(|ready| ready["status"].as_str());
            match ready {
                Some("True") => count.ready += 1,
                Some("False") => count.not_ready += 1,
                _ => count.unknown += 1,
            }
        }
        count
    }

    /// Whether a watch shows an object as an application's: those of services and of most kinds show only what carries podwire's labels.
    pub(super) fn shows(&self, key: &Key, object: &Value) -> bool {
        let named = object["kind"] == "Wiring" || object["kind"] == "Resiliency" || object["kind"] == "ConfigMap";
        let labels = &object["metadata"]["labels"];
        named || labels["app.kubernetes.io/managed-by"] == "podwire" && labels[APP_ID_LABEL].as_str() == key.app_id.as_deref()
    }

    /// Nothing stands in the way of an application that is no more.
    pub(super) fn part_from_all(&mut self, key: &Key) {
        self.strangers.remove(key);
    }

    /// Whether there is anything of an application.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.apps.contains_key(key)
    }

    fn climbing(&self, pod: &read::Pod) -> Option<(Arc<PodRequest>, Duration, Climb)> {
        let request = pod.request()?;
        let climb = self.climb(&request);
        Some((request, pod.created, climb))
    }

    /// Who made a pod: the workload of the world that has the name of its owner, else the owner itself.
    fn climb(&self, request: &PodRequest) -> Climb {
        let workload = |part: Part, name: &str| match self.objects.get(&part)?.get(&Place::new(&request.namespace, name))? {
            Kept::Workload(workload) => Some(workload.reference.clone()),
            Kept::Pod(_) | Kept::Unwired(_) | Kept::Object(_) => None,
        };
        let owner = read::controller(&request.pod);
        let known = match &request.owner {
            Owner::DaemonSet(name) => workload(Part::DaemonSets, name),
            Owner::Deployment(name) => workload(Part::Deployments, name),
            Owner::Job(name) => workload(Part::Jobs, name),
            Owner::StatefulSet(name) => workload(Part::StatefulSets, name),
            Owner::Bare | Owner::CronJob(_) | Owner::Other { .. } => None,
        };
        match (known, owner) {
            (Some(known), _) => Climb::Known(known),
            (None, None) => Climb::Known(read::reference(&request.pod)),
            (None, Some(owner)) if ["Job", "ReplicaSet"].contains(&owner.kind.as_deref().unwrap_or_default()) => Climb::Ask(owner),
            (None, Some(owner)) => Climb::Known(owner),
        }
    }

    fn let_go(&mut self, part: Part, place: &Place) {
        self.forget(part, place, None);
        self.spread(part, place);
    }

    /// Takes an object out, unless it only changes; applications that lose it hear of it.
    fn forget(&mut self, part: Part, place: &Place, next: Option<&Kept>) {
        let Some(kept) = self.objects.get_mut(&part).and_then(|all| all.remove(place)) else { return };
        let stays: Vec<Key> = next.map(|next| next.keys(place)).unwrap_or_default();
        for key in kept.keys(place) {
            if !stays.contains(&key)
                && let Some(objects) = self.apps.get_mut(&key)
            {
                objects.remove(&(part, place.clone()));
                if objects.is_empty() {
                    self.apps.remove(&key);
                }
            }
            if key.is_namespace() {
                let all: Vec<Key> = self.of_namespace(&key.namespace).cloned().collect();
                self.news.extend(all);
            }
            self.news.insert(key);
        }
    }

    /// Whether an object was known with the same spec: only its status is another one.
    fn says_the_same(&self, part: Part, place: &Place, object: &Value) -> bool {
        let known = self.objects.get(&part).and_then(|all| all.get(place));
        let same = |known: &Value| ["uid", "generation"].iter().all(|field| known["metadata"][field] == object["metadata"][field]);
        matches!(known, Some(Kept::Object(known)) if same(known))
    }

    /// Some objects concern more applications than their own.
    fn spread(&mut self, part: Part, place: &Place) {
        match part {
            Part::Policies | Part::Features | Part::TrustAnchors | Part::Mtls | Part::Placement | Part::Scheduler => self.everybody(),
            Part::Namespaces => {
                let all: Vec<Key> = self.of_namespace(&place.name).cloned().collect();
                self.news.extend(all);
            }
            Part::Brokers | Part::AddressMaps | Part::LimitRanges | Part::Resiliencies => {
                let all: Vec<Key> = self.of_namespace(&place.namespace).cloned().collect();
                self.news.extend(all);
            }
            _ => {}
        }
    }

    fn everybody(&mut self) {
        let all = self.keys();
        self.news.extend(all);
    }

    fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Key> {
        self.apps.range(Key::of_namespace(namespace)..).map(|(key, _)| key).take_while(move |key| key.namespace == namespace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broker(name: &str) -> Value {
        json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": { "name": name, "namespace": "shop" } })
    }

    /// A world with a Wiring of `billing`, and no news.
    fn world() -> World {
        let labels = json!({ "app.kubernetes.io/managed-by": "podwire", APP_ID_LABEL: "billing" });
        let metadata = json!({ "name": "billing", "namespace": "shop", "labels": labels });
        let mut world = World::default();
        world.put(Part::Wirings, &json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "Wiring", "metadata": metadata }));
        world.take_news();
        world
    }

    #[test]
    fn what_went_while_no_watch_could_tell_is_news_to_whom_it_concerns() {
        let (mut world, billing) = (world(), Key::new("shop", "billing"));
        for part in [Part::Brokers, Part::Resiliencies] {
            world.put(part, &broker("orders"));
            assert!(world.take_news().contains(&billing));
            world.retain(part, &BTreeSet::new());
            assert!(world.take_news().contains(&billing), "{part:?}");
        }
    }

    #[test]
    fn a_policy_made_anew_under_its_name_is_news_although_its_generation_is_the_same() {
        let policy = |uid: &str, seen: u64| {
            let metadata = json!({ "name": "default", "uid": uid, "generation": 1, "resourceVersion": seen.to_string() });
            json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": metadata })
        };
        let (mut world, billing) = (world(), Key::new("shop", "billing"));
        let mut hears = |uid: &str, seen: u64| {
            world.put(Part::Policies, &policy(uid, seen));
            world.take_news().contains(&billing)
        };
        assert_eq!([("a", 1), ("a", 2), ("b", 3)].map(|(uid, seen)| hears(uid, seen)), [true, false, true]);
    }

    #[test]
    fn who_is_no_more_has_nobody_in_the_way() {
        let (mut world, billing) = (world(), Key::new("shop", "billing"));
        world.meet(&billing, broker("orders"));
        assert_eq!(world.strangers(&billing).len(), 1);
        world.part_from_all(&billing);
        assert!(world.strangers(&billing).is_empty());
    }
}
