//! podwire against a real API server: one control plane for all tests, a namespace for each.
//!
//! `cargo test --test cluster NAME` runs those whose name holds NAME. Logs of a failed run are kept, and their folder is named.

mod audit;
mod failures;
mod golden;
mod oracle;
mod policy;
mod races;
mod resources;
mod review;
mod reviews;
#[path = "../support/mod.rs"]
mod support;
mod wiring;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use libtest_mimic::{Arguments, Trial};

use support::control_plane::{Options, Tools};
use support::lab::{Failure, Lab};
use support::podwire::Podwire;

/// What every test finds.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) tools: Tools,
    pub(crate) podwire: Podwire,
    /// Requests that reached podwire for a pod that did not ask and for one that did, counted while nothing else was created.
    pub(crate) counted: (u64, u64),
    /// Reviews that some acts cost, counted at that time too.
    pub(crate) reviewed: Vec<(&'static str, u64)>,
    /// Written by a test that installs policies, which govern the whole cluster; every other test reads.
    pub(crate) policies: RwLock<()>,
}

type Test = fn(&World) -> Result<(), Failure>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // why 4: the tests wait for controllers more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    if arguments.list {
        return libtest_mimic::run(&arguments, names()).exit_code();
    }
    let world = match world() {
        Ok(world) => Arc::new(world),
        Err(failure) => {
            eprintln!("the cluster tests cannot begin: {failure}");
            return ExitCode::FAILURE;
        }
    };
    let trials = tests().into_iter().map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(name, move || {
            let _built_in = world.policies.read().unwrap_or_else(PoisonError::into_inner);
            Ok(test(&world)?)
        })
    });
    let policy = audit::TESTS.iter().chain(policy::TESTS).chain(review::GOVERNED).map(|(name, test)| {
        let world = Arc::clone(&world);
        Trial::test(*name, move || {
            let _policies = world.policies.write().unwrap_or_else(PoisonError::into_inner);
            Ok(test(&world)?)
        })
    });
    let golden = golden::cases().into_iter().map(|case| {
        let world = Arc::clone(&world);
        Trial::test(format!("golden::{case}"), move || {
            let _built_in = world.policies.read().unwrap_or_else(PoisonError::into_inner);
            Ok(golden::check(&world, &case)?)
        })
    });
    let reviews = reviews::cases().into_iter().map(|(case, governs)| {
        let world = Arc::clone(&world);
        Trial::test(format!("reviews::{case}"), move || {
            let policies = governs.then(|| world.policies.write().unwrap_or_else(PoisonError::into_inner));
            let _built_in = policies.is_none().then(|| world.policies.read().unwrap_or_else(PoisonError::into_inner));
            Ok(reviews::check(&world, &case)?)
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.chain(policy).chain(golden).chain(reviews).collect());
    if conclusion.has_failed() {
        world.lab.plane.keep_on_failure();
        eprintln!("logs: {}", world.lab.plane.dir().display());
    }
    conclusion.exit_code()
}

/// The names alone, for `--list`: no control plane is started for them.
fn names() -> Vec<Trial> {
    let golden = golden::cases().into_iter().map(|case| format!("golden::{case}"));
    let policy = audit::TESTS.iter().chain(policy::TESTS).chain(review::GOVERNED).map(|(name, _)| (*name).to_owned());
    let reviews = reviews::cases().into_iter().map(|(case, _)| format!("reviews::{case}"));
    tests()
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .chain(policy)
        .chain(golden)
        .chain(reviews)
        .map(|name| Trial::test(name, || Ok(())))
        .collect()
}

fn tests() -> Vec<(&'static str, Test)> {
    [wiring::TESTS, failures::TESTS, races::TESTS, resources::TESTS, oracle::TESTS, review::TESTS].concat()
}

fn world() -> Result<World, Failure> {
    let tools = Tools::locate()?;
    let lab = Lab::start(&tools, &Options::default())?;
    lab.apply_snapshot(include_str!("../golden/snapshot.yaml"))?;
    // What a golden pod names.
    lab.kubectl(&["create", "serviceaccount", "orders", "-n", "shop"])?;
    lab.kubectl(&["create", "priorityclass", "high", "--value=1000"])?;
    let podwire = Podwire::start(&lab, Path::new(env!("CARGO_BIN_EXE_podwire")))?;
    lab.register(&podwire)?;
    let counted = wiring::count(&lab, &podwire)?;
    let reviewed = review::count(&lab, &podwire)?;
    Ok(World { counted, reviewed, lab, tools, podwire, policies: RwLock::new(()) })
}
