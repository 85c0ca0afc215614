//! What the controller's memory does not grow with.

use std::time::Instant;

use serde_json::{Value, json};

use crate::many::Many;
use crate::support::failure::require;
use crate::support::lab::Failure;
use crate::words::deployment;
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[("memory::deployments_that_did_not_ask_cost_no_memory", strangers)];

/// 16 MiB, in KiB. why no share of what was there: after the other tests that is twice as much as in an empty cluster.
const MARGIN: u64 = 16 * 1024;

fn strangers(world: &World) -> Result<(), Failure> {
    let many = Many::new(&world.lab)?;
    let before = fresh(world)?;
    many.prepare("strangers-", 5)?;
    let began = Instant::now();
    many.create(&(0..5000).map(stranger).collect::<Vec<_>>())?;
    let took = began.elapsed();
    let after = fresh(world)?;
    println!("resident in KiB, and at most: {before:?} without, {after:?} with 5000 Deployments (made in {took:.1?})");
    let bound = before[0] + MARGIN;
    require(&format!("the memory stays below {bound} KiB: it is {after:?}"), after[0] <= bound)
}

/// The memory of a controller that has just read the cluster.
fn fresh(world: &World) -> Result<[u64; 2], Failure> {
    let controller = world.start_controller(&[])?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let memory = controller.memory();
    controller.terminate()?;
    memory
}

// They are not deleted, which would take longer than everything else here: this test is the last.

/// As large as Deployments are, with annotations of somebody else's; paused, so that nobody makes a ReplicaSet of it.
fn stranger(number: usize) -> Value {
    let annotations = json!({ "example.com/words": "x".repeat(500) });
    let mut deployment = deployment(&format!("app{number:04}"), &format!("strangers-{:02}", number % 5), &annotations);
    deployment["spec"]["replicas"] = json!(0);
    deployment["spec"]["paused"] = json!(true);
    deployment
}
