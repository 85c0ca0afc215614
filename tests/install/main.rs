//! podwire as its chart installs it, on a real API server. There is no node: podwire's pods run as processes with the arguments, the permissions and the volumes of their Deployments.
//!
//! `cargo test --test install NAME` runs those whose name holds NAME.

mod chart;
mod helm;
mod life;
mod node;
mod queries;
mod rotation;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use helm::ChartTools;
use support::control_plane::Tools;
use support::lab::Failure;

/// What every test finds.
pub(crate) struct World {
    pub(crate) tools: Tools,
    pub(crate) chart: ChartTools,
}

type Test = fn(&World) -> Result<(), Failure>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // why 2: each of the long ones has a control plane of its own, and waits more than it computes.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let tests = || [rotation::TESTS, life::TESTS, chart::TESTS].concat();
    if arguments.list {
        let names = tests().into_iter().map(|(name, _)| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&arguments, names.collect()).exit_code();
    }
    let world = match world() {
        Ok(world) => Arc::new(world),
        Err(failure) => {
            eprintln!("the install tests cannot begin: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let trials = tests().into_iter().map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(name, move || Ok(test(&world)?))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn world() -> Result<World, Failure> {
    Ok(World { tools: Tools::locate()?, chart: ChartTools::locate()? })
}
