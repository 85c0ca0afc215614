//! A namespace with applications, in one style, and what they published and received.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

pub(crate) use podwire::api::style::Style;

use crate::ledgers::Ledgers;
use crate::node::{APP, Failure, Node, holds, request, require, wait_for};
use crate::outcome::Outcome;

/// Written by a test that takes podwire away; every other test reads.
pub(crate) static PODWIRE: RwLock<()> = RwLock::new(());
/// Written by a test that kills a part of Knative's; every other test with a Broker reads.
static BROKERS: RwLock<()> = RwLock::new(());

/// What a test makes of Brokers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Brokers {
    /// It has none.
    Unused,
    /// Others may use theirs.
    Shared,
    /// It kills what all have in common.
    Alone,
}

/// Held by a test as long as it runs.
type Present = (RwLockReadGuard<'static, ()>, Option<RwLockReadGuard<'static, ()>>, Option<RwLockWriteGuard<'static, ()>>);

impl Brokers {
    /// Waits until the test can have what it needs.
    fn enter(self) -> Present {
        let podwire = PODWIRE.read().unwrap_or_else(PoisonError::into_inner);
        let shared = (self == Brokers::Shared).then(|| BROKERS.read().unwrap_or_else(PoisonError::into_inner));
        let alone = (self == Brokers::Alone).then(|| BROKERS.write().unwrap_or_else(PoisonError::into_inner));
        (podwire, shared, alone)
    }
}

/// A namespace of one test.
pub(crate) struct Shop<'a> {
    pub(crate) node: &'a Node,
    pub(crate) style: Style,
    pub(crate) namespace: String,
    pub(crate) ledgers: Ledgers,
    _present: Present,
}

/// An application: its name is that of its Deployment.
pub(crate) struct App<'a> {
    pub(crate) name: &'a str,
    pub(crate) replicas: usize,
    /// Without `podwire.io/` before podwire's names.
    pub(crate) annotations: Vec<(&'a str, String)>,
}

impl<'a> App<'a> {
    pub(crate) fn publishing(name: &'a str, topics: &str) -> Self {
        App { name, replicas: 1, annotations: vec![("publish", topics.to_owned())] }
    }

    pub(crate) fn consuming(name: &'a str, subscribe: impl Into<String>) -> Self {
        App { name, replicas: 1, annotations: vec![("subscribe", subscribe.into())] }
    }

    pub(crate) fn with(mut self, name: &'a str, value: &str) -> Self {
        self.annotations.push((name, value.to_owned()));
        self
    }

    pub(crate) fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    fn app_id(&self) -> &str {
        self.annotations.iter().find(|(name, _)| *name == "app-id").map_or(self.name, |(_, value)| value)
    }
}

/// A delivery, as the application saw it.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) pod: String,
    pub(crate) id: String,
    pub(crate) at: u64,
    pub(crate) line: Arc<Value>,
}

impl<'a> Shop<'a> {
    /// Opens one, with a pub/sub component. Topics carry the test's name: all tests share one Redis.
    pub(crate) fn open(node: &'a Node, test: &str, style: Style) -> Result<Self, Failure> {
        Shop::open_with(node, test, style, if style == Style::Broker { Brokers::Shared } else { Brokers::Unused })
    }

    /// The same, where the style does not say what it makes of Brokers.
    pub(crate) fn open_with(node: &'a Node, test: &str, style: Style, brokers: Brokers) -> Result<Self, Failure> {
        let present = brokers.enter();
        let namespace = format!("{test}-{}", style.word());
        node.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }))?;
        node.apply(&json!({
            "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": { "name": "pubsub", "namespace": namespace },
            "spec": { "type": "pubsub.redis", "version": "v1", "metadata": [{ "name": "redisHost", "value": "redis.redis.svc.cluster.local:6379" }] },
        }))?;
        Ok(Shop { node, style, ledgers: Ledgers::of(node.shared(&namespace)?), namespace, _present: present })
    }

    /// Makes room for others.
    pub(crate) fn close(self) -> Result<(), Failure> {
        self.node.kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]).map(drop)
    }

    /// The pod template of an application.
    pub(crate) fn template(&self, app: &App, environment: &[(&str, String)]) -> Value {
        let full = |name: &str| if name.contains('/') { name.to_owned() } else { format!("podwire.io/{name}") };
        let mut annotations: BTreeMap<String, &str> = app.annotations.iter().map(|(name, value)| (full(name), value.as_str())).collect();
        annotations.entry("podwire.io/style".to_owned()).or_insert(self.style.word());
        let environment: Vec<Value> = environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json!({
            "metadata": { "labels": { "app": app.name }, "annotations": annotations },
            "spec": {
                "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
                "containers": [{
                    "name": "app", "image": APP, "imagePullPolicy": "Never", "env": environment,
                    "ports": [{ "containerPort": 8080 }],
                    "readinessProbe": { "httpGet": { "path": "/_health", "port": 8080 }, "periodSeconds": 1 },
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                    "volumeMounts": [{ "name": "ledger", "mountPath": "/ledger" }],
                }],
                "volumes": [{ "name": "ledger", "hostPath": { "path": self.ledgers.folder } }],
            },
        })
    }

    pub(crate) fn deployment(&self, app: &App) -> Value {
        self.deployment_with(app, &[])
    }

    /// The same, with more in the application's environment.
    pub(crate) fn deployment_with(&self, app: &App, environment: &[(&str, String)]) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": app.name, "namespace": self.namespace },
            "spec": { "replicas": app.replicas, "selector": { "matchLabels": { "app": app.name } }, "template": self.template(app, environment) },
        })
    }

    /// Starts applications, and waits until podwire says that they work.
    pub(crate) fn start(&self, apps: &[App]) -> Result<(), Failure> {
        for app in apps {
            self.node.apply(&self.deployment(app))?;
        }
        for app in apps {
            self.ready(app)?;
        }
        Ok(())
    }

    pub(crate) fn ready(&self, app: &App) -> Result<(), Failure> {
        let rolled = self.node.kubectl(&["rollout", "status", "deployment", app.name, "-n", &self.namespace, "--timeout=90s"]);
        rolled.map_err(|failure| self.state(&failure))?;
        let mut last = Value::Null;
        let ready = wait_for(format!("the Wiring of {} is Ready", app.app_id()), 60, || {
            last = self.node.get(&["wiring", app.app_id(), "-n", &self.namespace]).ok()?;
            let pods = last["status"]["pods"]["wired"].as_u64()?;
            (holds(&last, "Ready") && pods >= app.replicas as u64).then_some(())
        });
        ready.map_err(|failure| self.state(&format!("{failure}: {}", last["status"])))
    }

    /// A failure, with what there is in the namespace.
    fn state(&self, failure: &dyn std::fmt::Display) -> Failure {
        let pods = self.node.kubectl(&["get", "pods,wirings,events", "-n", &self.namespace]).unwrap_or_default();
        Failure::new(format!("{failure}\n{pods}"))
    }

    /// That all that were accepted came to an application; where it is not so, what there is in the namespace, what its sidecars said last, and what Redis keeps
    /// of the topic.
    pub(crate) fn lost_nothing(&self, outcome: &Outcome, app: &str, topic: &str) -> Result<(), Failure> {
        outcome.lost_nothing().map_err(|failure| {
            let groups = ["exec", "-n", "redis", "deploy/redis", "--", "redis-cli", "XINFO", "GROUPS", topic];
            let sidecars = ["logs", "-n", &self.namespace, "-l", &format!("app={app}"), "-c", "daprd", "--prefix", "--tail=20"];
            let said =
                [groups.as_slice(), &sidecars].map(|command| self.node.kubectl(command).unwrap_or_else(|failure| failure.to_string()));
            self.state(&format!("{failure}\n{}", said.join("\n")))
        })
    }

    /// Addresses of an application's pods that run.
    pub(crate) fn addresses(&self, app: &str) -> Result<Vec<String>, Failure> {
        let pods = self.node.get(&["pods", "-n", &self.namespace, "-l", &format!("app={app}"), "--field-selector=status.phase=Running"])?;
        let pods = pods["items"].as_array().into_iter().flatten().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(pods.filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned)).collect())
    }

    /// Tells every pod of an application something.
    pub(crate) fn tell(&self, app: &str, path: &str, body: &Value) -> Result<(), Failure> {
        for address in self.addresses(app)? {
            let (status, said) = request(&address, "POST", path, &body.to_string())?;
            require(&format!("{app} takes {path}: {status} {said}"), status < 300)?;
        }
        Ok(())
    }

    /// Lets an application publish, and waits until all is accepted.
    pub(crate) fn publish(&self, app: &str, order: &Value) -> Result<(), Failure> {
        self.tell(app, "/_publish", order)?;
        self.published(app, order["prefix"].as_str().unwrap_or_default(), order["count"].as_u64().unwrap_or_default(), 60)
    }

    /// Waits until so many events of an application's were accepted.
    pub(crate) fn published(&self, app: &str, prefix: &str, count: u64, seconds: u64) -> Result<(), Failure> {
        let mut last: Vec<Arc<Value>> = Vec::new();
        let done = wait_for(format!("{count} events of {app} are accepted"), seconds, || {
            let all = self.ledgers.lines().ok()?;
            last = all.into_iter().filter(|line| is(line, "published", app) && id(line).starts_with(prefix)).collect();
            (last.len() as u64 >= count).then_some(())
        });
        let refused: Vec<_> = last.iter().filter(|line| line["status"].is_null()).collect();
        done.map_err(|failure| self.state(&failure))?;
        require(&format!("all are accepted: {refused:?}"), refused.is_empty())
    }

    /// What an application received.
    pub(crate) fn received(&self, app: &str) -> Result<Vec<Delivery>, Failure> {
        let all = self.ledgers.lines()?.into_iter().filter(|line| is(line, "received", app));
        Ok(all
            .map(|line| Delivery {
                pod: line["pod"].as_str().unwrap_or_default().to_owned(),
                id: id(&line).to_owned(),
                at: line["at"].as_u64().unwrap_or_default(),
                line,
            })
            .collect())
    }

    /// What was published, by id.
    pub(crate) fn events(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let all = self.ledgers.lines()?.into_iter().filter(|line| line["what"] == "published");
        Ok(all.map(|line| (id(&line).to_owned(), line["event"].clone())).collect())
    }

    /// How many tries it took to publish the events whose ids begin so.
    pub(crate) fn tries(&self, prefix: &str) -> Result<u64, Failure> {
        let all = self.ledgers.lines()?.into_iter().filter(|line| line["what"] == "published" && id(line).starts_with(prefix));
        Ok(all.filter_map(|line| line["tries"].as_u64()).sum())
    }

    /// Waits until an application has received so many different events; all deliveries of it.
    pub(crate) fn receives(&self, app: &str, count: usize, seconds: u64) -> Result<Vec<Delivery>, Failure> {
        let mut last = 0;
        let done = wait_for(format!("{app} has {count} events"), seconds, || {
            let all = self.received(app).ok()?;
            last = distinct(&all);
            (last >= count).then_some(all)
        });
        done.map_err(|failure| self.state(&format!("{failure}: it has {last}")))
    }
}

/// How many different events there are.
pub(crate) fn distinct(all: &[Delivery]) -> usize {
    all.iter().map(|one| &one.id).collect::<std::collections::BTreeSet<_>>().len()
}

fn is(line: &Value, what: &str, app: &str) -> bool {
    line["what"] == what && line["pod"].as_str().is_some_and(|pod| pod.starts_with(&format!("{app}-")))
}

fn id(line: &Value) -> &str {
    line["id"].as_str().unwrap_or_default()
}
