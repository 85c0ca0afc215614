//! An application: every workload of a namespace that has its app-id, and how they agree.

use super::governing::Governing;
use super::intent::{self, Ask, Intent};
use super::plan::{self, Case, Plan};
use super::request::PodRequest;
use super::snapshot::Snapshot;
use super::{Code, Finding, Origin, Subject};
use crate::api::annotations as key;
use crate::api::style::Style;

/// A workload that is wired.
#[derive(Clone, Debug)]
pub struct Member {
    /// `Deployment/orders`, for people.
    pub title: String,
    pub(crate) namespace: String,
    pub(crate) intent: Intent,
    pub(crate) plan: Plan,
    service_account: String,
}

impl Member {
    /// The member that a workload's template makes; `None` where its pods would not be wired, which `admit` explains.
    ///
    /// `listens_too` is `podwire.io/listen: both` on the workload itself.
    pub fn of(request: &PodRequest, snapshot: &Snapshot, title: &str, listens_too: bool) -> Option<Self> {
        let mut findings = Vec::new();
        let governing = Governing::of(&request.namespace, snapshot);
        let Ask::Wire(intent) = intent::read(request, snapshot, &governing, &mut findings) else { return None };
        let case = Case { request, snapshot, governing: &governing, intent: &intent };
        let (plan, _, _) = plan::make(case, None, &mut findings);
        let mut plan = plan.filter(|_| !governing.none_fits)?;
        if listens_too {
            plan.listen = vec![Style::Sidecar, Style::Broker];
        }
        let account = request.view.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        Some(Member {
            title: title.to_owned(),
            namespace: request.namespace.clone(),
            intent: *intent,
            plan,
            service_account: account.unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// Namespace and app-id: the members of an application have both in common.
    pub fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.plan.app_id)
    }

    /// Whether an annotation states the app-id.
    fn states_app_id(&self) -> bool {
        matches!(self.intent.app_id_by, Origin::Annotation | Origin::DaprAnnotation)
    }

    /// The first thing in which this member differs from another and may not.
    fn difference(&self, other: &Member) -> Option<&'static str> {
        let both = [&self.intent, &other.intent];
        let subscribes = both.iter().all(|intent| !intent.subscribe.is_empty());
        [
            ("subscriptions", self.intent.subscribe != other.intent.subscribe),
            ("app port", subscribes && self.intent.app_port != other.intent.app_port),
            ("pub/sub component", subscribes && self.plan.pubsub != other.plan.pubsub),
            ("retry", subscribes && self.intent.retry != other.intent.retry),
            ("service account", self.service_account != other.service_account),
        ]
        .into_iter()
        .find_map(|(what, differs)| differs.then_some(what))
    }
}

/// An application: at least one member, the oldest first. What the oldest says is in force.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) first: Member,
    pub(crate) others: Vec<Member>,
}

impl App {
    /// The application that a member begins.
    pub fn new(first: Member) -> Self {
        App { first, others: Vec::new() }
    }

    /// Namespace and app-id.
    pub fn key(&self) -> (&str, &str) {
        self.first.key()
    }

    /// Takes a member in where it may be.
    ///
    /// # Errors
    /// A finding about the member, which names both: it is not part of the application then.
    pub fn join(&mut self, member: Member) -> Result<(), Box<Finding>> {
        let (first, others) = (&self.first, format!("{} and {}", self.first.title, member.title));
        let subject = Subject::Annotation(key::APP_ID.to_owned());
        if !(first.states_app_id() && member.states_app_id()) {
            let finding = Finding::new(Code::AppIdTaken, subject, format!("{others} have it and not both state it"));
            return Err(Box::new(finding.read(&member.plan.app_id).help("state it in both, or give each its own")));
        }
        if let Some(what) = member.difference(first) {
            let finding = Finding::new(Code::MembersDisagree, subject, format!("{others} do not have the same {what}"));
            return Err(Box::new(finding.read(&member.plan.app_id)));
        }
        self.others.push(member);
        Ok(())
    }

    /// All members.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether any member listens on a side.
    pub(crate) fn listens(&self, style: Style) -> bool {
        self.members().any(|member| member.plan.listen.contains(&style))
    }
}
