//! The second door: what the cluster must hold for an application.

use serde_json::Value;

use super::app::App;
use super::{Finding, generate};
use crate::api::style::Style;

/// What an application needs beside its pods.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    /// The objects, in the order in which they are written: a Service before the Trigger that names it, a Resiliency before its Subscription.
    pub objects: Vec<Value>,
    /// What a person should know of them.
    pub findings: Vec<Finding>,
}

/// Decides what an application needs: from its members, and from nothing else.
pub fn reconcile(app: &App) -> Reconciliation {
    let mut findings = Vec::new();
    let mut objects = Vec::new();
    if app.listens(Style::Broker) {
        objects.extend(generate::broker_side(app));
    }
    if app.listens(Style::Sidecar) {
        objects.extend(generate::sidecar_side(app, &mut findings));
    }
    Reconciliation { objects, findings }
}
