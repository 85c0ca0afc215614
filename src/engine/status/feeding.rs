//! Triggers that are ready before their Broker's channel sends anything to them.
//!
//! The in-memory channel says in its status that its dispatcher has taken a subscriber over, and Knative calls the Trigger ready. That status may be about
//! a spec which the dispatcher has passed over: events are then accepted and go nowhere, for as long as Knative's controllers are busy. So the channel
//! itself is read, until it says the same of the spec that is there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::condition::ready_on;
use super::live::{Live, is_ready, kind, uid};
use crate::api::style::Style;
use crate::engine::app::App;
use crate::engine::observed::{Memory, Observed};
use crate::engine::snapshot::Snapshot;

/// How often the channel is read until then.
const SOON: Duration = Duration::from_secs(1);
/// The dispatcher hears of the channel's newest status when podwire does, and then does what it says.
const SETTLING: Duration = Duration::from_secs(1);

/// A Trigger that is ready, its Broker, and the name of the in-memory channel that is to be asked.
type Ready<'a> = (&'a Value, &'a str, &'a str);

impl App {
    /// Which channels must be read, in the application's namespace: their names by Broker.
    pub fn channels(&self, snapshot: &Snapshot, observed: &Observed) -> BTreeMap<String, String> {
        let fed = fed(observed);
        let unfed = triggers(self, snapshot, observed).filter(|(trigger, ..)| !fed.contains_key(uid(trigger)));
        unfed.map(|(_, broker, channel)| (broker.to_owned(), channel.to_owned())).collect()
    }
}

/// The Triggers to which their channel does not send yet, and when to look again. A channel that cannot be read is not waited for.
pub(crate) fn unfed<'a>(app: &App, snapshot: &'a Snapshot, observed: &'a Observed, memory: &mut Memory) -> Vec<(&'a Value, Duration)> {
    let known = fed(observed);
    let mut now = BTreeMap::new();
    let mut unfed = Vec::new();
    for (trigger, broker, _) in triggers(app, snapshot, observed) {
        let uid = uid(trigger);
        let channel = observed.channels.get(broker);
        let since = known.get(uid).copied().or_else(|| channel?.feeds(uid).then_some(observed.now));
        let wait = match since {
            Some(since) => (since + SETTLING).saturating_sub(observed.now),
            None => channel.map_or(Duration::ZERO, |_| SOON),
        };
        now.extend(since.map(|since| (uid.to_owned(), since)));
        unfed.extend((!wait.is_zero()).then_some((trigger, wait)));
    }
    memory.fed = Some(now);
    unfed
}

/// Since when each Trigger has been sent to. What the Wiring called ready before this process began always was.
fn fed(observed: &Observed) -> BTreeMap<String, Duration> {
    if let Some(fed) = &observed.memory.fed {
        return fed.clone();
    }
    let conditions = observed.wiring.iter().flat_map(|wiring| wiring["status"]["conditions"].as_array()).flatten();
    let said = conditions.into_iter().any(|one| one["type"] == ready_on(Style::Broker) && one["status"] == "True");
    let live = Live::new(&observed.objects, observed.wiring.as_deref());
    let ready = live.ours().filter(|one| said && kind(one) == "Trigger" && is_ready(one));
    ready.map(|trigger| (uid(trigger).to_owned(), Duration::ZERO)).collect()
}

/// The application's Triggers that are ready and whose Broker has an in-memory channel.
fn triggers<'a>(app: &App, snapshot: &'a Snapshot, observed: &'a Observed) -> impl Iterator<Item = Ready<'a>> {
    let live = Live::new(&observed.objects, observed.wiring.as_deref());
    let channel = |broker: &str| {
        let broker = snapshot.brokers.as_ref()?.get(&(app.namespace.clone(), broker.to_owned()))?;
        broker.channel_name.as_deref().filter(|_| broker.channel.as_deref() == Some("InMemoryChannel"))
    };
    let ready = live.ours().filter(|one| kind(one) == "Trigger" && is_ready(one));
    ready.filter_map(move |trigger| {
        let broker = trigger["spec"]["broker"].as_str()?;
        Some((trigger, broker, channel(broker)?))
    })
}
