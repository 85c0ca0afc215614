//! The environment that an application sees.

use super::{Case, Content, Fact, Ports, Variable, ports};
use crate::api::annotations as key;
use crate::api::names::{BrokerName, Topic};
use crate::api::policy::{Create, OnMissing, fits};
use crate::api::style::Style;
use crate::engine::intent::Intent;
use crate::engine::{Code, Finding};

/// The variable that holds a topic's address.
fn publish_url(topic: &Topic) -> String {
    format!("PODWIRE_PUBLISH_URL_{}", topic.variable())
}

/// Who and in which style: the first two variables of every wired pod.
pub(super) fn identity(style: Style, app_id: &str) -> Vec<Variable> {
    vec![Variable::text("PODWIRE_STYLE", style.word()), Variable::text("PODWIRE_APP_ID", app_id)]
}

/// What an application that publishes through a sidecar sees; `ports` where the sidecar is podwire's.
pub(super) fn sidecar(intent: &Intent, pubsub: &str, ports: Option<Ports>) -> Vec<Variable> {
    let http = ports.unwrap_or(ports::USUAL).http;
    let url = |topic: &Topic| Variable::text(publish_url(topic), format!("http://localhost:{http}/v1.0/publish/{pubsub}/{topic}"));
    let mut variables: Vec<Variable> = intent.publish.iter().map(url).collect();
    if let Some(ports) = ports {
        variables.push(Variable::text("DAPR_HTTP_PORT", ports.http.to_string()));
        variables.push(Variable::text("DAPR_GRPC_PORT", ports.grpc.to_string()));
        variables.push(Variable::text("APP_PROTOCOL", intent.sidecar.protocol()));
    }
    variables
}

/// What an application that publishes to Brokers sees.
pub(super) fn broker(case: Case, findings: &mut Vec<Finding>) -> Vec<Variable> {
    let intent = case.intent;
    let mut variables = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    let (mut facts, mut awaited) = (Vec::new(), None);
    for (topic, name) in published(intent) {
        let value = match find(case, &name, key::PUBLISH, findings) {
            None => continue,
            Some(Ok(Ready { url, ca_certs })) => {
                known.extend(ca_certs.filter(|pem| !known.contains(pem)));
                Content::Text(url.to_owned())
            }
            Some(Err(absent)) => match not_ready(case, &name, absent, findings) {
                Some(fact) => Content::Fact(fact),
                None => continue,
            },
        };
        if matches!(value, Content::Fact(_)) {
            awaited.get_or_insert(Fact::Certificates(name.clone()));
        }
        let address = |variable: String| Variable { name: variable, value: value.clone(), facts: vec![Fact::Address(name.clone())] };
        variables.push(address(publish_url(topic)));
        if intent.publish.len() == 1 {
            variables.push(address("K_SINK".to_owned()));
            variables.push(Variable::text("K_CE_OVERRIDES", ""));
        }
        facts.push(Fact::Certificates(name));
    }
    let certificates = if known.is_empty() { awaited.map(Content::Fact) } else { Some(Content::Text(known.concat())) };
    variables.extend(certificates.map(|value| Variable { name: "K_CA_CERTS".to_owned(), value, facts }));
    variables
}

/// The published topics, each with its Broker.
fn published(intent: &Intent) -> impl Iterator<Item = (&Topic, BrokerName)> {
    intent.publish.iter().filter_map(|topic| Some((topic, intent.broker_of(topic)?)))
}

/// What becomes of the address of a Broker that is not ready: a fact to wait for, or nothing.
fn not_ready(case: Case, name: &BrokerName, absent: Absent, findings: &mut Vec<Finding>) -> Option<Fact> {
    let why = absent.words(case);
    match case.governing.spec.broker.on_missing() {
        OnMissing::Deny => denied(case, name, key::PUBLISH, absent, findings),
        OnMissing::Wait => {
            let finding = Finding::annotation(Code::BrokerAwaited, key::PUBLISH, name.as_str(), format!("the containers wait: {why}"));
            say(findings, helped(finding, absent.maker(case)));
            return Some(Fact::Address(name.clone()));
        }
        OnMissing::Warn => {
            let finding = Finding::annotation(Code::BrokerLeftOut, key::PUBLISH, name.as_str(), format!("it has no variable: {why}"));
            say(findings, finding.help("restart the pod when it is ready"));
        }
    }
    None
}

/// The Brokers to which a pod listens: no variable names them, so nothing is held for them.
pub(super) fn listened(case: Case, publish: Style, findings: &mut Vec<Finding>) {
    let Case { intent, governing, .. } = case;
    let policy = &governing.spec.broker;
    for entry in &intent.subscribe {
        let dead_letter = entry.dead_letter.as_ref().and_then(BrokerName::of_topic);
        for name in intent.broker_of(&entry.topic).into_iter().chain(dead_letter) {
            let Some(Err(absent)) = find(case, &name, key::SUBSCRIBE, findings) else { continue };
            // What holds the pod is said of the topic that it publishes.
            let is_published = publish == Style::Broker && published(intent).any(|(_, published)| published == name);
            let comes_by_itself = absent != Absent::Missing || policy.create() == Create::IfMissing;
            match policy.on_missing() {
                OnMissing::Deny => denied(case, &name, key::SUBSCRIBE, absent, findings),
                OnMissing::Wait if comes_by_itself => {}
                OnMissing::Wait | OnMissing::Warn if is_published => {}
                OnMissing::Wait | OnMissing::Warn => {
                    let allowed = format!("no event comes yet: {}", absent.words(case));
                    let finding = Finding::annotation(Code::BrokerAwaited, key::SUBSCRIBE, name.as_str(), allowed);
                    say(findings, helped(finding, absent.maker(case)));
                }
            }
        }
    }
}

/// A Broker that takes events.
struct Ready<'a> {
    url: &'a str,
    ca_certs: Option<&'a str>,
}

/// Why a Broker takes none yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Absent {
    Missing,
    NotReady,
    /// Nobody knows yet which Brokers there are.
    Unknown,
}

impl Absent {
    /// The same for people.
    fn words(self, case: Case) -> String {
        let namespace = &case.request.namespace;
        match self {
            Absent::Missing => format!("namespace {namespace} has no such Broker"),
            Absent::NotReady => "the Broker has no address yet".to_owned(),
            Absent::Unknown => format!("the Brokers of namespace {namespace} are not known yet"),
        }
    }

    /// Who makes the Broker, where it must be made.
    fn maker(self, case: Case) -> Option<String> {
        (self == Absent::Missing).then(|| match case.governing.spec.broker.create() {
            Create::IfMissing => "podwire makes it".to_owned(),
            Create::Never => format!("{} does not let podwire make it: create it, or correct the name", case.governing.words()),
        })
    }
}

/// The Broker, or why it takes no events yet; `None` where it may not be used.
fn find<'a>(case: Case<'a>, name: &BrokerName, annotation: &str, findings: &mut Vec<Finding>) -> Option<Result<Ready<'a>, Absent>> {
    let Case { request, snapshot, governing, .. } = case;
    if let Some(allowed) = &governing.spec.broker.allowed_brokers
        && !allowed.iter().any(|pattern| fits(pattern, name.as_str()))
    {
        let allowed = format!("allowedBrokers of {}: {}", governing.words(), allowed.join(", "));
        say(findings, Finding::annotation(Code::BrokerNotAllowed, annotation, name.as_str(), allowed).help("name an allowed Broker"));
        return None;
    }
    let Some(brokers) = &snapshot.brokers else { return Some(Err(Absent::Unknown)) };
    let known = brokers.get(&(request.namespace.clone(), name.to_string()));
    Some(match known.map(|broker| (broker.url.as_deref(), broker.ca_certs.as_deref())) {
        Some((Some(url), ca_certs)) => Ok(Ready { url, ca_certs }),
        Some((None, _)) => Err(Absent::NotReady),
        None => Err(Absent::Missing),
    })
}

/// Under `onMissing: Deny` the pod is refused.
fn denied(case: Case, name: &BrokerName, annotation: &str, absent: Absent, findings: &mut Vec<Finding>) {
    let (code, help) = match absent {
        Absent::Missing => (Code::BrokerMissing, "create it, or correct the name"),
        Absent::NotReady | Absent::Unknown => (Code::BrokerNotReady, "try again when it is ready"),
    };
    let allowed = format!("{}, and broker.onMissing of {} is Deny", absent.words(case), case.governing.words());
    say(findings, Finding::annotation(code, annotation, name.as_str(), allowed).help(help));
}

fn helped(finding: Finding, help: Option<String>) -> Finding {
    Finding { help, ..finding }
}

/// Each finding about a Broker is made once.
fn say(findings: &mut Vec<Finding>, finding: Finding) {
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
