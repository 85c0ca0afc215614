//! Names, schedules and conditions; whole objects stand in the golden folders.

use std::collections::BTreeMap;

use cel::{Context, Program};
use proptest::prelude::*;
use serde_json::json;

use super::names::joined;
use super::{retry, sidecar};
use crate::api::names::{EntryName, EventPath, Topic};
use crate::api::subscribe::{Entry, Retry};

#[test]
fn names_fit_and_stay_apart() {
    assert_eq!(joined("orders", "eu"), "orders-eu");
    let (app, part) = ("a".repeat(58), "b".repeat(50));
    let long = joined(&app, &part);
    assert_eq!(long.len(), 63);
    assert_eq!(long, joined(&app, &part));
    assert_ne!(long, joined(&app, &"b".repeat(49)));
}

#[test]
fn the_portable_thing_is_the_time() {
    let retries = |text: &str| {
        let retry = Retry::parse(text).unwrap();
        let (dapr, knative) = (retry::dapr(&retry), retry::knative(&retry));
        (dapr.retries, dapr.waits.as_millis(), knative.retries, knative.waits.as_millis())
    };
    assert_eq!(retries("for=30s"), (8, 24628, 7, 25400));
    assert_eq!(retries("for=100ms"), (0, 0, 0, 0));
    assert_eq!(retries("for=1m").0, 10);
    assert_eq!(retry::iso8601(std::time::Duration::from_millis(200)), "PT0.2S");
    let retry = Retry::default();
    assert_eq!(retry::dapr(&retry).dapr_budget(&retry).as_secs(), 36);
}

fn entry(attributes: BTreeMap<String, String>) -> Entry {
    let (topic, name) = (Topic::parse("orders").unwrap(), EntryName::parse("orders").unwrap());
    Entry { topic, name, path: EventPath::parse("/events").unwrap(), attributes, dead_letter: None }
}

fn matches(entry: &Entry, event: &serde_json::Value) -> bool {
    let mut context = Context::default();
    context.add_variable("event", event).unwrap();
    let program = Program::compile(&sidecar::condition(entry)).unwrap();
    program.execute(&context).unwrap() == cel::Value::Bool(true)
}

proptest! {
    #[test]
    fn a_condition_is_the_exact_match_that_knative_makes(
        wanted in prop::collection::btree_map("[a-z][a-z0-9]{0,5}", "[ -~\u{e9}\u{4e2d}\n\t\\\\\"']{1,12}", 1..4),
        other in prop::collection::btree_map("[a-z][a-z0-9]{0,5}", "[ -~]{0,6}", 0..4),
    ) {
        let entry = entry(wanted.clone());
        let mut event = json!(other);
        prop_assert_eq!(matches(&entry, &event), wanted.iter().all(|(name, value)| other.get(name) == Some(value)));
        for (name, value) in &wanted {
            event[name] = json!(value);
        }
        prop_assert!(matches(&entry, &event));
    }
}
