//! One look at a cluster: an object or the workloads of a namespace, and what admission knows around them.

use std::collections::BTreeMap;

use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::watch::{self, NotListed};
use crate::api::annotations::is_asking;
use crate::api::templates::Holder;
use crate::engine::{Settings, Snapshot};

/// What was seen.
#[derive(Debug)]
pub(crate) struct Look {
    /// The object, whole.
    pub(crate) object: Value,
    /// What admission would know of the object's namespace.
    pub(crate) snapshot: Snapshot,
    /// The namespace's Wirings, whole.
    pub(crate) wirings: Vec<Value>,
    /// What could not be read, in words.
    pub(crate) unread: Vec<String>,
}

/// Why nothing was seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// The word is no kind whose pods podwire wires.
    #[error("{word:?} is none of {}", words())]
    Kind {
        /// The word.
        word: String,
    },
    /// There is no such object.
    #[error("namespace {namespace} has no {kind}/{name}")]
    Absent {
        /// The kind as it was typed.
        kind: String,
        /// The name as it was typed.
        name: String,
        /// The namespace.
        namespace: String,
    },
    /// The API server did not give the object.
    #[error("the object cannot be read")]
    Object(#[source] Box<kube::Error>),
    /// The API server did not give what is around it.
    #[error(transparent)]
    Around(#[from] NotListed),
}

/// Kind, plural, short name, group and version.
const KINDS: [(&str, &str, &str, &str, &str); 8] = [
    ("Pod", "pods", "po", "", "v1"),
    ("Deployment", "deployments", "deploy", "apps", "v1"),
    ("StatefulSet", "statefulsets", "sts", "apps", "v1"),
    ("DaemonSet", "daemonsets", "ds", "apps", "v1"),
    ("ReplicaSet", "replicasets", "rs", "apps", "v1"),
    ("ReplicationController", "replicationcontrollers", "rc", "", "v1"),
    ("Job", "jobs", "job", "batch", "v1"),
    ("CronJob", "cronjobs", "cj", "batch", "v1"),
];

/// The workloads of a namespace, and around them what admission would know.
#[derive(Debug)]
pub(crate) struct Workloads {
    /// Everything that makes pods and is made by nobody, and pods that nobody made; whole. What has ended is left out.
    pub(crate) objects: Vec<Value>,
    /// What admission would know of the namespace.
    pub(crate) snapshot: Snapshot,
    /// What could not be read, in words.
    pub(crate) unread: Vec<String>,
}

fn words() -> String {
    KINDS.map(|(kind, ..)| kind.to_ascii_lowercase()).join(", ")
}

/// Reads an object, and around it what admission would know.
pub(crate) async fn look(client: Client, settings: Settings, kind: &str, namespace: &str, name: &str) -> Result<Look, LookError> {
    let word = kind.to_ascii_lowercase();
    let known = KINDS.iter().find(|(kind, plural, short, ..)| [kind.to_ascii_lowercase().as_str(), plural, short].contains(&word.as_str()));
    let (known, plural, _, group, version) = known.ok_or_else(|| LookError::Kind { word: kind.to_owned() })?;
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, known), plural);
    let found = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource).get_opt(name).await;
    let absent = || LookError::Absent { kind: kind.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() };
    let found = found.map_err(|error| LookError::Object(Box::new(error)))?.ok_or_else(absent)?;
    let object = whole(found, &resource);
    let around = watch::once(client, settings, namespace).await?;
    Ok(Look { object, snapshot: around.snapshot, wirings: around.wirings, unread: around.unread })
}

/// Reads every workload of a namespace: who overlooks one cannot say that nobody publishes.
///
/// # Errors
/// [`LookError`] where one kind of them cannot be read, or what is around them.
pub(crate) async fn workloads(client: Client, settings: Settings, namespace: &str) -> Result<Workloads, LookError> {
    let objects = origins(&client, Some(namespace), is_origin).await?;
    around(&client, settings, namespace, objects).await
}

async fn around(client: &Client, settings: Settings, namespace: &str, objects: Vec<Value>) -> Result<Workloads, LookError> {
    let around = watch::once(client.clone(), settings, namespace).await?;
    Ok(Workloads { objects, snapshot: around.snapshot, unread: around.unread })
}

/// What makes the pods of a runtime, in its namespace; or why that cannot be read.
pub(crate) type Parts = Result<Vec<Value>, LookError>;

/// Reads the workloads of a namespace, or of all, and the parts of Knative and of Dapr.
///
/// # Errors
/// [`LookError`] where one kind of workloads cannot be read, or what is around them.
pub(crate) async fn loads(client: Client, settings: Settings, namespace: Option<&str>) -> Result<(Vec<Workloads>, [Parts; 2]), LookError> {
    let [knative, dapr] = [&settings.knative_namespace, &settings.dapr_namespace];
    let parts = [origins(&client, Some(knative), is_top).await, origins(&client, Some(dapr), is_top).await];
    let all = match namespace {
        Some(namespace) => vec![around(&client, settings, namespace, origins(&client, Some(namespace), is_top).await?).await?],
        None => everywhere(client, settings).await?,
    };
    Ok((all, parts))
}

/// Reads every workload of every namespace in which one asks for wiring, by namespace.
///
/// # Errors
/// [`LookError`] where one kind of them cannot be read, or what is around them.
async fn everywhere(client: Client, settings: Settings) -> Result<Vec<Workloads>, LookError> {
    let mut namespaces: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for object in origins(&client, None, is_top).await? {
        namespaces.entry(object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned()).or_default().push(object);
    }
    let mut all = Vec::new();
    for (namespace, objects) in namespaces.into_iter().filter(|(_, objects)| objects.iter().any(asks)) {
        all.push(around(&client, settings.clone(), &namespace, objects).await?);
    }
    Ok(all)
}

/// Everything that makes pods and is kept, of one namespace or of all.
async fn origins(client: &Client, namespace: Option<&str>, keep: fn(&Value) -> bool) -> Result<Vec<Value>, LookError> {
    let mut objects = Vec::new();
    for (kind, plural, _, group, version) in KINDS {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let api = match namespace {
            Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let list = api.list(&ListParams::default()).await.map_err(|error| LookError::Object(Box::new(error)))?;
        let whole = list.items.into_iter().map(|object| whole(object, &resource));
        objects.extend(whole.filter(|object| keep(object) && !has_ended(object)));
    }
    Ok(objects)
}

/// Whether the pods of an object ask.
fn asks(object: &Value) -> bool {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    Holder::of(text("apiVersion"), text("kind")).is_some_and(|holder| is_asking(holder.template(object)))
}

/// The object with what a list leaves out, and without what nobody reads.
fn whole(mut object: DynamicObject, resource: &ApiResource) -> Value {
    object.managed_fields_mut().clear();
    let mut object = json!(object);
    object["apiVersion"] = resource.api_version.as_str().into();
    object["kind"] = resource.kind.as_str().into();
    object
}

/// Whether no other object controls it.
fn is_origin(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    !owners.into_iter().any(|owner| owner["controller"] == true)
}

/// Whether nothing that is read controls it: whoever makes Deployments may be of any kind.
fn is_top(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let known = |owner: &Value| KINDS.iter().any(|(kind, ..)| owner["kind"] == *kind);
    !owners.into_iter().any(|owner| owner["controller"] == true && known(owner))
}

/// Whether it is a pod or a Job that will do nothing more.
fn has_ended(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let done = conditions.into_iter().any(|one| (one["type"] == "Complete" || one["type"] == "Failed") && one["status"] == "True");
    match object["kind"].as_str() {
        Some("Job") => done,
        Some("Pod") => object["status"]["phase"] == "Succeeded" || object["status"]["phase"] == "Failed",
        _ => false,
    }
}
