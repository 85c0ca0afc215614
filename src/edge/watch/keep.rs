//! The loop: hears the watches, feeds the reducer, publishes what came of it.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use kube::Client;
use kube::runtime::watcher::{DefaultBackoff, Event};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::debug;

use super::kinds::{Kind, Watched};
use super::listener::Listener;
use super::reducer::Reducer;
use super::snapshots::Snapshots;
use super::streams::{self, Failure, Heard, Source};
use super::trouble::Troubles;
use super::watches::Watches;
use crate::engine::Settings;

/// How long the API server may take to answer for the first time.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// The shortest time between two snapshots; what happens meanwhile goes into one. With thousands of namespaces a copy costs milliseconds, and at most a fifth of a core goes into copies.
const PAUSE: Duration = Duration::from_millis(50);

/// Why no snapshot is kept.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The API server did not answer the first question. It was asked several times.
    #[error("the API server did not answer within {} seconds", FIRST_ANSWER.as_secs())]
    NoAnswer(#[source] Option<Box<kube::Error>>),
}

/// Begins to keep a snapshot of the cluster. The future does the work and never ends by itself; until it is polled nothing is known.
///
/// # Errors
/// [`WatchError`] where the API server does not answer at all. What fails later is logged and tried again, for ever.
pub async fn keep(client: Client, settings: Settings) -> Result<(Arc<Snapshots>, impl Future<Output = ()> + Send), WatchError> {
    keep_rows(Watched::Webhook.kinds(), client, settings, ()).await
}

/// The same for the controller: it watches more, and its listener hears every event.
///
/// # Errors
/// As [`keep`].
pub(crate) async fn keep_listening(
    client: Client,
    settings: Settings,
    listener: impl Listener,
) -> Result<(Arc<Snapshots>, impl Future<Output = ()> + Send), WatchError> {
    keep_rows(Watched::Controller.kinds(), client, settings, listener).await
}

pub(super) async fn keep_rows(
    kinds: &'static [Kind],
    client: Client,
    settings: Settings,
    listener: impl Listener,
) -> Result<(Arc<Snapshots>, impl Future<Output = ()> + Send), WatchError> {
    let version = first_version(&client).await?;
    let mut watches = Watches::new(client, settings.clone(), kinds);
    let mut reducer = Reducer::new(settings, kinds, listener);
    reducer.hear(Source::Version, Heard::Version(version));
    let snapshots = Arc::new(Snapshots::new(reducer.snapshot(), reducer.missing(), watches.pulses()));
    let kept = snapshots.clone();
    Ok((snapshots, async move {
        watches.begin();
        run(reducer, watches, &kept).await;
    }))
}

async fn run(mut reducer: Reducer<impl Listener>, mut watches: Watches, snapshots: &Snapshots) {
    let mut troubles = Troubles::default();
    let mut earliest = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = sleep_until(earliest), if reducer.changed() || reducer.heard() => {
                let begun = Instant::now();
                if reducer.changed() {
                    snapshots.publish(reducer.snapshot(), reducer.missing());
                }
                reducer.published();
                earliest = Instant::now() + PAUSE.max(begun.elapsed() * 4);
            }
            Some((source, said)) = watches.all().next() => {
                let unanswered = matches!(said, Ok(Heard::Event(Event::Init)) | Err(Failure::Other(_)));
                if !unanswered && troubles.end(source) {
                    watches.hurry();
                }
                match said {
                    Ok(heard) => {
                        if let Some(order) = reducer.hear(source, heard) {
                            watches.obey(order);
                            troubles.end(order.source());
                        }
                    }
                    Err(Failure::Unserved) => reducer.unserved(source),
                    Err(Failure::Expired) => debug!(watch = %source, "what was missed is too old, everything is listed again"),
                    Err(Failure::Other(why)) => drop(troubles.begin(source, why)),
                }
            }
            else => return,
        }
    }
}

async fn first_version(client: &Client) -> Result<Option<(u32, u32)>, WatchError> {
    let mut backoff = DefaultBackoff::default();
    let mut last = None;
    let answered = async {
        loop {
            match streams::version(client).await {
                Ok(version) => return version,
                Err(error) => last = Some(Box::new(error)),
            }
            sleep(backoff.next().unwrap_or(PAUSE)).await;
        }
    };
    let answer = timeout(FIRST_ANSWER, answered).await;
    answer.map_err(|_| WatchError::NoAnswer(last))
}
