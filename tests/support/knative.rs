//! What Knative's webhook and controllers do to Brokers and Triggers, for none runs here. Where nothing changes it writes nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::client::{api, client};
use super::lab::{Failure, Lab};

const CLASS: &str = "eventing.knative.dev/broker.class";
const BROKER_LABEL: &str = "eventing.knative.dev/broker";
/// Stamped at each admission, with whoever wrote.
const STAMPS: [&str; 2] = ["eventing.knative.dev/creator", "eventing.knative.dev/lastModifier"];
/// A request that fails is sent again, for as long as an API server needs to come back.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(200);

/// The imitation. Dropping it ends it.
pub(crate) struct Knative {
    hand: Hand,
    again: watch::Sender<()>,
    runtime: Option<Runtime>,
}

#[derive(Clone, Default)]
struct Settings {
    /// Namespaces, and `namespace/name`.
    held: BTreeSet<String>,
    delay: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Broker,
    Trigger,
}

/// What writes.
#[derive(Clone)]
struct Hand {
    client: Client,
    settings: Arc<Mutex<Settings>>,
}

impl Knative {
    /// Begins to look after every Broker and Trigger of the cluster.
    pub(crate) fn start(lab: &Lab) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("knative").enable_all().build()?;
        let client = runtime.block_on(client(lab.plane.kubeconfig()))?;
        let hand = Hand { client, settings: Arc::default() };
        let (again, _) = watch::channel(());
        for kind in [Kind::Broker, Kind::Trigger] {
            runtime.spawn(hand.clone().look_after(kind, again.subscribe()));
        }
        Ok(Knative { hand, again, runtime: Some(runtime) })
    }

    /// Writes no status in a namespace, or of one `namespace/name`, until [`Knative::release`]: what is not ready stays so.
    pub(crate) fn hold(&self, what: &str) {
        self.hand.settings().held.insert(what.to_owned());
    }

    /// Takes up again what was held, and what happened meanwhile.
    pub(crate) fn release(&self, what: &str) {
        self.hand.settings().held.remove(what);
        self.again.send_replace(());
    }

    /// How long a Trigger takes to become ready after it was made or changed.
    pub(crate) fn delay(&self, delay: Duration) {
        self.hand.settings().delay = delay;
    }
}

impl Drop for Knative {
    fn drop(&mut self) {
        // Not waited for: a watch never ends by itself.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Broker => "Broker",
            Kind::Trigger => "Trigger",
        }
    }
}

impl Hand {
    fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        api(&self.client, kind.word(), namespace)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a kind for ever. After an error, and where something is no longer held, it lists anew.
    async fn look_after(self, kind: Kind, mut again: watch::Receiver<()>) {
        loop {
            let api = self.api(kind, "");
            let mut events = watcher(api, watcher::Config::default()).boxed();
            loop {
                let event = tokio::select! {
                    event = events.try_next() => event,
                    _ = again.changed() => break,
                };
                match event {
                    Ok(Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                        let (namespace, name) = (object.metadata.namespace.unwrap_or_default(), object.metadata.name.unwrap_or_default());
                        tokio::spawn(self.clone().settle(kind, namespace, name));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => {
                        tokio::time::sleep(PAUSE).await;
                        break;
                    }
                }
            }
        }
    }

    async fn settle(self, kind: Kind, namespace: String, name: String) {
        for _ in 0..TRIES {
            let done = match kind {
                Kind::Broker => self.broker(&namespace, &name).await,
                Kind::Trigger => self.trigger(&namespace, &name).await,
            };
            match done {
                Ok(()) => return,
                Err(kube::Error::Api(status)) if status.is_not_found() => return,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn broker(&self, namespace: &str, name: &str) -> Result<(), kube::Error> {
        let Some(broker) = self.admit(Kind::Broker, namespace, name).await? else { return Ok(()) };
        if self.holds(namespace, name) {
            return Ok(());
        }
        let conditions = ["Addressable", "FilterReady", "IngressReady", "Ready", "TriggerChannelReady"].map(condition);
        // No channel is made here; a test that makes one has it named.
        let channel = format!("{name}-kne-trigger");
        let named = api(&self.client, "InMemoryChannel", namespace).get_opt(&channel).await?.map(|_| &channel);
        let status = json!({ "status": {
            "observedGeneration": broker["metadata"]["generation"],
            "address": { "name": "http", "url": format!("http://broker-ingress.knative-eventing.svc.cluster.local/{namespace}/{name}") },
            "annotations": {
                "knative.dev/channelAPIVersion": "messaging.knative.dev/v1",
                "knative.dev/channelAddress": format!("http://{channel}-kn-channel.{namespace}.svc.cluster.local"),
                "knative.dev/channelKind": "InMemoryChannel",
                "knative.dev/channelName": named,
            },
            "conditions": conditions,
        }});
        if self.patch(Kind::Broker, &broker, status, true).await? {
            // Knative's Triggers wait for their Broker.
            let triggers = self.api(Kind::Trigger, namespace);
            for trigger in triggers.list(&ListParams::default().labels(&format!("{BROKER_LABEL}={name}"))).await? {
                tokio::spawn(self.clone().settle_later(namespace.to_owned(), trigger.metadata.name.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Apart from [`Hand::settle`], which would contain itself.
    fn settle_later(self, namespace: String, name: String) -> futures::future::BoxFuture<'static, ()> {
        Box::pin(self.settle(Kind::Trigger, namespace, name))
    }

    async fn trigger(&self, namespace: &str, name: &str) -> Result<(), kube::Error> {
        let Some(trigger) = self.admit(Kind::Trigger, namespace, name).await? else { return Ok(()) };
        let generation = trigger["metadata"]["generation"].clone();
        if trigger["status"]["observedGeneration"] != generation {
            let delay = self.settings().delay;
            tokio::time::sleep(delay).await;
        }
        if self.holds(namespace, name) {
            return Ok(());
        }
        let broker = trigger["spec"]["broker"].as_str().unwrap_or_default();
        let broker = self.get(Kind::Broker, namespace, broker).await?;
        let conditions = match broker {
            None => Value::from(["BrokerReady", "Ready"].map(|kind| not_ready(kind, "BrokerDoesNotExist")).to_vec()),
            Some(broker) if !is_ready(&broker) => {
                Value::from(["BrokerReady", "Ready"].map(|kind| not_ready(kind, "BrokerNotReady")).to_vec())
            }
            Some(_) => Value::from(["BrokerReady", "Ready", "SubscriberResolved", "SubscriptionReady"].map(condition).to_vec()),
        };
        let to = &trigger["spec"]["subscriber"];
        let host = format!("{}.{namespace}.svc.cluster.local", to["ref"]["name"].as_str().unwrap_or_default());
        let status = json!({ "status": {
            "observedGeneration": generation,
            "subscriberUri": format!("http://{host}{}", to["uri"].as_str().unwrap_or_default()),
            "conditions": conditions,
        }});
        self.patch(Kind::Trigger, &trigger, status, true).await.map(drop)
    }

    /// The object as Knative's webhook leaves it.
    async fn admit(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>, kube::Error> {
        let Some(object) = self.get(kind, namespace, name).await? else { return Ok(None) };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return Ok(None);
        }
        let mut annotations = json!({});
        for stamp in STAMPS.iter().filter(|stamp| object["metadata"]["annotations"][*stamp].is_null()) {
            annotations[stamp] = json!("system:serviceaccount:podwire-system:podwire-controller");
        }
        let mut defaults = json!({});
        match kind {
            Kind::Broker => {
                if object["metadata"]["annotations"][CLASS].is_null() {
                    annotations[CLASS] = json!("MTChannelBasedBroker");
                }
                if object["spec"]["config"].is_null() {
                    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "config-br-default-channel", "namespace": "knative-eventing" });
                    defaults["spec"]["config"] = config;
                }
                if object["spec"]["delivery"].is_null() {
                    defaults["spec"]["delivery"] = json!({ "retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S" });
                }
            }
            Kind::Trigger => defaults["metadata"]["labels"] = json!({ BROKER_LABEL: object["spec"]["broker"] }),
        }
        defaults["metadata"]["annotations"] = annotations;
        if self.patch(kind, &object, defaults, false).await? { self.get(kind, namespace, name).await } else { Ok(Some(object)) }
    }

    async fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>, kube::Error> {
        let api = self.api(kind, namespace);
        let object = api.get_opt(name).await?;
        object.map(|object| serde_json::to_value(object).map_err(kube::Error::SerdeError)).transpose()
    }

    /// Merges a patch into an object, unless it is in it; whether anything was written.
    async fn patch(&self, kind: Kind, object: &Value, mut patch: Value, status: bool) -> Result<bool, kube::Error> {
        if holds(object, &patch) {
            return Ok(false);
        }
        // Of another object with this name nothing was read.
        patch["metadata"]["uid"] = object["metadata"]["uid"].clone();
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let api = self.api(kind, text("namespace"));
        let (parameters, patch) =
            (PatchParams { field_manager: Some("knative".to_owned()), ..PatchParams::default() }, Patch::Merge(patch));
        match status {
            true => api.patch_status(text("name"), &parameters, &patch).await?,
            false => api.patch(text("name"), &parameters, &patch).await?,
        };
        Ok(true)
    }

    fn holds(&self, namespace: &str, name: &str) -> bool {
        let settings = self.settings();
        settings.held.contains(namespace) || settings.held.contains(&format!("{namespace}/{name}"))
    }
}

fn condition(kind: &str) -> Value {
    json!({ "type": kind, "status": "True" })
}

fn not_ready(kind: &str, reason: &str) -> Value {
    json!({ "type": kind, "status": "False", "reason": reason })
}

/// Of the generation that stands there.
fn is_ready(object: &Value) -> bool {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// Whether merging the patch would change nothing.
fn holds(object: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(members) => members.iter().all(|(key, value)| holds(&object[key], value)),
        _ => object == patch,
    }
}
