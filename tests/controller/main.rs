//! `podwire controller` against a real API server: one control plane for all tests, a namespace for each. The controller has the permissions
//! that ship; Knative is imitated, and so are sidecars.
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

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

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
    /// Written by a test that concerns the whole cluster; every other test reads.
    alone: RwLock<()>,
    line: Line,
}

/// Those that run alone run in the order of their list: the last ones leave a crowd behind, which would slow down the others.
#[derive(Default)]
struct Line {
    tickets: AtomicUsize,
    served: Mutex<usize>,
    next: Condvar,
}

impl Line {
    /// Waits for its turn and runs.
    fn run<T>(&self, test: impl FnOnce() -> T) -> T {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst);
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.next.wait_while(served, |served| *served != ticket));
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.next.notify_all();
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
    // why 4: the tests wait for controllers more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    if arguments.list {
        let names = together().into_iter().chain(alone()).map(|(name, _)| Trial::test(name, || Ok(())));
        return libtest_mimic::run(&arguments, names.collect()).exit_code();
    }
    let world = match world() {
        Ok(world) => Arc::new(world),
        Err(failure) => {
            eprintln!("the tests of the controller cannot begin: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let together = together().into_iter().map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(name, move || {
            let _others = world.alone.read().unwrap_or_else(PoisonError::into_inner);
            Ok(test(&world)?)
        })
    });
    let alone = alone().into_iter().map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(name, move || {
            world.line.run(|| {
                let _nobody_else = world.alone.write().unwrap_or_else(PoisonError::into_inner);
                Ok(test(&world)?)
            })
        })
    });
    let conclusion = libtest_mimic::run(&arguments, together.chain(alone).collect());
    let forbidden = attacks::nothing_was_forbidden(&world);
    if conclusion.has_failed() || forbidden.is_err() {
        world.lab.plane.keep_on_failure();
        eprintln!("logs: {}", world.lab.plane.dir().display());
    }
    if let Err(failure) = forbidden {
        eprintln!("a request was forbidden: {failure}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
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
        rest::TESTS,
        sidecar::TESTS,
        bench::TESTS,
    ]
    .concat()
}

/// Tests during which no other runs.
fn alone() -> Vec<(&'static str, Test)> {
    [
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
pub(crate) fn world() -> Result<World, Failure> {
    let tools = Tools::locate()?;
    let lab = Lab::start(&tools, &Options::default())?;
    lab.apply_snapshot(include_str!("../golden/snapshot.yaml"))?;
    let program = Path::new(env!("CARGO_BIN_EXE_podwire"));
    let webhook = Podwire::start(&lab, program)?;
    lab.register(&webhook)?;
    let knative = Knative::start(&lab)?;
    let controller = Controller::start(&lab, program, &[])?;
    Ok(World { controller: Mutex::new(Some(controller)), knative, webhook, lab, alone: RwLock::default(), line: Line::default() })
}
