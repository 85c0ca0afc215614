//! `podwire controller` against a real API server: a namespace for each test, and a second control plane for those that concern the whole
//! cluster. The controller has the permissions that ship; Knative is imitated, and so are sidecars.
//!
//! `cargo test --test controller NAME` runs those whose name holds NAME. Logs of a failed run are kept, and their folder is named.

mod attacks;
mod bench;
mod broker;
mod crowd;
mod deletion;
mod election;
mod kinds;
mod listens;
mod many;
mod memory;
mod moves;
mod outage;
mod owners;
mod policies;
mod rest;
mod sharing;
mod sidecar;
mod styles;
mod succession;
#[path = "../support/mod.rs"]
mod support;
mod takeover;
mod told;
mod words;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use support::control_plane::{Options, Tools};
use support::controller::Controller;
use support::knative::Knative;
use support::lab::{Failure, Lab};
use support::podwire::Podwire;

/// What every test finds. The fields end in this order.
pub(crate) struct World {
    /// The controller that works; a test that runs alone may take it, and start others.
    controller: Mutex<Option<Controller>>,
    pub(crate) knative: Knative,
    /// podwire's webhook, registered as it ships.
    pub(crate) webhook: Podwire,
    pub(crate) lab: Lab,
}

/// Tests with a cluster of theirs, which is started by the first of them.
#[derive(Default)]
struct House {
    world: OnceLock<Result<World, Failure>>,
    line: Line,
}

/// Those that run alone run in the order of their list: the last ones leave a crowd behind, which would slow down the others.
#[derive(Default)]
struct Line {
    /// Who waits, and whether somebody runs.
    state: Mutex<(BTreeSet<usize>, bool)>,
    moved: Condvar,
}

impl House {
    fn enter(&self, test: Test) -> Result<(), Failure> {
        match self.world.get_or_init(world) {
            Ok(world) => test(world),
            Err(failure) => Err(Failure::new(format!("there is no cluster: {failure}"))),
        }
    }

    /// Looks at what controllers did, and keeps the logs where something failed.
    fn close(&self, failed: bool) -> bool {
        let Some(Ok(world)) = self.world.get() else { return false };
        let forbidden = attacks::nothing_was_forbidden(world);
        if failed || forbidden.is_err() {
            world.lab.plane.keep_on_failure();
            eprintln!("logs: {}", world.lab.plane.dir().display());
        }
        forbidden.is_err_and(|failure| {
            eprintln!("a request was forbidden: {failure}");
            true
        })
    }
}

impl Line {
    /// Waits until nobody runs, and nobody waits whose place is before this one; then runs.
    fn run<T>(&self, place: usize, test: impl FnOnce() -> T) -> T {
        let lock = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        lock().0.insert(place);
        // All that begin at this moment take their places first.
        std::thread::sleep(Duration::from_millis(50));
        let turn = self.moved.wait_while(lock(), |(waiting, busy)| *busy || waiting.first() != Some(&place));
        let mut state = turn.unwrap_or_else(PoisonError::into_inner);
        state.0.remove(&place);
        state.1 = true;
        drop(state);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        lock().1 = false;
        self.moved.notify_all();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

type Test = fn(&World) -> Result<(), Failure>;

impl World {
    /// The controller, or none while a test has taken it.
    pub(crate) fn controller(&self) -> MutexGuard<'_, Option<Controller>> {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another controller, beside those that run.
    pub(crate) fn start_controller(&self, more: &[&str]) -> Result<Controller, Failure> {
        Controller::start(&self.lab, Path::new(env!("CARGO_BIN_EXE_podwire")), more)
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // why 6: the tests wait for controllers more than they compute. Each that runs alone has a thread in which it waits for its turn.
    arguments.test_threads = arguments.test_threads.or(Some(6 + alone().len()));
    let [many, one] = [(); 2].map(|()| Arc::new(House::default()));
    let alone = alone().into_iter().enumerate().map(|(place, (name, test))| {
        let house = Arc::clone(&one);
        Trial::test(name, move || Ok(house.line.run(place, || house.enter(test))?))
    });
    let together = together().into_iter().map(|(name, test)| {
        let house = Arc::clone(&many);
        Trial::test(name, move || Ok(house.enter(test)?))
    });
    let conclusion = libtest_mimic::run(&arguments, alone.chain(together).collect());
    let failed = [many, one].map(|house| house.close(conclusion.has_failed()));
    if failed.contains(&true) { ExitCode::FAILURE } else { conclusion.exit_code() }
}

/// Tests that run side by side, each in namespaces of its own.
fn together() -> Vec<(&'static str, Test)> {
    [
        // Those that take longest come first.
        moves::TESTS,
        deletion::TESTS,
        takeover::TESTS,
        styles::TESTS,
        sharing::TESTS,
        listens::TESTS,
        attacks::TESTS,
        owners::TESTS,
        told::TESTS,
        broker::TESTS,
        sidecar::TESTS,
        bench::TESTS,
    ]
    .concat()
}

/// Tests during which no other runs in their cluster.
fn alone() -> Vec<(&'static str, Test)> {
    [
        // Nobody has left anything behind.
        rest::ALONE,
        bench::ALONE,
        election::ALONE,
        kinds::ALONE,
        policies::ALONE,
        styles::ALONE,
        outage::ALONE,
        succession::ALONE,
        crowd::ALONE,
        memory::ALONE,
    ]
    .concat()
}

/// A cluster with podwire's webhook and controller.
fn world() -> Result<World, Failure> {
    let tools = Tools::locate()?;
    let lab = Lab::start(&tools, &Options::default())?;
    lab.apply_snapshot(include_str!("../golden/snapshot.yaml"))?;
    let program = Path::new(env!("CARGO_BIN_EXE_podwire"));
    let webhook = Podwire::start(&lab, program)?;
    lab.register(&webhook)?;
    let knative = Knative::start(&lab)?;
    let controller = Controller::start(&lab, program, &[])?;
    Ok(World { controller: Mutex::new(Some(controller)), knative, webhook, lab })
}
