//! Several controllers, of which one works.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::controller::leader;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{at_best, deployment, expect};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[("election::a_leader_that_is_asked_to_end_makes_way_in_less_than_3_s", hands_over)];

const SHORT: Duration = Duration::from_secs(3);

fn hands_over(world: &World) -> Result<(), Failure> {
    let namespace = "election";
    world.namespace(namespace, &json!({}))?;
    let mut applications = ["cart", "billing", "mail"].into_iter();
    let took = at_best(SHORT, || handed_over(world, namespace, applications.next().unwrap_or_default()))?;
    require(&format!("the second worked within 3 s: it took {took:?}"), took < SHORT)
}

/// How long it takes from the request to end until the next leader has done something for an application.
fn handed_over(world: &World, namespace: &str, application: &str) -> Result<Duration, Failure> {
    let Some(first) = world.controller().take() else { return Err(Failure::new("no controller runs")) };
    wait_for("the first controller leads", 30, || first.leads().then_some(()))?;
    let second = world.start_controller(&[])?;
    require("one leads and the other does not", first.leads() && !second.leads())?;
    require("the Lease names the leader", leader(&world.lab)?.starts_with(&first.identity))?;

    let began = Instant::now();
    let ended = first.terminate()?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment(application, namespace, &annotations))?;
    let trigger = format!("{application}-orders");
    let made = wait_for("the second controller works", 30, || world.lab.get(&["trigger", &trigger, "-n", namespace]).ok());
    let took = began.elapsed();
    require("the Lease names the second", leader(&world.lab)?.starts_with(&second.identity))?;
    *world.controller() = Some(second);
    made?;
    expect("how the first ended", ended.code(), Some(0))?;
    Ok(took)
}
