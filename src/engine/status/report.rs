//! The status of a Wiring.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::condition::{self, DRAINED, Said, Truth};
use super::conditions::{self, Case, instant, seconds};
use super::drain::{Drain, Drains, settled_after};
use super::live::{kind, name};
use super::steps::Step;
use crate::api::style::Style;
use crate::api::wiring::{PodCounts, RetryStatus, SubscriptionStatus, WiringStatus, WorkloadStatus};
use crate::engine::Finding;
use crate::engine::app::{App, Member};
use crate::engine::generate::{budget, in_words, is_trigger_of};

/// The status that the Wiring should have, and the step that writes it where it has another.
pub(crate) fn report(case: &Case, drains: &Drains, findings: &[Finding]) -> (WiringStatus, Option<Step>) {
    let Case { app, observed, .. } = case;
    let Some(wiring) = &observed.wiring else { return (WiringStatus::default(), None) };
    let before = WiringStatus::deserialize(&wiring["status"]).unwrap_or_default();
    let generation = wiring["metadata"]["generation"].as_i64();
    let conditions = all(case, drains, findings).into_iter().map(|said| dated(said, &before, observed.now, generation)).collect();
    let first = app.first();
    let sides = [Style::Sidecar, Style::Broker].into_iter().filter(|side| app.listens(*side)).map(Style::word).collect::<Vec<_>>();
    let consumes = first.is_some_and(|first| !first.intent.subscribe.is_empty());
    let retry = first.filter(|_| consumes).map(|first| in_words(&first.intent.retry));
    let status = WiringStatus {
        observed_generation: generation,
        app_id: app.app_id.clone(),
        style: first.map(|first| first.publish).or(before.style),
        listens_on: if consumes { sides.join(",") } else { String::new() },
        policy: app.policy.clone(),
        pods: pods(case),
        workloads: workloads(app),
        publishes: first.map(|first| first.intent.publish.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        subscriptions: first.map(|first| subscriptions(first, case)).unwrap_or_default(),
        groups: groups(case, &before.groups),
        retry: retry.map(|[sidecar, broker]| RetryStatus { sidecar, broker }),
        requests_added: first.map(|first| first.added),
        conditions,
    };
    let changed = WiringStatus::deserialize(&wiring["status"]).ok().map(ageless) != Some(ageless(status.clone()));
    let step = changed.then(|| {
        let mut written = super::writing::reference(wiring);
        written["status"] = json!(status);
        Step::Status(written)
    });
    (status, step)
}

/// why: a Deployment's generation grows with its annotations and replicas too, of which nothing here speaks.
fn ageless(mut status: WiringStatus) -> WiringStatus {
    status.workloads.iter_mut().for_each(|workload| workload.generation = None);
    status
}

fn all(case: &Case, drains: &Drains, findings: &[Finding]) -> Vec<Said> {
    let mut accepted = conditions::accepted(case);
    if accepted.truth == Truth::True {
        accepted.message = conditions::doubts(findings);
    }
    let counted = [
        Some(accepted),
        conditions::broker_ready(case),
        conditions::triggers_ready(case),
        conditions::subscriptions_ready(case),
        Some(conditions::pods_wired(case)),
    ];
    let mut all: Vec<Said> = counted.into_iter().flatten().collect();
    let ready = ready(&all);
    all.extend(conditions::connected(case));
    all.extend(conditions::durable(case));
    all.extend(drained(case, drains));
    all.push(ready);
    all
}

/// All of them together: the first that is false, else the first that is not known.
fn ready(all: &[Said]) -> Said {
    let with = |truth| all.iter().find(|said| said.truth == truth);
    match with(Truth::False).or(with(Truth::Unknown)) {
        Some(said) => Said { kind: "Ready", ..said.clone() },
        None => Said::new("Ready", Truth::True, "Ready", ""),
    }
}

/// Whether one of two sides may be taken away.
fn drained(case: &Case, drains: &Drains) -> Option<Said> {
    let Case { app, made, .. } = case;
    let first = app.first()?;
    let exists = |side: Style| {
        let kinds = if side == Style::Broker { ["Trigger", "Service"] } else { ["Subscription", "Resiliency"] };
        app.listens(side) || made.kept.iter().any(|(kind, _)| kinds.contains(kind))
    };
    let said = |truth, reason: &str, message: String| Some(Said::new(DRAINED, truth, reason, message));
    if !(exists(Style::Sidecar) && exists(Style::Broker)) {
        return None;
    }
    let (sidecar, broker) = (drains.sidecar.as_ref()?, drains.broker.as_ref()?);
    let (side, drain) = match (sidecar, broker) {
        (Drain::Published(one), Drain::Published(other)) => {
            let message = format!("sidecar: {} publish there; broker: {} publish there", one.join(", "), other.join(", "));
            return said(Truth::False, "Published", message);
        }
        (Drain::Published(_), drain) => (Style::Broker, drain),
        // With no publisher on either side, the one on which the application does not publish itself is on its way out.
        (_, Drain::Published(_)) => (Style::Sidecar, sidecar),
        _ if first.publish == Style::Broker => (Style::Sidecar, sidecar),
        _ => (Style::Broker, broker),
    };
    let word = side.word();
    let needs = settled_after(first, side, case.observed.component());
    match drain {
        Drain::Over => said(Truth::True, condition::drained(side), format!("the {word} side may be taken away")),
        Drain::Until(end) => {
            let message = format!("{word}: {} s of silence are needed, and over at {}", seconds(needs), instant(*end));
            let reason = if side == Style::Broker { "BrokerDraining" } else { "SidecarDraining" };
            said(Truth::False, reason, message)
        }
        Drain::Unknown(reason, why, wait) => {
            said(Truth::Unknown, reason, format!("{word}: {why}; wait {} s after its last publisher ended", seconds(*wait)))
        }
        Drain::Published(_) => None,
    }
}

/// With the time at which it last changed its value.
fn dated(said: Said, before: &WiringStatus, now: Duration, generation: Option<i64>) -> Condition {
    let same = before.conditions.iter().find(|one| one.type_ == said.kind && one.status == said.truth.word());
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    let time = same.map_or_else(|| Time(Timestamp::from_second(seconds).unwrap_or_default()), |one| one.last_transition_time.clone());
    Condition {
        last_transition_time: time,
        message: said.message,
        observed_generation: generation,
        reason: said.reason,
        status: said.truth.word().to_owned(),
        type_: said.kind.to_owned(),
    }
}

fn pods(case: &Case) -> PodCounts {
    let Case { app, .. } = case;
    let sum = |of: &std::collections::BTreeMap<String, Vec<String>>| of.values().map(Vec::len).sum::<usize>();
    let (wired, outdated, lacking) = (app.pods.len(), sum(&app.outdated), sum(&app.lacking));
    PodCounts { summary: format!("{}/{}", wired - outdated, wired + lacking), wired, outdated, lacking }
}

fn workloads(app: &App) -> Vec<WorkloadStatus> {
    let all = app.workloads.iter().map(|(of, generation)| WorkloadStatus {
        kind: of.kind.clone().unwrap_or_default(),
        name: of.name.clone().unwrap_or_default(),
        generation: *generation,
        wired: !app.faults.iter().any(|fault| fault.of == *of),
    });
    all.collect()
}

/// why: etcd takes no object of more than 1.5 MiB, and an application may change its topics for ever.
const GROUPS: usize = 1000;

/// The groups that were there, and those that a sidecar which is ready has now.
fn groups(case: &Case, before: &[String]) -> Vec<String> {
    let mut groups: BTreeSet<String> = before.iter().cloned().collect();
    let sidecar = case.app.sidecars().next().is_some();
    if let Some(first) = case.app.first().filter(|_| sidecar) {
        groups.extend(first.groups());
    }
    groups.into_iter().take(GROUPS).collect()
}

fn subscriptions(first: &Member, case: &Case) -> Vec<SubscriptionStatus> {
    let triggers: Vec<&Value> = case.made.states.iter().map(|(one, _)| &one.object).filter(|one| kind(one) == "Trigger").collect();
    let retry = &first.intent.retry;
    let after = [Style::Sidecar, Style::Broker].map(|side| seconds(budget(retry, side)));
    let subscription = |entry: &crate::api::subscribe::Entry| {
        let trigger = triggers.iter().find(|trigger| is_trigger_of(&first.app_id, entry, trigger));
        let undelivered = match &entry.dead_letter {
            Some(dead) => format!("goes to {dead}"),
            None => format!("is gone after about {} s in sidecar style, {} s in broker style", after[0], after[1]),
        };
        SubscriptionStatus {
            name: entry.name.to_string(),
            topic: entry.topic.to_string(),
            path: entry.path.to_string(),
            trigger: trigger.map(|trigger| name(trigger).to_owned()),
            undelivered,
        }
    };
    first.intent.subscribe.iter().map(subscription).collect()
}
