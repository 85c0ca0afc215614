//! Many objects at once: kubectl would take minutes for what these tests make, so a client with many hands does it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::audit::{Mark, Write, writes_by_controller};
use crate::support::client::{api, client, failed};
use crate::support::lab::{Failure, Lab, wait_for};
use crate::words::{component, condition, deployment};

/// How many requests are under way at once.
const HANDS: usize = 20;

/// Kinds that podwire makes.
pub(crate) const MADE: [&str; 7] = ["Broker", "ConfigMap", "Resiliency", "Service", "Subscription", "Trigger", "Wiring"];

/// An administrator with many hands.
pub(crate) struct Many {
    runtime: Runtime,
    client: Client,
}

impl Many {
    pub(crate) fn new(lab: &Lab) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("many").enable_all().build()?;
        let client = runtime.block_on(client(lab.plane.kubeconfig()))?;
        Ok(Many { runtime, client })
    }

    /// Creates objects, in no order.
    pub(crate) fn create(&self, objects: &[Value]) -> Result<(), Failure> {
        let created = stream::iter(objects).map(|object| async move {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let api = api(&self.client, &text(&object["kind"]), &text(&object["metadata"]["namespace"]));
            let object: DynamicObject = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
            api.create(&PostParams::default(), &object).await.map(drop)
        });
        let done: Result<Vec<()>, kube::Error> = self.runtime.block_on(created.buffer_unordered(HANDS).try_collect());
        done.map(drop).map_err(failed)
    }

    /// Creates namespaces `PREFIX00`, `PREFIX01` and so on, each with the component `pubsub`.
    pub(crate) fn prepare(&self, prefix: &str, count: usize) -> Result<(), Failure> {
        let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number:02}")).collect();
        let namespace = |name: &String| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.create(&names.iter().map(namespace).collect::<Vec<_>>())?;
        self.create(&names.iter().map(|name| component(name, &json!([]))).collect::<Vec<_>>())
    }

    /// The objects of a kind in namespaces that begin so.
    pub(crate) fn list(&self, kind: &str, prefix: &str) -> Result<Vec<Value>, Failure> {
        let list = self.runtime.block_on(api(&self.client, kind, "").list(&ListParams::default())).map_err(failed)?;
        let mut objects = Vec::new();
        for object in list.items.into_iter().filter(|one| one.metadata.namespace.as_ref().is_some_and(|name| name.starts_with(prefix))) {
            objects.push(serde_json::to_value(object)?);
        }
        Ok(objects)
    }

    /// Waits until the Wirings of these namespaces are as good as they become without pods.
    pub(crate) fn settled(&self, lab: &Lab, prefix: &str, count: usize, seconds: u64) -> Result<(), Failure> {
        let mut seen = String::new();
        let done = wait_for(format!("{count} Wirings of {prefix} are settled"), seconds, || {
            // why: a list of hundreds costs the API server more than what is waited for.
            quiet(lab, 500).ok()?;
            let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
            for wiring in self.list("Wiring", prefix).ok()? {
                let reason = condition(&wiring, "Ready").map_or("none", |(_, reason)| reason).to_owned();
                *by_reason.entry(reason).or_default() += 1;
            }
            seen = format!("{by_reason:?}");
            let settled = ["NoEndpoints", "NoPods"].iter().filter_map(|reason| by_reason.get(*reason)).sum::<usize>();
            (settled == count).then_some(())
        });
        done.map_err(|failure| Failure::new(format!("{failure}; by reason: {seen}")))
    }

    /// What podwire made in namespaces that begin so: kind, namespace and name, and what a person would have written of it.
    pub(crate) fn made(&self, prefix: &str) -> Result<BTreeSet<String>, Failure> {
        let mut made = BTreeSet::new();
        for kind in MADE {
            for mut object in
                self.list(kind, prefix)?.into_iter().filter(|one| kind != "ConfigMap" || one["metadata"]["name"] == "podwire-brokers")
            {
                let headless = object["spec"]["clusterIP"] == "None";
                if let Some(spec) = object["spec"].as_object_mut().filter(|_| kind == "Service" && !headless) {
                    spec.retain(|field, _| !field.starts_with("clusterIP"));
                }
                let of = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                let (spec, scopes, data) = (&object["spec"], &object["scopes"], &object["data"]);
                made.insert(format!("{kind} {}/{} {spec} {scopes} {data}", of("namespace"), of("name")).replace(prefix, ""));
            }
        }
        Ok(made)
    }
}

/// So many Deployments without pods in each of these namespaces. Every second one is in sidecar style; each consumes one of five topics
/// and publishes the next.
pub(crate) fn workloads(prefix: &str, namespaces: usize, each: usize) -> Vec<Value> {
    let one = |namespace: usize, number: usize| {
        let style = if number.is_multiple_of(2) { "broker" } else { "sidecar" };
        let topic = |number: usize| format!("topic{}", number / 2 % 5);
        let annotations =
            json!({ "podwire.io/style": style, "podwire.io/subscribe": topic(number), "podwire.io/publish": topic(number + 2) });
        let mut deployment = deployment(&format!("app{number:02}"), &format!("{prefix}{namespace:02}"), &annotations);
        deployment["spec"]["replicas"] = json!(0);
        // Nobody makes a ReplicaSet of it, which would only cost time.
        deployment["spec"]["paused"] = json!(true);
        deployment
    };
    (0..namespaces).flat_map(|namespace| (0..each).map(move |number| one(namespace, number))).collect()
}

/// Waits until controllers have written nothing for so long.
pub(crate) fn quiet(lab: &Lab, millis: u64) -> Result<(), Failure> {
    quiet_of(lab, millis, |_| true)
}

/// The same in one namespace, whatever happens in others.
pub(crate) fn quiet_in(lab: &Lab, namespace: &str, millis: u64) -> Result<(), Failure> {
    quiet_of(lab, millis, |write| write.namespace == namespace)
}

fn quiet_of(lab: &Lab, millis: u64, counts: impl Fn(&Write) -> bool) -> Result<(), Failure> {
    let mut mark = Mark::now(lab)?;
    let mut last: Vec<Write> = Vec::new();
    let done = wait_for(format!("controllers write nothing for {millis} ms"), 60, || {
        std::thread::sleep(Duration::from_millis(millis));
        let next = Mark::now(lab).ok()?;
        let writes: Vec<Write> = writes_by_controller(&mark).ok()?.into_iter().filter(&counts).collect();
        mark = next;
        let quiet = writes.is_empty();
        last = writes;
        quiet.then_some(())
    });
    done.map_err(|failure| Failure::new(format!("{failure}: {:?}", last.iter().map(ToString::to_string).collect::<Vec<_>>())))
}

/// How often each verb met each resource.
pub(crate) fn table(requests: &[Write]) -> BTreeMap<String, usize> {
    let mut table = BTreeMap::new();
    for request in requests {
        let refused = if request.code < 400 { String::new() } else { format!(" ({})", request.code) };
        *table.entry(format!("{} {}{refused}", request.verb, request.resource)).or_default() += 1;
    }
    table
}
