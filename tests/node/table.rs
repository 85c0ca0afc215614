//! What was seen of each behaviour in each style, and the table of it in docs/portability.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use similar::TextDiff;

use crate::node::Failure;
use crate::page::Region;
use crate::shop::Style;

static SEEN: Mutex<BTreeMap<&'static str, BTreeMap<Style, String>>> = Mutex::new(BTreeMap::new());

const BEGIN: &str = "<!-- seen: made by make test-node -->\n";

/// Notes what was seen. It is the same in every run: what is measured is printed, and not noted.
pub(crate) fn note(behaviour: &'static str, style: Style, seen: impl Into<String>) {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).entry(behaviour).or_default().insert(style, seen.into());
}

fn table() -> String {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut table = "| behaviour | sidecar | broker |\n|---|---|---|\n".to_owned();
    for (behaviour, styles) in seen.iter() {
        let of = |style| styles.get(&style).map_or("not run", String::as_str);
        let _ = writeln!(table, "| {behaviour} | {} | {} |", of(Style::Sidecar), of(Style::Broker));
    }
    table
}

/// Prints the table, and fails where the page says something else than was seen; `UPDATE=1` writes it.
pub(crate) fn fresh() -> Result<(), Failure> {
    println!("\n{}", table());
    let (region, seen) = (Region::of(BEGIN)?, table());
    if region.update(&seen)? {
        return Ok(());
    }
    let diff = TextDiff::from_lines(&region.committed, &seen).unified_diff().header("docs/portability.md", "seen").to_string();
    Err(Failure::new(format!("{diff}\nUPDATE=1 make test-node writes it")))
}
