//! The environment that an application sees.

use super::{Case, Ports, ports};
use crate::api::annotations as key;
use crate::api::names::{BrokerName, Topic};
use crate::api::policy::fits;
use crate::api::style::Style;
use crate::engine::intent::Intent;
use crate::engine::snapshot::Broker;
use crate::engine::{Code, Finding, Subject};

/// A variable of the application's containers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

fn variable(name: impl Into<String>, value: impl Into<String>) -> Variable {
    Variable { name: name.into(), value: value.into() }
}

/// The variable that holds a topic's address.
fn publish_url(topic: &Topic) -> String {
    format!("PODWIRE_PUBLISH_URL_{}", topic.variable())
}

/// Who and in which style: the first two variables of every wired pod.
pub(super) fn identity(style: Style, app_id: &str) -> Vec<Variable> {
    vec![variable("PODWIRE_STYLE", style.word()), variable("PODWIRE_APP_ID", app_id)]
}

/// What an application that publishes through a sidecar sees; `ports` where the sidecar is podwire's.
pub(super) fn sidecar(intent: &Intent, pubsub: &str, ports: Option<Ports>) -> Vec<Variable> {
    let http = ports.unwrap_or(ports::USUAL).http;
    let url = |topic: &Topic| variable(publish_url(topic), format!("http://localhost:{http}/v1.0/publish/{pubsub}/{topic}"));
    let mut variables: Vec<Variable> = intent.publish.iter().map(url).collect();
    if let Some(ports) = ports {
        variables.push(variable("DAPR_HTTP_PORT", ports.http.to_string()));
        variables.push(variable("DAPR_GRPC_PORT", ports.grpc.to_string()));
        variables.push(variable("APP_PROTOCOL", intent.sidecar.app_protocol.clone()));
    }
    variables
}

/// What an application that publishes to Brokers sees.
pub(super) fn broker(case: Case, findings: &mut Vec<Finding>) -> Vec<Variable> {
    let intent = case.intent;
    let mut variables = Vec::new();
    let mut certificates: Vec<&str> = Vec::new();
    for topic in &intent.publish {
        let Some(name) = intent.broker.clone().or_else(|| BrokerName::of_topic(topic)) else { continue };
        let Some(broker) = find(case, &name, key::PUBLISH, findings) else { continue };
        let Some(url) = &broker.url else { continue };
        variables.push(variable(publish_url(topic), url.clone()));
        if intent.publish.len() == 1 {
            variables.push(variable("K_SINK", url.clone()));
            variables.push(variable("K_CE_OVERRIDES", ""));
        }
        certificates.extend(broker.ca_certs.as_deref().filter(|pem| !certificates.contains(pem)));
    }
    if !certificates.is_empty() {
        variables.push(variable("K_CA_CERTS", certificates.concat()));
    }
    variables
}

/// The Brokers to which a pod listens must be there and allowed too, though no variable names them.
pub(super) fn listened(case: Case, findings: &mut Vec<Finding>) {
    let intent = case.intent;
    for entry in &intent.subscribe {
        let broker = intent.broker.clone().or_else(|| BrokerName::of_topic(&entry.topic));
        let dead_letter = entry.dead_letter.as_ref().and_then(BrokerName::of_topic);
        for name in broker.into_iter().chain(dead_letter) {
            find(case, &name, key::SUBSCRIBE, findings);
        }
    }
}

/// The Broker, where it may be used and is ready; each finding about it is made once.
fn find<'a>(case: Case<'a>, name: &BrokerName, annotation: &str, findings: &mut Vec<Finding>) -> Option<&'a Broker> {
    let Case { request, snapshot, governing, .. } = case;
    let mut say = |code, allowed: String, help: &str| {
        let finding = Finding::new(code, Subject::Annotation(annotation.to_owned()), allowed).read(name.as_str()).help(help);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    };
    if let Some(allowed) = &governing.spec.broker.allowed_brokers
        && !allowed.iter().any(|pattern| fits(pattern, name.as_str()))
    {
        say(Code::BrokerNotAllowed, format!("allowedBrokers of {}: {}", governing.words(), allowed.join(", ")), "name an allowed Broker");
        return None;
    }
    let key = (request.namespace.clone(), name.to_string());
    match snapshot.brokers.as_ref().and_then(|known| known.get(&key)) {
        Some(broker) if broker.url.is_some() => Some(broker),
        Some(_) => {
            say(
                Code::BrokerNotReady,
                format!("the Broker of namespace {} has no address yet", request.namespace),
                "try again when it is ready",
            );
            None
        }
        None => {
            say(Code::BrokerMissing, format!("namespace {} has no such Broker", request.namespace), "create it, or correct the name");
            None
        }
    }
}
