//! All watches together: begun, stopped, and heard as one stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, AbortHandle, BoxStream, SelectAll, StreamExt};
use kube::Client;
use tokio::sync::Notify;

use super::kinds::Kind;
use super::reducer::Order;
use super::snapshots::Pulse;
use super::streams::{self, Said, Source};
use crate::engine::Settings;

/// The watches of this process.
pub(super) struct Watches {
    client: Client,
    settings: Settings,
    kinds: &'static [Kind],
    pulses: BTreeMap<Source, Arc<Pulse>>,
    running: BTreeMap<Source, AbortHandle>,
    hurry: Arc<Notify>,
    all: SelectAll<BoxStream<'static, (Source, Said)>>,
}

impl Watches {
    pub(super) fn new(client: Client, settings: Settings, kinds: &'static [Kind]) -> Self {
        let sources = kinds.iter().flat_map(|kind| [Source::Objects(kind.part), Source::Definition(kind.part)]);
        Watches {
            client,
            settings,
            kinds,
            pulses: sources.map(|source| (source, Pulse::resting())).collect(),
            running: BTreeMap::new(),
            hurry: Arc::default(),
            all: SelectAll::new(),
        }
    }

    pub(super) fn pulses(&self) -> Vec<Arc<Pulse>> {
        self.pulses.values().cloned().collect()
    }

    /// Watches what every server has, and whether it has the rest.
    pub(super) fn begin(&mut self) {
        self.start(Source::Version);
        for kind in self.kinds {
            self.start(match kind.definition() {
                None => Source::Objects(kind.part),
                Some(_) => Source::Definition(kind.part),
            });
        }
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Start(part) => self.start(Source::Objects(part)),
            Order::Stop(part) => self.stop(Source::Objects(part)),
        }
    }

    /// Lets those that wait for their next try wait no longer: the server has answered one of them.
    pub(super) fn hurry(&self) {
        self.hurry.notify_waiters();
    }

    /// What all of them say; it never ends once they were begun.
    pub(super) fn all(&mut self) -> &mut SelectAll<BoxStream<'static, (Source, Said)>> {
        &mut self.all
    }

    fn start(&mut self, source: Source) {
        self.stop(source);
        let mut client = self.client.clone();
        if let Some(pulse) = self.pulses.get(&source) {
            pulse.beat();
            client = streams::listening(client, pulse.clone());
        }
        let said = streams::of(source, client, &self.settings, self.hurry.clone());
        let (said, handle) = stream::abortable(said);
        self.running.insert(source, handle);
        self.all.push(said.map(move |said| (source, said)).boxed());
    }

    fn stop(&mut self, source: Source) {
        if let Some(handle) = self.running.remove(&source) {
            handle.abort();
        }
        if let Some(pulse) = self.pulses.get(&source) {
            pulse.rest();
        }
    }
}
