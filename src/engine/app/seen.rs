//! What an application is made of, as the cluster shows it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;

use crate::api::annotations::{APP_ID_LABEL, LISTEN, PREFIX, STYLE_LABEL, WIRED};
use crate::api::style::Style;
use crate::engine::inject::Found;
use crate::engine::intent;
use crate::engine::plan::Ports;
use crate::engine::request::PodRequest;

/// A workload whose pod template asks for wiring.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Which object it is.
    pub reference: ObjectReference,
    /// When it was created, since 1970.
    pub created: Duration,
    /// Its `metadata.generation`.
    pub generation: Option<i64>,
    /// Its pod template.
    pub request: PodRequest,
    /// `podwire.io/listen: both` stands on the workload itself.
    pub listens_too: bool,
}

/// A pod that podwire wired and that has not ended.
#[derive(Clone, Debug)]
pub struct Running {
    /// The workload to which it belongs; where nobody owns the pod, the pod itself.
    pub owner: ObjectReference,
    /// When it was created, since 1970.
    pub created: Duration,
    /// The pod.
    pub request: Arc<PodRequest>,
}

/// The app-id of a pod or a template: what it states, else what is certain from its owner.
pub fn app_id(request: &PodRequest) -> Option<String> {
    intent::app_id(request, &mut Vec::new()).0.map(|app_id| app_id.to_string())
}

/// `Deployment/orders`, for people.
pub(super) fn title(reference: &ObjectReference) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", part(&reference.kind), part(&reference.name))
}

impl Running {
    /// The pod's name.
    pub fn name(&self) -> &str {
        self.request.view.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its address, once it has one.
    pub fn address(&self) -> Option<&str> {
        self.request.view.status.as_ref()?.pod_ip.as_deref().filter(|address| !address.is_empty())
    }

    /// Whether it takes events that a Service sends.
    pub fn is_ready(&self) -> bool {
        let conditions = self.request.view.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        ready && !self.is_ending()
    }

    /// Whether it was asked to end.
    pub fn is_ending(&self) -> bool {
        self.request.view.metadata.deletion_timestamp.is_some()
    }

    /// Its app-id: the label, where it is the one with which the pod was wired. Labels can be edited, the environment of a container cannot.
    pub(crate) fn app_id(&self) -> Option<&str> {
        let label = self.label(APP_ID_LABEL)?;
        let spec = self.request.view.spec.as_ref()?;
        let variables = spec.containers.iter().flat_map(|container| container.env.iter().flatten());
        let mut wired = variables.filter(|variable| variable.name == "PODWIRE_APP_ID");
        wired.any(|variable| variable.value.as_deref() == Some(label)).then_some(label)
    }

    /// The style in which it was wired.
    pub(crate) fn style(&self) -> Option<Style> {
        self.label(STYLE_LABEL).and_then(Style::of_word)
    }

    /// The sides that it carries.
    pub(crate) fn sides(&self) -> Vec<Style> {
        let both = self.request.annotation(LISTEN) == Some("both");
        if both { vec![Style::Sidecar, Style::Broker] } else { self.style().into_iter().collect() }
    }

    /// The ports of its sidecar.
    pub(crate) fn ports(&self) -> Option<Ports> {
        Found::of(&self.request).ports()
    }

    /// Everything by which its wiring can differ from that of another pod: most pods of a workload have it in common.
    pub(super) fn wiring(&self) -> Vec<(&str, &str)> {
        let annotations = self.request.view.metadata.annotations.iter().flatten();
        let asked = annotations.filter(|(key, _)| (key.starts_with(PREFIX) || key.starts_with("dapr.io/")) && *key != WIRED);
        let account = self.request.view.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
        let all = asked.map(|(key, value)| (key.as_str(), value.as_str()));
        all.chain([("style", self.label(STYLE_LABEL).unwrap_or_default()), ("account", account.unwrap_or_default())]).collect()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.request.view.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }
}
