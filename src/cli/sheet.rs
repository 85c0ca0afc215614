//! The footprint of applications, as people and scripts read it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::account::columns;
use crate::api::quantity::Quantity;
use crate::api::style::Style;
use crate::api::wiring::Requests;
use crate::engine::{Cost, Crossing, Finding, Footprint};

/// The two styles, in the order of columns.
const STYLES: [Style; 2] = [Style::Sidecar, Style::Broker];
/// One of the two resources.
type Of = fn(Requests) -> Quantity;
/// What is compared.
pub(super) const RESOURCES: [(&str, Of); 2] = [("CPU", |all| all.cpu), ("memory", |all| all.memory)];

fn pair(requests: Requests) -> String {
    format!("{} / {}", requests.cpu, requests.memory)
}

pub(super) fn counted(pods: u64) -> String {
    if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") }
}

/// A table for each namespace, one of all, and the sentences.
pub(super) fn text(footprint: &Footprint) -> String {
    let mut text = String::new();
    let mut namespaces: BTreeMap<&str, Vec<&Cost>> = BTreeMap::new();
    footprint.costs.iter().for_each(|cost| namespaces.entry(&cost.namespace).or_default().push(cost));
    for (namespace, costs) in &namespaces {
        table(&mut text, &format!("namespace {namespace}: CPU / memory that one pod requests"), workloads(costs));
    }
    table(&mut text, "all of it", whole(footprint));
    for style in STYLES {
        let platform = footprint.platforms.get(&style);
        let origin = platform.map_or_else(|| "nobody".to_owned(), |platform| platform.origin.clone());
        let _ = writeln!(text, "shared in {} style: {} ({origin})", style.word(), pair(footprint.platform(style)));
    }
    let (now, styles) = footprint.now();
    let shared: Requests = styles.iter().map(|style| footprint.platform(*style)).sum();
    let pods = footprint.pods();
    let _ = writeln!(text, "now: {} request {}, with what is shared in their styles {}", counted(pods), pair(now), pair(now + shared));
    for (what, of) in RESOURCES {
        if let Some(crossing) = footprint.crossing(of) {
            let _ = writeln!(text, "{what}: {}", sentence(crossing));
        }
    }
    footprint.costs.iter().flat_map(unwired).for_each(|line| text.push_str(&line));
    text
}

fn table(text: &mut String, heading: &str, rows: Vec<Vec<String>>) {
    text.push_str(&format!("{heading}\n"));
    columns(rows).iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    text.push('\n');
}

fn workloads(costs: &[&Cost]) -> Vec<Vec<String>> {
    let head = ["workload", "pods", "style", "now", "in sidecar style", "in broker style"].map(str::to_owned).to_vec();
    let row = |cost: &&Cost| {
        let (style, now) = cost.now.as_ref().map_or(("none", None), |(style, requests)| (style.word(), Some(*requests)));
        let amount = |requests: Option<Requests>| requests.map_or_else(|| "not wired".to_owned(), pair);
        let styles = STYLES.map(|style| amount(cost.styles.get(&style).and_then(|requests| requests.as_ref().ok()).copied()));
        [vec![cost.title.clone(), cost.pods.to_string(), style.to_owned(), amount(now)], styles.to_vec()].concat()
    };
    std::iter::once(head).chain(costs.iter().map(row)).collect()
}

fn whole(footprint: &Footprint) -> Vec<Vec<String>> {
    let of = |what: String, amount: fn(&Footprint, Style) -> Requests| {
        [vec![what], STYLES.map(|style| pair(amount(footprint, style))).to_vec()].concat()
    };
    vec![
        ["", "sidecar style", "broker style"].map(str::to_owned).to_vec(),
        of(format!("applications, {}", counted(footprint.pods())), Footprint::applications),
        of("what they share".to_owned(), Footprint::platform),
        of("together".to_owned(), |footprint, style| footprint.applications(style) + footprint.platform(style)),
    ]
}

/// Where the styles cross, in words.
pub(super) fn sentence(crossing: Crossing) -> String {
    match crossing {
        Crossing::Always => "broker style requests less with any number of pods".to_owned(),
        Crossing::Never => "sidecar style requests no more with any number of pods".to_owned(),
        Crossing::From(1) => "broker style requests less from the first pod on".to_owned(),
        Crossing::From(pods) => format!("broker style requests less from {pods} such pods on"),
    }
}

/// Why podwire would not wire a workload, now or in a style.
fn unwired(cost: &Cost) -> Vec<String> {
    let line = |place: &str, findings: &[Finding]| {
        let why: Vec<String> = findings.iter().map(ToString::to_string).collect();
        format!("{} in {} is not wired {place}: {}\n", cost.title, cost.namespace, why.join(" | "))
    };
    let now = cost.now.as_ref().err().map(|findings| line("now", findings));
    let there = cost.styles.iter().filter_map(|(style, requests)| {
        let findings = requests.as_ref().err()?;
        Some(line(&format!("in {} style", style.word()), findings))
    });
    now.into_iter().chain(there).collect()
}

/// The same for scripts.
pub(super) fn json(footprint: &Footprint) -> String {
    let faults = |findings: &[Finding]| json!({ "unwired": findings.iter().map(ToString::to_string).collect::<Vec<_>>() });
    let workload = |cost: &Cost| {
        let now = match &cost.now {
            Ok((style, requests)) => json!({ "style": style.word(), "requests": requests }),
            Err(findings) => faults(findings),
        };
        let styles = cost.styles.iter().map(|(style, requests)| {
            let said = requests.as_ref().map_or_else(|findings| faults(findings), |requests| json!({ "requests": requests }));
            (style.word().to_owned(), said)
        });
        json!({ "namespace": cost.namespace, "workload": cost.title, "pods": cost.pods, "now": now, "styles": styles.collect::<Value>() })
    };
    let style = |style: Style| {
        let (applications, shared) = (footprint.applications(style), footprint.platform(style));
        let origin = footprint.platforms.get(&style).map(|platform| platform.origin.as_str());
        let said =
            json!({ "applications": applications, "shared": { "requests": shared, "origin": origin }, "together": applications + shared });
        (style.word().to_owned(), said)
    };
    let crossing = |of| match footprint.crossing(of)? {
        Crossing::Always => Some(json!(1)),
        Crossing::From(pods) => Some(json!(pods)),
        Crossing::Never => None,
    };
    let (now, styles) = footprint.now();
    let whole = json!({
        "workloads": footprint.costs.iter().map(workload).collect::<Vec<_>>(),
        "pods": footprint.pods(),
        "now": { "applications": now, "styles": styles.iter().map(|style| style.word()).collect::<Vec<_>>() },
        "styles": STYLES.map(style).into_iter().collect::<Value>(),
        "brokerRequestsLessFrom": { "cpu": crossing(|all| all.cpu), "memory": crossing(|all| all.memory) },
    });
    format!("{whole:#}\n")
}
