//! Several controllers, of which one works.

use std::time::Instant;

use serde_json::json;

use crate::support::controller::leader;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{deployment, expect};
use crate::{Test, World};

pub(crate) const ALONE: &[(&str, Test)] = &[("election::a_leader_that_is_asked_to_end_makes_way_in_less_than_3_s", hands_over)];

fn hands_over(world: &World) -> Result<(), Failure> {
    let namespace = "election";
    world.namespace(namespace, &json!({}))?;
    let Some(first) = world.controller().take() else { return Err(Failure::new("no controller runs")) };
    wait_for("the first controller leads", 30, || first.leads().then_some(()))?;
    let second = world.start_controller(&[])?;
    require("one leads and the other does not", first.leads() && !second.leads())?;
    require("the Lease names the leader", leader(&world.lab)?.starts_with(&first.identity))?;

    let began = Instant::now();
    let ended = first.terminate()?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    let made = wait_for("the second controller works", 30, || world.lab.get(&["trigger", "cart-orders", "-n", namespace]).ok());
    let took = began.elapsed();
    require("the Lease names the second", leader(&world.lab)?.starts_with(&second.identity))?;
    *world.controller() = Some(second);
    made?;
    expect("how the first ended", ended.code(), Some(0))?;
    require(&format!("the second worked within 3 s: it took {took:?}"), took.as_secs_f64() < 3.0)
}
