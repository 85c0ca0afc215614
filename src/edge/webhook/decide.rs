//! When a request is decided about: in turn, within the deadline, and whatever the engine does.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::Limits;
use super::review::{self, Head, Matter};
use crate::edge::watch::Snapshots;
use crate::engine::{self, Change, Code, Decision, Finding, PodRequest, Snapshot, Subject, Verdict};

/// What decides: [`crate::engine::admit`], and in tests whatever they want to see survived.
pub(super) type Decide = Arc<dyn Fn(&PodRequest, &Snapshot) -> Verdict + Send + Sync>;
/// What reviews: [`crate::engine::review`], and in tests others.
pub(super) type Judge = Arc<dyn Fn(&Change, &Snapshot) -> Verdict + Send + Sync>;

/// The engine's doors.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) admit: Decide,
    pub(super) review: Judge,
}

impl From<Decide> for Doors {
    fn from(admit: Decide) -> Self {
        Doors { admit, review: Arc::new(engine::review) }
    }
}

/// Decides about requests, a bounded number at a time.
pub(super) struct Court {
    snapshots: Arc<Snapshots>,
    places: Arc<Semaphore>,
    queue: Duration,
    namespace: Duration,
    doors: Doors,
}

/// What was decided, and about whom.
pub(super) struct Decided {
    pub(super) verdict: Verdict,
    /// Who made the pod, or which workload it is; empty where the object was not read.
    pub(super) owner: String,
    /// The object's `generateName`; empty where it has none.
    pub(super) generate_name: String,
}

impl Decided {
    /// A refusal for a reason that lies outside of the pod.
    pub(super) fn refused(finding: Finding) -> Self {
        Decided { verdict: Verdict::refuse(finding), owner: String::new(), generate_name: String::new() }
    }

    /// With nothing refused that is podwire's own failure and not the workload's: its pods are decided about anyway.
    pub(super) fn lenient(mut self, matter: Matter) -> Self {
        let failed = self.verdict.findings.iter().any(|finding| [Code::InternalFailure, Code::UnreadablePod].contains(&finding.code));
        if matter == Matter::Workload && (self.verdict.retryable() || failed) {
            self.verdict.decision = Decision::Passed;
        }
        self
    }
}

impl Court {
    pub(super) fn new(limits: &Limits, snapshots: Arc<Snapshots>, doors: Doors) -> Self {
        let places = Arc::new(Semaphore::new(limits.max_in_flight.min(Semaphore::MAX_PERMITS)));
        Court { snapshots, places, queue: limits.queue, namespace: limits.namespace, doors }
    }

    /// Decides about what a review asks; it waits for a namespace that is not known yet, and never past `deadline`.
    pub(super) async fn decide(&self, head: &Head, matter: Matter, body: Bytes, deadline: Instant) -> Decided {
        if !self.snapshots.missing().is_empty() {
            return Decided::refused(not_loaded());
        }
        let first = self.attempt((head, matter), body.clone(), self.snapshots.current(), deadline).await;
        if !first.verdict.findings.iter().any(|finding| finding.code == Code::NamespaceNotKnown) {
            return first;
        }
        let at_most = self.namespace.min(deadline.saturating_duration_since(Instant::now()));
        let snapshot = self.snapshots.wait_for_namespace(head.namespace(), at_most).await;
        if snapshot.holds(head.namespace()) { self.attempt((head, matter), body, snapshot, deadline).await } else { first }
    }

    async fn attempt(&self, (head, matter): (&Head, Matter), body: Bytes, snapshot: Arc<Snapshot>, deadline: Instant) -> Decided {
        let queue = self.queue.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(Ok(place)) = timeout(queue, Arc::clone(&self.places).acquire_owned()).await else {
            return Decided::refused(overloaded());
        };
        let (doors, namespace) = (self.doors.clone(), head.namespace().to_owned());
        let span = tracing::info_span!("review", uid = head.uid.as_str());
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work, not by who waits for it: past the deadline it still takes its place.
            let _place = place;
            span.in_scope(|| judge(&namespace, matter, &body, &snapshot, &doors))
        });
        match timeout_at(deadline, work).await {
            Ok(Ok(decided)) => decided,
            Ok(Err(_panic)) => Decided::refused(failed(&head.uid)),
            Err(_elapsed) => Decided::refused(late()),
        }
    }
}

fn judge(namespace: &str, matter: Matter, body: &[u8], snapshot: &Snapshot, doors: &Doors) -> Decided {
    let (object, old) = match review::objects(body) {
        Ok(objects) => objects,
        Err(error) => return Decided::refused(unreadable(error)),
    };
    let generate_name = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    if matter == Matter::Wiring {
        return match PodRequest::new(namespace, object) {
            Err(error) => Decided::refused(unreadable(error)),
            Ok(request) => Decided { verdict: (doors.admit)(&request, snapshot), owner: request.owner.to_string(), generate_name },
        };
    }
    let owner = format!("{}/{}", object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str().unwrap_or_default());
    let change = Change { namespace: namespace.to_owned(), object, old, resize: matter == Matter::Pod { resize: true } };
    Decided { verdict: (doors.review)(&change, snapshot), owner, generate_name }
}

/// PW001, for a pod or a review that cannot be read.
pub(super) fn unreadable(why: impl ToString) -> Finding {
    Finding::new(Code::UnreadablePod, Subject::Pod, why.to_string())
}

/// PW080.
pub(super) fn late() -> Finding {
    Finding::new(Code::DeadlinePassed, Subject::Pod, "the webhook had no time left to decide").help("try again")
}

fn failed(uid: &str) -> Finding {
    let help = format!("the webhook's log names the place, under uid {uid}");
    Finding::new(Code::InternalFailure, Subject::Pod, "the webhook failed while it decided").help(help)
}

fn not_loaded() -> Finding {
    Finding::new(Code::SnapshotNotLoaded, Subject::Pod, "the webhook has not read the cluster yet").help("try again")
}

fn overloaded() -> Finding {
    Finding::new(Code::Overloaded, Subject::Pod, "the webhook has too many requests at once").help("try again")
}
