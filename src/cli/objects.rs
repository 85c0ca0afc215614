//! The objects that the applications of a set of manifests need.

use serde_json::Value;

use super::diagnose;
use super::manifest::{Document, Template};
use crate::api::yaml::Node;
use crate::engine::{App, Finding, Member, reconcile};

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

/// The objects, what is said of them, and whether something was an error. The first workload of an app-id counts as the oldest.
pub(super) fn of(workloads: Vec<Workload>, documents: &[(&Document, &Option<Node>)]) -> (Vec<Value>, String, bool) {
    let mut talk = String::new();
    let mut failed = false;
    let mut say = |finding: &Finding, document: usize, template: &Template| {
        failed |= finding.prevents();
        if let Some((document, node)) = documents.get(document) {
            talk.push_str(&diagnose::render(finding, document, node.as_ref(), template.at()));
        }
    };
    let mut groups: Vec<Group> = Vec::new();
    for Workload { member, document, template } in workloads {
        match groups.iter_mut().find(|group| group.app.key() == member.key()) {
            None => groups.push(Group { app: App::new(member), document, template }),
            Some(group) => {
                if let Err(finding) = group.app.join(member) {
                    say(&finding, document, &template);
                }
            }
        }
    }
    let mut objects = Vec::new();
    for Group { app, document, template } in &groups {
        let reconciliation = reconcile(app);
        reconciliation.findings.iter().for_each(|finding| say(finding, *document, template));
        objects.extend(reconciliation.objects);
    }
    (objects, talk, failed)
}
