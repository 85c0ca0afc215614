//! Resiliencies that sidecars which run have not loaded: without its Resiliency a sidecar takes failed events for delivered.
//!
//! A sidecar lists the Resiliencies and then listens for changes (Dapr's `hotreload`). It never hears of one that comes between, for unlike
//! Subscriptions they are not listed again. A change of the object is told to all; who has loaded it passes over what changes no spec.

use std::time::Duration;

use serde_json::{Value, json};

use super::conditions::instant;
use super::live::name;
use super::steps::Step;
use super::writing::reference;
use crate::engine::app::{App, Running};
use crate::engine::observed::{Memory, Observed, Unloaded};

/// Within a second or two a sidecar has loaded a Resiliency, for which it begins anew in its process.
const LOADING: Duration = Duration::from_secs(30);
/// When it is told again; three times as long for each time after that.
const AGAIN: Duration = Duration::from_secs(5);
const TIMES: u32 = 3;
/// Changes nothing but the object's version.
const TOLD_AGAIN: &str = "podwire.io/told-again";

/// Whether a sidecar that runs is about to load the Resiliency. It is not waited for without end: where Dapr loads nothing while it runs, a
/// rollout is to find everything in its place.
pub(super) fn is_loading(app: &App, observed: &Observed, resiliency: &str, memory: &mut Memory) -> bool {
    let unasked = |pod: &Running| observed.sidecars.get(pod.name()).is_none_or(|said| said.loaded.is_none());
    if denies(app, observed, resiliency).is_none() && !app.sidecars().any(unasked) {
        memory.unloaded = None;
        return false;
    }
    let unloaded = Unloaded { since: observed.now, told: 0, next: observed.now + AGAIN };
    observed.now < memory.unloaded.get_or_insert(unloaded).since + LOADING
}

/// Tells the sidecars again of a Resiliency that one of them has not heard of.
pub(super) fn tell_again(app: &App, observed: &Observed, resiliency: &Value, memory: &mut Memory) -> Option<Step> {
    denies(app, observed, name(resiliency))?;
    let unloaded = memory.unloaded.as_mut()?;
    if unloaded.told == TIMES || observed.now < unloaded.next {
        return None;
    }
    unloaded.told += 1;
    unloaded.next = observed.now + AGAIN * 3_u32.pow(unloaded.told);
    let patch = json!({ "metadata": { "annotations": { TOLD_AGAIN: instant(observed.now) } } });
    Some(Step::Merge { of: reference(resiliency), patch })
}

/// A pod whose sidecar says that it has not loaded the Resiliency.
pub(super) fn denies<'a>(app: &'a App, observed: &Observed, resiliency: &str) -> Option<&'a Running> {
    app.sidecars().find(|pod| observed.sidecars.get(pod.name()).is_some_and(|said| said.denies(resiliency)))
}
