//! Objects as the API server sends them → what the controller keeps of them.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::key::{Key, Place};
use super::world::UNKNOWN_APP;
use crate::api::annotations::{APP_ID_LABEL, LISTEN, is_asking};
use crate::api::templates::Holder;
use crate::edge::watch::Part;
use crate::engine::{Owner, PodRequest, Workload, app_id};

/// An object as it is kept.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// A workload whose template asks.
    Workload(Arc<Workload>),
    /// A pod that podwire wired and that has not ended.
    Pod(Pod),
    /// A pod that asks and has no label of podwire's: its metadata.
    Unwired(Pod),
    /// Anything else.
    Object(Arc<Value>),
}

/// A pod, as text: read, it is twelve times as large, and it is looked at only where its application is reconciled.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    namespace: String,
    app_id: Option<String>,
    text: Box<[u8]>,
    pub(super) created: Duration,
}

impl Pod {
    /// What it is to the engine.
    pub(super) fn request(&self) -> Option<Arc<PodRequest>> {
        let pod = serde_json::from_slice(&self.text).ok()?;
        PodRequest::new(&self.namespace, pod).ok().map(Arc::new)
    }
}

/// As what objects of a part are kept.
#[derive(PartialEq)]
enum As {
    Workload,
    WiredPod,
    OtherPod,
    Object,
    /// What others need of them is in the snapshot.
    Nothing,
}

impl As {
    fn of(part: Part) -> Self {
        match part {
            Part::CronJobs | Part::DaemonSets | Part::Deployments | Part::Jobs | Part::StatefulSets => As::Workload,
            Part::WiredPods => As::WiredPod,
            Part::OtherPods => As::OtherPod,
            Part::Policies
            | Part::OwnServices
            | Part::Triggers
            | Part::Subscriptions
            | Part::Resiliencies
            | Part::AddressMaps
            | Part::Wirings => As::Object,
            Part::Components
            | Part::NetworkPolicies
            | Part::Namespaces
            | Part::Brokers
            | Part::TrustAnchors
            | Part::Mtls
            | Part::Placement
            | Part::Scheduler
            | Part::LimitRanges
            | Part::ResourceQuotas
            | Part::Features => As::Nothing,
        }
    }
}

/// Whether objects of a part are kept at all.
pub(super) fn keeps(part: Part) -> bool {
    As::of(part) != As::Nothing
}

/// What is kept of an object of a part; nothing of one that is not podwire's business.
pub(super) fn kept(part: Part, object: &Value) -> Option<Kept> {
    match As::of(part) {
        As::Workload => workload(object).map(|workload| Kept::Workload(Arc::new(workload))),
        As::WiredPod => {
            let ended = ["Succeeded", "Failed"].iter().any(|phase| object["status"]["phase"] == *phase);
            let label = object["metadata"]["labels"][APP_ID_LABEL].as_str().map(str::to_owned);
            (!ended).then(|| pod(object, |_| label)).flatten().map(Kept::Pod)
        }
        As::OtherPod => {
            let mirror = !object["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
            // Metadata alone are no Pod; nothing else of it is looked at.
            let bare = || json!({ "metadata": object["metadata"], "spec": { "containers": [] } });
            (is_asking(object) && !mirror && object["metadata"]["deletionTimestamp"].is_null())
                .then(|| pod(&bare(), app_id))
                .flatten()
                .map(Kept::Unwired)
        }
        As::Object => Some(Kept::Object(Arc::new(object.clone()))),
        As::Nothing => None,
    }
}

fn workload(object: &Value) -> Option<Workload> {
    let kind = object["kind"].as_str()?;
    let template = Holder::of(object["apiVersion"].as_str()?, kind)?.template(object);
    // A Job that somebody's controller makes is told by that one's template.
    let made = controller(object).is_some_and(|owner| owner.kind.as_deref() == Some("CronJob"));
    if !is_asking(template) || made {
        return None;
    }
    let place = Place::of(object);
    let owner = Owner::of(kind, place.name.clone());
    let request = PodRequest::from_template(&place.namespace, owner, template).ok()?;
    Some(Workload {
        reference: reference(object),
        created: created(object),
        generation: object["metadata"]["generation"].as_i64(),
        request,
        listens_too: object["metadata"]["annotations"][LISTEN] == "both",
    })
}

/// A pod that is one to the engine too.
fn pod(object: &Value, app_id: impl FnOnce(&PodRequest) -> Option<String>) -> Option<Pod> {
    let namespace = Place::of(object).namespace;
    let request = PodRequest::new(&namespace, object.clone()).ok()?;
    let text = serde_json::to_vec(object).ok()?.into_boxed_slice();
    Some(Pod { namespace, app_id: app_id(&request), text, created: created(object) })
}

impl Kept {
    /// The applications to which it belongs.
    pub(super) fn keys(&self, place: &Place) -> Vec<Key> {
        let of = |app_id: Option<String>| vec![Key::new(&place.namespace, app_id.as_deref().unwrap_or(UNKNOWN_APP))];
        let label = |object: &Value| object["metadata"]["labels"][APP_ID_LABEL].as_str().map(str::to_owned);
        match self {
            Kept::Workload(workload) => of(app_id(&workload.request)),
            Kept::Pod(pod) | Kept::Unwired(pod) => of(pod.app_id.clone()),
            Kept::Object(object) => match object["kind"].as_str().unwrap_or_default() {
                "ConfigMap" => vec![Key::of_namespace(&place.namespace)],
                // Those of others matter to whoever has the component in common.
                "Resiliency" => label(object)
                    .map(|app_id| Key::new(&place.namespace, &app_id))
                    .into_iter()
                    .chain([Key::of_namespace(&place.namespace)])
                    .collect(),
                "InjectionPolicy" => vec![Key::of_policy(&place.name)],
                "Wiring" => of(Some(place.name.clone())),
                _ => label(object).map(|app_id| Key::new(&place.namespace, &app_id)).into_iter().collect(),
            },
        }
    }

    /// Whether this is a later state than the object's: an answer to a write can overtake the watch.
    pub(super) fn is_newer_than(&self, object: &Value) -> bool {
        let Kept::Object(known) = self else { return false };
        let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
        let same = known["metadata"]["uid"] == object["metadata"]["uid"];
        same && version(known).zip(version(object)).is_some_and(|(known, other)| known > other)
    }
}

/// The part whose watch shows an object that podwire wrote.
pub(super) fn part_of(object: &Value) -> Option<Part> {
    match object["kind"].as_str()? {
        "ConfigMap" => Some(Part::AddressMaps),
        "Resiliency" => Some(Part::Resiliencies),
        "Service" => Some(Part::OwnServices),
        "Subscription" => Some(Part::Subscriptions),
        "Trigger" => Some(Part::Triggers),
        "Wiring" => Some(Part::Wirings),
        _ => None,
    }
}

/// An object as Events name it.
pub(super) fn reference(object: &Value) -> ObjectReference {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let metadata = &object["metadata"];
    ObjectReference {
        api_version: text(&object["apiVersion"]),
        kind: text(&object["kind"]),
        name: text(&metadata["name"]),
        namespace: text(&metadata["namespace"]),
        uid: text(&metadata["uid"]),
        ..ObjectReference::default()
    }
}

/// The controller of an object.
pub(super) fn controller(object: &Value) -> Option<ObjectReference> {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let owner = owners.into_iter().find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().map(str::to_owned);
    Some(ObjectReference {
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
        uid: text("uid"),
        ..ObjectReference::default()
    })
}

/// `Deployment/orders`, for people.
pub(super) fn title(of: &ObjectReference) -> String {
    format!("{}/{}", of.kind.as_deref().unwrap_or_default(), of.name.as_deref().unwrap_or_default())
}

/// `apiVersion/kind` and name.
pub(super) fn kind_and_name(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (format!("{}/{}", text(&object["apiVersion"]), text(&object["kind"])), text(&object["metadata"]["name"]))
}

fn created(object: &Value) -> Duration {
    let at = object["metadata"]["creationTimestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.and_then(|at| Duration::try_from(at.as_duration()).ok()).unwrap_or_default()
}
