//! The pod that is to be wired: its raw JSON, a typed view of it, and who made it. A workload's template is the same value.

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A pod as podwire decides about it.
#[derive(Clone, Debug)]
pub struct PodRequest {
    /// Namespace of the request; the pod itself may not name one.
    pub namespace: String,
    /// The pod, every field of it: patches are made on this.
    pub pod: Value,
    /// The fields that podwire knows.
    pub(crate) view: Pod,
    /// Who made the pod.
    pub owner: Owner,
}

/// Who made a pod, as far as the pod alone tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Owner {
    /// Nobody: a bare pod.
    Bare,
    /// A CronJob, known from a template only.
    CronJob(String),
    /// A DaemonSet.
    DaemonSet(String),
    /// A Deployment, or a Rollout of Argo: a ReplicaSet whose pods carry their template's hash.
    Deployment(String),
    /// A Job, whoever made that.
    Job(String),
    /// Another kind.
    Other {
        /// The owner's kind.
        kind: String,
        /// The owner's name.
        name: String,
    },
    /// A StatefulSet.
    StatefulSet(String),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Bare => write!(f, "bare pod"),
            Owner::CronJob(name) => write!(f, "CronJob/{name}"),
            Owner::DaemonSet(name) => write!(f, "DaemonSet/{name}"),
            Owner::Deployment(name) => write!(f, "Deployment/{name}"),
            Owner::Job(name) => write!(f, "Job/{name}"),
            Owner::Other { kind, name } => write!(f, "{kind}/{name}"),
            Owner::StatefulSet(name) => write!(f, "StatefulSet/{name}"),
        }
    }
}

impl Owner {
    /// The owner of the pods that an object of a kind makes; nobody where it is the pod.
    pub(crate) fn of(kind: &str, name: String) -> Self {
        match kind {
            "CronJob" => Owner::CronJob(name),
            "DaemonSet" => Owner::DaemonSet(name),
            "Deployment" => Owner::Deployment(name),
            "Job" => Owner::Job(name),
            "Pod" => Owner::Bare,
            "StatefulSet" => Owner::StatefulSet(name),
            kind => Owner::Other { kind: kind.to_owned(), name },
        }
    }

    /// The name that is certain enough to be an app-id: the same for every pod, and not that of one run.
    pub(crate) fn certain_name(&self) -> Option<&str> {
        match self {
            Owner::DaemonSet(name) | Owner::Deployment(name) | Owner::StatefulSet(name) => Some(name),
            Owner::Bare | Owner::CronJob(_) | Owner::Job(_) | Owner::Other { .. } => None,
        }
    }

    /// Whether the pod ends by itself.
    pub(crate) fn is_job(&self) -> bool {
        matches!(self, Owner::CronJob(_) | Owner::Job(_))
    }
}

/// The pod is no Pod of `core/v1`.
#[derive(Debug, thiserror::Error)]
#[error("the pod does not decode as a core/v1 Pod: {0}")]
pub struct Unreadable(String);

impl PodRequest {
    /// Reads a pod of a request in `namespace`.
    ///
    /// # Errors
    /// [`Unreadable`] where a field that Kubernetes defines has another type.
    pub fn new(namespace: &str, pod: Value) -> Result<Self, Unreadable> {
        let view = view_of(&pod)?;
        let owner = owner_of(&view);
        Ok(PodRequest { namespace: namespace.to_owned(), pod, view, owner })
    }

    /// Reads the pod that `owner` would make of `template` (a PodTemplateSpec).
    ///
    /// # Errors
    /// [`Unreadable`] where a field that Kubernetes defines has another type.
    pub fn from_template(namespace: &str, owner: Owner, template: &Value) -> Result<Self, Unreadable> {
        let mut pod = Map::new();
        pod.insert("apiVersion".to_owned(), json!("v1"));
        pod.insert("kind".to_owned(), json!("Pod"));
        for field in ["metadata", "spec"] {
            if let Some(value) = template.get(field) {
                pod.insert(field.to_owned(), value.clone());
            }
        }
        let pod = Value::Object(pod);
        let view = view_of(&pod)?;
        Ok(PodRequest { namespace: namespace.to_owned(), pod, view, owner })
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.view.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

fn view_of(pod: &Value) -> Result<Pod, Unreadable> {
    if !pod.is_object() {
        return Err(Unreadable("it is no object".to_owned()));
    }
    if !pod["spec"].is_object() {
        return Err(Unreadable("it has no spec".to_owned()));
    }
    Pod::deserialize(pod).map_err(|error| Unreadable(error.to_string()))
}

/// Labels that hold the hash with which a ReplicaSet's name ends: the Deployment controller's, and that of Argo Rollouts.
const TEMPLATE_HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

fn owner_of(pod: &Pod) -> Owner {
    let references = pod.metadata.owner_references.iter().flatten();
    let Some(controller) = references.into_iter().find(|reference| reference.controller == Some(true)) else {
        return Owner::Bare;
    };
    let name = controller.name.clone();
    match controller.kind.as_str() {
        "DaemonSet" => Owner::DaemonSet(name),
        "Job" => Owner::Job(name),
        "StatefulSet" => Owner::StatefulSet(name),
        "ReplicaSet" => {
            let labels = pod.metadata.labels.as_ref();
            let hash = TEMPLATE_HASHES.iter().find_map(|key| labels?.get(*key));
            match hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-')) {
                Some(deployment) if !deployment.is_empty() => Owner::Deployment(deployment.to_owned()),
                _ => Owner::Other { kind: "ReplicaSet".to_owned(), name },
            }
        }
        kind => Owner::Other { kind: kind.to_owned(), name },
    }
}

/// What [`copy_limits`] changed: containers by name, since a patch may move them.
#[derive(Debug, Default)]
pub struct Copied(Vec<Changed>);

#[derive(Debug)]
struct Changed {
    /// List and name of the container; `None` for the pod's own resources.
    container: Option<(&'static str, String)>,
    section: &'static str,
    resource: String,
    was: Option<Value>,
    became: Value,
}

impl Copied {
    /// Gives back what was there where nobody changed it since, so that a document looks as its author wrote it.
    pub fn withdraw(self, pod: &mut Value) {
        for changed in self.0 {
            let Some(spec) = pod.get_mut("spec") else { continue };
            let holder = match &changed.container {
                Some((list, name)) => {
                    let containers = spec.get_mut(*list).and_then(Value::as_array_mut);
                    containers.and_then(|all| all.iter_mut().find(|one| one["name"] == **name))
                }
                None => Some(spec),
            };
            let Some(resources) = holder.and_then(|holder| holder.get_mut("resources")?.as_object_mut()) else { continue };
            let Some(amounts) = resources.get_mut(changed.section).and_then(Value::as_object_mut) else { continue };
            if amounts.get(&changed.resource) == Some(&changed.became) {
                match changed.was {
                    Some(was) => drop(amounts.insert(changed.resource, was)),
                    None => drop(amounts.shift_remove(&changed.resource)),
                }
            }
            if amounts.is_empty() {
                resources.shift_remove(changed.section);
            }
        }
    }
}

/// Does what the API server does before any webhook sees a pod (`SetDefaults_Pod` of core/v1): a container's limit becomes its request where it states none. Numbers become text.
pub fn copy_limits(pod: &mut Value) -> Copied {
    let mut copied = Vec::new();
    let Some(spec) = pod.get_mut("spec").filter(|spec| spec.is_object()) else { return Copied::default() };
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = Some((list, container["name"].as_str().unwrap_or_default().to_owned()));
            let Some(resources) = container.get_mut("resources").filter(|resources| resources.is_object()) else { continue };
            texts(resources, &name, &mut copied);
            requests(resources, &name, &mut copied);
        }
    }
    if let Some(resources) = spec.get_mut("resources") {
        texts(resources, &None, &mut copied);
    }
    Copied(copied)
}

type Holder = Option<(&'static str, String)>;

/// Limits without a request become one.
fn requests(resources: &mut Value, container: &Holder, copied: &mut Vec<Changed>) {
    for (resource, limit) in resources["limits"].as_object().cloned().unwrap_or_default() {
        if resources["requests"].get(&resource).is_some() {
            continue;
        }
        if !resources["requests"].is_object() {
            resources["requests"] = json!({});
        }
        resources["requests"][&resource] = limit.clone();
        copied.push(Changed { container: container.clone(), section: "requests", resource, was: None, became: limit });
    }
}

/// Quantities that were written as numbers become text, as the API server hands them out.
fn texts(resources: &mut Value, container: &Holder, copied: &mut Vec<Changed>) {
    for section in ["limits", "requests"] {
        let Some(quantities) = resources.get_mut(section).and_then(Value::as_object_mut) else { continue };
        for (resource, quantity) in quantities.iter_mut().filter(|(_, quantity)| quantity.is_number()) {
            let was = quantity.clone();
            *quantity = Value::String(whole(&was));
            let (resource, became) = (resource.clone(), quantity.clone());
            copied.push(Changed { container: container.clone(), section, resource, was: Some(was), became });
        }
    }
}

/// The number as a quantity reads: `1e9` in YAML is 1000000000.0, which Kubernetes writes as a whole number.
fn whole(number: &Value) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
