//! The workloads of one app-id together.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;

use super::seen::title;
use super::{Member, Running, Workload};
use crate::api::annotations as key;
use crate::api::style::Style;
use crate::engine::admit::{Decision, Untouched, admit};
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// An application. What its oldest member says is in force.
#[derive(Clone, Debug, Default)]
pub struct App {
    pub(crate) namespace: String,
    pub(crate) app_id: String,
    /// Those that are taken in, the oldest first; none where the application is gone, or where no workload of it can be wired.
    pub(crate) members: Vec<Member>,
    /// What its running pods are, each kind of wiring once.
    pub(crate) carried: Vec<Member>,
    /// Workloads that are not taken in, and why.
    pub(crate) faults: Vec<Fault>,
    /// Every workload that has the app-id, the oldest first.
    pub(crate) workloads: Vec<(ObjectReference, Option<i64>)>,
    pub(crate) pods: Vec<Running>,
    /// Names of pods that carry another wiring than they would get now, by workload.
    pub(crate) outdated: BTreeMap<String, Vec<String>>,
    /// Names of pods that asked and are not wired, by workload.
    pub(crate) lacking: BTreeMap<String, Vec<String>>,
    /// The policy of its namespace.
    pub(crate) policy: Option<String>,
}

/// A workload that is not part of the application.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) of: ObjectReference,
    pub(crate) finding: Finding,
}

impl App {
    /// The application that a member begins.
    pub fn new(first: Member) -> Self {
        App { namespace: first.namespace.clone(), app_id: first.app_id.clone(), members: vec![first], ..App::default() }
    }

    /// The application as the cluster shows it: workloads and pods are all that have its app-id, and `unwired` are those that carry a word for podwire and no label of it.
    pub fn gather(key: (&str, &str), workloads: &[Arc<Workload>], pods: &[Running], unwired: &[Running], snapshot: &Snapshot) -> Self {
        let (namespace, app_id) = key;
        let snapshot = &*held(namespace, app_id, pods, snapshot);
        let pods: Vec<Running> = pods.iter().filter(|pod| pod.app_id() == Some(app_id)).cloned().collect();
        let mut app = App { namespace: namespace.to_owned(), app_id: app_id.to_owned(), ..App::default() };
        let mut candidates: Vec<(Duration, Member, ObjectReference)> = Vec::new();
        for workload in workloads {
            match member(workload, snapshot, &mut app.policy) {
                Ok(Some(member)) => candidates.push((workload.created, member, workload.reference.clone())),
                Ok(None) => {}
                Err(finding) => app.faults.push(Fault { of: workload.reference.clone(), finding: *finding }),
            }
        }
        let unseen = newest(&pods, |owner| !candidates.iter().any(|(_, _, reference)| title(reference) == title(owner)));
        for (created, pod) in unseen {
            candidates.extend(Member::of_pod(pod, snapshot).map(|member| (created, member, pod.owner.clone())));
        }
        candidates.sort_by(|(at, one, _), (other_at, other, _)| (at, &one.title).cmp(&(other_at, &other.title)));
        let generation = |of: &ObjectReference| workloads.iter().find(|workload| workload.reference == *of).and_then(|one| one.generation);
        for (_, member, of) in candidates {
            app.workloads.push((of.clone(), generation(&of)));
            if let Err(finding) = app.join(member) {
                app.faults.push(Fault { of, finding: *finding });
            }
        }
        let left_out = app.faults.iter().map(|fault| (fault.of.clone(), generation(&fault.of)));
        let left_out: Vec<_> = left_out.filter(|(of, _)| !app.workloads.iter().any(|(known, _)| known == of)).collect();
        app.workloads.extend(left_out);
        app.look_at(pods, snapshot);
        for pod in unwired.iter().filter(|pod| !matches!(admit(&pod.request, snapshot).decision, Decision::Untouched(_))) {
            app.lacking.entry(title(&pod.owner)).or_default().push(pod.name().to_owned());
        }
        app
    }

    /// Namespace and app-id.
    pub fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.app_id)
    }

    /// Takes a member in where it may be.
    ///
    /// # Errors
    /// A finding about the member, which names both: it is not part of the application then.
    pub fn join(&mut self, member: Member) -> Result<(), Box<Finding>> {
        let Some(first) = self.members.first() else {
            self.members.push(member);
            return Ok(());
        };
        let both = format!("{} and {}", first.title, member.title);
        let subject = Subject::Annotation(key::APP_ID.to_owned());
        if !(first.states_app_id() && member.states_app_id()) {
            let finding = Finding::new(Code::AppIdTaken, subject, format!("{both} have it and not both state it"));
            return Err(Box::new(finding.read(&member.app_id).help("state it in both, or give each its own")));
        }
        if let Some(what) = member.difference(first) {
            let finding = Finding::new(Code::MembersDisagree, subject, format!("{both} do not have the same {what}"));
            return Err(Box::new(finding.read(&member.app_id)));
        }
        self.members.push(member);
        Ok(())
    }

    /// The member whose word is in force.
    pub(crate) fn first(&self) -> Option<&Member> {
        self.members.first()
    }

    /// Whether a side exists: a workload asks for it, or a running pod carries it.
    pub(crate) fn listens(&self, side: Style) -> bool {
        self.members.iter().chain(&self.carried).any(|member| member.listen.contains(&side))
    }

    /// Whether both sides stand: somebody asks for them, or what was made for one is still there.
    pub(crate) fn has_both_sides(&self, objects: &[Arc<Value>]) -> bool {
        self.stands(Style::Sidecar, objects) && self.stands(Style::Broker, objects)
    }

    /// The component from which its sidecars take events, or took them; nothing where there is no sidecar side.
    pub fn component(&self, objects: &[Arc<Value>]) -> Option<&str> {
        let first = self.first().filter(|first| !first.intent.subscribe.is_empty())?;
        self.stands(Style::Sidecar, objects).then_some(first.pubsub.as_str())
    }

    fn stands(&self, side: Style, objects: &[Arc<Value>]) -> bool {
        let kinds: &[&str] = if side == Style::Sidecar { &["Subscription", "Resiliency"] } else { &["Trigger"] };
        let own = |object: &Value| object["metadata"]["labels"][key::APP_ID_LABEL] == self.app_id;
        let mut of_side = objects.iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind));
        self.listens(side) || of_side.any(|object| own(object))
    }

    /// The ready pods that carry a sidecar.
    pub(crate) fn sidecars(&self) -> impl Iterator<Item = &Running> {
        self.pods.iter().filter(|pod| pod.sides().contains(&Style::Sidecar) && pod.is_ready())
    }

    /// Whether nobody has the app-id any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.members.is_empty() && self.pods.is_empty() && self.faults.is_empty() && self.lacking.is_empty()
    }

    /// Takes in what the running pods are, and which of them are no longer what they would be made today.
    fn look_at(&mut self, pods: Vec<Running>, snapshot: &Snapshot) {
        let mut known: BTreeMap<Vec<(String, String)>, Option<Member>> = BTreeMap::new();
        for pod in &pods {
            let wiring = pod.wiring().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let member = known.entry(wiring).or_insert_with(|| Member::of_pod(pod, snapshot)).clone();
            let owner = title(&pod.owner);
            let now = self.members.iter().find(|member| member.title == owner);
            let current = match &admit(&pod.request, snapshot).decision {
                Decision::Wired(patch) => patch.0.is_empty(),
                Decision::Untouched(_) | Decision::Unwired | Decision::Denied | Decision::Passed => false,
            };
            let outdated = !current || member.as_ref().zip(now).is_some_and(|(member, now)| member.is_outdated(now));
            if outdated && !pod.is_ending() {
                self.outdated.entry(owner).or_default().push(pod.name().to_owned());
            }
        }
        self.carried = known.into_values().flatten().collect();
        self.pods = pods;
    }
}

/// The snapshot in which the app-id has its answer of `auto`: where no Wiring holds one yet, that of the oldest pod, for what runs is not moved.
fn held<'a>(namespace: &str, app_id: &str, pods: &[Running], snapshot: &'a Snapshot) -> Cow<'a, Snapshot> {
    let key = (namespace.to_owned(), app_id.to_owned());
    let holds = snapshot.wirings.as_ref().and_then(|wirings| wirings.get(&key)).is_some_and(|wiring| wiring.style.is_some());
    let wired = pods.iter().filter(|pod| pod.app_id() == Some(app_id));
    let oldest = wired.min_by_key(|pod| pod.created).and_then(Running::style).filter(|_| !holds);
    let Some(style) = oldest else { return Cow::Borrowed(snapshot) };
    let mut snapshot = snapshot.clone();
    Arc::make_mut(snapshot.wirings.get_or_insert_default().entry(key).or_default()).style = Some(style);
    Cow::Owned(snapshot)
}

/// The member that a workload is; nothing where it opted out, and a finding where it cannot be wired.
fn member(workload: &Workload, snapshot: &Snapshot, policy: &mut Option<String>) -> Result<Option<Member>, Box<Finding>> {
    let verdict = admit(&workload.request, snapshot);
    policy.clone_from(&verdict.policy);
    match verdict.decision {
        Decision::Wired(_) => Ok(Member::of(&workload.request, snapshot, &title(&workload.reference), workload.listens_too)),
        Decision::Passed | Decision::Untouched(Untouched::Excluded | Untouched::Mirror | Untouched::NotAsked | Untouched::OptedOut) => {
            Ok(None)
        }
        Decision::Denied | Decision::Unwired => {
            let worst = verdict.findings.into_iter().find(Finding::prevents);
            worst.map_or(Ok(None), |finding| Err(Box::new(finding)))
        }
    }
}

/// Of each owner that counts the newest pod, and when its oldest was created.
fn newest(pods: &[Running], counts: impl Fn(&ObjectReference) -> bool) -> Vec<(Duration, &Running)> {
    let mut owners: BTreeMap<String, (Duration, &Running)> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| counts(&pod.owner)) {
        let (oldest, newest) = owners.entry(title(&pod.owner)).or_insert((pod.created, pod));
        *oldest = (*oldest).min(pod.created);
        if pod.created > newest.created {
            *newest = pod;
        }
    }
    owners.into_values().collect()
}
