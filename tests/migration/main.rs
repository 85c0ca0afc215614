//! Applications change their style under load: step by step as `podwire migrate` says, there and back; and without asking it, which must lose events.
//!
//! `cargo test --test migration` runs them with a component that gives up soon, beside other tests. `-- --ignored` runs them with Dapr's own times, three applications at once, on a machine that does
//! nothing else: `UPDATE=1 make test-migration` writes what they count into docs/portability.md.

#[path = "../support/client.rs"]
mod client;
#[path = "../support/failure.rs"]
mod failure;
#[path = "../node/ledgers.rs"]
mod ledgers;
#[path = "../support/node/mod.rs"]
mod node;
#[path = "../node/outcome.rs"]
mod outcome;
#[path = "../node/page.rs"]
mod page;
#[path = "../node/run.rs"]
mod run;
#[path = "../node/shop.rs"]
#[allow(dead_code, reason = "the tests of deliveries use all of it")]
mod shop;
mod steps;
mod table;

use std::process::ExitCode;

use run::Test;

fn main() -> ExitCode {
    // why 3: more than 330 events a second keep two processors busy, and everything comes late.
    run::run(3, steps::TESTS, steps::WHOLE, table::write)
}
