//! The snapshot that everybody reads, and how fresh it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::engine::Snapshot;

/// The newest snapshot of the cluster, shared by everybody who reads it and replaced by [`keep`](super::keep()).
#[derive(Debug)]
pub struct Snapshots {
    current: ArcSwap<Snapshot>,
    missing: ArcSwap<Vec<String>>,
    changes: watch::Sender<()>,
    pulses: Vec<Arc<Pulse>>,
}

impl Snapshots {
    /// A snapshot that never changes and is ready at once.
    pub fn fixed(snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Snapshots::new(snapshot, Vec::new(), Vec::new()))
    }

    pub(super) fn new(snapshot: Snapshot, missing: Vec<String>, pulses: Vec<Arc<Pulse>>) -> Self {
        let (current, missing) = (ArcSwap::from_pointee(snapshot), ArcSwap::from_pointee(missing));
        Snapshots { current, missing, changes: watch::Sender::new(()), pulses }
    }

    /// The newest snapshot. Never waits.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The newest snapshot as soon as it holds the namespace, or whatever is newest after `at_most`.
    ///
    /// While namespaces are not known at all, none is held, unless nothing is [`missing`](Self::missing).
    pub async fn wait_for_namespace(&self, name: &str, at_most: Duration) -> Arc<Snapshot> {
        let mut changes = self.changes.subscribe();
        let held = async {
            loop {
                let snapshot = self.current();
                if self.holds(&snapshot, name) || changes.changed().await.is_err() {
                    return snapshot;
                }
            }
        };
        timeout(at_most, held).await.unwrap_or_else(|_| self.current())
    }

    fn holds(&self, snapshot: &Snapshot, name: &str) -> bool {
        snapshot.holds(name) && (snapshot.namespaces.is_some() || self.missing.load().is_empty())
    }

    /// What readiness still waits for, in words (`namespaces`, `brokers.eventing.knative.dev`); empty once every part was known. It never grows again.
    pub fn missing(&self) -> Vec<String> {
        self.missing.load().to_vec()
    }

    /// The time since the API server was last heard by the watch that heard it longest ago: an object, a bookmark, or the beginning of an answer.
    ///
    /// Every watch begins anew after two minutes, so more than about 125 s means that the server is out of reach. Watches of kinds that are not installed do not count.
    pub fn age(&self) -> Duration {
        self.pulses.iter().filter_map(|pulse| pulse.age()).max().unwrap_or_default()
    }

    pub(super) fn publish(&self, snapshot: Snapshot, missing: Vec<String>) {
        self.current.store(Arc::new(snapshot));
        self.missing.store(Arc::new(missing));
        self.changes.send_replace(());
    }
}

#[cfg(test)]
impl Snapshots {
    /// Snapshots of a cluster of which these parts are not known.
    pub(crate) fn waiting_for(missing: &[&str]) -> Arc<Self> {
        Arc::new(Snapshots::new(Snapshot::default(), missing.iter().map(ToString::to_string).collect(), Vec::new()))
    }

    /// Now every part is known.
    pub(crate) fn complete(&self) {
        self.publish(Snapshot::empty(), Vec::new());
    }
}

/// When a watch last heard the API server.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// Milliseconds from `born`, or [`RESTING`].
    last: AtomicU64,
}

const RESTING: u64 = u64::MAX;

impl Pulse {
    /// The pulse of a watch that does not run.
    pub(super) fn resting() -> Arc<Self> {
        Arc::new(Pulse { born: Instant::now(), last: AtomicU64::new(RESTING) })
    }

    pub(super) fn beat(&self) {
        self.last.store(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(RESTING), Ordering::Relaxed);
    }

    pub(super) fn rest(&self) {
        self.last.store(RESTING, Ordering::Relaxed);
    }

    fn age(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed);
        (last != RESTING).then(|| self.born.elapsed().saturating_sub(Duration::from_millis(last)))
    }
}
