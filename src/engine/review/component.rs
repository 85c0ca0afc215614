//! The pub/sub component of the sidecar side.

use crate::api::annotations::PUBSUB;
use crate::api::style::Style;
use crate::engine::app::Member;
use crate::engine::snapshot::Snapshot;
use crate::engine::{Code, Finding, Subject};

/// What the types of pub/sub components begin with.
const KIND: &str = "pubsub.";

/// A component that daprd will not load for the application, where its sidecar uses one.
pub(super) fn find(member: &Member, snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    let intent = &member.intent;
    let publishes = member.publish == Style::Sidecar && !intent.publish.is_empty();
    let listens = member.listen.contains(&Style::Sidecar) && !intent.subscribe.is_empty();
    if snapshot.components.is_none() || !(publishes || listens) {
        return;
    }
    let (namespace, app_id) = member.key();
    let name = &member.pubsub;
    let (code, allowed, help) = match member.component(snapshot) {
        None => {
            (Code::ComponentMissing, format!("namespace {namespace} has no Component {name}"), "create it, or correct the name".to_owned())
        }
        Some(other) if !other.kind.starts_with(KIND) => {
            let allowed = format!("Component {name} is a {}, and a {KIND}* is needed", other.kind);
            (Code::ComponentMissing, allowed, "name another one".to_owned())
        }
        Some(other) if !other.admits(app_id) => {
            let allowed = format!("the scopes of Component {name} are {}", other.scopes.join(", "));
            (Code::ComponentOutOfScope, allowed, format!("add {app_id} to them"))
        }
        Some(_) => return,
    };
    findings.push(Finding::new(code, Subject::Annotation(PUBSUB.to_owned()), allowed).help(help));
}
