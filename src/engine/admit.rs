//! The first door: may this pod be wired, and how.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::audit_reason;
use super::governing::Governing;
use super::inject;
use super::intent::{self, Ask};
use super::laws;
use super::plan::{self, Case};
use super::request::PodRequest;
use super::snapshot::Snapshot;
use super::{Code, Finding, Reason, Subject};
use crate::api::annotations::{INJECT_LABEL, asks};
use crate::api::policy::OnInvalid;
use crate::api::style::Style;

/// What podwire answers for a pod, and why.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What happens to the pod.
    pub decision: Decision,
    /// Everything that was found, of whatever weight.
    pub findings: Vec<Finding>,
    /// The style in which the pod publishes, where one was decided.
    pub style: Option<Style>,
    /// The app-id, where one was read.
    pub app_id: Option<String>,
    /// The policy that governs the pod's namespace; `None` where the built-in values hold.
    pub policy: Option<String>,
    /// Why the plan is what it is, in the order in which it was made.
    pub reasons: Vec<Reason>,
    /// What the patch adds, a line each.
    pub changes: Vec<String>,
}

/// What happens to a pod.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It is refused.
    Denied,
    /// It may be as it is: a change that podwire reviews, and does not make.
    Passed,
    /// podwire has nothing to do with it.
    Untouched(Untouched),
    /// It is admitted as it is although it asked: `onInvalid: Warn`, or no policy governs its namespace.
    Unwired,
    /// It is wired by this patch (RFC 6902); an empty one where it is wired already.
    Wired(json_patch::Patch),
}

/// Why podwire leaves a pod alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Untouched {
    /// The namespace is excluded, by its name or by its label.
    Excluded,
    /// The pod is the shadow of a static pod: the kubelet runs it already.
    Mirror,
    /// It carries no annotation of podwire's.
    NotAsked,
    /// It, or its namespace, says `none`.
    OptedOut,
}

impl Untouched {
    /// A word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Untouched::Excluded => "excluded",
            Untouched::Mirror => "mirror",
            Untouched::NotAsked => "not-asked",
            Untouched::OptedOut => "opted-out",
        }
    }
}

impl Verdict {
    /// A verdict that denies for one reason that lies outside of the pod.
    pub fn refuse(finding: Finding) -> Self {
        Verdict { findings: vec![finding], ..Verdict::of(Decision::Denied) }
    }

    pub(crate) fn of(decision: Decision) -> Self {
        Verdict { decision, findings: Vec::new(), style: None, app_id: None, policy: None, reasons: Vec::new(), changes: Vec::new() }
    }

    /// Whether the same request may be answered otherwise a moment later.
    pub fn retryable(&self) -> bool {
        let passing = [Code::DeadlinePassed, Code::NamespaceNotKnown, Code::Overloaded, Code::SnapshotNotLoaded];
        let mut reasons = self.findings.iter().filter(|finding| finding.prevents());
        matches!(self.decision, Decision::Denied) && reasons.all(|finding| passing.contains(&finding.code))
    }

    /// The word of the decision, for logs, metrics and audit annotations.
    pub fn word(&self) -> &'static str {
        match &self.decision {
            Decision::Denied => "denied",
            Decision::Passed => "passed",
            Decision::Untouched(_) => "untouched",
            Decision::Unwired => "unwired",
            Decision::Wired(_) => "wired",
        }
    }

    /// The audit annotations of the response: `decision`, and `style`, `policy`, `reason` where there are any.
    pub fn audit(&self) -> BTreeMap<String, String> {
        let reason = match &self.decision {
            Decision::Untouched(why) => why.word().to_owned(),
            _ => audit_reason(&self.findings),
        };
        let style = self.style.map(|style| style.word().to_owned());
        let all = [("decision", Some(self.word().to_owned())), ("style", style), ("policy", self.policy.clone()), ("reason", Some(reason))];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.filter(|value| !value.is_empty())?))).collect()
    }
}

/// Decides about a pod: from the pod and the snapshot, and from nothing else.
pub fn admit(request: &PodRequest, snapshot: &Snapshot) -> Verdict {
    if let Some(why) = untouched(request, snapshot) {
        return Verdict::of(Decision::Untouched(why));
    }
    if let Some(refusal) = unheard_of(&request.namespace, snapshot) {
        return refusal;
    }
    let mut findings = Vec::new();
    let governing = Governing::of(&request.namespace, snapshot);
    let intent = match intent::read(request, snapshot, &governing, &mut findings) {
        Ask::Wire(intent) => intent,
        Ask::Nothing => return Verdict::of(Decision::Untouched(Untouched::NotAsked)),
        Ask::OptOut => return Verdict { findings, ..Verdict::of(Decision::Untouched(Untouched::OptedOut)) },
    };
    if governing.none_fits {
        let other = if governing.passed_over.is_empty() { "" } else { "other " };
        let allowed = format!("no {other}InjectionPolicy fits namespace {}", request.namespace);
        let finding = Finding::new(Code::NoPolicy, Subject::Pod, allowed).help("the pod is left as it is");
        let findings = std::iter::once(finding).chain(governing.passed_over).collect();
        return Verdict { findings, ..Verdict::of(Decision::Unwired) };
    }
    findings.extend(governing.passed_over.iter().cloned());
    let found = inject::Found::of(request);
    let case = Case { request, snapshot, governing: &governing, intent: &intent };
    let (plan, style, mut reasons) = plan::make(case, found.ports(), &mut findings);
    reasons.insert(0, governing.reason());
    let app_id = intent.app_id.as_ref().map(ToString::to_string);
    let edits = match (&plan, &app_id) {
        (Some(plan), _) => inject::edits(request, plan, &found, &governing, &mut findings),
        (None, Some(app_id)) => {
            inject::label_conflicts(request, app_id, style, &mut findings);
            Vec::new()
        }
        (None, None) => Vec::new(),
    };
    findings.sort_by_key(Finding::severity);
    let mut said = BTreeSet::new();
    findings.retain(|finding| said.insert(finding.clone()));
    let decision = match (worst(&findings), governing.spec.on_invalid()) {
        (Worst::Security, _) | (Worst::Error, OnInvalid::Deny) => Decision::Denied,
        (Worst::Error, OnInvalid::Warn) => Decision::Unwired,
        (Worst::Fine, _) => Decision::Wired(inject::patch(&request.pod, &edits)),
    };
    if let Decision::Wired(patch) = &decision {
        debug_assert_eq!(laws::check(request, patch), Ok(()), "a patch broke a law");
    }
    // A word that is no style decides nothing, whatever was planned to find the other mistakes.
    let stated = !findings.iter().any(|finding| finding.code == Code::InvalidStyle);
    Verdict {
        decision,
        findings,
        style: stated.then_some(style),
        app_id,
        policy: governing.name,
        reasons,
        changes: inject::describe(&edits),
    }
}

/// The refusal for a namespace of which podwire has not heard yet.
pub(crate) fn unheard_of(namespace: &str, snapshot: &Snapshot) -> Option<Verdict> {
    let allowed = (!snapshot.holds(namespace)).then(|| format!("namespace {namespace} has not reached podwire yet"))?;
    Some(Verdict::refuse(Finding::new(Code::NamespaceNotKnown, Subject::Pod, allowed).help("try again")))
}

fn untouched(request: &PodRequest, snapshot: &Snapshot) -> Option<Untouched> {
    let annotations = request.view.metadata.annotations.as_ref();
    let asked = annotations.is_some_and(|all| all.keys().any(|key| asks(key)));
    if excluded(&request.namespace, snapshot) {
        Some(Untouched::Excluded)
    } else if annotations.is_some_and(|all| all.contains_key("kubernetes.io/config.mirror")) {
        Some(Untouched::Mirror)
    } else if !asked {
        Some(Untouched::NotAsked)
    } else {
        None
    }
}

/// Whether podwire leaves a namespace alone, by its name or by its label.
pub(crate) fn excluded(namespace: &str, snapshot: &Snapshot) -> bool {
    let labels = snapshot.namespaces.as_ref().and_then(|known| known.get(namespace)).map(|namespace| &namespace.labels);
    let disabled = labels.is_some_and(|labels| labels.get(INJECT_LABEL).is_some_and(|value| value == "disabled"));
    snapshot.settings.excluded_namespaces.iter().any(|name| name == namespace) || disabled
}

enum Worst {
    Error,
    Fine,
    Security,
}

fn worst(findings: &[Finding]) -> Worst {
    use super::Severity;
    match findings.iter().map(Finding::severity).min() {
        Some(Severity::Security) => Worst::Security,
        Some(Severity::Error) => Worst::Error,
        Some(Severity::Warning) | None => Worst::Fine,
    }
}
