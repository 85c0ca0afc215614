//! Two controllers and a leader that dies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::many::{Many, quiet, workloads};
use crate::support::controller::{Controller, leader};
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{deployment, expect};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[("succession::one_of_two_writes_and_when_it_dies_the_other_follows_within_the_lease", follows)];

fn follows(world: &World) -> Result<(), Failure> {
    let many = Many::new(&world.lab)?;
    many.prepare("heirs-", 2)?;
    let Some(first) = world.controller().take() else { return Err(Failure::new("no controller runs")) };
    wait_for("the first controller leads", 30, || first.leads().then_some(()))?;
    let second = world.start_controller(&[])?;
    let before = writes(&first)?;
    let together = both(&first, &second, || {
        many.create(&workloads("heirs-", 2, 25))?;
        many.settled(&world.lab, "heirs-", 50, 60)?;
        quiet(&world.lab, 500)
    });
    let (wrote, idle) = (writes(&first)? - before, writes(&second)?);
    let named = leader(&world.lab)?;

    let began = Instant::now();
    first.kill()?;
    let heir = second.identity.clone();
    *world.controller() = Some(second);
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("late", "heirs-00", &annotations))?;
    let leads = || world.controller().as_ref().is_some_and(Controller::leads);
    let led = wait_for("the second controller leads", 30, || leads().then(|| began.elapsed()))?;
    world.there("trigger", "heirs-00", "late-orders")?;
    let worked = began.elapsed();
    let looks = together?;
    println!(
        "{looks} looks saw one leader, with {wrote} writes, the other with {idle:.0}; after SIGKILL the other led in {led:.1?} and had worked in {worked:.1?}"
    );
    require("the Lease named the first", !named.starts_with(&heir))?;
    require("the Lease names the second", leader(&world.lab)?.starts_with(&heir))?;
    require("the first wrote", wrote >= 200.0)?;
    expect("writes of the second while the first led", idle, 0.0)?;
    require(&format!("the second led within the lease: it took {led:?}"), led < Duration::from_secs(17))?;
    require("and worked at once", worked - led < Duration::from_secs(3))
}

fn writes(controller: &Controller) -> Result<f64, Failure> {
    controller.metric("podwire_writes_total")
}

/// Looks at both all the time while something is done; how often it looked. Both leading, or a standby that writes, is a failure.
fn both(first: &Controller, second: &Controller, work: impl FnOnce() -> Result<(), Failure>) -> Result<usize, Failure> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(Ordering::Relaxed) {
                require("one leads and the other does not", first.leads() && !second.leads())?;
                expect("writes of the standby", writes(second)?, 0.0)?;
                looks += 1;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(looks)
        });
        let worked = work();
        over.store(true, Ordering::Relaxed);
        let looked = looking.join().unwrap_or_else(|_| Err(Failure::new("nobody looked")));
        worked.and(looked)
    })
}
