//! Plan − what is there already → the edits that are missing.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{self, PRE_STOP_SECONDS, grace_seconds};
use super::edit::{Edit, List};
use super::own::{Found, refers};
use super::{undo, volumes};
use crate::api::annotations as key;
use crate::api::names::{BROKERS_CONFIG_MAP, SIDECAR};
use crate::api::style::Style;
use crate::engine::governing::Governing;
use crate::engine::plan::{Content, Place, Plan, Sidecar, Variable};
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding, Subject};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

/// The edits that wire a pod; none where it is wired already.
pub(crate) fn edits(request: &PodRequest, plan: &Plan, found: &Found, governing: &Governing, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let Some(spec) = &request.view.spec else { return Vec::new() };
    let mut edits = labels(request, plan, findings);
    edits.extend(environment(spec, plan, findings));
    edits.extend(amounts(spec, plan));
    edits.extend(sidecar(request, spec, plan, found, findings));
    if !edits.is_empty() {
        let record = undo::record(&request.pod, plan, governing, &edits);
        if has_room(request, &edits, &record) {
            edits.push(Edit::Annotation { key: key::WIRED.to_owned(), value: record });
        } else {
            let subject = Subject::Annotation(key::WIRED.to_owned());
            findings.push(Finding::new(Code::RecordLeftOut, subject, "the pod's annotations leave no room for it"));
        }
    }
    edits
}

/// why: `TotalAnnotationSizeLimitB` of the API server, keys and values together.
const ANNOTATIONS_LENGTH: usize = 256 * 1024;

/// Whether the record fits beside the pod's annotations and those that are about to be added.
fn has_room(request: &PodRequest, edits: &[Edit], record: &str) -> bool {
    let present = request.view.metadata.annotations.iter().flatten().filter(|(name, _)| *name != key::WIRED);
    let present: usize = present.map(|(name, value)| name.len() + value.len()).sum();
    let added = |edit: &Edit| if let Edit::Annotation { key, value } = edit { key.len() + value.len() } else { 0 };
    present + edits.iter().map(added).sum::<usize>() + key::WIRED.len() + record.len() <= ANNOTATIONS_LENGTH
}

/// What of the labels cannot be: said also of a pod that has no plan, so that a person hears of everything at once.
pub(crate) fn label_conflicts(request: &PodRequest, app_id: &str, style: Style, findings: &mut Vec<Finding>) {
    add_labels(request, &identity_labels(app_id, style), findings);
}

fn identity_labels(app_id: &str, style: Style) -> Vec<(&str, &str)> {
    vec![(key::APP_ID_LABEL, app_id), (key::STYLE_LABEL, style.word())]
}

fn labels(request: &PodRequest, plan: &Plan, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let mut wanted = identity_labels(&plan.app_id, plan.publish);
    if let Some(sidecar) = &plan.sidecar {
        let metrics = if sidecar.options.metrics { "true" } else { "false" };
        wanted.extend([
            (key::DAPR_APP_ID, plan.app_id.as_str()),
            ("dapr.io/metrics-enabled", metrics),
            ("dapr.io/sidecar-injected", "true"),
        ]);
    }
    add_labels(request, &wanted, findings)
}

/// Labels are added, never changed.
fn add_labels(request: &PodRequest, wanted: &[(&str, &str)], findings: &mut Vec<Finding>) -> Vec<Edit> {
    let labels = request.view.metadata.labels.as_ref();
    let mut edits = Vec::new();
    for (name, value) in wanted {
        match labels.and_then(|labels| labels.get(*name)) {
            None => edits.push(Edit::Label { key: (*name).to_owned(), value: (*value).to_owned() }),
            Some(present) if present == value => {}
            Some(present) => {
                let finding =
                    Finding::new(Code::LabelConflict, Subject::Label((*name).to_owned()), format!("podwire adds it with {value}"));
                findings.push(finding.read(present).help("remove the label from template and selector"));
            }
        }
    }
    edits
}

/// Variables go before the container's own, so that those can refer to them. Where the application has all of them the pod was wired before, and what joined it since is not the application.
fn environment(spec: &PodSpec, plan: &Plan, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let has_all = |container: &Container| {
        let present: BTreeSet<&str> = container.env.iter().flatten().map(|variable| variable.name.as_str()).collect();
        let mut needed = plan.environment.iter().filter(|variable| !variable.is_optional());
        needed.all(|variable| present.contains(variable.name.as_str()))
    };
    let wired = spec.containers.get(plan.application).is_some_and(has_all);
    let mut edits = Vec::new();
    for (list, index, container) in containers(spec, plan) {
        let missing = missing(container, plan, wired, findings);
        if missing.is_empty() || wired {
            continue;
        }
        let is_application = list == List::Containers && index == plan.application;
        if is_application && container.env_from.as_ref().is_some_and(|sources| !sources.is_empty()) {
            let subject = Subject::Container(container.name.clone());
            findings.push(Finding::new(Code::EnvFromHidden, subject, "its envFrom cannot be seen: podwire's variables win over it"));
        }
        edits.push(Edit::Variables { list, index, container: container.name.clone(), variables: missing });
    }
    edits
}

/// The containers that see the environment: all of the user's, and the init containers that run when the chosen side can be reached.
fn containers<'a>(spec: &'a PodSpec, plan: &Plan) -> Vec<(List, usize, &'a Container)> {
    let first = match plan.sidecar.as_ref().map(|sidecar| sidecar.place) {
        _ if plan.publish == Style::Broker => 0,
        Some(Place::Native(at)) => at,
        Some(Place::Container) | None => usize::MAX,
    };
    let init =
        spec.init_containers.iter().flatten().enumerate().skip(first).map(|(index, container)| (List::InitContainers, index, container));
    let main = spec.containers.iter().enumerate().map(|(index, container)| (List::Containers, index, container));
    let components = plan.sidecar.as_ref().map(|sidecar| sidecar.options.components.as_slice()).unwrap_or_default();
    let is_users = |(list, _, container): &(List, usize, &Container)| {
        // A component is reached by the sidecar, and reaches nothing itself.
        container.name != SIDECAR && !(*list == List::Containers && components.contains(&container.name))
    };
    init.chain(main).filter(is_users).collect()
}

fn missing(container: &Container, plan: &Plan, wired: bool, findings: &mut Vec<Finding>) -> Vec<Variable> {
    let mut missing = Vec::new();
    // Of a name that is stated twice the last one counts.
    let stated: BTreeMap<&str, &EnvVar> = container.env.iter().flatten().map(|variable| (variable.name.as_str(), variable)).collect();
    for variable in &plan.environment {
        match stated.get(variable.name.as_str()) {
            None => missing.push(variable.clone()),
            Some(stated) if is_planned(stated, variable, wired) => {}
            Some(stated) => {
                let moved = plan.sidecar.as_ref().is_some_and(|sidecar| sidecar.ports.moved(&variable.name));
                let code = if moved { Code::PortVariableStated } else { Code::VariableDiffers };
                let subject = Subject::Variable { container: container.name.clone(), name: variable.name.clone() };
                let would = match &variable.value {
                    Content::Text(text) => format!("podwire would set {text:?}"),
                    Content::Fact(fact) => format!("podwire would set it from key {} of ConfigMap {BROKERS_CONFIG_MAP}", fact.key()),
                };
                let finding = Finding::new(code, subject, would).read(text(stated).unwrap_or("set by reference"));
                findings.push(if moved { finding.help("remove the variable") } else { finding });
            }
        }
    }
    missing
}

/// Whether what is stated is what podwire writes, now or at an admission before: a Broker may have become ready since, or have ceased to be.
fn is_planned(stated: &EnvVar, variable: &Variable, wired: bool) -> bool {
    let same = match &variable.value {
        Content::Text(planned) => text(stated) == Some(planned),
        Content::Fact(_) => wired && text(stated).is_some(),
    };
    same || variable.facts.iter().any(|fact| refers(stated, fact))
}

/// The text that a variable states; `None` where it is set by reference.
fn text(stated: &EnvVar) -> Option<&str> {
    stated.value_from.is_none().then(|| stated.value.as_deref().unwrap_or_default())
}

fn amounts(spec: &PodSpec, plan: &Plan) -> Vec<Edit> {
    let Some(container) = spec.containers.get(plan.application) else { return Vec::new() };
    let amount = |amount: &crate::engine::plan::Amount| Edit::Amount {
        index: plan.application,
        container: container.name.clone(),
        amount: amount.clone(),
    };
    let whole = plan.pod_amounts.iter().map(|amount| Edit::PodAmount(amount.clone()));
    plan.amounts.iter().map(amount).chain(whole).collect()
}

/// The sidecar and what comes with it: annotations, volume, shutdown. Nothing of it is touched where the sidecar is there already.
fn sidecar(request: &PodRequest, spec: &PodSpec, plan: &Plan, found: &Found, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let Some(sidecar) = &plan.sidecar else {
        squatted_without_sidecar(request, plan, found, findings);
        return Vec::new();
    };
    let container = container::container(sidecar);
    let mut edits = Vec::new();
    if request.annotation(key::DAPR_APP_ID).is_none() {
        edits.push(Edit::Annotation { key: key::DAPR_APP_ID.to_owned(), value: plan.app_id.clone() });
    }
    edits.extend(volumes::missing(spec, sidecar, findings));
    if found.is_some() {
        if let Some(part) = found.difference(&container, sidecar) {
            findings.push(squatted(&format!("its {part} is not podwire's")));
        }
        return edits;
    }
    edits.extend(volumes::in_containers(spec, sidecar));
    if sidecar.place == Place::Container {
        edits.extend(shutdown(request, spec, plan, sidecar, findings));
    }
    let (list, at) = match sidecar.place {
        Place::Container => (List::Containers, 0),
        Place::Native(at) => (List::InitContainers, at),
    };
    edits.push(Edit::Sidecar { list, at, container: container::written(&container) });
    edits
}

fn squatted(why: &str) -> Finding {
    let allowed = format!("the name is the sidecar's, and {why}");
    let help = "rename it, or podwire uninject and let the webhook wire it";
    Finding::new(Code::SquattedContainer, Subject::Container(SIDECAR.to_owned()), allowed).help(help)
}

/// Where podwire adds no sidecar, one of Dapr's injector is welcome in the sidecar style, and nothing else of its name is.
fn squatted_without_sidecar(request: &PodRequest, plan: &Plan, found: &Found, findings: &mut Vec<Finding>) {
    let daprs = plan.publish == Style::Sidecar && request.annotation(key::DAPR_ENABLED).is_some();
    if found.is_some() && !daprs {
        findings.push(squatted("this pod gets none"));
    }
}

/// With the sidecar among the containers all end at once: the application goes on a little longer than its endpoints, the sidecar a little longer than the application.
fn shutdown(request: &PodRequest, spec: &PodSpec, plan: &Plan, sidecar: &Sidecar, findings: &mut Vec<Finding>) -> Vec<Edit> {
    let Some(application) = spec.containers.get(plan.application) else { return Vec::new() };
    let mut edits = Vec::new();
    match application.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        None => edits.push(Edit::PreStop { index: plan.application, container: application.name.clone(), seconds: PRE_STOP_SECONDS }),
        Some(hook) if hook.sleep.as_ref().is_some_and(|sleep| sleep.seconds >= PRE_STOP_SECONDS) => {}
        Some(_) => {
            let subject = Subject::Container(application.name.clone());
            findings.push(Finding::new(Code::PreStopStated, subject, format!("its own preStop should last {PRE_STOP_SECONDS} s at least")));
        }
    }
    let seconds = grace_seconds(sidecar);
    // why 30: what the API server gives a pod that states none.
    if spec.termination_grace_period_seconds.unwrap_or(30) < seconds {
        edits.push(Edit::Grace { seconds });
    }
    if request.annotation(key::DEFAULT_CONTAINER).is_none() {
        edits.push(Edit::Annotation { key: key::DEFAULT_CONTAINER.to_owned(), value: application.name.clone() });
    }
    edits
}
