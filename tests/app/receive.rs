//! Events that arrive, and how they are answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Millis;
use crate::ledger::Ledger;

/// How events are answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answers {
    /// Only events whose id begins so; every other is answered with success.
    prefix: String,
    /// The status.
    status: u16,
    /// How often each event is answered so before it succeeds; for ever where it is not said.
    times: Option<u32>,
    /// For how long every event is worked on.
    work: Millis,
}

/// Takes events.
pub(crate) struct Receiver {
    ledger: Arc<Ledger>,
    answers: Mutex<(Answers, BTreeMap<String, u32>)>,
}

impl Receiver {
    pub(crate) fn new(ledger: Arc<Ledger>, work: Millis) -> Self {
        Receiver { ledger, answers: Mutex::new((Answers { work, ..Answers::default() }, BTreeMap::new())) }
    }

    pub(crate) fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = (answers, BTreeMap::new());
    }

    /// Writes an event down; its answer, and after which time to give it.
    pub(crate) fn receive(&self, method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> (StatusCode, Duration) {
        let event: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)));
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        let (status, work) = self.decide(&id);
        let headers: BTreeMap<&str, &str> =
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        self.ledger.write(
            "received",
            json!({ "id": id, "method": method.as_str(), "path": path, "headers": headers, "event": event, "status": status.as_u16() }),
        );
        (status, work)
    }

    fn decide(&self, id: &str) -> (StatusCode, Duration) {
        let mut state = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (answers, counts) = &mut *state;
        let work = answers.work.into();
        if answers.status == 0 || !id.starts_with(&answers.prefix) {
            return (StatusCode::OK, work);
        }
        let count = counts.entry(id.to_owned()).or_default();
        *count += 1;
        let fails = answers.times.is_none_or(|times| *count <= times);
        (if fails { StatusCode::from_u16(answers.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) } else { StatusCode::OK }, work)
    }
}
