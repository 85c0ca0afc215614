//! Whether a side may be taken away: nobody publishes there any more, and what was published has been delivered.
//!
//! A Trigger has given up or delivered when its retry budget has passed. A sidecar has not: what another sidecar took and did not acknowledge
//! comes again after the component's own time, so its silence is measured by the events that sidecars count.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::live::kind;
use super::steps::{Question, Reading};
use crate::api::style::Style;
use crate::engine::app::{App, Member};
use crate::engine::generate::{budget, uses};
use crate::engine::observed::{Found, Memory, Observed};
use crate::engine::snapshot::Component;

/// How far a side is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Drain {
    /// Everything that was published there has been delivered or given up.
    Over,
    /// Applications publish there.
    Published(Vec<String>),
    /// It is over at this time, if nothing more is counted.
    Until(Duration),
    /// It cannot be known: why, and for how long to wait after the last publisher ended.
    Unknown(&'static str, String, Duration),
}

/// How far both sides are; `None` where the application consumes nothing.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    pub(super) sidecar: Option<Drain>,
    pub(super) broker: Option<Drain>,
    /// What must be asked to know.
    pub(crate) questions: Vec<Question>,
}

/// The one component type whose ways are known well enough.
const REDIS: &str = "pubsub.redis";

impl Drains {
    /// Looks at both sides.
    pub(crate) fn of(app: &App, observed: &Observed, memory: &mut Memory) -> Self {
        let Some(first) = app.first().filter(|first| !first.intent.subscribe.is_empty()) else { return Drains::default() };
        let topics: BTreeSet<&str> = first.intent.subscribe.iter().map(|entry| entry.topic.as_str()).collect();
        count(app, observed, memory);
        let mut questions = Vec::new();
        let mut side = |side: Style| {
            let publishers = observed.flows.publishers(&topics, side);
            if !publishers.is_empty() {
                memory.quiet.remove(side.word());
                return Drain::Published(publishers.into_iter().map(str::to_owned).collect());
            }
            let quiet = *memory.quiet.entry(side.word()).or_insert(observed.now);
            match side {
                Style::Broker => until(quiet + budget(&first.intent.retry, side), observed.now),
                Style::Sidecar => sidecar(app, first, observed, quiet, memory.counted, &mut questions),
            }
        };
        let (sidecar, broker) = (Some(side(Style::Sidecar)), Some(side(Style::Broker)));
        // Who keeps one side has nothing to take away.
        let both = app.has_both_sides(&observed.objects);
        Drains { sidecar, broker, questions: if both { questions } else { Vec::new() } }
    }

    /// Whether an object of a side that nobody asks for is kept for what is still under way: its entry is consumed on the other side.
    pub(super) fn hold(&self, app: &App, object: &Value) -> bool {
        let side = match kind(object) {
            "Subscription" | "Resiliency" => Style::Sidecar,
            _ => Style::Broker,
        };
        let moved = app.first().is_some_and(|first| uses(first, &[side], object));
        let drain = if side == Style::Sidecar { &self.sidecar } else { &self.broker };
        moved && drain.as_ref().is_some_and(|drain| *drain != Drain::Over)
    }

    /// When the first of the sides is over.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let ends = [&self.sidecar, &self.broker].into_iter().flatten().filter_map(|drain| match drain {
            Drain::Until(end) => end.checked_sub(now).filter(|wait| !wait.is_zero()),
            Drain::Over | Drain::Published(_) | Drain::Unknown(..) => None,
        });
        ends.min()
    }
}

/// For how long a side must be silent.
pub(crate) fn settled_after(first: &Member, side: Style, component: Option<&Component>) -> Duration {
    let retried = budget(&first.intent.retry, side);
    match side {
        Style::Broker => retried,
        Style::Sidecar => Component::redelivers_after(component) + retried,
    }
}

fn until(end: Duration, now: Duration) -> Drain {
    if end <= now { Drain::Over } else { Drain::Until(end) }
}

/// A sidecar that counts, or one that ended with what it had taken, makes the silence begin anew.
fn count(app: &App, observed: &Observed, memory: &mut Memory) {
    let carrying: BTreeSet<&str> = app.pods.iter().filter(|pod| pod.sides().contains(&Style::Sidecar)).map(|pod| pod.name()).collect();
    if memory.counts.keys().any(|pod| !carrying.contains(pod.as_str())) {
        memory.counted = observed.now;
        memory.counts.retain(|pod, _| carrying.contains(pod.as_str()));
    }
    for (pod, answers) in observed.sidecars.iter().filter(|(pod, _)| carrying.contains(pod.as_str())) {
        if let Some(Ok(counted)) = answers.counted
            && memory.counts.insert(pod.clone(), counted) != Some(counted)
        {
            memory.counted = observed.now;
        }
    }
}

fn sidecar(app: &App, first: &Member, observed: &Observed, quiet: Duration, counted: Duration, questions: &mut Vec<Question>) -> Drain {
    let settling = settled_after(first, Style::Sidecar, observed.component());
    let carrying: Vec<_> = app.pods.iter().filter(|pod| pod.sides().contains(&Style::Sidecar)).collect();
    if carrying.is_empty() {
        // Nobody is left who could deliver what remains.
        return until(quiet + settling, observed.now);
    }
    match &observed.component {
        Some(Found::This(component)) if component.kind == REDIS => {}
        Some(Found::This(component)) => {
            return Drain::Unknown("NoRule", format!("podwire has no rule for {}", component.kind), settling);
        }
        Some(Found::Nothing) | None => {
            return Drain::Unknown("ComponentNotFound", format!("component {} cannot be read", first.pubsub), settling);
        }
    }
    for pod in &carrying {
        questions.extend(pod.address().zip(pod.ports()).map(|(address, ports)| Question {
            pod: pod.name().to_owned(),
            address: address.to_owned(),
            port: ports.metrics,
            reading: Reading::Counted,
        }));
    }
    let mut known = observed.now;
    for pod in carrying {
        let answers = observed.sidecars.get(pod.name());
        match answers.and_then(|answers| answers.counted.as_ref()) {
            Some(Ok(_)) => known = answers.map_or(known, |answers| known.min(answers.counted_at)),
            Some(Err(why)) => {
                return Drain::Unknown(
                    "CountersUnreadable",
                    format!("the sidecar of pod {} does not say what it counted: {why}", pod.name()),
                    settling,
                );
            }
            None => return Drain::Unknown("CountersNotRead", format!("the sidecar of pod {} was not asked yet", pod.name()), settling),
        }
    }
    // The silence is not over before every sidecar was asked after its end.
    until(quiet.max(counted) + settling, known)
}
