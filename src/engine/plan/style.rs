//! Which style: stated, or the answer of `auto`.

use super::Case;
use crate::api::annotations::{DAPR_APP_ID, STYLE};
use crate::api::style::Style;
use crate::engine::intent::Asked;
use crate::engine::{Code, Finding, Origin, Reason, Subject};

/// Decides the style: what is stated wins; `auto` is the Wiring's answer, else one of the pod and its policy alone.
pub(super) fn decide(case: Case, findings: &mut Vec<Finding>) -> (Style, Reason) {
    let Case { governing, intent, .. } = case;
    let (style, origin) = match intent.asked {
        Asked::Broker => (Style::Broker, intent.asked_by.clone()),
        Asked::Sidecar => (Style::Sidecar, intent.asked_by.clone()),
        Asked::Auto => auto(case),
    };
    if !governing.spec.allows(style) {
        let others = [Style::Broker, Style::Sidecar].into_iter().filter(|other| governing.spec.allows(*other)).map(Style::word);
        let others: Vec<&str> = others.collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        let subject = Subject::Annotation(STYLE.to_owned());
        findings.push(
            Finding::new(Code::StyleNotAllowed, subject, format!("allowedStyles of {}: {others}", governing.words())).read(style.word()),
        );
    }
    (style, Reason::new("style", style.word(), origin))
}

fn auto(case: Case) -> (Style, Origin) {
    let Case { request, snapshot, governing, intent } = case;
    let key = intent.app_id.as_ref().map(|app_id| (request.namespace.clone(), app_id.to_string()));
    let held = key.and_then(|key| snapshot.wirings.as_ref()?.get(&key).copied());
    if let Some(style) = held.filter(|style| governing.spec.allows(*style)) {
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
        Some(only) => (only, governing.origin(true)),
        None => (governing.spec.preferred_style(), governing.origin(governing.spec.preferred_style.is_some())),
    }
}
