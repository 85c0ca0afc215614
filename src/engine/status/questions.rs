//! What sidecars are asked, and when again.

use std::time::Duration;

use super::drain::{Drain, Drains};
use super::live::kind;
use super::steps::{Made, Question, Reading, State};
use crate::engine::app::App;
use crate::engine::generate::expected;
use crate::engine::observed::{Found, Observed};

/// A sidecar loads a new Subscription within about a second.
const SOON: Duration = Duration::from_secs(2);
/// One that does not answer, or has not loaded what it should, is asked again after this.
const LATER: Duration = Duration::from_secs(30);
/// How often events are counted while a side drains.
const COUNTING: Duration = Duration::from_secs(5);

/// The questions, and when to ask again.
pub(crate) fn questions(app: &App, observed: &Observed, made: &Made, drains: &Drains) -> (Vec<Question>, Option<Duration>) {
    let mut questions = drains.questions.clone();
    let mut waits: Vec<Duration> = Vec::new();
    if !questions.is_empty() {
        waits.push(match drains.sidecar {
            Some(Drain::Over) => LATER,
            // Asked now, for the last time.
            Some(Drain::Until(end)) if end <= observed.now => Duration::ZERO,
            _ => COUNTING,
        });
    }
    waits.extend(drains.next(observed.now));
    let usable = match &observed.component {
        Some(Found::This(component)) => component.admits(&app.app_id),
        Some(Found::Nothing) => false,
        None => true,
    };
    // No watch tells of components.
    waits.extend((!usable).then_some(LATER));
    let written = made.states.iter().filter(|(one, _)| kind(&one.object) == "Subscription");
    let wanted: Vec<_> = written.filter(|(_, state)| *state == State::Present).map(|(one, _)| expected(&one.object)).collect();
    let resiliency = made.resiliency();
    for pod in app.sidecars().filter(|_| !wanted.is_empty() || resiliency.is_some()) {
        let answers = observed.sidecars.get(pod.name());
        let denies = answers.zip(resiliency).is_some_and(|(answers, resiliency)| answers.denies(resiliency));
        let wait = match answers.and_then(|answers| answers.loaded.as_ref()) {
            None => SOON,
            Some(Ok(loaded)) if !denies && wanted.iter().all(|one| loaded.contains(one)) => continue,
            Some(Ok(_)) => SOON,
            Some(Err(_)) => LATER,
        };
        waits.push(wait);
        let Some((address, ports)) = pod.address().zip(pod.ports()) else { continue };
        questions.push(Question { pod: pod.name().to_owned(), address: address.to_owned(), port: ports.public, reading: Reading::Loaded });
    }
    (questions, waits.into_iter().min())
}
