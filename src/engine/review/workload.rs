//! A workload: what its pods will be told, and what only the workload shows.

use serde_json::Value;

use super::{Change, component, moves, network, quality};
use crate::api::annotations::{LISTEN, PREFIX, SUBSCRIBE};
use crate::api::policy::OnUndrained;
use crate::api::style::Style;
use crate::api::templates::Holder;
use crate::engine::admit::{Decision, Verdict, admit};
use crate::engine::app::Member;
use crate::engine::generate::budget;
use crate::engine::governing::Governing;
use crate::engine::request::{Owner, PodRequest, Unreadable, copy_limits};
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// `spec.template`.
fn place(kind: &Holder) -> Subject {
    Subject::Field(kind.fields.join("."))
}

/// A workload as it is, or as it would be.
pub(super) struct State {
    /// `Deployment/orders`.
    pub(super) title: String,
    /// What its pods are, before podwire.
    pub(super) request: PodRequest,
    /// What they are told.
    pub(super) verdict: Verdict,
    /// What they are to the application, where they are wired.
    pub(super) member: Option<Member>,
}

/// The sides that a member's pods can serve: a Broker reaches every pod, but a sidecar is a container, and only a template can add it.
pub(super) fn sides(member: &Member) -> Vec<Style> {
    let sidecar = member.publish == Style::Sidecar || member.intent.listen_both;
    member.listen.iter().copied().filter(|side| *side == Style::Broker || sidecar).collect()
}

impl State {
    fn of(kind: &Holder, namespace: &str, object: &Value, snapshot: &Snapshot) -> Result<Self, Unreadable> {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str()).unwrap_or_default().to_owned();
        let title = format!("{}/{name}", kind.kind);
        let mut template = kind.template(object).clone();
        // The API server does so when it makes a pod of the template.
        copy_limits(&mut template);
        let request = PodRequest::from_template(namespace, Owner::of(kind.kind, name), &template)?;
        let verdict = admit(&request, snapshot);
        let listens_too = metadata["annotations"][LISTEN] == "both";
        let member = matches!(verdict.decision, Decision::Wired(_)).then(|| Member::of(&request, snapshot, &title, listens_too)).flatten();
        Ok(State { title, request, verdict, member })
    }
}

/// Warnings about a workload; a refusal only for a side that is not drained.
pub(super) fn review(change: &Change, kind: &Holder, snapshot: &Snapshot) -> Verdict {
    let mut findings = Vec::new();
    let state = |object| State::of(kind, &change.namespace, object, snapshot);
    let new = match state(&change.object) {
        Ok(new) => new,
        Err(error) => {
            let finding = Finding::new(Code::UnreadablePod, place(kind), error.to_string());
            return Verdict { findings: vec![finding], ..Verdict::of(Decision::Passed) };
        }
    };
    let old = change.old.as_ref().and_then(|old| state(old).ok());
    refused(kind, &new.verdict, &mut findings);
    findings.extend(new.verdict.findings.iter().cloned());
    misplaced(kind, &change.object, new.member.as_ref(), &mut findings);
    labels(kind, &change.object, &new, &mut findings);
    quality::find(place(kind), &new, &mut findings);
    let governing = Governing::of(&change.namespace, snapshot);
    if let Some(member) = &new.member {
        component::find(member, snapshot, &mut findings);
        network::find(member, &new, snapshot, &mut findings);
        scaled(&change.object, member, &mut findings);
        moves::arrivals(&new.title, member, old.as_ref().and_then(|old| old.member.as_ref()), snapshot, &mut findings);
    }
    let undrained = match governing.spec.on_undrained() {
        OnUndrained::Deny => Code::UndrainedRefused,
        OnUndrained::Warn => Code::SideNotDrained,
    };
    if let Some(old) = old.as_ref().and_then(|old| old.member.as_ref()) {
        moves::departures(old, &new, place(kind), undrained, snapshot, &mut findings);
    }
    let denied = findings.iter().any(|finding| finding.code == Code::UndrainedRefused);
    Verdict { decision: if denied { Decision::Denied } else { Decision::Passed }, findings, changes: Vec::new(), ..new.verdict }
}

/// What becomes of the pods, before all the reasons for it.
fn refused(kind: &Holder, verdict: &Verdict, findings: &mut Vec<Finding>) {
    let become_of = match verdict.decision {
        Decision::Denied => "its pods are refused",
        Decision::Unwired => "its pods run unwired",
        Decision::Passed | Decision::Untouched(_) | Decision::Wired(_) => return,
    };
    let mut codes: Vec<&str> = verdict.findings.iter().filter(|finding| finding.prevents()).map(|finding| finding.code.id()).collect();
    codes.dedup();
    findings.push(Finding::new(Code::PodsNotWired, place(kind), format!("{become_of} for {}", codes.join(", "))));
}

/// Annotations around the template instead of in it: the pods do not carry them.
fn misplaced(kind: &Holder, object: &Value, member: Option<&Member>, findings: &mut Vec<Finding>) {
    let help = format!("annotate the pod template: {}.metadata.annotations", kind.fields.join("."));
    let mut misplaced = |key: &str, why: &str| {
        let finding = Finding::new(Code::AnnotationOnWorkload, Subject::Annotation(key.to_owned()), why);
        findings.push(finding.help(help.clone()));
    };
    for depth in 0..kind.fields.len() {
        let annotations = kind.at(object, depth)["metadata"]["annotations"].as_object().into_iter().flatten();
        for (key, _) in annotations.filter(|(key, _)| key.starts_with(PREFIX) && !(*key == LISTEN && depth == 0)) {
            misplaced(key, "pods do not carry it");
        }
    }
    if member.is_some_and(|member| sides(member) != member.listen) {
        misplaced(LISTEN, "in broker style it adds no sidecar from here");
    }
}

/// podwire's labels in the selector, and in a template that podwire has not wired in a file.
fn labels(kind: &Holder, object: &Value, new: &State, findings: &mut Vec<Finding>) {
    let selector = &object["spec"]["selector"];
    let exact = selector["matchLabels"].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let others = selector["matchExpressions"].as_array().into_iter().flatten().filter_map(|one| one["key"].as_str());
    let wired = matches!(&new.verdict.decision, Decision::Wired(patch) if patch.0.is_empty());
    let templates = kind.template(object)["metadata"]["labels"].as_object().into_iter().flatten().filter(|_| !wired);
    let all = exact.chain(others).map(|key| (key, "the selector")).chain(templates.map(|(key, _)| (key.as_str(), "the template")));
    for (key, place) in all.filter(|(key, _)| key.starts_with(PREFIX)) {
        let allowed = format!("it stands in {place}, and podwire writes it on pods itself");
        findings.push(Finding::new(Code::LabelInTemplate, Subject::Label(key.to_owned()), allowed).help("remove it"));
    }
}

/// A consumer of Brokers that has no pods: a Trigger does not wait for them.
fn scaled(object: &Value, member: &Member, findings: &mut Vec<Finding>) {
    let lost = member.intent.subscribe.iter().find(|entry| entry.dead_letter.is_none());
    if object["spec"]["replicas"] == 0
        && member.listen.contains(&Style::Broker)
        && let Some(entry) = lost
    {
        let after = budget(&member.intent.retry, Style::Broker).as_secs_f64().ceil();
        let allowed = format!("replicas is 0, and an event of {} is gone after {after} s", entry.topic);
        let finding = Finding::new(Code::ScaledToZero, Subject::Annotation(SUBSCRIBE.to_owned()), allowed);
        findings.push(finding.help("name a deadLetter, or consume in sidecar style"));
    }
}
