//! What sidecars say of themselves, as far as somebody asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt as _};

use super::daprd::{self, DaprdError, Sidecars};
use super::key::Key;
use crate::edge::clock::now;
use crate::edge::telemetry::chain;
use crate::engine::{Answers, Loaded, Question, Reading, Running};

/// The answers, by application and pod.
pub(super) struct Asked {
    sidecars: Sidecars,
    answers: Mutex<BTreeMap<Key, BTreeMap<String, Answers>>>,
}

impl Asked {
    pub(super) fn new() -> Self {
        Asked { sidecars: Sidecars::new(), answers: Mutex::default() }
    }

    /// The answers of an application's pods; those of pods that are gone are forgotten.
    pub(super) fn of(&self, key: &Key, pods: &[Running]) -> BTreeMap<String, Answers> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = answers.get_mut(key) else { return BTreeMap::new() };
        known.retain(|name, _| pods.iter().any(|pod| pod.name() == name));
        let known = known.clone();
        if known.is_empty() {
            answers.remove(key);
        }
        known
    }

    /// Asks; whether an answer is another one than before.
    pub(super) async fn ask(&self, key: &Key, questions: &[Question]) -> bool {
        if questions.is_empty() {
            return false;
        }
        let answers = stream::iter(questions.to_vec()).map(|question| async move {
            let at = now();
            (self.answer(&question).await, question, at)
        });
        let answers: Vec<_> = answers.buffer_unordered(10).collect().await;
        let mut known = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(key.clone()).or_default();
        let mut changed = false;
        for (answer, question, at) in answers {
            let before = known.entry(question.pod.clone()).or_default();
            let now = match answer {
                Answer::Loaded(Ok((loaded, resiliencies))) => Answers { loaded: Some(Ok(loaded)), resiliencies, ..before.clone() },
                Answer::Loaded(Err(why)) => Answers { loaded: Some(Err(why)), resiliencies: None, ..before.clone() },
                Answer::Counted(counted) => Answers { counted: Some(counted), counted_at: at, ..before.clone() },
            };
            changed |= (&before.loaded, &before.resiliencies, &before.counted) != (&now.loaded, &now.resiliencies, &now.counted);
            *before = now;
        }
        changed
    }

    async fn answer(&self, question: &Question) -> Answer {
        let words = |error: DaprdError| chain(&error);
        let at = question.address.parse().map(|address| SocketAddr::new(address, question.port));
        match (question.reading, at) {
            (Reading::Loaded, Ok(at)) => {
                let said = self.sidecars.loaded(at).await;
                Answer::Loaded(said.map(|said| (said.subscriptions.into_iter().map(loaded).collect(), said.resiliencies)).map_err(words))
            }
            (Reading::Counted, Ok(at)) => {
                Answer::Counted(self.sidecars.ingress(at).await.map(|counts| counts.0.values().sum()).map_err(words))
            }
            (Reading::Loaded, Err(_)) => Answer::Loaded(Err(format!("{} is no address", question.address))),
            (Reading::Counted, Err(_)) => Answer::Counted(Err(format!("{} is no address", question.address))),
        }
    }
}

enum Answer {
    /// Subscriptions, and the names of Resiliencies.
    Loaded(Result<(Vec<Loaded>, Option<Vec<String>>), String>),
    Counted(Result<u64, String>),
}

fn loaded(said: daprd::LoadedSubscription) -> Loaded {
    let dead_letter = Some(said.dead_letter_topic).filter(|topic| !topic.is_empty());
    let rules = said.rules.into_iter().map(|rule| (rule.condition, rule.path)).collect();
    Loaded { pubsub: said.component, topic: said.topic, rules, dead_letter }
}
