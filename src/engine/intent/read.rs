//! `podwire.io/` annotations → [`Intent`], with every mistake and not only the first.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;

use super::dapr::{self, SidecarOptions};
use super::subscribe;
use crate::api::annotations as key;
use crate::api::names::{AppId, BrokerName, Port, PubsubName, SIDECAR, Topic};
use crate::api::subscribe::{Entry, Retry};
use crate::engine::governing::Governing;
use crate::engine::request::PodRequest;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Origin, Said, Subject};

/// Whether a pod wants to be wired at all.
pub(crate) enum Ask {
    /// It says nothing but `dapr.io/enabled`, which the policy does not adopt.
    Nothing,
    /// It, or its namespace, says `none`.
    OptOut,
    /// It wants to be wired.
    Wire(Box<Intent>),
}

/// What a pod asks for. A part that was wrong is absent here and stands among the findings.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) asked: Asked,
    /// Where the style was stated.
    pub(crate) asked_by: Origin,
    /// What else was stated of the style, and lost.
    pub(crate) asked_over: Option<Said>,
    pub(crate) listen_both: bool,
    pub(crate) app_id: Option<AppId>,
    pub(crate) app_id_by: Origin,
    /// Everything that says an app-id, the strongest first.
    pub(crate) app_id_said: Vec<Said>,
    pub(crate) app_port: Option<Port>,
    /// An annotation names the port; otherwise it is the only one that the container declares.
    pub(crate) app_port_stated: bool,
    /// Index of the application among the containers.
    pub(crate) application: usize,
    pub(crate) pubsub: Option<PubsubName>,
    pub(crate) broker: Option<BrokerName>,
    pub(crate) publish: Vec<Topic>,
    pub(crate) subscribe: Vec<Entry>,
    pub(crate) retry: Retry,
    pub(crate) sidecar: SidecarOptions,
    /// `dapr.io/enabled: "true"` stands on the pod and Dapr's own injector answers to it.
    pub(crate) dapr_injects: bool,
}

impl Intent {
    /// The Broker of a topic: the one that is stated, or the topic's own.
    pub(crate) fn broker_of(&self, topic: &Topic) -> Option<BrokerName> {
        self.broker.clone().or_else(|| BrokerName::of_topic(topic))
    }
}

/// The style that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    Auto,
    Broker,
    Sidecar,
}

/// Reads what a pod asks for.
pub(crate) fn read(request: &PodRequest, snapshot: &Snapshot, governing: &Governing, findings: &mut Vec<Finding>) -> Ask {
    let dapr_enabled = request.annotation(key::DAPR_ENABLED).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let adopted = dapr_enabled && governing.spec.sidecar.adopt_dapr_annotations;
    let ours = request.view.metadata.annotations.iter().flatten().any(|(name, _)| name.starts_with(key::PREFIX) && name != key::WIRED);
    if !(ours || adopted) {
        return Ask::Nothing;
    }
    let Some((asked, asked_by, asked_over)) = style(request, snapshot, findings) else { return Ask::OptOut };
    unknown(request, findings);
    let application = application(request, findings);
    let (app_id, app_id_by) = app_id(request, findings);
    let intent = Intent {
        asked,
        asked_by,
        asked_over,
        listen_both: listen(request, findings),
        app_id,
        app_id_by,
        app_id_said: app_ids(request).into_iter().map(|(said, origin, _)| (said.to_owned(), origin)).collect(),
        app_port: app_port(request, application, findings),
        app_port_stated: [key::APP_PORT, key::DAPR_APP_PORT].iter().any(|key| request.annotation(key).is_some()),
        application,
        pubsub: named(request, key::PUBSUB, Code::InvalidPubsub, PubsubName::ALLOWED, PubsubName::parse, findings),
        broker: named(request, key::BROKER, Code::InvalidBroker, BrokerName::ALLOWED, BrokerName::parse, findings),
        publish: publish(request, findings),
        subscribe: subscribe::read(request, findings),
        retry: named(request, key::RETRY, Code::InvalidRetry, Retry::ALLOWED, Retry::parse, findings).unwrap_or_default(),
        sidecar: dapr::read(request, governing, dapr_enabled && !adopted, findings),
        dapr_injects: dapr_enabled && !adopted,
    };
    if !intent.subscribe.is_empty()
        && intent.app_port.is_none()
        && !mentions(findings, &[key::APP_PORT, key::APP_CONTAINER, key::DAPR_APP_PORT])
    {
        let help = format!("set {} to the number or name of the port", key::APP_PORT);
        findings.push(
            Finding::new(Code::AppPortRequired, annotation(key::SUBSCRIBE), "needs a port, and the container declares not exactly one")
                .help(help),
        );
    }
    Ask::Wire(Box::new(intent))
}

fn annotation(key: &str) -> Subject {
    Subject::Annotation(key.to_owned())
}

/// Whether one of the annotations is already found faulty, so that what follows from it needs no word of its own.
pub(crate) fn mentions(findings: &[Finding], keys: &[&str]) -> bool {
    let about = |finding: &Finding| matches!(&finding.subject, Subject::Annotation(key) if keys.contains(&key.as_str()));
    findings.iter().any(|finding| finding.prevents() && about(finding))
}

/// An annotation that is one value of a type.
fn named<T>(
    request: &PodRequest,
    key: &str,
    code: Code,
    allowed: &str,
    parse: fn(&str) -> Option<T>,
    findings: &mut Vec<Finding>,
) -> Option<T> {
    let read = request.annotation(key)?;
    let value = parse(read);
    if value.is_none() {
        findings.push(Finding::annotation(code, key, read, format!("allowed: {allowed}")));
    }
    value
}

/// The style as it was stated, where, and what was stated elsewhere in vain; `None` is `none`.
fn style(request: &PodRequest, snapshot: &Snapshot, findings: &mut Vec<Finding>) -> Option<(Asked, Origin, Option<Said>)> {
    let labels = snapshot.namespaces.as_ref().and_then(|known| known.get(&request.namespace)).map(|namespace| &namespace.labels);
    let label = labels.and_then(|labels| labels.get(key::NAMESPACE_STYLE_LABEL)).map(String::as_str);
    let (read, origin, subject) = match (request.annotation(key::STYLE), label) {
        (Some(read), _) => (read, Origin::Annotation, annotation(key::STYLE)),
        (None, Some(read)) => (read, Origin::NamespaceLabel, Subject::NamespaceLabel(key::NAMESPACE_STYLE_LABEL.to_owned())),
        (None, None) => return Some((Asked::Auto, Origin::BuiltIn, None)),
    };
    let asked = match read {
        "auto" => Asked::Auto,
        "broker" => Asked::Broker,
        "none" => return None,
        "sidecar" => Asked::Sidecar,
        _ => {
            findings.push(Finding::new(Code::InvalidStyle, subject, "allowed: sidecar, broker, auto, none").read(read));
            Asked::Auto
        }
    };
    let over = label.filter(|_| origin == Origin::Annotation).map(|label| (label.to_owned(), Origin::NamespaceLabel));
    Some((asked, origin, over))
}

fn unknown(request: &PodRequest, findings: &mut Vec<Finding>) {
    let known = |name: &str| name == key::WIRED || key::VOCABULARY.iter().any(|annotation| annotation.key == name);
    for (name, value) in request.view.metadata.annotations.iter().flatten() {
        if !name.starts_with(key::PREFIX) || known(name) {
            continue;
        }
        let finding = Finding::annotation(Code::UnknownAnnotation, name, value, "podwire knows no such annotation");
        findings.push(match key::nearest(name) {
            Some(nearest) => finding.help(format!("did you mean {nearest}?")),
            None => finding,
        });
    }
}

fn listen(request: &PodRequest, findings: &mut Vec<Finding>) -> bool {
    let both = |text: &str| (text == "both").then_some(());
    named(request, key::LISTEN, Code::InvalidListen, "both, or no annotation", both, findings).is_some()
}

fn containers(request: &PodRequest) -> &[Container] {
    request.view.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default()
}

/// The application: as annotated, else the default container, else the one that was wired before, whatever was put before it since, else the first.
fn application(request: &PodRequest, findings: &mut Vec<Finding>) -> usize {
    let position = |name: &str| containers(request).iter().position(|container| container.name == name);
    let before = request.view.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(key::STYLE_LABEL));
    let wired = |container: &Container| before && container.env.iter().flatten().any(|variable| variable.name == "PODWIRE_APP_ID");
    let mut others = containers(request).iter().enumerate().filter(|(_, container)| container.name != SIDECAR);
    let first = others.clone().find(|(_, container)| wired(container)).or_else(|| others.next()).map_or(0, |(index, _)| index);
    if let Some(read) = request.annotation(key::APP_CONTAINER) {
        let found = position(read).filter(|_| read != SIDECAR);
        if found.is_none() {
            let names = containers(request).iter().map(|container| container.name.as_str()).filter(|name| *name != SIDECAR);
            let names: Vec<&str> = names.collect();
            findings.push(Finding::annotation(
                Code::InvalidAppContainer,
                key::APP_CONTAINER,
                read,
                format!("allowed: {}", names.join(", ")),
            ));
        }
        return found.unwrap_or(first);
    }
    request.annotation(key::DEFAULT_CONTAINER).filter(|name| *name != SIDECAR).and_then(position).unwrap_or(first)
}

/// Everything that says an app-id, the strongest first, and the annotation that it is.
fn app_ids(request: &PodRequest) -> Vec<(&str, Origin, Option<&'static str>)> {
    let by = |key: &'static str, origin| request.annotation(key).map(|read| (read, origin, Some(key)));
    let owner = request.owner.certain_name().map(|name| (name, Origin::Owner(request.owner.to_string()), None));
    [by(key::APP_ID, Origin::Annotation), by(key::DAPR_APP_ID, Origin::DaprAnnotation), owner].into_iter().flatten().collect()
}

/// The app-id, and where it was stated.
pub(crate) fn app_id(request: &PodRequest, findings: &mut Vec<Finding>) -> (Option<AppId>, Origin) {
    let stated = app_ids(request).into_iter().find_map(|(read, origin, key)| Some((read, origin, key?)));
    let Some((read, origin, stated_by)) = stated else {
        return (derived(request, findings), Origin::Owner(request.owner.to_string()));
    };
    let Some(app_id) = AppId::parse(read) else {
        findings.push(Finding::annotation(Code::InvalidAppId, stated_by, read, format!("allowed: {}", AppId::ALLOWED)));
        return (None, origin);
    };
    if let Some(other) = request.annotation(key::DAPR_APP_ID).filter(|other| *other != read) {
        findings.push(Finding::annotation(Code::AppIdConflict, key::DAPR_APP_ID, other, format!("allowed: {read}, as {stated_by} says")));
    }
    (Some(app_id), origin)
}

fn derived(request: &PodRequest, findings: &mut Vec<Finding>) -> Option<AppId> {
    let name = request.owner.certain_name();
    let app_id = name.and_then(AppId::parse);
    if app_id.is_none() {
        let why = match name {
            Some(_) => format!("its name is no app-id; allowed: {}", AppId::ALLOWED),
            None => "no app-id is certain for it".to_owned(),
        };
        findings.push(
            Finding::new(Code::AppIdRequired, Subject::Pod, why).read(request.owner.to_string()).help(format!("set {}", key::APP_ID)),
        );
    }
    app_id
}

/// The only TCP port that a container declares.
fn only_port(container: &Container) -> Option<Port> {
    let mut ports = container.ports.iter().flatten().filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    ports.next().filter(|_| ports.next().is_none()).and_then(|port| Port::new(i64::from(port.container_port)))
}

/// Everything that says a port, the strongest first.
pub(crate) fn ports(request: &PodRequest, application: usize) -> Vec<Said> {
    let by = |key, origin| request.annotation(key).map(|read| (read.to_owned(), origin));
    let only = containers(request).get(application).and_then(only_port).map(|port| (port.to_string(), Origin::ContainerPort));
    [by(key::APP_PORT, Origin::Annotation), by(key::DAPR_APP_PORT, Origin::DaprAnnotation), only].into_iter().flatten().collect()
}

/// The port as annotated, else Dapr's annotation, else the application's only container port.
fn app_port(request: &PodRequest, application: usize, findings: &mut Vec<Finding>) -> Option<Port> {
    let container = containers(request).get(application);
    let daprs = request.annotation(key::DAPR_APP_PORT).and_then(Port::parse);
    let Some(read) = request.annotation(key::APP_PORT) else {
        return daprs.or_else(|| container.and_then(only_port));
    };
    let others = containers(request).iter().enumerate().filter(|(index, _)| *index != application).map(|(_, other)| other);
    let everywhere = container.into_iter().chain(others).flat_map(|container| container.ports.iter().flatten());
    let by_name =
        || everywhere.clone().find(|port| port.name.as_deref() == Some(read)).and_then(|port| Port::new(i64::from(port.container_port)));
    let port = Port::parse(read).or_else(by_name);
    match (port, daprs) {
        (None, _) => {
            let names: BTreeSet<&str> = everywhere.clone().filter_map(|port| port.name.as_deref()).collect();
            let names = if names.is_empty() { "no port has a name".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") };
            let allowed = format!("allowed: 1..65535 or a container port's name ({names})");
            findings.push(Finding::annotation(Code::InvalidPort, key::APP_PORT, read, allowed));
        }
        (Some(port), Some(other)) if port != other => {
            let allowed = format!("allowed: {port}, as {} says", key::APP_PORT);
            findings.push(Finding::annotation(Code::AppPortConflict, key::DAPR_APP_PORT, &other.to_string(), allowed));
        }
        _ => {}
    }
    port
}

/// Topics with commas between them; a mistake in one is no reason to forget the others.
fn publish(request: &PodRequest, findings: &mut Vec<Finding>) -> Vec<Topic> {
    let Some(read) = request.annotation(key::PUBLISH) else { return Vec::new() };
    let mut topics: Vec<Topic> = Vec::new();
    for part in read.split(',') {
        match Topic::parse(part.trim()) {
            Some(topic) if topics.contains(&topic) => {}
            Some(topic) => topics.push(topic),
            None => {
                findings.push(Finding::annotation(Code::InvalidTopic, key::PUBLISH, part.trim(), format!("allowed: {}", Topic::ALLOWED)))
            }
        }
    }
    if topics.len() > subscribe::MOST {
        findings.push(subscribe::too_many(key::PUBLISH, topics.len()));
    }
    for (index, topic) in topics.iter().enumerate() {
        if let Some(other) = topics[..index].iter().find(|other| other.variable() == topic.variable()) {
            let variable = format!("{topic} and {other} both become PODWIRE_PUBLISH_URL_{}", topic.variable());
            findings.push(Finding::annotation(Code::TopicNameCollision, key::PUBLISH, read, variable));
        }
    }
    topics
}
