//! A cluster that is a map, and a clock that is a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::yaml;
use crate::edge::controller::key::{Key, Place};
use crate::edge::controller::world::{Climb, World};
use crate::edge::watch::Part;
use crate::engine::{
    Answers, App, Channel, Component, Decision, Flows, Found, Loaded, Memory, Notice, Observed, PodRequest, Question, Running, Snapshot,
    Step, admit, reconcile,
};

/// For how long the objects of an application that is gone are kept here.
pub(super) const GRACE: Duration = Duration::from_secs(300);

pub(super) struct Sim {
    world: World,
    pub(super) snapshot: Snapshot,
    /// Seconds since 1970.
    pub(super) now: u64,
    number: u64,
    flows: BTreeMap<String, Flows>,
    memories: BTreeMap<Key, Memory>,
    pub(super) answers: BTreeMap<String, Answers>,
    /// When sidecars were last asked; `None`: now.
    pub(super) asked_at: Option<u64>,
    pub(super) component: Option<Found>,
    /// Channels that can be read, by Broker.
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) notices: Vec<Notice>,
    pub(super) questions: Vec<Question>,
    /// Objects of this kind cannot be written: the API server refuses.
    pub(super) refused: Option<&'static str>,
    /// Applications whose last reconciliation it refused.
    failed: BTreeSet<Key>,
}

fn part(object: &Value) -> Part {
    match object["kind"].as_str().unwrap() {
        "ConfigMap" => Part::AddressMaps,
        "CronJob" => Part::CronJobs,
        "Deployment" => Part::Deployments,
        "Job" => Part::Jobs,
        "Resiliency" => Part::Resiliencies,
        "Service" => Part::OwnServices,
        "Subscription" => Part::Subscriptions,
        "Trigger" => Part::Triggers,
        "Wiring" => Part::Wirings,
        "Broker" => Part::Brokers,
        "InjectionPolicy" => Part::Policies,
        "Namespace" => Part::Namespaces,
        "Pod" if object["metadata"]["labels"]["podwire.io/app-id"].is_string() => Part::WiredPods,
        "Pod" => Part::OtherPods,
        other => panic!("{other}"),
    }
}

impl Sim {
    /// A cluster with namespace `shop`, Dapr, Knative, and nothing else.
    pub(super) fn new() -> Self {
        let mut snapshot = Snapshot::empty();
        snapshot.take(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } })).unwrap();
        snapshot.dapr.trust_anchors = Some("anchors".to_owned());
        let mut world = World::default();
        [Part::Triggers, Part::Brokers, Part::Subscriptions, Part::Resiliencies].into_iter().for_each(|part| world.serve(part, true));
        Sim {
            world,
            snapshot,
            now: 1_000_000,
            number: 0,
            flows: BTreeMap::new(),
            memories: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked_at: None,
            channels: BTreeMap::new(),
            component: Some(Found::This(Component { kind: "pubsub.redis".to_owned(), ..Component::default() })),
            notices: Vec::new(),
            questions: Vec::new(),
            refused: None,
            failed: BTreeSet::new(),
        }
    }

    /// Puts objects in, as YAML; those that are there already are replaced.
    pub(super) fn put(&mut self, text: &str) {
        text.split("\n---").filter(|part| !part.trim().is_empty()).for_each(|part| self.store(yaml::read(part).unwrap().value()));
    }

    /// Takes an object out.
    pub(super) fn remove(&mut self, kind: &str, name: &str) {
        let object = self.get(kind, name).unwrap_or_else(|| panic!("no {kind} {name}"));
        self.world.remove(part(&object), &object);
        self.snapshot.release(&object);
    }

    /// Takes out a pod that is not wired.
    pub(super) fn remove_unwired(&mut self, name: &str) {
        self.world.remove(Part::OtherPods, &json!({ "metadata": { "namespace": "shop", "name": name } }));
    }

    /// So many Triggers of another application.
    pub(super) fn crowd(&mut self, count: usize) {
        for number in 0..count {
            let metadata = json!({ "name": format!("t{number}"), "namespace": "shop", "labels": { "podwire.io/app-id": "other" } });
            self.world.put(Part::Triggers, &json!({ "apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": metadata }));
        }
    }

    /// A kind is installed no more, or again.
    pub(super) fn serve(&mut self, part: Part, served: bool) {
        self.world.serve(part, served);
    }

    /// Everything of Knative is ready, as its controllers would say.
    pub(super) fn knative(&mut self) {
        let ready = json!({ "observedGeneration": 1, "conditions": [{ "type": "Ready", "status": "True" }] });
        for mut trigger in self.all("Trigger") {
            trigger["status"] = ready.clone();
            self.store(trigger);
        }
        for name in self.snapshot.brokers.clone().unwrap_or_default().into_keys().map(|(_, name)| name) {
            self.broker(
                &name,
                json!({ "eventing.knative.dev/broker.class": "MTChannelBasedBroker", "messaging.knative.dev/async-handler": "true" }),
                "InMemoryChannel",
            );
        }
    }

    /// A Broker that is ready.
    pub(super) fn broker(&mut self, name: &str, annotations: Value, channel: &str) {
        self.store(json!({
            "apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "metadata": { "name": name, "namespace": "shop", "annotations": annotations },
            "status": {
                "address": { "url": format!("http://ingress/shop/{name}") },
                "annotations": { "knative.dev/channelKind": channel, "knative.dev/channelName": format!("{name}-kne-trigger") },
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        }));
    }

    /// A pod that the webhook admits for a Deployment, and that is ready.
    pub(super) fn pod(&mut self, name: &str, deployment: &str, annotations: &str) {
        let object = self.admitted(name, deployment, annotations);
        self.store(object);
    }

    /// The same pod, as it would be stored.
    pub(super) fn admitted(&mut self, name: &str, deployment: &str, annotations: &str) -> Value {
        let annotations: Value = if annotations.is_empty() { json!({}) } else { yaml::read(annotations).unwrap().value() };
        let owner =
            json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{deployment}-5d8c"), "uid": "rs", "controller": true });
        let mut object = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "namespace": "shop", "annotations": annotations, "labels": { "pod-template-hash": "5d8c" },
                "ownerReferences": [owner], "creationTimestamp": instant(self.now),
            },
            "spec": { "containers": [{ "name": "app", "image": "app:1", "ports": [{ "containerPort": 8080 }] }] },
        });
        let request = PodRequest::new("shop", object.clone()).unwrap();
        let Decision::Wired(patch) = admit(&request, &self.snapshot).decision else { panic!("{name} is not wired") };
        json_patch::patch(&mut object, &patch).unwrap();
        object["status"] = json!({ "phase": "Running", "podIP": "10.0.0.1", "conditions": [{ "type": "Ready", "status": "True" }] });
        object
    }

    pub(super) fn store(&mut self, mut object: Value) {
        self.number += 1;
        let known = self.get(object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let kept = |field: &str, new: Value| known.as_ref().map_or(new, |known| known["metadata"][field].clone());
        let metadata = &mut object["metadata"];
        if metadata["namespace"].is_null() {
            metadata["namespace"] = json!("shop");
        }
        if metadata["uid"].is_null() {
            metadata["uid"] = kept("uid", json!(format!("uid-{}", self.number)));
        }
        metadata["resourceVersion"] = json!(self.number.to_string());
        metadata["generation"] = json!(1);
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = kept("creationTimestamp", json!(instant(self.now)));
        }
        let _other_kinds = self.snapshot.take(&object);
        self.world.put(part(&object), &object);
    }

    /// An object as it is.
    pub(super) fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.all(kind).into_iter().find(|object| object["metadata"]["name"] == name)
    }

    fn all(&self, kind: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        for key in self.world.keys().into_iter().chain([Key::of_namespace("shop")]) {
            let seen = self.world.seen(&key);
            let workloads = seen.workloads.iter().map(|one| json!({ "apiVersion": one.reference.api_version, "kind": one.reference.kind, "metadata": { "name": one.reference.name, "namespace": "shop", "uid": one.reference.uid } }));
            let pods = seen.pods.iter().map(|(request, _, _)| request.pod.clone());
            let objects = seen.objects.iter().chain(&seen.wiring).chain(&seen.address_map).map(|object| (**object).clone());
            for object in objects.chain(pods).chain(workloads).filter(|object| object["kind"] == kind) {
                if !all.contains(&object) {
                    all.push(object);
                }
            }
        }
        all
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += seconds;
    }

    /// The controller is another process: it remembers nothing.
    pub(super) fn restart(&mut self) {
        self.memories.clear();
        self.answers.clear();
        self.flows.clear();
    }

    /// Reconciles until nothing is left to do; what was done, a line each.
    pub(super) fn settle(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let keys = self.world.keys();
        // What prime does.
        for key in &keys {
            self.gather(key);
        }
        for _ in 0..20 {
            let before = lines.len();
            self.questions.clear();
            for key in self.world.keys() {
                lines.extend(self.once(&key));
            }
            if lines.len() == before {
                return lines;
            }
        }
        panic!("it never ends: {lines:#?}");
    }

    /// When the engine wants to be asked again, in seconds.
    pub(super) fn again(&mut self, app_id: &str) -> Option<u64> {
        let key = Key::new("shop", app_id);
        let (app, observed) = self.observe(&key);
        reconcile(&app, &self.snapshot, &observed).again.map(|again| again.as_secs())
    }

    fn gather(&mut self, key: &Key) -> App {
        let seen = self.world.seen(key);
        let running = |pods: &[(Arc<PodRequest>, Duration, Climb)]| -> Vec<Running> {
            let pod = |(request, created, climb): &(Arc<PodRequest>, Duration, Climb)| {
                let (Climb::Known(owner) | Climb::Ask(owner)) = climb.clone();
                Running { owner, created: *created, request: request.clone() }
            };
            pods.iter().map(pod).collect()
        };
        let app_id = key.app_id.as_deref().unwrap_or_default();
        let (pods, unwired) = (running(&seen.pods), running(&seen.unwired));
        let app = App::gather((&key.namespace, app_id), &seen.workloads, &pods, &unwired, &self.snapshot);
        self.flows.entry(key.namespace.clone()).or_default().0.insert(app_id.to_owned(), app.ends());
        app
    }

    fn observe(&mut self, key: &Key) -> (App, Observed) {
        let app = self.gather(key);
        let seen = self.world.seen(key);
        let mut observed = Observed {
            now: Duration::from_secs(self.now),
            grace: GRACE,
            wiring: seen.wiring,
            objects: seen.objects,
            kinds: seen.kinds,
            address_map: seen.address_map,
            addresses: seen.addresses,
            sidecars: self.answers(),
            channels: BTreeMap::new(),
            component: self.component.clone(),
            flows: Arc::new(self.flows.get(&key.namespace).cloned().unwrap_or_default()),
            triggers: seen.triggers,
            refused: self.failed.contains(key).then(|| "forbidden".to_owned()),
            memory: self.memories.get(key).cloned().unwrap_or_default(),
        };
        let asked = app.channels(&self.snapshot, &observed);
        observed.channels = self.channels.clone().into_iter().filter(|(broker, _)| asked.contains_key(broker)).collect();
        (app, observed)
    }

    fn answers(&self) -> BTreeMap<String, Answers> {
        let counted_at = Duration::from_secs(self.asked_at.unwrap_or(self.now));
        self.answers.iter().map(|(pod, answers)| (pod.clone(), Answers { counted_at, ..answers.clone() })).collect()
    }

    fn once(&mut self, key: &Key) -> Vec<String> {
        let (app, observed) = self.observe(key);
        let made = reconcile(&app, &self.snapshot, &observed);
        assert_eq!(
            format!("{:?}", made.steps),
            format!("{:?}", reconcile(&app, &self.snapshot, &observed).steps),
            "the same input gave other steps"
        );
        self.memories.insert(key.clone(), made.memory);
        self.notices.extend(made.notices);
        self.questions.extend(made.questions);
        let mut lines = Vec::new();
        let mut failed = false;
        for step in made.steps {
            let (verb, object) = match &step {
                Step::Create(object) => ("create", object),
                Step::Apply(object) => ("apply", object),
                Step::Merge { of, .. } => ("merge", of),
                Step::Delete(object) => ("delete", object),
                Step::Status(object) => ("status", object),
            };
            failed |= self.refused.is_some_and(|kind| object["kind"] == kind);
            if failed && verb != "status" {
                continue;
            }
            self.perform(&step);
            if verb != "status" {
                lines.push(format!("{verb} {} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()));
            }
        }
        if failed {
            self.failed.insert(key.clone())
        } else {
            self.failed.remove(key)
        };
        lines
    }

    /// What the API server would do.
    fn perform(&mut self, step: &Step) {
        match step {
            Step::Create(object) => {
                let there = self.get(object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
                assert_eq!(there, None, "a POST of what is there");
                self.store(object.clone());
            }
            Step::Apply(object) | Step::Status(object) => {
                let place = Place::of(object);
                let mut now = self.get(object["kind"].as_str().unwrap(), &place.name).unwrap();
                assert_eq!(now["metadata"]["uid"], object["metadata"]["uid"], "another object of that name");
                json_patch::merge(&mut now, object);
                self.store(now);
            }
            Step::Merge { of, patch } => {
                let mut now = self.get(of["kind"].as_str().unwrap(), of["metadata"]["name"].as_str().unwrap()).unwrap();
                json_patch::merge(&mut now, patch);
                self.store(now);
            }
            Step::Delete(object) => self.remove(object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()),
        }
    }

    /// A condition of a Wiring: `True Ready message`.
    pub(super) fn says(&self, app_id: &str, condition: &str) -> String {
        let wiring = self.get("Wiring", app_id).unwrap_or_else(|| panic!("no Wiring {app_id}"));
        let conditions = wiring["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let Some(one) = conditions.into_iter().find(|one| one["type"] == condition) else { return "-".to_owned() };
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("status"), text("reason"), text("message")).trim_end().to_owned()
    }

    /// The sidecar of a pod answers that it has loaded what is written, and counted so many events.
    pub(super) fn sidecar_says(&mut self, pod: &str, counted: u64) {
        let loaded = self.all("Subscription").into_iter().map(|subscription| {
            let spec = &subscription["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let rules = spec["routes"]["rules"].as_array().into_iter().flatten().map(|rule| (text(&rule["match"]), text(&rule["path"])));
            let rest = spec["routes"]["default"].as_str().map(|path| (String::new(), path.to_owned()));
            let dead_letter = spec["deadLetterTopic"].as_str().map(str::to_owned);
            Loaded { pubsub: text(&spec["pubsubname"]), topic: text(&spec["topic"]), rules: rules.chain(rest).collect(), dead_letter }
        });
        let loaded = Some(Ok(loaded.collect()));
        let names = self.all("Resiliency").into_iter().map(|one| one["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        let resiliencies = Some(names.collect());
        self.answers.insert(pod.to_owned(), Answers { loaded, resiliencies, counted: Some(Ok(counted)), ..Answers::default() });
    }
}

/// A Deployment in `shop`.
pub(super) fn deployment(name: &str, annotations: &str) -> String {
    let annotations = annotations.lines().map(|line| format!("        {}\n", line.trim())).collect::<String>();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  template:\n    metadata:\n      annotations:\n{annotations}    spec:\n      containers: [{{name: app, image: 'app:1', ports: [{{containerPort: 8080}}]}}]\n"
    )
}

fn instant(seconds: u64) -> String {
    k8s_openapi::jiff::Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap().to_string()
}
