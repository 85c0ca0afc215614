//! The objects that the applications of a set of manifests need.

use serde_json::Value;

use super::manifest::Template;
use crate::engine::{App, Finding, Member, Observed, Snapshot, reconcile};

/// A wired workload and where it was read.
pub(super) struct Workload {
    pub(super) member: Member,
    /// The number of its document.
    pub(super) document: usize,
    pub(super) template: Template,
}

/// An application, and the places of its first workload.
struct Group {
    app: App,
    document: usize,
    template: Template,
}

/// The objects, and what is said of them, each with the number of the document and the template. The first workload of an app-id counts as the oldest.
pub(super) fn of(workloads: Vec<Workload>, snapshot: &Snapshot) -> (Vec<Value>, Vec<(Finding, usize, Template)>) {
    let mut findings = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for Workload { member, document, template } in workloads {
        match groups.iter_mut().find(|group| group.app.key() == member.key()) {
            None => groups.push(Group { app: App::new(member), document, template }),
            Some(group) => {
                if let Err(finding) = group.app.join(member) {
                    findings.push((*finding, document, template));
                }
            }
        }
    }
    let mut objects: Vec<Value> = Vec::new();
    for Group { app, document, template } in groups {
        let reconciliation = reconcile(&app, snapshot, &Observed::default());
        findings.extend(reconciliation.findings.into_iter().map(|finding| (finding, document, template.clone())));
        // A Broker that two applications share is made once.
        let new: Vec<Value> = reconciliation.objects.into_iter().filter(|object| !objects.contains(object)).collect();
        objects.extend(new);
    }
    (objects, findings)
}
