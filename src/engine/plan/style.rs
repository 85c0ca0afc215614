//! Which style: stated, or the answer of `auto`.

use super::{Governing, Origin, Reason};
use crate::api::annotations::{DAPR_APP_ID, STYLE};
use crate::api::policy::StyleName;
use crate::engine::intent::{Asked, Intent};
use crate::engine::request::PodRequest;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// How an application publishes and listens.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Style {
    /// Through a Knative Broker.
    Broker,
    /// Through a Dapr sidecar.
    Sidecar,
}

impl Style {
    /// The word that people write.
    pub fn word(self) -> &'static str {
        match self {
            Style::Broker => "broker",
            Style::Sidecar => "sidecar",
        }
    }

    /// The style of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "broker" => Some(Style::Broker),
            "sidecar" => Some(Style::Sidecar),
            _ => None,
        }
    }
}

impl From<StyleName> for Style {
    fn from(name: StyleName) -> Self {
        match name {
            StyleName::Broker => Style::Broker,
            StyleName::Sidecar => Style::Sidecar,
        }
    }
}

fn allowed(governing: &Governing, style: Style) -> bool {
    governing.spec.allows(match style {
        Style::Broker => StyleName::Broker,
        Style::Sidecar => StyleName::Sidecar,
    })
}

/// Decides the style: what is stated wins; `auto` is the Wiring's answer, else one of the pod and its policy alone.
pub(super) fn decide(
    request: &PodRequest,
    snapshot: &Snapshot,
    governing: &Governing,
    intent: &Intent,
    findings: &mut Vec<Finding>,
) -> (Style, Reason) {
    let (style, origin) = match intent.asked {
        Asked::Broker => (Style::Broker, intent.asked_by.clone()),
        Asked::Sidecar => (Style::Sidecar, intent.asked_by.clone()),
        Asked::Auto => auto(request, snapshot, governing, intent),
    };
    if !allowed(governing, style) {
        let others = [Style::Broker, Style::Sidecar].into_iter().filter(|other| allowed(governing, *other)).map(Style::word);
        let others: Vec<&str> = others.collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        let subject = Subject::Annotation(STYLE.to_owned());
        findings.push(
            Finding::new(Code::StyleNotAllowed, subject, format!("allowedStyles of {}: {others}", governing.words())).read(style.word()),
        );
    }
    (style, Reason::new("style", style.word(), origin))
}

fn auto(request: &PodRequest, snapshot: &Snapshot, governing: &Governing, intent: &Intent) -> (Style, Origin) {
    let key = intent.app_id.as_ref().map(|app_id| (request.namespace.clone(), app_id.to_string()));
    let held = key.and_then(|key| snapshot.wirings.as_ref()?.get(&key).copied());
    if let Some(style) = held.filter(|style| allowed(governing, *style)) {
        return (style, Origin::Wiring);
    }
    // A pod that publishes to Brokers and listens on both sides is given this one by podwire.
    let ours = |stated: &str| intent.listen_both && stated == DAPR_APP_ID;
    if intent.sidecar.stated.iter().any(|stated| !ours(stated)) {
        return (Style::Sidecar, Origin::DaprAnnotation);
    }
    let only = match governing.spec.allowed_styles.as_deref() {
        Some([only]) => Some(*only),
        _ => None,
    };
    match only {
        Some(only) => (only.into(), governing.origin(true)),
        None => (governing.spec.preferred_style().into(), governing.origin(governing.spec.preferred_style.is_some())),
    }
}
