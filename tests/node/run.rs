//! One node for the tests of a process: the process starts it, and then runs itself inside of it.

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial};

use crate::node::{self, Begun, Failure, House, INSIDE, Node};
use crate::{counted, table};

pub(crate) type Test = fn(&Node) -> Result<(), Failure>;

/// Runs tests on a node. Those that `asked` holds run with `--ignored` only.
///
/// Where this machine cannot have a node it says so in one line, and fails where `PODWIRE_NODE=required`.
pub(crate) fn run(tests: &[(&'static str, Test)], asked: &[(&'static str, Test)]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // why 5: the tests wait for kubelets and retries more than they compute. Of whole migrations more than three make each other late.
    arguments.test_threads = arguments.test_threads.or(Some(if arguments.ignored { 3 } else { 5 }));
    let all = || tests.iter().map(|test| (*test, false)).chain(asked.iter().map(|test| (*test, true)));
    if arguments.list {
        let names = all().map(|((name, _), ignored)| Trial::test(name, || Ok(())).with_ignored_flag(ignored));
        return libtest_mimic::run(&arguments, names.collect()).exit_code();
    }
    if env::var_os(INSIDE).is_none() {
        return outside().unwrap_or_else(|failure| {
            eprintln!("the tests on a node cannot begin: {failure}");
            ExitCode::FAILURE
        });
    }
    let begun = Instant::now();
    let node = match Node::inside().and_then(|node| node::install(&node).map(|()| node)) {
        Ok(node) => Arc::new(node),
        Err(failure) => {
            eprintln!("podwire cannot be installed on the node: {failure}");
            return ExitCode::FAILURE;
        }
    };
    println!("podwire was installed and ready after {:.1?}", begun.elapsed());
    let trials = all().map(|((name, test), ignored)| {
        let node = Arc::clone(&node);
        Trial::test(name, move || Ok(test(&node)?)).with_ignored_flag(ignored)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let seen = if arguments.ignored { counted::write } else { table::fresh };
    // Who ran a part of them has not seen everything.
    if arguments.filter.is_none()
        && !conclusion.has_failed()
        && let Err(failure) = seen()
    {
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Starts the node, loads the images, runs the tests inside, and ends it.
fn outside() -> Result<ExitCode, Failure> {
    let house = match House::start(told)? {
        Begun::Up(house) => house,
        Begun::Cannot(why) => {
            let required = env::var("PODWIRE_NODE").is_ok_and(|value| value == "required");
            eprintln!("\n*** NOT RUN: the tests on a node. This machine cannot have one: {why} ***\n");
            return Ok(if required { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
    };
    node::load(&house, Path::new(env!("CARGO_BIN_EXE_podwire")), &[])?;
    let passed = house.enter(&env::current_exe()?).args(env::args_os().skip(1)).status()?.success();
    if !passed && env::var_os("PODWIRE_NODE_KEEP").is_some() {
        eprintln!("{}", house.keep()?);
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(line: &str) -> Result<(), Failure> {
    eprintln!("{line}");
    Ok(())
}
