//! Events that are really delivered: a node of its own with real Dapr, Redis and Knative, podwire installed on it by its chart, and one application that runs in both styles.
//!
//! `cargo test --test node NAME` runs those whose name holds NAME.

#[path = "../support/client.rs"]
mod client;
mod delivery;
#[path = "../support/failure.rs"]
mod failure;
mod install;
mod ledgers;
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
    // why 4: the tests wait for kubelets and retries more than they compute.
    // What takes longest comes first, and what runs alone comes last: it waits for everything that runs, and everything waits for it.
    run::run(4, &[placement::TESTS, delivery::TESTS, install::TESTS, outages::TESTS].concat(), &[], table::fresh)
}
