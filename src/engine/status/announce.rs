//! What is said of a workload where its owner looks for it: as an Event, once for every change.

use k8s_openapi::api::core::v1::ObjectReference;
use serde::Deserialize as _;

use super::steps::Made;
use crate::api::wiring::WiringStatus;
use crate::engine::app::App;
use crate::engine::observed::{Memory, Observed};

/// An Event.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// About which object.
    pub regarding: ObjectReference,
    /// `Wired`, `NotWired`, `PutBack`.
    pub reason: &'static str,
    /// The text.
    pub note: String,
    /// Whether something is wrong.
    pub warning: bool,
}

/// The Events of this reconciliation: what is new against the Wiring as it stands, so that a new process repeats nothing.
pub(crate) fn announce(app: &App, observed: &Observed, made: &Made, memory: &mut Memory) -> Vec<Notice> {
    let before =
        observed.wiring.as_ref().map(|wiring| WiringStatus::deserialize(&wiring["status"]).unwrap_or_default()).unwrap_or_default();
    let mut notices = Vec::new();
    for (of, _) in &app.workloads {
        let fault = app.faults.iter().find(|fault| fault.of == *of);
        let note = match (fault, app.first()) {
            (Some(fault), _) => fault.finding.to_string(),
            (None, Some(first)) => format!("app-id {}, style {}", app.app_id, first.publish.word()),
            (None, None) => continue,
        };
        let known = before
            .workloads
            .iter()
            .any(|one| Some(&one.kind) == of.kind.as_ref() && Some(&one.name) == of.name.as_ref() && one.wired == fault.is_none());
        let same_fault = fault.is_none_or(|_| before.conditions.iter().any(|one| one.type_ == "Accepted" && one.message.contains(&note)));
        let key = format!("{}/{}", of.kind.as_deref().unwrap_or_default(), of.name.as_deref().unwrap_or_default());
        let said = memory.said.insert(key, note.clone());
        let new = match said {
            Some(said) => said != note,
            None => !(known && same_fault),
        };
        if new {
            let reason = if fault.is_some() { "NotWired" } else { "Wired" };
            notices.push(Notice { regarding: of.clone(), reason, note, warning: fault.is_some() });
        }
    }
    let wiring = ObjectReference {
        api_version: Some("podwire.io/v1alpha1".to_owned()),
        kind: Some("Wiring".to_owned()),
        name: Some(app.app_id.clone()),
        namespace: Some(app.namespace.clone()),
        uid: observed.wiring.as_ref().and_then(|wiring| wiring["metadata"]["uid"].as_str().map(str::to_owned)),
        ..ObjectReference::default()
    };
    for (kind, name) in &made.put_back {
        let note = format!("{kind} {name} was edited and is as podwire wrote it again");
        notices.push(Notice { regarding: wiring.clone(), reason: "PutBack", note, warning: true });
    }
    notices
}
