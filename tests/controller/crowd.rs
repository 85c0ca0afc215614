//! Hundreds of workloads at once, and a controller that dies among them.

use std::thread;
use std::time::Instant;

use crate::many::{Many, quiet, table, workloads};
use crate::support::audit::{Mark, requests_by_controller, writes_by_controller};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::expect;
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[
    ("crowd::five_hundred_workloads_at_once_converge_in_few_requests", converges),
    ("crowd::a_controller_that_is_killed_in_the_middle_and_started_again_makes_the_same_objects", killed),
];

fn converges(world: &World) -> Result<(), Failure> {
    let many = Many::new(&world.lab)?;
    many.prepare("crowd-", 20)?;
    quiet(&world.lab, 500)?;
    let runs = || world.controller().as_ref().map_or(Ok(0.0), |controller| controller.metric("podwire_reconciles_total"));
    let memory = || world.controller().as_ref().map_or(Ok([0, 0]), |controller| controller.memory());
    let (mark, runs_before, memory_before) = (Mark::now(&world.lab)?, runs()?, memory()?);
    let began = Instant::now();
    many.create(&workloads("crowd-", 20, 25))?;
    let created = began.elapsed();
    many.settled(&world.lab, "crowd-", 500, 90)?;
    let took = began.elapsed();
    quiet(&world.lab, 1000)?;
    let requests = requests_by_controller(&mark)?;
    let runs = runs()? - runs_before;
    println!(
        "500 workloads were created in {created:.1?} and had converged after {took:.1?}: {} requests in {runs} reconciliations",
        requests.len()
    );
    println!("resident in KiB, and at most: {memory_before:?} before, {:?} with them", memory()?);
    let table = table(&requests);
    table.iter().for_each(|(what, count)| println!("  {count:5} {what}"));

    let of = |what: &str| table.get(what).copied().unwrap_or_default();
    // Of 25 workloads of a namespace 13 are in broker style, on five topics.
    expect("Wirings", of("create wirings"), 500)?;
    expect("Triggers", of("create triggers"), 260)?;
    expect("Subscriptions", of("create subscriptions"), 240)?;
    expect("Brokers", of("create brokers"), 100)?;
    let refused: Vec<_> = table.keys().filter(|what| what.ends_with(')') && !what.ends_with("(409)")).collect();
    require(&format!("nothing is refused: {refused:?}"), refused.is_empty())?;
    require("a status is written at most twice on the way", of("patch wirings/status") <= 1000)?;
    require("a workload takes at most 7 requests", requests.len() <= 7 * 500)
}

fn killed(world: &World) -> Result<(), Failure> {
    let many = Many::new(&world.lab)?;
    many.prepare("calm-", 2)?;
    many.prepare("storm-", 2)?;
    many.create(&workloads("calm-", 2, 25))?;
    many.settled(&world.lab, "calm-", 50, 60)?;
    quiet(&world.lab, 500)?;

    let mark = Mark::now(&world.lab)?;
    let Some(first) = world.controller().take() else { return Err(Failure::new("no controller runs")) };
    let done = thread::scope(|scope| {
        let creating = scope.spawn(|| many.create(&workloads("storm-", 2, 25)));
        let middle =
            wait_for("the controller is in the middle", 30, || writes_by_controller(&mark).ok().filter(|writes| writes.len() >= 80));
        let ended = first.kill();
        creating.join().unwrap_or_else(|_| Err(Failure::new("no workloads")))?;
        Ok::<_, Failure>((middle, ended?))
    });
    // why: a Lease that nobody gave back would be waited for, which another test does.
    world.lab.kubectl(&["delete", "lease", "podwire-controller", "-n", "podwire-system"])?;
    let began = Instant::now();
    let second = world.start_controller(&[])?;
    *world.controller() = Some(second);
    let (middle, ended) = done?;
    let written = middle?.len();
    require("it was killed", !ended.success())?;
    many.settled(&world.lab, "storm-", 50, 60)?;
    let took = began.elapsed();
    quiet(&world.lab, 500)?;
    let all = writes_by_controller(&mark)?.len();
    println!("killed after {written} writes of {all}; the next one had done the rest in {took:.1?}");
    require(&format!("it was killed in the middle: {written} of {all}"), written * 10 < all * 9)?;
    same(&many)
}

/// Both runs made the same objects.
fn same(many: &Many) -> Result<(), Failure> {
    let (calm, storm) = (many.made("calm-")?, many.made("storm-")?);
    let different: Vec<&String> = calm.symmetric_difference(&storm).take(6).collect();
    println!("{} objects, as undisturbed", calm.len());
    require(&format!("the objects are the same: {different:#?}"), different.is_empty())?;
    // 50 Wirings, 26 Services and Triggers, 24 Subscriptions, Resiliencies and headless Services, 10 Brokers, 2 ConfigMaps.
    expect("objects", calm.len(), 50 + 2 * 26 + 3 * 24 + 10 + 2)
}
