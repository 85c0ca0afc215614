//! `podwire explain KIND/NAME`: the same account of an object that a cluster holds, and what it really carries.

use serde_json::Value;

use super::manifest::{self, Template};
use super::opts::ExplainOpts;
use super::server;
use super::{Exit, account, print};
use crate::edge::look::{Look, look};
use crate::engine::{Finding, Owner, PodRequest, Snapshot, Unreadable, admit, app_id, undo};

pub(super) fn run(object: &str, opts: &ExplainOpts) -> Exit {
    let Some((kind, name)) = object.split_once('/') else { return Exit::Usage };
    let (settings, namespace) = (opts.settings.meant(), opts.known.namespace.as_str());
    let seen = server::ask(opts.kubeconfig.as_deref(), async |client| Ok(look(client, settings, kind, namespace, name).await?));
    match seen {
        Ok(seen) => {
            seen.unread.iter().for_each(|what| print::talk(&format!("warning: {what}\n")));
            told(&seen).map_or_else(print::internal, |text| print::data(&text))
        }
        Err(error) => error.told(),
    }
}

fn told(Look { object, snapshot, wirings, .. }: &Look) -> Result<String, Unreadable> {
    let objects = manifest::objects(object);
    let Some(template) = objects.first().and_then(manifest::Object::template) else {
        return Ok("podwire wires no pods of this kind in files\n".to_owned());
    };
    let namespace = template.namespace.clone().unwrap_or_default();
    let (mut text, request) = match template.owner {
        Owner::Bare => pod(object, &namespace, &template, snapshot)?,
        _ => workload(object, &namespace, &template, snapshot)?,
    };
    let wiring = app_id(&request).and_then(|app_id| wirings.iter().find(|wiring| wiring["metadata"]["name"] == app_id.as_str()));
    if let Some(wiring) = wiring {
        account::section(&mut text, "wiring", account::conditions(wiring));
    }
    Ok(text)
}

/// A workload: its template, as the API server would send a pod of it.
fn workload(object: &Value, namespace: &str, template: &Template, snapshot: &Snapshot) -> Result<(String, PodRequest), Unreadable> {
    let request = template.request(namespace, object)?;
    Ok((decided(&template.title, &request, template.listens_too, snapshot), request))
}

/// A pod: as it was before podwire wired it, and then what it carries.
fn pod(object: &Value, namespace: &str, template: &Template, snapshot: &Snapshot) -> Result<(String, PodRequest), Unreadable> {
    let mut before = object.clone();
    // A record that cannot be read is said below; the pod is then looked at as it is.
    let _ = undo(&mut before);
    let request = PodRequest::new(namespace, before)?;
    let mut text = decided(&template.title, &request, false, snapshot);
    let carries = PodRequest::new(namespace, object.clone())?;
    account::section(&mut text, "carried", account::carried(object, &carries, snapshot));
    Ok((text, request))
}

fn decided(title: &str, request: &PodRequest, listens_too: bool, snapshot: &Snapshot) -> String {
    let verdict = admit(request, snapshot);
    let mut text = account::decision(title, request, &verdict, listens_too, snapshot);
    let line = |finding: &Finding| format!("{}: {finding}", finding.severity().word());
    account::section(&mut text, "findings", verdict.findings.iter().map(line));
    text
}
