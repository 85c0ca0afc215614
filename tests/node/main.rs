//! Events that are really delivered: a node of its own with real Dapr, Redis and Knative, podwire installed on it by its chart, and one application that runs in both styles.
//!
//! `cargo test --test node NAME` runs those whose name holds NAME. `-- --ignored` runs whole migrations instead, with Dapr's own times, three applications at once, on a machine that
//! does nothing else: `UPDATE=1 make test-migration` writes what they count into docs/portability.md.

#[path = "../support/client.rs"]
mod client;
mod counted;
mod delivery;
#[path = "../support/failure.rs"]
mod failure;
mod footprint;
mod install;
mod ledgers;
mod migration;
#[path = "../support/node/mod.rs"]
mod node;
mod outages;
mod outcome;
mod page;
mod placement;
mod process;
mod run;
mod shop;
mod table;

use std::process::ExitCode;

use run::Test;

fn main() -> ExitCode {
    run::run(&in_order(), migration::WHOLE)
}

/// What takes longest comes first. Who kills a part of Knative waits until nobody else has a Broker, beside tests with sidecars alone; who takes podwire
/// away waits for everybody.
fn in_order() -> Vec<(&'static str, Test)> {
    let (broker, sidecar): (Vec<_>, Vec<_>) = delivery::TESTS.iter().partition(|(name, _)| name.starts_with("broker"));
    let (first, last) = sidecar.split_at(sidecar.len() / 2);
    [migration::TESTS, placement::TESTS, &broker, first, outages::TESTS, last, footprint::TESTS, install::TESTS].concat()
}
