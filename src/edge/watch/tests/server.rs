//! The loop before an API server that is not there: what is asked, and what becomes of the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::OnceLock;

use axum::body::Body;
use axum::http::{Request, Response};
use kube::Client;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::listening::Ears;
use super::*;
use crate::edge::watch::keep::keep_rows;
use crate::edge::watch::{keep, keep_listening};

const NAMESPACES: &str = "/api/v1/namespaces";
const TRIGGERS: &str = "/apis/eventing.knative.dev/v1/triggers";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// An API server with empty lists, but for what a test puts into them.
#[derive(Default)]
struct Server {
    /// Whether kinds that need not be installed are.
    installed: bool,
    /// The lists that were asked for, and the watches.
    asked: Mutex<[BTreeSet<String>; 2]>,
    /// What is in lists that are not empty, by path.
    lists: Mutex<BTreeMap<&'static str, Vec<Value>>>,
    /// What the next watch of a path says.
    says: Mutex<BTreeMap<&'static str, UnboundedReceiver<String>>>,
}

impl Server {
    fn client(self: &Arc<Self>) -> Client {
        let server = self.clone();
        let answer = move |request: Request<kube::client::Body>| std::future::ready(Ok::<_, Infallible>(server.answer(&request)));
        Client::new(tower::service_fn(answer), "default")
    }

    /// Speaks through the next watch of the path.
    fn watch(&self, path: &'static str) -> UnboundedSender<String> {
        let (says, heard) = mpsc::unbounded_channel();
        self.says.lock().unwrap().insert(path, heard);
        says
    }

    fn put(&self, path: &'static str, objects: impl IntoIterator<Item = Value>) {
        self.lists.lock().unwrap().insert(path, objects.into_iter().collect());
    }

    fn answer(&self, request: &Request<kube::client::Body>) -> Response<Body> {
        let text = |value: Value| Response::new(Body::from(value.to_string()));
        let path = request.uri().path();
        if path == "/version" {
            return text(json!({"major": "1", "minor": "34+"}));
        }
        let query = request.uri().query().unwrap_or_default().replace("%2F", "/").replace("%3D", "=").replace("%21", "!");
        let said = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")));
        let selector = said("labelSelector").or_else(|| said("fieldSelector")).map(|selector| format!(" {selector}")).unwrap_or_default();
        let metadata = request.headers().get("accept").is_some_and(|kind| kind.to_str().unwrap().contains("PartialObjectMetadata"));
        let watch = said("watch") == Some("true");
        assert_eq!(said("limit"), (!watch).then_some("100"));
        let asked = format!("{path}{selector}{}", if metadata { " (metadata)" } else { "" });
        self.asked.lock().unwrap()[usize::from(watch)].insert(asked);
        if watch {
            let says = self.says.lock().unwrap().remove(path);
            let said = stream::unfold(says, |mut says| async { Some((Ok::<_, Infallible>(says.as_mut()?.recv().await?), says)) });
            return Response::new(Body::from_stream(said.chain(stream::pending())));
        }
        let items = match self.lists.lock().unwrap().get(path) {
            Some(objects) => objects.clone(),
            None if self.installed && path == DEFINITIONS => vec![json!({"metadata": {"name": "there", "resourceVersion": "1"}})],
            None => Vec::new(),
        };
        text(json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}))
    }
}

fn line(kind: &str, mut object: Value) -> String {
    object["metadata"]["resourceVersion"] = json!("2");
    format!("{}\n", json!({"type": kind, "object": object}))
}

async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap();
}

#[tokio::test]
async fn what_happens_at_once_goes_into_few_snapshots() {
    let server = Arc::new(Server::default());
    let says = server.watch(NAMESPACES);
    let (snapshots, kept) = keep(server.client(), Settings::default()).await.unwrap();
    assert_eq!(snapshots.missing().len(), Watched::Webhook.kinds().len());
    let kept = tokio::spawn(kept);
    until(|| snapshots.missing().is_empty()).await;
    assert_eq!(snapshots.current().server, Some((1, 34)));

    for number in 0..1000 {
        says.send(line("ADDED", namespace(&format!("many-{number}"), "broker"))).unwrap();
    }
    let counted = async {
        let (mut last, mut published) = (snapshots.current(), 0);
        while !last.holds("many-999") {
            tokio::task::yield_now().await;
            let next = snapshots.current();
            published += usize::from(!Arc::ptr_eq(&last, &next));
            last = next;
        }
        published
    };
    let published = timeout(LONG, counted).await.unwrap();
    assert!(published < 100, "{published} snapshots");
    assert_eq!(names(&snapshots.current()).len(), 1000);
    kept.abort();
}

#[tokio::test]
async fn each_server_asks_for_its_rows_of_the_table() {
    let of_webhook = [
        "/api/v1/limitranges",
        "/api/v1/namespaces (metadata)",
        "/api/v1/namespaces/dapr-system/configmaps metadata.name=dapr-trust-bundle",
        "/api/v1/namespaces/dapr-system/services metadata.name=dapr-placement-server",
        "/api/v1/namespaces/dapr-system/services metadata.name=dapr-scheduler-server-a",
        "/api/v1/resourcequotas",
        "/apis/dapr.io/v1alpha1/namespaces/dapr-system/configurations metadata.name=daprsystem",
        "/apis/eventing.knative.dev/v1/brokers",
        "/apis/podwire.io/v1alpha1/injectionpolicies",
        "/apis/podwire.io/v1alpha1/wirings",
    ];
    let beside = [
        "/api/v1/configmaps metadata.name=podwire-brokers",
        "/api/v1/namespaces/knative-eventing/configmaps metadata.name=config-features",
        "/api/v1/pods !podwire.io/app-id (metadata)",
        "/api/v1/pods podwire.io/app-id",
        "/api/v1/services app.kubernetes.io/managed-by=podwire",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/deployments",
        "/apis/apps/v1/statefulsets",
        "/apis/batch/v1/cronjobs",
        "/apis/batch/v1/jobs",
        "/apis/dapr.io/v1alpha1/resiliencies",
        "/apis/dapr.io/v2alpha1/subscriptions app.kubernetes.io/managed-by=podwire",
        "/apis/eventing.knative.dev/v1/triggers app.kubernetes.io/managed-by=podwire",
    ];
    let definition = |name: &str| format!("{DEFINITIONS} metadata.name={name} (metadata)");
    let of_dapr = ["resiliencies.dapr.io", "subscriptions.dapr.io", "triggers.eventing.knative.dev"];
    let of_both = ["brokers.eventing.knative.dev", "configurations.dapr.io", "injectionpolicies.podwire.io", "wirings.podwire.io"];
    let webhook: BTreeSet<String> = of_webhook.map(str::to_owned).into_iter().chain(of_both.map(definition)).collect();
    let controller: BTreeSet<String> = beside.map(str::to_owned).into_iter().chain(of_dapr.map(definition)).collect();
    let controller: BTreeSet<String> = controller.union(&webhook).cloned().collect();
    let of_reviews = ["/apis/dapr.io/v1alpha1/components", "/apis/networking.k8s.io/v1/networkpolicies"].map(str::to_owned);
    let webhook = webhook.into_iter().chain(of_reviews).chain([definition("components.dapr.io")]).collect();
    for (watched, expected) in [(Watched::Webhook, webhook), (Watched::Controller, controller)] {
        let server = Arc::new(Server { installed: true, ..Server::default() });
        let (snapshots, kept) = keep_rows(watched.kinds(), server.client(), Settings::default(), ()).await.unwrap();
        assert_eq!(snapshots.missing().len(), watched.kinds().len());
        let kept = tokio::spawn(kept);
        until(|| snapshots.missing().is_empty() && server.asked.lock().unwrap()[1].len() >= expected.len()).await;
        assert_eq!(*server.asked.lock().unwrap(), [expected.clone(), expected]);
        kept.abort();
    }
}

/// A listener that keeps the names of namespaces, and holds them against every snapshot that is published.
#[derive(Default)]
struct Mirror {
    ears: Ears,
    list: BTreeSet<String>,
    held: BTreeSet<String>,
    snapshots: Arc<OnceLock<Arc<Snapshots>>>,
}

impl Listener for Mirror {
    fn hear(&mut self, part: Part, event: &Event<Value>) {
        self.ears.hear(part, event);
        if part != Part::Namespaces {
            return;
        }
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(object) => drop(self.list.insert(name(object))),
            Event::InitDone => self.held = std::mem::take(&mut self.list),
            Event::Apply(object) => drop(self.held.insert(name(object))),
            Event::Delete(object) => drop(self.held.remove(&name(object))),
        }
    }

    fn unserved(&mut self, part: Part) {
        self.ears.unserved(part);
    }

    fn served(&mut self, part: Part) {
        self.ears.served(part);
    }

    fn published(&mut self) {
        let snapshot = self.snapshots.get().unwrap().current();
        let agree = names(&snapshot).into_iter().eq(self.held.iter());
        self.ears.note(if agree { "published" } else { "published something else" }.to_owned());
    }
}

/// What is heard of the part until a line is heard and published.
async fn heard(ears: &Ears, part: Part, last: &str) -> Vec<String> {
    let last = format!("{part:?} {last}");
    until(|| ears.heard().iter().rposition(|line| *line == last).is_some_and(|at| ears.heard()[at..].contains(&"published".to_owned())))
        .await;
    assert!(!ears.heard().contains(&"published something else".to_owned()));
    ears.heard().iter().filter_map(|line| line.strip_prefix(&format!("{part:?} "))).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_watch_that_knows_too_little_lists_again_and_what_is_heard_is_published() {
    let server = Arc::new(Server::default());
    server.put(NAMESPACES, [namespace("old", "broker"), namespace("shop", "broker")]);
    let says = server.watch(NAMESPACES);
    let mirror = Mirror::default();
    let (ears, known) = (mirror.ears.clone(), mirror.snapshots.clone());
    let (snapshots, kept) = keep_listening(server.client(), Settings::default(), mirror).await.unwrap();
    known.set(snapshots.clone()).unwrap();
    let kept = tokio::spawn(kept);
    let listed = ["served", "begins", "has old", "has shop", "is listed"];
    assert_eq!(heard(&ears, Part::Namespaces, "is listed").await, listed);

    says.send(line("ADDED", namespace("young", "broker"))).unwrap();
    says.send(line("DELETED", namespace("old", "broker"))).unwrap();
    says.send(line("ADDED", namespace("last", "broker"))).unwrap();
    assert_eq!(heard(&ears, Part::Namespaces, "+ last").await[5..], ["+ young", "- old", "+ last"]);
    assert_eq!(names(&snapshots.current()), ["last", "shop", "young"]);

    server.put(NAMESPACES, [namespace("young", "broker")]);
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "message": "too old", "code": 410});
    says.send(format!("{}\n", json!({"type": "ERROR", "object": gone}))).unwrap();
    assert_eq!(heard(&ears, Part::Namespaces, "has young").await[8..10], ["begins", "has young"]);
    until(|| names(&snapshots.current()) == ["young"]).await;
    kept.abort();
}

#[tokio::test]
async fn a_kind_that_is_installed_and_removed_is_served_for_as_long() {
    let server = Arc::new(Server::default());
    server.put(TRIGGERS, [json!({"metadata": {"name": "orders", "namespace": "shop"}})]);
    // The definitions of all kinds are watched at one path, so that this row stands alone.
    let rows = std::slice::from_ref(Part::Triggers.kind());
    let says = server.watch(DEFINITIONS);
    let ears = Ears::default();
    let kept = tokio::spawn(keep_rows(rows, server.client(), Settings::default(), ears.clone()).await.unwrap().1);
    assert_eq!(heard(&ears, Part::Triggers, "unserved").await, ["unserved"]);

    let definition = json!({"metadata": {"name": "triggers.eventing.knative.dev"}});
    says.send(line("ADDED", definition.clone())).unwrap();
    let served = ["unserved", "served", "begins", "has orders", "is listed"];
    assert_eq!(heard(&ears, Part::Triggers, "is listed").await, served);

    says.send(line("DELETED", definition)).unwrap();
    until(|| ears.heard().iter().filter(|line| *line == "Triggers unserved").count() == 2).await;
    kept.abort();
}
