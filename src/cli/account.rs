//! A decision with its reasons, as text: what won, what lost, what changes, what is made.

use serde_json::Value;

use super::inject::outcome;
use crate::api::annotations::WIRED;
use crate::engine::{App, Decision, Member, Observed, PodRequest, Reason, Said, Snapshot, Untouched, Verdict, admit, reconcile};

/// Everything that is to be said of the decision about a pod; `title` and `listens_too` are those of its workload.
pub(super) fn decision(title: &str, request: &PodRequest, verdict: &Verdict, listens_too: bool, snapshot: &Snapshot) -> String {
    let style = verdict.style.map_or(String::new(), |style| format!(", {}", style.word()));
    let mut text = format!("{title} in {}: {}{style}\n", request.namespace, outcome(verdict));
    if let Decision::Untouched(why) = verdict.decision {
        section(&mut text, "why", [untouched(why).to_owned()]);
        return text;
    }
    let (amounts, others): (Vec<&Reason>, Vec<&Reason>) = verdict.reasons.iter().partition(|reason| amount(reason).is_some());
    section(&mut text, "why", columns(others.into_iter().map(|reason| vec![reason.what.clone(), said(reason)])));
    section(&mut text, "resources", columns(resources(&amounts, request, verdict)));
    if let Decision::Wired(_) = verdict.decision {
        section(&mut text, "added", verdict.changes.clone());
        section(&mut text, "generated", generated(title, request, listens_too, snapshot));
    }
    text
}

/// A heading with lines below it; nothing where there are none.
pub(super) fn section(text: &mut String, heading: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().map(|line| format!("    {line}\n")).collect();
    if !lines.is_empty() {
        text.push_str(&format!("  {heading}\n{}", lines.concat()));
    }
}

/// Rows with their cells below each other.
pub(super) fn columns(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = wide(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn untouched(why: Untouched) -> &'static str {
    match why {
        Untouched::Excluded => "the namespace is excluded: by its name, or by its label podwire.io/inject: disabled",
        Untouched::Mirror => "it is the shadow of a static pod, which runs already",
        Untouched::NotAsked => "it carries no annotation for podwire",
        Untouched::OptedOut => "podwire.io/style: none stands on it, or as a label on its namespace",
    }
}

/// `broker (annotation), over sidecar (namespace label)`.
fn said(reason: &Reason) -> String {
    format!("{} ({}){}", reason.value, reason.origin, over(&reason.instead))
}

fn over(instead: &[Said]) -> String {
    let lost: Vec<String> = instead.iter().map(|(value, origin)| format!("{value} ({origin})")).collect();
    if lost.is_empty() { String::new() } else { format!(", over {}", lost.join(", ")) }
}

/// Container, section and resource of a reason that is about an amount.
fn amount(reason: &Reason) -> Option<[&str; 3]> {
    let (rest, resource) = reason.what.rsplit_once(' ')?;
    let (container, section) = rest.rsplit_once(' ')?;
    ["limits", "requests"].contains(&section).then_some([container, section, resource])
}

/// Before, after, and who said so: of each container about which was decided, and of the pod where it states its own.
fn resources(amounts: &[&Reason], request: &PodRequest, verdict: &Verdict) -> Vec<Vec<String>> {
    let row = |what: String, before: Option<String>, after: String, why: String| {
        vec![what, before.unwrap_or_else(|| "none".to_owned()), "→".to_owned(), after, why]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for reason in amounts {
        let Some([container, section, resource]) = amount(reason) else { continue };
        let before = stated(&container_of(&request.pod, container)["resources"][section][resource]);
        rows.push(row(reason.what.clone(), before, reason.value.clone(), format!("{}{}", reason.origin, over(&reason.instead))));
    }
    let mut after = request.pod.clone();
    if let Decision::Wired(patch) = &verdict.decision
        && json_patch::patch(&mut after, patch).is_ok()
    {
        for (section, resource) in [("requests", "cpu"), ("limits", "cpu"), ("requests", "memory"), ("limits", "memory")] {
            let of = |pod: &Value| stated(&pod["spec"]["resources"][section][resource]);
            if let Some(grown) = of(&after) {
                let why = if of(&request.pod).as_ref() == Some(&grown) { "manifest" } else { "grows by what its containers gain" };
                rows.push(row(format!("the pod {section} {resource}"), of(&request.pod), grown, why.to_owned()));
            }
        }
    }
    rows
}

fn container_of<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    all.into_iter().find(|container| container["name"] == name).unwrap_or(&Value::Null)
}

fn stated(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Kinds and names of what the application needs beside its pods.
fn generated(title: &str, request: &PodRequest, listens_too: bool, snapshot: &Snapshot) -> Vec<String> {
    let Some(member) = Member::of(request, snapshot, title, listens_too) else { return Vec::new() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let objects = reconcile(&App::new(member), snapshot, &Observed::default()).objects;
    objects.iter().map(|object| format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))).collect()
}

/// What a running pod carries, and whether admission would leave it as it is.
pub(super) fn carried(pod: &Value, request: &PodRequest, snapshot: &Snapshot) -> Vec<String> {
    let label = |key: &str| pod["metadata"]["labels"][key].as_str().unwrap_or("no such label").to_owned();
    let mut rows = vec![
        vec!["app-id".to_owned(), label(crate::api::annotations::APP_ID_LABEL)],
        vec!["style".to_owned(), label(crate::api::annotations::STYLE_LABEL)],
        vec!["record".to_owned(), record(pod)],
    ];
    let verdict = admit(request, snapshot);
    let today = match &verdict.decision {
        Decision::Wired(patch) if patch.0.is_empty() => "it is what it would be made today".to_owned(),
        Decision::Passed => "it may be as it is".to_owned(),
        Decision::Wired(_) => format!("outdated: {}", verdict.changes.join("; ")),
        Decision::Untouched(why) => format!("untouched: {}", untouched(*why)),
        Decision::Denied | Decision::Unwired => {
            let why: Vec<String> = verdict.findings.iter().filter(|finding| finding.prevents()).map(ToString::to_string).collect();
            format!("outdated, it would be {}: {}", verdict.word(), why.join(" | "))
        }
    };
    rows.push(vec!["today".to_owned(), today]);
    columns(rows)
}

/// What podwire's record says. It is text that somebody may have edited.
fn record(pod: &Value) -> String {
    let Some(text) = pod["metadata"]["annotations"][WIRED].as_str() else { return format!("no annotation {WIRED}") };
    let Ok(record) = serde_json::from_str::<Value>(text) else { return "it cannot be read".to_owned() };
    let listens: Vec<&str> = record["listen"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let policy = record["policy"].as_str().map_or("built-in policy".to_owned(), |name| format!("policy {name}"));
    format!("publishes {}, listens {}, {policy}", record["style"].as_str().unwrap_or("?"), listens.join(" and "))
}

/// The conditions of a Wiring.
pub(super) fn conditions(wiring: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |condition: &Value| ["type", "status", "reason", "message"].map(|field| text(&condition[field])).to_vec();
    columns(wiring["status"]["conditions"].as_array().into_iter().flatten().map(one))
}
