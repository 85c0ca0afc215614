//! What was counted in whole migrations, in docs/portability.md.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::migration::LATE;
use crate::node::Failure;
use crate::outcome::Outcome;
use crate::page::Region;

/// Rows by their place in the table.
static COUNTED: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

const BEGIN: &str = "<!-- counted: made by UPDATE=1 make test-migration -->\n";
const HEAD: &str = "| on SIGTERM the application | way | accepted | without 2xx (arrived) | lost | doubled | published again | later than 5 s | slowest |\n|---|---|---|---|---|---|---|---|---|";

/// Notes what became of the events of a migration. `place` orders the rows.
pub(crate) fn note(place: &str, on_term: &str, way: &str, outcome: &Outcome) {
    let [doubled, republished] = outcome.doubled();
    let row = format!(
        "| {on_term} | {way} | {} | {} ({}) | {} | {doubled} | {republished} | {} | {:.1} s |",
        outcome.accepted(),
        outcome.given_up(),
        outcome.came_unanswered(),
        outcome.lost().len(),
        outcome.late(LATE).len(),
        outcome.slowest()
    );
    COUNTED.lock().unwrap_or_else(PoisonError::into_inner).insert(place.to_owned(), row);
}

/// Prints the table, and where `UPDATE=1` writes it into the page. It is never compared: no two runs count the same.
pub(crate) fn write() -> Result<(), Failure> {
    let counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    if counted.is_empty() {
        return Ok(());
    }
    let table = format!("{HEAD}\n{}\n", counted.values().cloned().collect::<Vec<_>>().join("\n"));
    println!("\n{table}");
    Region::of(BEGIN)?.update(&table).map(drop)
}
