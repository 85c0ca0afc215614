//! Applications change their style under load: step by step as `podwire migrate` says, there and back; and without asking it, which must lose events.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Test;
use crate::counted;
use crate::ledgers::now;
use crate::node::{Failure, Node, require};
use crate::outcome::Outcome;
use crate::shop::{App, Brokers, Shop, Style};

/// With a component that gives up soon, and beside other tests: whether events are lost.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("migration::short::an_application_that_drains", |node| there_and_back(node, OnTerm::Drain, &SHORT)),
    ("migration::short::consumers_first", |node| without_asking(node, Unasked::ConsumersFirst, &SHORT)),
];

/// With Dapr's own times, on a machine that does nothing else: also how often and how late they come.
pub(crate) const WHOLE: &[(&str, Test)] = &[
    ("migration::whole::an_application_that_drains", |node| there_and_back(node, OnTerm::Drain, &LONG)),
    ("migration::whole::an_application_that_exits_at_once", |node| there_and_back(node, OnTerm::Exit, &LONG)),
    ("migration::whole::an_application_that_ignores_sigterm", |node| there_and_back(node, OnTerm::Ignore, &LONG)),
    ("migration::whole::all_at_once", |node| without_asking(node, Unasked::AllAtOnce, &LONG)),
    ("migration::whole::consumers_first", |node| without_asking(node, Unasked::ConsumersFirst, &LONG)),
];

/// What the applications do when they are asked to end.
#[derive(Clone, Copy, PartialEq)]
enum OnTerm {
    Drain,
    Exit,
    Ignore,
}

/// How a style changes without asking podwire.
#[derive(Clone, Copy, PartialEq)]
enum Unasked {
    AllAtOnce,
    ConsumersFirst,
}

/// How long things take.
struct Times {
    name: &'static str,
    /// `processingTimeout` and `redeliverInterval` of the component, in milliseconds; Dapr's own where it is not said.
    component: Option<(u32, u32)>,
    /// `podwire.io/retry`.
    retry: &'static str,
    /// How long everything stays in the other style: what was left behind would be found by whoever comes back sooner.
    there: Duration,
    /// How long a straggler may take.
    after: Duration,
    /// Whether it counts how often and how late events come: a machine that does something else makes its own lateness.
    strict: bool,
}

const LONG: Times = Times {
    name: "whole",
    component: None,
    retry: "for=30s",
    there: Duration::from_secs(165),
    after: Duration::from_secs(100),
    strict: true,
};
const SHORT: Times = Times {
    name: "short",
    component: Some((10_000, 2_000)),
    retry: "for=3s",
    there: Duration::from_secs(20),
    after: Duration::from_secs(20),
    strict: false,
};

/// Later than this is late, in milliseconds.
pub(crate) const LATE: u64 = 5_000;
/// Events a second of each of the two producers.
const RATE: u32 = 55;
const PATIENCE: &str = "5m";
/// Deliveries that can be under way at one moment: ten for each of two sidecars, and as many from a Trigger.
const UNDER_WAY: usize = 40;

impl OnTerm {
    fn word(self) -> &'static str {
        match self {
            OnTerm::Drain => "drain",
            OnTerm::Exit => "exit",
            OnTerm::Ignore => "ignore",
        }
    }

    /// What it is in the table.
    fn deed(self) -> &'static str {
        match self {
            OnTerm::Drain => "answers what is in flight, and ends",
            OnTerm::Exit => "ends at once",
            OnTerm::Ignore => "goes on until it is killed",
        }
    }

    /// How many events may be delivered twice: what an application had in hand when it ended without an answer.
    fn bound(self) -> usize {
        if self == OnTerm::Drain { 0 } else { UNDER_WAY }
    }
}

impl Times {
    /// The page tells of whole migrations alone.
    fn note(&self, place: &str, on_term: OnTerm, way: &str, outcome: &Outcome) {
        if self.strict {
            counted::note(place, on_term.deed(), way, outcome);
        }
    }
}

fn there_and_back(node: &Node, on_term: OnTerm, times: &'static Times) -> Result<(), Failure> {
    let traffic = Traffic::begin(node, on_term.word(), on_term, times)?;
    traffic.follow(Style::Broker)?;
    std::thread::sleep(times.there);
    let turned = now();
    traffic.follow(Style::Sidecar)?;
    std::thread::sleep(Duration::from_secs(10));
    let mut outcome = traffic.end()?;
    let ways = [("1 there", "to broker", outcome.take(0..turned)), ("2 back", "and back", outcome)];
    for (place, way, outcome) in &ways {
        println!("{}, {}, {way}: {}", times.name, on_term.word(), outcome.words(LATE));
        times.note(&format!("1 {} {place}", on_term.word()), on_term, way, outcome);
    }
    for (_, way, outcome) in &ways {
        let told = outcome.words(LATE);
        require(&format!("enough was published {way}: {told}"), outcome.accepted() > 1_000)?;
        require(&format!("nothing is lost {way}: {told}"), outcome.lost().is_empty())?;
        if times.strict {
            let [doubled, _] = outcome.doubled();
            require(&format!("at most {} events double {way}: {told}", on_term.bound()), doubled <= on_term.bound())?;
            require(&format!("100 events a second are published {way}: {told}"), outcome.rate() >= 100.0)?;
            require(&format!("none comes later than 5 s {way}: {told}"), on_term != OnTerm::Drain || outcome.late(LATE).is_empty())?;
        }
    }
    Ok(())
}

/// The gate disabled: annotations change as somebody likes, and events must be lost, else the test above shows nothing.
fn without_asking(node: &Node, how: Unasked, times: &'static Times) -> Result<(), Failure> {
    let (name, way) = match how {
        Unasked::AllAtOnce => ("once", "not asked: everything at once"),
        Unasked::ConsumersFirst => ("first", "not asked: consumers first"),
    };
    let traffic = Traffic::begin(node, name, OnTerm::Drain, times)?;
    traffic.flip("billing")?;
    if how == Unasked::ConsumersFirst {
        traffic.rolled_out("billing")?;
        std::thread::sleep(Duration::from_secs(5));
    }
    traffic.flip("web")?;
    traffic.rolled_out("web")?;
    traffic.rolled_out("billing")?;
    std::thread::sleep(Duration::from_secs(5));
    let outcome = traffic.end()?;
    println!("{}, {way}: {}", times.name, outcome.words(LATE));
    times.note(&format!("2 {name}"), OnTerm::Drain, way, &outcome);
    require(&format!("events are lost: {}", outcome.words(LATE)), !outcome.lost().is_empty())
}

/// Two producers that publish without end, and two consumers.
struct Traffic<'a> {
    shop: Shop<'a>,
    times: &'static Times,
}

impl<'a> Traffic<'a> {
    fn begin(node: &'a Node, name: &str, on_term: OnTerm, times: &'static Times) -> Result<Self, Failure> {
        let name = format!("{}-{name}", times.name);
        let shop = Shop::open_with(node, &format!("moves-{name}"), Style::Sidecar, Brokers::Shared)?;
        if let Some((processing, redeliver)) = times.component {
            let metadata = [
                ("redisHost", "redis.redis.svc.cluster.local:6379".to_owned()),
                ("processingTimeout", processing.to_string()),
                ("redeliverInterval", redeliver.to_string()),
            ];
            let metadata: Vec<Value> = metadata.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            node.apply(&json!({
                "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": { "name": "pubsub", "namespace": shop.namespace },
                "spec": { "type": "pubsub.redis", "version": "v1", "metadata": metadata },
            }))?;
        }
        // All namespaces share one Redis, whose streams know no namespace.
        let topic = format!("{name}-orders");
        let stream = json!({ "topic": topic, "type": "order", "prefix": "", "count": u64::MAX, "per_second": RATE });
        let ends = ("ON_TERM", on_term.word().to_owned());
        let billing = App::consuming("billing", topic.clone()).with("retry", times.retry).replicas(2);
        let web = App::publishing("web", &topic).replicas(2);
        node.apply(&shop.deployment_with(&billing, &[ends.clone(), ("WORK_MS", "20".to_owned())]))?;
        shop.ready(&billing)?;
        node.apply(&shop.deployment_with(&web, &[ends, ("STREAM", stream.to_string())]))?;
        shop.ready(&web)?;
        std::thread::sleep(Duration::from_secs(10));
        Ok(Traffic { shop, times })
    }

    /// Does what `podwire migrate` says, when it says so, until there is nothing left to do.
    fn follow(&self, to: Style) -> Result<(), Failure> {
        let (begun, namespace) = (Instant::now(), self.shop.namespace.as_str());
        loop {
            let mut command = Command::new(env!("CARGO_BIN_EXE_podwire"));
            command.args(["migrate", "-n", namespace, "--to", to.word(), "--wait", PATIENCE, "-o", "json"]);
            let output = command.output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            require(
                &format!("podwire migrate says what is next: {said}\n{}", String::from_utf8_lossy(&output.stdout)),
                output.status.success(),
            )?;
            let plan: Value = serde_json::from_slice(&output.stdout)?;
            let Some(turn) = plan["turns"].as_array().and_then(|turns| turns.first()) else { return Ok(()) };
            for step in turn.as_array().into_iter().flatten().filter(|step| step["open"] == true) {
                println!("{namespace}: {} {} after {:.0?}", step["appId"].as_str().unwrap_or_default(), step["step"], begun.elapsed());
                for edit in step["edits"].as_array().into_iter().flatten() {
                    let workload = edit["workload"].as_str().unwrap_or_default().to_ascii_lowercase();
                    self.shop.node.kubectl(&["patch", &workload, "-n", namespace, "--type=merge", "-p", &edit["patch"].to_string()])?;
                }
            }
        }
    }

    /// Changes the style of an application, whatever podwire says.
    fn flip(&self, app: &str) -> Result<(), Failure> {
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": { "podwire.io/style": "broker" } } } } });
        let deployment = format!("deployment/{app}");
        self.shop.node.kubectl(&["patch", &deployment, "-n", &self.shop.namespace, "--type=merge", "-p", &patch.to_string()]).map(drop)
    }

    fn rolled_out(&self, app: &str) -> Result<(), Failure> {
        let deployment = format!("deployment/{app}");
        self.shop.node.kubectl(&["rollout", "status", &deployment, "-n", &self.shop.namespace, "--timeout=180s"]).map(drop)
    }

    /// Ends the producers, waits for what is still on its way, and reads what everybody wrote.
    fn end(self) -> Result<Outcome, Failure> {
        let namespace = self.shop.namespace.as_str();
        self.shop.node.kubectl(&["scale", "deployment/web", "-n", namespace, "--replicas=0"])?;
        self.shop.node.kubectl(&["wait", "pod", "-n", namespace, "-l", "app=web", "--for=delete", "--timeout=120s"])?;
        std::thread::sleep(self.times.after);
        let outcome = Outcome::read(&self.shop.ledgers.folder)?;
        self.shop.close()?;
        Ok(outcome)
    }
}
