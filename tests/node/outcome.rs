//! What became of events that were published: how many were accepted, came, came late or twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::node::{Failure, require};
use crate::shop::Shop;

/// Later than this an event is late, in milliseconds.
pub(crate) const LATE: u64 = 10_000;

/// What a ledger says of an event.
#[derive(Deserialize)]
struct Line {
    what: String,
    id: String,
    at: u64,
    pod: String,
    /// Of a publication none where nobody accepted it; of a delivery the answer.
    status: Option<u16>,
    #[serde(default)]
    tries: u64,
    /// What the publisher was told at tries that failed.
    #[serde(default)]
    refused: Vec<String>,
}

/// One event.
#[derive(Debug, Default)]
struct Event {
    /// When its publication ended, in milliseconds since 1970, and whether it was accepted.
    published: Option<(u64, bool)>,
    tries: u64,
    told: Vec<String>,
    /// When it was delivered and answered with success, and to which pod.
    came: Vec<(u64, String)>,
}

/// Events by id.
#[derive(Debug, Default)]
pub(crate) struct Outcome(BTreeMap<String, Event>);

impl Outcome {
    fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut events: BTreeMap<String, Event> = BTreeMap::new();
        for line in lines {
            let event = events.entry(line.id).or_default();
            if line.what == "published" {
                (event.published, event.tries, event.told) = (Some((line.at, line.status.is_some())), line.tries, line.refused);
            } else if line.status.is_some_and(|status| status < 300) {
                event.came.push((line.at, line.pod));
            }
        }
        Outcome(events)
    }

    /// Of everything that was written in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Failure> {
        let mut lines = Vec::new();
        for file in fs::read_dir(folder)? {
            let text = fs::read_to_string(file?.path())?;
            // A process that was killed may have begun a line.
            lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
        Ok(Outcome::of(lines))
    }

    /// Those whose publication ended in a time, in milliseconds since 1970; the others are left.
    pub(crate) fn take(&mut self, when: Range<u64>) -> Self {
        Outcome(self.0.extract_if(.., |_, event| event.published.is_some_and(|(at, _)| when.contains(&at))).collect())
    }

    /// When each was accepted, and what became of it.
    fn taken(&self) -> impl Iterator<Item = (u64, &str, &Event)> {
        let taken = self.0.iter().filter_map(|(id, event)| event.published.map(|published| (published, id.as_str(), event)));
        taken.filter(|((_, accepted), ..)| *accepted).map(|((at, _), id, event)| (at, id, event))
    }

    /// Those that were accepted and never came.
    fn missing(&self) -> impl Iterator<Item = (u64, &str, &Event)> {
        self.taken().filter(|(.., event)| event.came.is_empty())
    }

    fn given_up_events(&self) -> impl Iterator<Item = &Event> {
        self.0.values().filter(|event| event.published.is_some_and(|(_, accepted)| !accepted))
    }

    pub(crate) fn accepted(&self) -> usize {
        self.taken().count()
    }

    /// How many the publisher gave up.
    pub(crate) fn given_up(&self) -> usize {
        self.given_up_events().count()
    }

    /// How many of those came all the same.
    pub(crate) fn came_unanswered(&self) -> usize {
        self.given_up_events().filter(|event| !event.came.is_empty()).count()
    }

    /// How many had to be published more than once.
    pub(crate) fn repeated(&self) -> usize {
        self.0.values().filter(|event| event.tries > 1).count()
    }

    /// What publishers were told at tries that failed.
    pub(crate) fn told(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(|event| &event.told).map(String::as_str).collect()
    }

    /// When those were accepted that never came.
    pub(crate) fn lost(&self) -> Vec<u64> {
        self.missing().map(|(at, ..)| at).collect()
    }

    /// That all that were accepted came.
    pub(crate) fn lost_nothing(&self) -> Result<(), Failure> {
        let lost: String =
            self.missing().map(|(at, id, event)| format!("\n  {id}, accepted at {at} after {} tries", event.tries)).collect();
        require(&format!("nothing is lost: {}{lost}", self.words(LATE)), lost.is_empty())
    }

    /// After how many milliseconds those came first that came later than so many, the soonest first.
    pub(crate) fn late(&self, than: u64) -> Vec<u64> {
        let first = |event: &Event| event.came.iter().map(|(came, _)| *came).min();
        let after = self.taken().filter_map(|(at, _, event)| Some(first(event)?.saturating_sub(at)));
        let mut late: Vec<u64> = after.filter(|after| *after > than).collect();
        late.sort_unstable();
        late
    }

    /// Deliveries beyond the first, of events that were published once; and of those that were published again, which may be two.
    pub(crate) fn doubled(&self) -> [usize; 2] {
        let of = |once: bool| self.taken().filter(move |(.., event)| (event.tries == 1) == once).map(|(.., event)| event);
        [true, false].map(|once| of(once).map(|event| event.came.len().saturating_sub(1)).sum())
    }

    /// Events a second that were accepted.
    pub(crate) fn rate(&self) -> f64 {
        let (first, last) = self.taken().fold((u64::MAX, 0), |(first, last), (at, ..)| (first.min(at), last.max(at)));
        self.accepted() as f64 / (last.saturating_sub(first) as f64 / 1_000.0)
    }

    /// All of it in a line, and how a few came that came twice.
    pub(crate) fn words(&self, than: u64) -> String {
        let (late, [doubled, republished]) = (self.late(than), self.doubled());
        let span = match (late.first(), late.last()) {
            (Some(first), Some(last)) => format!(" (after {} to {} s)", first / 1000, last / 1000),
            _ => String::new(),
        };
        let failed: usize = self.0.values().map(|event| event.tries as usize).sum::<usize>() - self.accepted();
        let twice = self.taken().filter(|(.., event)| event.tries == 1 && event.came.len() > 1).take(3);
        let twice: String = twice.map(|(at, id, event)| format!("\n  {id}, accepted at {at}: {:?}", event.came)).collect();
        format!(
            "{} accepted at {:.0} a second ({failed} tries failed, {} events published again, {} given up of which {} came), {} lost, {doubled} delivered again and {republished} of those \
             published again, {} later than {} s{span}, the slowest after {:.1} s{twice}",
            self.accepted(),
            self.rate(),
            self.repeated(),
            self.given_up(),
            self.came_unanswered(),
            self.lost().len(),
            late.len(),
            than / 1000,
            self.slowest(),
        )
    }

    /// The seconds after which the last one came.
    pub(crate) fn slowest(&self) -> f64 {
        self.late(0).last().map_or(0.0, |after| *after as f64 / 1_000.0)
    }
}

impl Shop<'_> {
    /// Waits until so many events whose ids begin so are published, or given up, and all that were accepted came; or until the time is over. Who loses an event never has it.
    pub(crate) fn outcome(&self, prefix: &str, count: usize, seconds: u64) -> Result<Outcome, Failure> {
        let start = Instant::now();
        loop {
            let lines = self.ledgers.lines()?;
            let wanted = lines.iter().filter(|line| line["id"].as_str().is_some_and(|id| id.starts_with(prefix)));
            let outcome = Outcome::of(wanted.map(|line| Line::deserialize(&**line)).collect::<Result<Vec<_>, _>>()?);
            let all = outcome.accepted() + outcome.given_up() >= count && outcome.lost().is_empty();
            if all || start.elapsed() > Duration::from_secs(seconds) {
                return Ok(outcome);
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}
