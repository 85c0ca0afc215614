//! `POST /mutate` and `POST /review`: from a request to its answer, which there always is.

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
use super::decide::{Court, Decided, Doors, late, unreadable};
use super::review::{Head, Matter, Review};
use crate::edge::telemetry::{Metrics, Outcome};
use crate::edge::watch::Snapshots;

/// A path of the admission port.
struct Path {
    word: &'static str,
    /// What a request is about; nothing where it is none of podwire's.
    matter: fn(&Head) -> Option<Matter>,
}

static MUTATE: Path = Path { word: "mutate", matter: Head::to_wire };
static REVIEW: Path = Path { word: "review", matter: Head::to_review };

struct Admission {
    limits: Limits,
    metrics: Arc<Metrics>,
    court: Court,
}

/// The routes of the admission port.
pub(super) fn router(limits: Limits, snapshots: Arc<Snapshots>, metrics: Arc<Metrics>, doors: impl Into<Doors>) -> Router {
    let court = Court::new(&limits, snapshots, doors.into());
    let mutate = |State(admission): State<Arc<Admission>>, request| async move { serve(&admission, &MUTATE, request).await };
    let review = |State(admission): State<Arc<Admission>>, request| async move { serve(&admission, &REVIEW, request).await };
    let admission = Arc::new(Admission { limits, metrics, court });
    Router::new().route("/mutate", post(mutate)).route("/review", post(review)).with_state(admission)
}

async fn serve(admission: &Admission, path: &Path, request: Request) -> Response {
    let _in_flight = admission.metrics.enter();
    let arrived = Instant::now();
    let deadline = arrived + admission.limits.deadline_of(request.uri().query());
    match admission.answer(path, request, arrived, deadline).await {
        Ok(review) => ([(header::CONTENT_TYPE, "application/json")], review).into_response(),
        Err(refusal) => {
            tracing::warn!(%refusal, "no review");
            admission.metrics.record(path.word, Outcome::Malformed, None, &[], arrived.elapsed());
            refusal.into_response()
        }
    }
}

impl Admission {
    async fn answer(&self, path: &Path, request: Request, arrived: Instant, deadline: Instant) -> Result<Vec<u8>, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::NotJson);
        }
        let end = deadline.min(arrived + self.limits.body);
        let body = Bytes::from(body::read(request.into_body(), self.limits.max_body_bytes, end).await?);
        let (uid, head, decided) = match Review::read(&body).ok_or(Refusal::NoUid)? {
            Review::Read(head) => {
                let Some(matter) = (path.matter)(&head) else {
                    tracing::debug!(
                        uid = head.uid,
                        namespace = head.namespace(),
                        name = head.name(),
                        path = path.word,
                        "none of podwire's"
                    );
                    self.metrics.record(path.word, Outcome::Ignored, None, &[], arrived.elapsed());
                    return answer::pass(&head.uid).map_err(|_| Refusal::Unwritable);
                };
                let decided = match Instant::now() >= deadline {
                    true => Decided::refused(late()),
                    false => self.court.decide(&head, matter, body, deadline).await,
                };
                (head.uid.clone(), Some(head), decided.lenient(matter))
            }
            Review::Unreadable { uid, why } => (uid, None, Decided::refused(unreadable(why))),
        };
        let review = answer::review(&uid, &decided.verdict).map_err(|_| Refusal::Unwritable)?;
        self.tell(path, &uid, head.as_ref(), &decided, arrived.elapsed());
        Ok(review)
    }

    /// One line in the log, and the metrics.
    fn tell(&self, path: &Path, uid: &str, head: Option<&Head>, decided: &Decided, took: Duration) {
        let Decided { verdict, owner, generate_name } = decided;
        let outcome = Outcome::of(verdict);
        let mut codes: Vec<&str> = verdict.findings.iter().map(|finding| finding.code.id()).collect();
        codes.sort_unstable();
        codes.dedup();
        tracing::info!(
            uid,
            path = path.word,
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
        self.metrics.record(path.word, outcome, verdict.style, &verdict.findings, took);
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.and_then(|kind| kind.split(';').next()).is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
