//! What alerts and dashboard ask Prometheus for, against what podwire's servers really expose.

use std::collections::BTreeSet;

use podwire::api::yaml;
use serde_json::Value;

use crate::support::failure::require;
use crate::support::lab::Failure;

const ALERTS: &str = include_str!("../../charts/podwire/files/alerts.yaml");
const DASHBOARD: &str = include_str!("../../charts/podwire/files/dashboard.json");
const RUNBOOKS: &str = include_str!("../../docs/operations.md");

/// Every query names metrics that are there, and every alert a runbook.
pub(crate) fn check(expositions: &[String]) -> Result<(), Failure> {
    let known: BTreeSet<String> = expositions.iter().flat_map(|text| series(text)).collect();
    let alerts = yaml::read(ALERTS).map_err(|error| Failure::new(error.to_string()))?.value();
    let mut queries = Vec::new();
    collect(&alerts, "expr", &mut queries);
    collect(&serde_json::from_str(DASHBOARD)?, "expr", &mut queries);
    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| names(query)).collect();
    let unknown: Vec<&&str> = asked.iter().filter(|name| !known.contains(**name)).collect();
    require(
        &format!("{} queries name what is there, but {unknown:?} of {known:?}", queries.len()),
        unknown.is_empty() && asked.len() > 10,
    )?;
    let mut runbooks = Vec::new();
    collect(&alerts, "runbook_url", &mut runbooks);
    let headings: BTreeSet<String> =
        RUNBOOKS.lines().filter_map(|line| line.strip_prefix("### ")).map(|heading| format!("#{}", heading.to_lowercase())).collect();
    let lost: Vec<&String> = runbooks.iter().filter(|url| !headings.iter().any(|heading| url.ends_with(heading.as_str()))).collect();
    println!("{} queries of {} metrics, {} runbooks", queries.len(), asked.len(), runbooks.len());
    require(&format!("every alert has its runbook, but {lost:?}"), lost.is_empty() && runbooks.len() > 10)
}

/// The names under which the metrics of an exposition are asked for.
fn series(text: &str) -> Vec<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let named = types.flat_map(|(name, kind)| {
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        ends.iter().map(move |end| format!("{name}{end}"))
    });
    named.collect()
}

/// The metrics of podwire's in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("podwire_"))
}

/// Every text under a key, wherever it stands.
fn collect(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, key, found));
        }
        _ => {}
    }
}
