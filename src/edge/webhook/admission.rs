//! `POST /mutate`: from a request to its answer, which there always is.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::time::Instant;

use super::answer::{self, Refusal};
use super::body;
use super::config::Limits;
use super::decide::{Court, Decide, Decided, late, unreadable};
use super::review::{Head, Review};
use crate::edge::telemetry::{Metrics, Outcome};
use crate::edge::watch::Snapshots;

struct Admission {
    limits: Limits,
    metrics: Arc<Metrics>,
    court: Court,
}

/// The routes of the admission port.
pub(super) fn router(limits: Limits, snapshots: Arc<Snapshots>, metrics: Arc<Metrics>, decide: Decide) -> Router {
    let court = Court::new(&limits, snapshots, decide);
    Router::new().route("/mutate", post(mutate)).with_state(Arc::new(Admission { limits, metrics, court }))
}

async fn mutate(State(admission): State<Arc<Admission>>, request: Request) -> Response {
    let _in_flight = admission.metrics.enter();
    let arrived = Instant::now();
    let deadline = arrived + admission.limits.deadline_of(request.uri().query());
    match admission.answer(request, arrived, deadline).await {
        Ok(review) => ([(header::CONTENT_TYPE, "application/json")], review).into_response(),
        Err(refusal) => {
            tracing::warn!(%refusal, "no review");
            admission.metrics.record(Outcome::Malformed, None, &[], arrived.elapsed());
            refusal.into_response()
        }
    }
}

impl Admission {
    async fn answer(&self, request: Request, arrived: Instant, deadline: Instant) -> Result<Vec<u8>, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::NotJson);
        }
        let end = deadline.min(arrived + self.limits.body);
        let body = Bytes::from(body::read(request.into_body(), self.limits.max_body_bytes, end).await?);
        let (uid, head, decided) = match Review::read(&body).ok_or(Refusal::NoUid)? {
            Review::Read(head) if !head.creates_pod() => {
                tracing::debug!(uid = head.uid, namespace = head.namespace(), name = head.name(), "no creation of a pod");
                self.metrics.record(Outcome::Ignored, None, &[], arrived.elapsed());
                return answer::pass(&head.uid).map_err(|_| Refusal::Unwritable);
            }
            Review::Read(head) if Instant::now() >= deadline => (head.uid.clone(), Some(head), Decided::refused(late())),
            Review::Read(head) => {
                let decided = self.court.decide(&head, body, deadline).await;
                (head.uid.clone(), Some(head), decided)
            }
            Review::Unreadable { uid, why } => (uid, None, Decided::refused(unreadable(why))),
        };
        let review = answer::review(&uid, &decided.verdict).map_err(|_| Refusal::Unwritable)?;
        self.tell(&uid, head.as_ref(), &decided, arrived.elapsed());
        Ok(review)
    }

    /// One line in the log, and the metrics.
    fn tell(&self, uid: &str, head: Option<&Head>, decided: &Decided, took: Duration) {
        let Decided { verdict, owner, generate_name } = decided;
        let outcome = Outcome::of(verdict);
        let mut codes: Vec<&str> = verdict.findings.iter().map(|finding| finding.code.id()).collect();
        codes.sort_unstable();
        codes.dedup();
        tracing::info!(
            uid,
            namespace = head.map(Head::namespace),
            name = head.map(Head::name).filter(|name| !name.is_empty()),
            generate_name = Some(generate_name.as_str()).filter(|name| !name.is_empty()),
            owner = Some(owner.as_str()).filter(|owner| !owner.is_empty()),
            app_id = verdict.app_id,
            style = verdict.style.map(|style| style.word()),
            outcome = outcome.word(),
            codes = codes.join(","),
            dry_run = head.is_some_and(Head::dry_run),
            duration_ms = took.as_secs_f64() * 1000.0,
            "decided"
        );
        self.metrics.record(outcome, verdict.style, &verdict.findings, took);
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next()).is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
