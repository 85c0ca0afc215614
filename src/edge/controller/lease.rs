//! Who leads: one candidate at a time, by the rules of client-go, so that its tools can read the lease.
//!
//! Nobody's clock is believed. A candidate takes a lease over when it has seen it unchanged for as long as the lease says; a leader
//! counts from before it sent its last renewal, which is earlier than anybody can have seen it. So the leader stops five seconds before
//! another can begin, however wrong the times in the lease are.

use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::edge::telemetry::chain;

/// For how long others leave a lease alone that does not change.
const DURATION: i32 = 15;
/// For how long a leader leads on without a renewal.
const DEADLINE: Duration = Duration::from_secs(10);
/// From one renewal to the next.
const RENEWAL: Duration = Duration::from_secs(5);
/// The longest pause from one try to the next.
const RETRY: Duration = Duration::from_secs(1);
/// For one try; a renewal that hangs leaves time for a second one.
const TRY: Duration = Duration::from_secs(3);
/// How often a release is tried that meets our own renewal.
const RELEASES: usize = 3;

/// One candidate.
pub(super) struct Election {
    /// The namespace of the lease.
    pub(super) namespace: String,
    /// The name of the lease.
    pub(super) name: String,
    /// Whom the lease names while this candidate leads; no two processes may share it.
    pub(super) identity: String,
}

impl Election {
    /// Stands for election until `stop` ends, and tells `leading` whether it leads.
    ///
    /// Then it leads no more, keeps the lease until `idle` ends, and gives it back. `idle` is asked for once, after `stop`.
    pub(super) async fn run(
        self,
        client: Client,
        leading: watch::Sender<bool>,
        stop: impl Future<Output = ()>,
        idle: impl Future<Output = ()>,
    ) {
        let stop = stop.shared();
        let leases = Api::namespaced(client, &self.namespace);
        let mut candidate = Candidate { leases, name: self.name, identity: self.identity, seen: None, troubled: false };
        let end = async {
            stop.clone().await;
            leading.send_replace(false);
            idle.await;
        };
        tokio::pin!(end);
        while let Some(mut term) = candidate.stand(stop.clone()).await {
            if stop.clone().now_or_never().is_none() {
                tracing::info!(identity = candidate.identity, "leading");
                leading.send_replace(true);
            }
            tokio::select! {
                biased;
                () = &mut end => return candidate.release(term).await,
                () = candidate.hold(&mut term) => {}
            }
            leading.send_replace(false);
        }
        end.await;
    }
}

/// A term as leader, which ends [`DEADLINE`] after it was renewed.
struct Term {
    /// As we wrote it last.
    lease: Box<Lease>,
    /// When the last renewal was sent.
    renewed: Instant,
}

/// What became of a try to renew.
enum Renewal {
    Renewed(Term),
    /// The lease changed under our hands; it may be ours still.
    Raced,
    /// The lease names somebody else, nobody, or is gone.
    Lost,
}

struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    /// The lease as it was last seen, and since when it has been so.
    seen: Option<(LeaseSpec, Instant)>,
    /// Whether it was told that the API server does not answer.
    troubled: bool,
}

impl Candidate {
    /// Tries until it leads, or until it is asked to stop.
    ///
    /// `stop` cuts no try short: the API server may have heard it, and nobody would give back what it took.
    async fn stand(&mut self, stop: impl Future<Output = ()> + Clone) -> Option<Term> {
        while stop.clone().now_or_never().is_none() {
            let tried = timeout(TRY, self.take()).await;
            if let Some(term) = self.heard(tried).flatten() {
                return Some(term);
            }
            tokio::select! {
                () = stop.clone() => {}
                () = sleep(retry()) => {}
            }
        }
        None
    }

    /// Takes the lease, if it is free.
    async fn take(&mut self) -> Result<Option<Term>, Error> {
        let found = self.leases.get_opt(&self.name).await?;
        if found.as_ref().is_some_and(|lease| !self.is_free(lease)) {
            return Ok(None);
        }
        self.write(found).await
    }

    /// Whether nobody holds the lease: it names nobody else, or has not changed in our sight for as long as it says.
    fn is_free(&mut self, lease: &Lease) -> bool {
        let spec = lease.spec.clone().unwrap_or_default();
        let (seen, since) = self.seen.take().filter(|(seen, _)| *seen == spec).unwrap_or_else(|| (spec, Instant::now()));
        let seconds = seen.lease_duration_seconds.unwrap_or(DURATION).max(0);
        let over = since.elapsed() >= Duration::from_secs(seconds.unsigned_abs().into());
        let holder = seen.holder_identity.as_deref().unwrap_or_default();
        let free = holder.is_empty() || holder == self.identity || over;
        self.seen = Some((seen, since));
        free
    }

    /// Writes ourselves into the lease as it was found, if it is still so.
    async fn write(&self, found: Option<Lease>) -> Result<Option<Term>, Error> {
        let lease = self.ours(found);
        let renewed = Instant::now();
        let written = match lease.metadata.resource_version {
            None => self.leases.create(&PostParams::default(), &lease).await,
            Some(_) => self.leases.replace(&self.name, &PostParams::default(), &lease).await,
        };
        match written {
            Ok(lease) => Ok(Some(Term { lease: Box::new(lease), renewed })),
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ours(&self, found: Option<Lease>) -> Lease {
        let now = || Some(MicroTime(Timestamp::now()));
        let is_new = found.is_none();
        let mut lease = found.unwrap_or_default();
        lease.metadata.name = Some(self.name.clone());
        let kept = self.is_ours(&lease);
        let spec = lease.spec.get_or_insert_default();
        let before = spec.lease_transitions.unwrap_or_default();
        spec.lease_transitions = Some(if kept || is_new { before } else { before.saturating_add(1) });
        spec.acquire_time = spec.acquire_time.take().filter(|_| kept).or_else(now);
        spec.renew_time = now();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(DURATION);
        lease
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.identity)
    }

    /// Renews the lease until it is lost, or until it could not be renewed in time.
    async fn hold(&mut self, term: &mut Term) {
        loop {
            sleep_until(term.renewed + RENEWAL).await;
            match timeout_at(term.renewed + DEADLINE, self.renew(*term.lease.clone())).await {
                Ok(Some(renewed)) => *term = renewed,
                Ok(None) => return tracing::warn!(identity = self.identity, "the lease is another's, no longer leading"),
                Err(_elapsed) => return tracing::warn!(identity = self.identity, "the lease could not be renewed, no longer leading"),
            }
        }
    }

    /// Tries until the lease is renewed, or lost (`None`).
    async fn renew(&mut self, lease: Lease) -> Option<Term> {
        // What we wrote last is what is there, as a rule: a renewal is one request.
        let mut known = Some(lease);
        loop {
            let tried = timeout(TRY, self.renew_once(known.take())).await;
            match self.heard(tried) {
                Some(Renewal::Renewed(term)) => return Some(term),
                Some(Renewal::Lost) => return None,
                Some(Renewal::Raced) | None => sleep(retry()).await,
            }
        }
    }

    async fn renew_once(&self, known: Option<Lease>) -> Result<Renewal, Error> {
        let lease = match known {
            Some(lease) => lease,
            None => match self.leases.get_opt(&self.name).await? {
                Some(lease) if self.is_ours(&lease) => lease,
                _ => return Ok(Renewal::Lost),
            },
        };
        Ok(self.write(Some(lease)).await?.map_or(Renewal::Raced, Renewal::Renewed))
    }

    /// Gives the lease back, so that the next need not wait until it is over.
    async fn release(&self, term: Term) {
        match timeout(TRY, self.give_back(*term.lease)).await {
            Ok(Ok(())) => tracing::info!(identity = self.identity, "the lease is given back"),
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "the lease is not given back, others wait until it is over"),
            Err(_elapsed) => tracing::warn!("the lease is not given back in time, others wait until it is over"),
        }
    }

    async fn give_back(&self, lease: Lease) -> Result<(), Error> {
        let mut known = Some(lease);
        for _ in 0..RELEASES {
            let mut lease = match known.take() {
                Some(lease) => lease,
                // A renewal of ours that nobody waited for may have come first.
                None => match self.leases.get_opt(&self.name).await? {
                    Some(lease) if self.is_ours(&lease) => lease,
                    _ => return Ok(()),
                },
            };
            let now = MicroTime(Timestamp::now());
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            (spec.acquire_time, spec.renew_time) = (Some(now.clone()), Some(now));
            match self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                Err(Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    /// What a try brought. That the API server does not answer is told once, and its end too.
    fn heard<T>(&mut self, tried: Result<Result<T, Error>, tokio::time::error::Elapsed>) -> Option<T> {
        let why = match tried {
            Ok(Ok(answer)) => {
                if std::mem::take(&mut self.troubled) {
                    tracing::info!("the lease can be read and written again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => chain(&error),
            Err(_elapsed) => format!("no answer within {} seconds", TRY.as_secs()),
        };
        if !std::mem::replace(&mut self.troubled, true) {
            tracing::warn!(lease = self.name, error = why, "the lease cannot be read or written, tried again");
        }
        None
    }
}

/// The pause to the next try: candidates that were refused together do not come back together.
fn retry() -> Duration {
    RETRY.mul_f64(0.8 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests;
