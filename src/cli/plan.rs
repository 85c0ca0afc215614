//! The steps of a migration, as people and scripts read them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::templates::Holder;
use crate::engine::{Advance, Edit, Finding, Gate, Migration, Move, Seen, Stage};

/// The steps in their order: what to type, and when.
pub(super) fn text(of: &Move, migration: &Migration) -> String {
    let (namespace, to) = (&of.namespace, of.to.word());
    let stays = migration.refused.len() + migration.held.len() + migration.unwired.len();
    let count: usize = migration.turns.iter().map(Vec::len).sum();
    let mut text = match (count, stays) {
        (0, 0) if of.movers.is_empty() => format!("namespace {namespace}: no workload asks for podwire\n"),
        (0, 0) => format!("namespace {namespace}: everything is in {to} style\n"),
        (0, _) => format!("namespace {namespace}: no step to {to} style can be made\n"),
        (1, _) => format!("namespace {namespace}, to {to} style: 1 step\n"),
        (count, _) => format!("namespace {namespace}, to {to} style: {count} steps\n"),
    };
    for (number, advance) in migration.turns.iter().enumerate().flat_map(|(turn, advances)| advances.iter().map(move |one| (turn, one))) {
        let pods = if advance.restarts() { "; its pods are replaced" } else { "" };
        text.push_str(&format!("\n{}. {} {}{pods}\n", number + 1, advance.app_id, deed(advance.stage, of)));
        text.push_str(&when(advance, number == 0));
        advance.edits.iter().for_each(|edit| text.push_str(&format!("   {}\n", command(edit, namespace))));
    }
    text
}

/// What a step is.
fn deed(stage: Stage, of: &Move) -> String {
    match stage {
        Stage::Listen => format!("listens in {} style too", of.to.word()),
        Stage::Publish => format!("publishes in {} style", of.to.word()),
        Stage::Leave => format!("listens in {} style only", of.to.word()),
    }
}

/// What must be true before: of the first turn what is seen now, of others what to wait for.
fn when(advance: &Advance, first: bool) -> String {
    if first && advance.is_open() {
        return "   now\n".to_owned();
    }
    let line = |gate: &Gate| match gate {
        Gate::Condition { seen: Seen::Open, .. } if first => None,
        Gate::Condition { app_id, kind, seen: Seen::Shut(said), .. } if first => Some(format!("   not yet: {kind} of {app_id}: {said}\n")),
        _ => Some(format!("   when {}\n", wanted(gate))),
    };
    advance.gates.iter().filter_map(line).collect()
}

fn wanted(gate: &Gate) -> String {
    match gate {
        Gate::Condition { app_id, kind, reason: None, .. } => format!("{kind} of {app_id} is True"),
        Gate::Condition { app_id, kind, reason: Some(reason), .. } => format!("{kind} of {app_id} is True, {reason}"),
        Gate::Silence { app_id, side, needs } => {
            format!("nobody outside has published to {app_id} in {} style for {} s", side.word(), needs.as_secs_f64().ceil())
        }
    }
}

/// What to type for an edit.
fn command(edit: &Edit, namespace: &str) -> String {
    let Some((kind, name)) = edit.title.split_once('/') else { return edit.title.clone() };
    let Some(patch) = patch(edit) else { return by_hand(edit) };
    let object = format!("{}/{name} -n {namespace}", kind.to_ascii_lowercase());
    if !edit.template.is_empty() {
        return format!("kubectl patch {object} --type=merge -p '{patch}'");
    }
    let words = edit.workload.iter().map(|(key, value)| value.map_or_else(|| format!("{key}-"), |value| format!("{key}={value}")));
    format!("kubectl annotate {object} --overwrite {}", words.collect::<Vec<_>>().join(" "))
}

/// An edit in words, for what kubectl cannot change or podwire does not know.
fn by_hand(edit: &Edit) -> String {
    let words = |annotations: &BTreeMap<&str, Option<&str>>| -> String {
        let one = |(key, value): (&&str, &Option<&str>)| value.map_or_else(|| format!("no {key}"), |value| format!("{key}: {value}"));
        annotations.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let (template, workload) = (words(&edit.template), words(&edit.workload));
    match edit.title.split_once('/').map(|(kind, _)| kind) {
        Some("Job" | "Pod") => format!("{} cannot be changed: make the next one with {template}", edit.title),
        _ if workload.is_empty() => format!("{}: {template} on its pod template", edit.title),
        _ if template.is_empty() => format!("{}: {workload} on itself", edit.title),
        _ => format!("{}: {template} on its pod template, and {workload} on itself", edit.title),
    }
}

/// The edit as a merge patch; none where the object cannot be changed or its kind is not known.
fn patch(edit: &Edit) -> Option<Value> {
    let kind = edit.title.split_once('/')?.0;
    let holder = Holder::of_kind(kind).filter(|holder| !holder.fields.is_empty() && kind != "Job")?;
    let mut patch = Map::new();
    for (annotations, fields) in [(&edit.workload, &[][..]), (&edit.template, holder.fields)] {
        let annotated = json!({ "metadata": { "annotations": annotations } });
        if let Value::Object(part) = fields.iter().rev().fold(annotated, |inner, field| json!({ *field: inner }))
            && !annotations.is_empty()
        {
            patch.extend(part);
        }
    }
    Some(Value::Object(patch))
}

/// The same for a script.
pub(super) fn json(of: &Move, migration: &Migration) -> String {
    let gate = |gate: &Gate| match gate {
        Gate::Condition { app_id, kind, reason, seen } => {
            let said = if let Seen::Shut(said) = seen { Some(said) } else { None };
            json!({ "wiring": app_id, "condition": kind, "reason": reason, "open": seen == &Seen::Open, "said": said })
        }
        Gate::Silence { app_id, side, needs } => {
            json!({ "wiring": app_id, "silence": side.word(), "seconds": needs.as_secs_f64().ceil(), "open": false })
        }
    };
    let edit =
        |edit: &Edit| json!({ "workload": edit.title, "patch": patch(edit), "annotations": edit.workload, "template": edit.template });
    let step = |advance: &Advance| {
        json!({
            "appId": advance.app_id,
            "step": advance.stage.word(),
            "open": advance.is_open(),
            "restarts": advance.restarts(),
            "gates": advance.gates.iter().map(gate).collect::<Vec<_>>(),
            "edits": advance.edits.iter().map(edit).collect::<Vec<_>>(),
        })
    };
    let finding = |finding: &Finding| json!({ "code": finding.code.id(), "text": finding.to_string() });
    let findings = |all: &BTreeMap<String, Vec<Finding>>| -> Value {
        all.iter().map(|(of, findings)| (of.clone(), findings.iter().map(finding).collect::<Value>())).collect()
    };
    let turns: Vec<Vec<Value>> = migration.turns.iter().map(|turn| turn.iter().map(step).collect()).collect();
    let whole = json!({
        "namespace": of.namespace,
        "to": of.to.word(),
        "turns": turns,
        "refused": findings(&migration.refused),
        "held": migration.held.iter().map(|(of, held)| (of.clone(), finding(held))).collect::<Value>(),
        "unwired": findings(&migration.unwired),
    });
    format!("{whole:#}\n")
}

/// What does not move, and why.
pub(super) fn faults(migration: &Migration) -> String {
    let each = |word: &str, of: &str, finding: &Finding| format!("{word}: {of}: {finding}\n");
    let errors = migration.unwired.iter().chain(&migration.refused);
    let errors = errors.flat_map(|(of, findings)| findings.iter().map(move |finding| each("error", of, finding)));
    let held = migration.held.iter().map(|(of, finding)| each("warning", of, finding));
    errors.chain(held).collect()
}
