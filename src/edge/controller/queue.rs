//! What is done when: keys that wait for their time and their turn, and runs that never meet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::edge::telemetry::Reconciled;

/// The pause after a first failure; every further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause after a failure, before jitter.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// By how much a pause may be shorter or longer.
const JITTER: f64 = 0.25;
/// Whoever asks for a later time is run after this.
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a run wishes for its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// Nothing, until the key is added again.
    Done,
    /// Another run after this time. It is no failure.
    Again(Duration),
    /// Another run after a pause that grows with every failure.
    Failed,
}

/// Keys that wait, each at most once, and what is known of those that run. Clones are the same queue.
pub(super) struct Queue<K>(Arc<Shared<K>>);

struct Shared<K> {
    state: Mutex<State<K>>,
    /// Something may be due earlier than [`work`] thinks.
    news: Notify,
    running: watch::Sender<usize>,
}

struct State<K> {
    due: BTreeMap<K, Instant>,
    /// The same, the earliest first.
    order: BTreeSet<(Instant, K)>,
    /// Keys that run, and when those are to run again that came meanwhile.
    running: BTreeMap<K, Option<Instant>>,
    /// How often a key failed in a row, and until when it pauses for that.
    failures: BTreeMap<K, (u32, Instant)>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Queue(Arc::clone(&self.0))
    }
}

impl<K: Clone + Ord> Queue<K> {
    /// A queue in which nothing waits.
    pub(super) fn new() -> Self {
        let state = State { due: BTreeMap::new(), order: BTreeSet::new(), running: BTreeMap::new(), failures: BTreeMap::new() };
        Queue(Arc::new(Shared { state: Mutex::new(state), news: Notify::new(), running: watch::Sender::new(0) }))
    }

    /// The key is to be run as soon as it can be.
    pub(super) fn add(&self, key: K) {
        self.add_after(key, Duration::ZERO);
    }

    /// The key is to be run after this time, or earlier where it waits for an earlier one already.
    pub(super) fn add_after(&self, key: K, after: Duration) {
        self.lock().add(key, Instant::now() + after.min(LATEST));
        self.0.news.notify_one();
    }

    /// How many keys are due and wait for their turn, those included that run and came again.
    pub(super) fn due(&self) -> usize {
        let (state, now) = (self.lock(), Instant::now());
        state.due.values().chain(state.running.values().flatten()).filter(|at| **at <= now).count()
    }

    /// How many keys wait, for their time too.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let state = self.lock();
        state.due.len() + state.running.values().flatten().count()
    }

    /// Ends when nothing runs. After leadership was given up, nothing begins any more either.
    pub(super) async fn idle(&self) {
        let mut running = {
            // why: a run that saw us lead is counted before the lock is free.
            let _begun = self.lock();
            self.0.running.subscribe()
        };
        drop(running.wait_for(|count| *count == 0).await);
    }

    /// Takes a key that is due, if this replica leads.
    fn begin(&self, leading: &watch::Receiver<bool>) -> Option<K> {
        let mut state = self.lock();
        let key = if *leading.borrow() { state.begin(Instant::now()) } else { None }?;
        self.0.running.send_replace(state.running.len());
        Some(key)
    }

    fn end(&self, key: K, after: After) {
        let mut state = self.lock();
        state.end(key, after, Instant::now());
        self.0.running.send_replace(state.running.len());
    }

    fn next(&self) -> Option<Instant> {
        self.lock().order.first().map(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Ord> State<K> {
    fn add(&mut self, key: K, at: Instant) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = Some(again.map_or(at, |earlier| earlier.min(at)));
            return;
        }
        match self.due.get(&key) {
            Some(&earlier) if earlier <= at => return,
            Some(&later) => drop(self.order.remove(&(later, key.clone()))),
            None => {}
        }
        self.order.insert((at, key.clone()));
        self.due.insert(key, at);
    }

    fn begin(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.order.first().filter(|(at, _)| *at <= now)?.clone();
        self.order.pop_first();
        self.due.remove(&key);
        self.running.insert(key.clone(), None);
        Some(key)
    }

    fn end(&mut self, key: K, after: After, now: Instant) {
        let came = self.running.remove(&key).flatten();
        let wish = match after {
            After::Done => None,
            After::Again(after) => Some(now + after.min(LATEST)),
            After::Failed => {
                let (failures, until) = self.failures.entry(key.clone()).or_insert((0, now));
                // why: news ends a pause early. If each such run made it longer, a lively application would soon pause for a minute.
                if *until <= now {
                    *failures = failures.saturating_add(1);
                    *until = now + pause(*failures);
                }
                Some(*until)
            }
        };
        if after != After::Failed {
            self.failures.remove(&key);
        }
        if let Some(at) = came.into_iter().chain(wish).min() {
            self.add(key, at);
        }
    }
}

/// The pause after so many failures.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    doubled.mul_f64(1.0 - JITTER + 2.0 * JITTER * fastrand::f64())
}

/// Runs what is due, at most so many keys at once, while this replica leads; each end is told to `ended`.
///
/// It ends once the sender of `leading` is gone and nothing runs. Whoever drops it earlier ends the runs, and [`Queue::idle`] is not told.
pub(super) async fn work<K, F, Fut>(
    queue: Queue<K>,
    at_most: usize,
    mut leading: watch::Receiver<bool>,
    run: F,
    ended: impl Fn(&K, Reconciled, Duration),
) where
    K: Clone + Debug + Ord + Send + Sync + 'static,
    F: Fn(K) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = After> + Send + 'static,
{
    let run = Arc::new(run);
    let mut runs = JoinSet::new();
    let mut led = true;
    while led || !runs.is_empty() {
        while led
            && runs.len() < at_most
            && let Some(key) = queue.begin(&leading)
        {
            runs.spawn(once(key, Arc::clone(&run)));
        }
        let free = led && runs.len() < at_most && *leading.borrow();
        let next = if free { queue.next() } else { None };
        tokio::select! {
            Some(over) = runs.join_next() => {
                // The only other end of a run is that of the process.
                let Ok((key, outcome, after, took)) = over else { continue };
                ended(&key, outcome, took);
                queue.end(key, after);
            }
            () = queue.0.news.notified() => {}
            changed = leading.changed(), if led => led = changed.is_ok(),
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
}

async fn once<K, F, Fut>(key: K, run: Arc<F>) -> (K, Reconciled, After, Duration)
where
    K: Clone + Debug,
    F: Fn(K) -> Fut,
    Fut: Future<Output = After>,
{
    let begun = Instant::now();
    // why: `run` itself may panic too, before there is anything to await.
    let running = async { run(key.clone()).await };
    let (outcome, after) = match AssertUnwindSafe(running).catch_unwind().await {
        Ok(After::Failed) => (Reconciled::Failed, After::Failed),
        Ok(after) => (Reconciled::Done, after),
        Err(_panic) => {
            tracing::error!(?key, "a run panicked and is tried again");
            (Reconciled::Panicked, After::Failed)
        }
    };
    (key, outcome, after, begun.elapsed())
}

#[cfg(test)]
mod tests;
