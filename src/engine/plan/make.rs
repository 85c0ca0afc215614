//! Intent, snapshot and policy → [`Plan`].

use super::resources::Sizes;
use super::{Amount, Case, Ports, Sidecar, Variable, environment, ports, resources, sidecar, style};
use crate::api::annotations as key;
use crate::api::names::PubsubName;
use crate::api::style::Style;
use crate::api::wiring::Requests;
use crate::engine::intent::{self, Intent};
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Origin, Reason, Subject};

/// How a pod is wired.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The style in which it publishes.
    pub(crate) publish: Style,
    /// The styles in which it listens.
    pub(crate) listen: Vec<Style>,
    pub(crate) app_id: String,
    /// The pub/sub component of the sidecar side.
    pub(crate) pubsub: String,
    /// Index of the application among the containers.
    pub(crate) application: usize,
    /// The sidecar that podwire adds.
    pub(crate) sidecar: Option<Sidecar>,
    pub(crate) environment: Vec<Variable>,
    /// Requests and limits of the application container.
    pub(crate) amounts: Vec<Amount>,
    /// Requests and limits of the pod, where it states its own and a sidecar is added.
    pub(crate) pod_amounts: Vec<Amount>,
    /// CPU and memory that the pod asks of its node.
    pub(crate) counted: Requests,
}

/// Makes the plan of a pod. It is there where nothing prevents it; the style and the reasons always are.
pub(crate) fn make(case: Case, found: Option<Ports>, findings: &mut Vec<Finding>) -> (Option<Plan>, Style, Vec<Reason>) {
    let intent = case.intent;
    let (publish, mut reasons) = style::decide(case, findings);
    let said = |app_id| Reason::new("app-id", app_id, intent.app_id_by.clone()).over(intent.app_id_said.clone());
    reasons.extend(intent.app_id.as_ref().map(said));
    reasons.extend(port(case));
    versions(case.snapshot, findings);
    let listen = if intent.listen_both { vec![Style::Sidecar, Style::Broker] } else { vec![publish] };
    if listen.contains(&Style::Broker) || publish == Style::Broker {
        brokers(case, publish, findings);
    }
    topics(intent, listen.contains(&Style::Broker), findings);
    let pubsub = pubsub(case, publish, &mut reasons, findings);
    let sidecar_side = publish == Style::Sidecar || listen.contains(&Style::Sidecar);
    let sizes = Sizes::of(case);
    let mut ours = if sidecar_side { sidecar(&sizes, case, publish, found, &mut reasons, findings) } else { None };
    let environment = match publish {
        Style::Broker => environment::broker(case, findings),
        Style::Sidecar => environment::sidecar(intent, &pubsub, ours.as_ref().map(|sidecar| sidecar.ports)),
    };
    let amounts = resources::application(&sizes, &mut reasons, findings);
    // A sidecar that is in the pod already has been counted.
    let added = ours.as_mut().filter(|_| found.is_none()).map(|sidecar| {
        resources::spare(&sizes, &amounts, &mut sidecar.amounts, sidecar.place, &mut reasons);
        resources::Added { amounts: &sidecar.amounts, place: sidecar.place }
    });
    let pod_amounts = resources::pod(&sizes, &amounts, added.map(|added| added.amounts).unwrap_or_default(), findings);
    resources::check(&sizes, &amounts, added, &pod_amounts, findings);
    let counted = resources::counted(&sizes, &amounts, added, &pod_amounts);
    let app_id = intent.app_id.as_ref().map(ToString::to_string);
    let prevented = findings.iter().any(Finding::prevents);
    let plan = app_id.filter(|_| !prevented).map(|app_id| {
        let mut all = environment::identity(publish, &app_id);
        all.extend(environment);
        Plan {
            publish,
            listen,
            app_id,
            pubsub,
            application: intent.application,
            sidecar: ours,
            environment: all,
            amounts,
            pod_amounts,
            counted,
        }
    });
    (plan, publish, reasons)
}

/// The sidecar that podwire adds; none where the pod forbids it, where Dapr's injector adds its own, or where something is missing.
fn sidecar(
    sizes: &Sizes,
    case: Case,
    publish: Style,
    found: Option<Ports>,
    reasons: &mut Vec<Reason>,
    findings: &mut Vec<Finding>,
) -> Option<Sidecar> {
    sidecar::forbidden(case.request, findings);
    if publish == Style::Sidecar && case.intent.dapr_injects {
        beside_dapr(case, findings);
        return None;
    }
    let ports = ports::decide(case, found, findings);
    let amounts = resources::sidecar(sizes, reasons, findings);
    let ours = sidecar::decide(case, publish, ports, amounts, findings);
    reasons.extend(ours.iter().flat_map(|sidecar| sidecar::reasons(sidecar, case)));
    ours
}

/// Dapr's own injector adds the sidecar: it reads its own annotations only, and takes the pod's name and no port where they are absent.
fn beside_dapr(case: Case, findings: &mut Vec<Finding>) {
    let Case { request, intent, .. } = case;
    let help = "remove it to let podwire add the sidecar";
    findings.push(Finding::annotation(Code::DaprInjects, key::DAPR_ENABLED, "true", "Dapr's own injector adds the sidecar").help(help));
    let mut absent = |key: &str, code, value: String| {
        if request.annotation(key).is_none() {
            let allowed = "it is not there, and Dapr's own injector reads no other annotation";
            findings.push(Finding::new(code, Subject::Annotation(key.to_owned()), allowed).help(format!("set it to {value}")));
        }
    };
    if let Some(app_id) = &intent.app_id {
        absent(key::DAPR_APP_ID, Code::AppIdConflict, app_id.to_string());
    }
    if let Some(port) = intent.app_port.filter(|_| !intent.subscribe.is_empty()) {
        absent(key::DAPR_APP_PORT, Code::AppPortConflict, port.to_string());
    }
}

/// Where events are delivered. A name that was stated is shown as the number that it is.
fn port(case: Case) -> Option<Reason> {
    let mut said = intent::ports(case.request, case.intent.application).into_iter();
    let (_, origin) = said.next()?;
    Some(Reason::new("app port", case.intent.app_port?, origin).over(said).minor())
}

fn pubsub(case: Case, publish: Style, reasons: &mut Vec<Reason>, findings: &mut Vec<Finding>) -> String {
    let Case { governing, intent, .. } = case;
    let policys = governing.spec.sidecar.pubsub.as_deref();
    let (name, origin) = match (&intent.pubsub, policys) {
        (Some(stated), _) => (stated.as_str(), Origin::Annotation),
        (None, Some(policys)) => (policys, governing.origin(true)),
        (None, None) => ("pubsub", Origin::BuiltIn),
    };
    if PubsubName::parse(name).is_none() {
        let subject = Subject::Field("sidecar.pubsub".to_owned());
        findings.push(
            Finding::new(Code::InvalidPubsub, subject, format!("{} must name {}", governing.words(), PubsubName::ALLOWED)).read(name),
        );
    }
    if !intent.publish.is_empty() && publish == Style::Sidecar {
        let rules = [
            intent.pubsub.as_ref().map(|stated| (stated.to_string(), Origin::Annotation)),
            policys.map(|policys| (policys.to_owned(), governing.origin(true))),
            Some(("pubsub".to_owned(), Origin::BuiltIn)),
        ];
        reasons.push(Reason::new("component", name, origin).over(rules.into_iter().flatten()));
    }
    name.to_owned()
}

/// What the broker side asks for, whether it publishes or only listens.
fn brokers(case: Case, publish: Style, findings: &mut Vec<Finding>) {
    let Case { request, intent, .. } = case;
    environment::listened(case, publish, findings);
    if !intent.subscribe.is_empty() && request.owner.is_job() {
        let help = "subscribe in a Deployment, or choose the sidecar style";
        let subject = Subject::Annotation(key::SUBSCRIBE.to_owned());
        findings.push(Finding::new(Code::JobSubscribes, subject, format!("{} ends, a Trigger does not", request.owner)).help(help));
    }
    if intent.broker.is_some() {
        for entry in intent.subscribe.iter().filter(|entry| !entry.attributes.contains_key("type")) {
            let allowed = format!("with {} every entry states its type", key::BROKER);
            findings.push(Finding::annotation(Code::TypeRequired, key::SUBSCRIBE, entry.name.as_str(), allowed));
        }
    }
    if intent.broker.is_some() {
        crossing(intent, findings);
    }
    let options = &intent.sidecar;
    if options.protocol() != "http" {
        let (key, read) = match options.app_protocol.as_str() {
            "http" => ("dapr.io/app-ssl", "true"),
            protocol => ("dapr.io/app-protocol", protocol),
        };
        findings.push(Finding::annotation(Code::ProtocolNotPortable, key, read, "allowed in broker style: http"));
    }
    if publish == Style::Sidecar {
        return;
    }
    if intent.dapr_injects {
        findings.push(
            Finding::annotation(Code::DaprEnabledInBroker, key::DAPR_ENABLED, "true", "the broker style has no sidecar").help("remove it"),
        );
    }
    if intent.publish.is_empty()
        && intent.subscribe.is_empty()
        && !crate::engine::intent::mentions(findings, &[key::PUBLISH, key::SUBSCRIBE])
    {
        let help = format!("set {} or {}", key::PUBLISH, key::SUBSCRIBE);
        findings.push(Finding::new(Code::NothingWired, Subject::Pod, "it names no topic").help(help));
    }
    let both = [key::DAPR_ENABLED, key::DAPR_APP_ID, key::DAPR_APP_PORT, "dapr.io/app-protocol", "dapr.io/app-ssl"];
    let said =
        |key: &str, findings: &[Finding]| findings.iter().any(|finding| matches!(&finding.subject, Subject::Annotation(one) if one == key));
    for stated in intent.sidecar.stated.iter().filter(|stated| !intent.listen_both && !both.contains(&stated.as_str())) {
        if said(stated, findings) {
            continue;
        }
        findings.push(Finding::new(Code::DaprWithoutSidecar, Subject::Annotation(stated.clone()), "it has no effect in broker style"));
    }
}

/// With one Broker for all topics an event reaches every entry that it fits, whatever the entry's topic.
fn crossing(intent: &Intent, findings: &mut Vec<Finding>) {
    for (index, entry) in intent.subscribe.iter().enumerate() {
        for other in intent.subscribe[..index].iter().filter(|other| other.topic != entry.topic && !other.is_disjoint(entry)) {
            let allowed = format!("{} and {} share a Broker and can take the same event", other.name, entry.name);
            let finding = Finding::annotation(Code::OverlappingEntries, key::SUBSCRIBE, entry.name.as_str(), allowed);
            findings.push(finding.help("fix one attribute in both, to different values"));
        }
    }
}

/// A topic that is no Broker's name is an error on the broker side and a doubt on the other.
fn topics(intent: &Intent, on_brokers: bool, findings: &mut Vec<Finding>) {
    let published = intent.publish.iter().map(|topic| (topic, key::PUBLISH));
    let consumed = intent.subscribe.iter().map(|entry| (&entry.topic, key::SUBSCRIBE));
    let mut said = Vec::new();
    for (topic, annotation) in published.chain(consumed).filter(|(topic, _)| !topic.is_portable()) {
        if said.contains(&(topic, annotation)) {
            continue;
        }
        said.push((topic, annotation));
        let (code, allowed) = if on_brokers {
            (Code::InvalidTopic, "allowed in broker style: a DNS-1123 label of at most 50 characters")
        } else {
            (Code::UnportableTopic, "no Broker can have this name")
        };
        findings.push(Finding::annotation(code, annotation, topic.as_str(), allowed));
    }
}

fn versions(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    if let Some((major, minor)) = snapshot.server.filter(|version| *version < (1, 33)) {
        let finding = Finding::new(Code::UnsupportedVersion, Subject::Pod, "podwire supports Kubernetes 1.33 and newer");
        findings.push(finding.read(format!("{major}.{minor}")));
    }
}
