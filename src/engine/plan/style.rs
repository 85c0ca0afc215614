//! Which style: stated, or the answer of `auto`.

use super::Case;
use crate::api::annotations::{DAPR_APP_ID, STYLE};
use crate::api::style::Style;
use crate::engine::intent::Asked;
use crate::engine::{Code, Finding, Origin, Reason, Subject};

/// Decides the style: what is stated wins; `auto` is the Wiring's answer, else one of the pod and its policy alone.
pub(super) fn decide(case: Case, findings: &mut Vec<Finding>) -> (Style, Vec<Reason>) {
    let Case { governing, intent, .. } = case;
    let stated = match intent.asked {
        Asked::Broker => Some(Style::Broker),
        Asked::Sidecar => Some(Style::Sidecar),
        Asked::Auto => None,
    };
    let (auto, steps) = auto(case);
    let (style, origin) = stated.map_or(auto, |style| (style, intent.asked_by.clone()));
    let said = |(style, origin): (Style, Origin)| (style.word().to_owned(), origin);
    let instead = intent.asked_over.iter().cloned().chain(steps.into_iter().map(said));
    if !governing.spec.allows(style) {
        let others = [Style::Broker, Style::Sidecar].into_iter().filter(|other| governing.spec.allows(*other)).map(Style::word);
        let others: Vec<&str> = others.collect();
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        let subject = Subject::Annotation(STYLE.to_owned());
        findings.push(
            Finding::new(Code::StyleNotAllowed, subject, format!("allowedStyles of {}: {others}", governing.words())).read(style.word()),
        );
    }
    let asked = stated.is_none() && intent.asked_by != Origin::BuiltIn;
    let asked = asked.then(|| Reason::new("asked style", "auto", intent.asked_by.clone()).minor());
    (style, asked.into_iter().chain([Reason::new("style", style.word(), origin).over(instead)]).collect())
}

/// The answer of `auto`, and what each of its steps says, the strongest first.
fn auto(case: Case) -> ((Style, Origin), Vec<(Style, Origin)>) {
    let Case { request, snapshot, governing, intent } = case;
    let key = intent.app_id.as_ref().map(|app_id| (request.namespace.clone(), app_id.to_string()));
    let held = key.and_then(|key| snapshot.wirings.as_ref()?.get(&key)?.style);
    let mut steps: Vec<(Style, Origin)> = Vec::new();
    steps.extend(held.filter(|style| governing.spec.allows(*style)).map(|style| (style, Origin::Wiring)));
    // A pod that publishes to Brokers and listens on both sides is given this one by podwire.
    let ours = |stated: &str| intent.listen_both && stated == DAPR_APP_ID;
    if intent.sidecar.stated.iter().any(|stated| !ours(stated)) {
        steps.push((Style::Sidecar, Origin::DaprAnnotation));
    }
    let only = match governing.spec.allowed_styles.as_deref() {
        Some([only]) => Some(*only),
        _ => None,
    };
    let last = match only {
        Some(only) => (only, governing.origin(true)),
        None => (governing.spec.preferred_style(), governing.origin(governing.spec.preferred_style.is_some())),
    };
    steps.push(last.clone());
    (steps.first().cloned().unwrap_or(last), steps)
}
