//! Events of the watches in, snapshots out. Nothing here waits.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;
use serde_json::Value;
use tracing::{debug, warn};

use super::kinds::{Kind, Part};
use super::listener::Listener;
use super::streams::{Heard, Source};
use crate::engine::{NotTaken, Settings, Snapshot};

/// What the reducer asks of the loop that feeds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// Watch the part's objects from the beginning, also where they are watched already.
    Start(Part),
    /// Watch the part's objects no more.
    Stop(Part),
}

impl Order {
    /// Whom it concerns.
    pub(super) fn source(self) -> Source {
        match self {
            Order::Start(part) | Order::Stop(part) => Source::Objects(part),
        }
    }
}

/// How far the watch of a part has come.
#[derive(Debug, Default)]
struct Progress {
    /// Its objects are watched.
    running: bool,
    /// A list was asked for, and no answer has come yet.
    asked: bool,
    /// A list was completed since the watch began.
    listed: bool,
    /// The part was known once. It stays so: a kind that appears later must not make every replica unready.
    settled: bool,
    /// While the kind's definition is listed: whether it is there.
    defined: bool,
    /// What the listener was told last: whether the server has the kind.
    served: Option<bool>,
}

/// Keeps the master copy of the snapshot, and tells a listener what goes into it.
#[derive(Debug)]
pub(super) struct Reducer<L = ()> {
    listener: L,
    master: Snapshot,
    progress: BTreeMap<Part, Progress>,
    /// Lists that are being read, out of sight until they are complete.
    lists: BTreeMap<Part, Snapshot>,
    /// Objects that could not be read, by part, namespace and name, and why.
    unreadable: BTreeMap<(Part, String, String), String>,
    dirty: bool,
    /// The listener was told something since it was told that everything is published.
    heard: bool,
}

impl<L: Listener> Reducer<L> {
    pub(super) fn new(settings: Settings, kinds: &[Kind], listener: L) -> Self {
        let progress = |part: Part| Progress { running: part.kind().definition().is_none(), ..Progress::default() };
        Reducer {
            listener,
            master: Snapshot { settings, ..Snapshot::default() },
            progress: kinds.iter().map(|kind| (kind.part, progress(kind.part))).collect(),
            lists: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            dirty: false,
            heard: false,
        }
    }

    /// The parts that were never known yet.
    pub(super) fn missing(&self) -> Vec<String> {
        self.progress.iter().filter(|(_, progress)| !progress.settled).map(|(part, _)| part.kind().to_string()).collect()
    }

    /// Whether the snapshot is another one than at the last copy.
    pub(super) fn changed(&self) -> bool {
        self.dirty
    }

    /// A copy of the snapshot.
    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.dirty = false;
        self.master.clone()
    }

    /// Whether the listener waits to be told that what it heard is published.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// The newest copy is published.
    pub(super) fn published(&mut self) {
        if std::mem::take(&mut self.heard) {
            self.listener.published();
        }
    }

    /// Takes in what a watch says.
    pub(super) fn hear(&mut self, source: Source, heard: Heard) -> Option<Order> {
        match (source, heard) {
            (Source::Objects(part), Heard::Event(event)) => self.objects(part, event),
            (Source::Definition(part), Heard::Event(event)) => return self.definition(part, event),
            (_, Heard::Version(version)) if version.is_some() && version != self.master.server => {
                self.master.server = version;
                self.dirty = true;
            }
            (_, Heard::Version(_)) | (Source::Version, Heard::Event(_)) => {}
        }
        None
    }

    /// An event of the part's objects. What a watch sent before it was stopped or started anew is passed over.
    fn objects(&mut self, part: Part, event: Event<Value>) {
        let Some(progress) = self.progress.get_mut(&part).filter(|progress| progress.running) else { return };
        match &event {
            // It is said before the server is asked.
            Event::Init => {
                progress.asked = true;
                self.lists.insert(part, self.blank());
                return;
            }
            Event::InitApply(_) | Event::InitDone if !self.lists.contains_key(&part) => return,
            Event::InitApply(_) | Event::InitDone if std::mem::take(&mut progress.asked) => {
                self.serve(part, true);
                self.listener.hear(part, &Event::Init);
            }
            Event::InitApply(_) | Event::InitDone => {}
            Event::Apply(_) | Event::Delete(_) if !progress.listed => return,
            Event::Apply(_) | Event::Delete(_) => {}
        }
        self.listener.hear(part, &event);
        self.heard = true;
        self.keep(part, event);
    }

    /// Puts what an event says into the snapshot.
    fn keep(&mut self, part: Part, event: Event<Value>) {
        match event {
            Event::Init => {}
            Event::InitApply(object) => self.take(part, &object, true),
            Event::InitDone => {
                if let Some(list) = self.lists.remove(&part) {
                    self.progress.entry(part).or_default().listed = true;
                    self.settle(part, list);
                }
            }
            Event::Apply(object) => self.take(part, &object, false),
            Event::Delete(object) if part.fills() => {
                let (namespace, name) = key_of(&object);
                self.unreadable.remove(&(part, namespace, name));
                self.master.release(&object);
                self.dirty = true;
            }
            Event::Delete(_) => {}
        }
    }

    /// An event of the definition of the part's kind, whose list holds that one definition or nothing.
    fn definition(&mut self, part: Part, event: Event<Value>) -> Option<Order> {
        let progress = self.progress.entry(part).or_default();
        match event {
            Event::Init => progress.defined = false,
            Event::InitApply(_) | Event::Apply(_) => progress.defined = true,
            Event::InitDone => {}
            Event::Delete(_) => progress.defined = false,
        }
        match (&event, progress.defined) {
            (Event::Init | Event::InitApply(_), _) => None,
            (_, true) => self.appeared(part),
            (_, false) => self.vanished(part),
        }
    }

    /// The server says that it has no objects of the part's kind: its definition is young, or serves other versions.
    pub(super) fn unserved(&mut self, source: Source) {
        let Source::Objects(part) = source else { return };
        // A server that comes late to a definition says so too: what was known stays.
        if self.progress.get(&part).is_some_and(|progress| progress.served.is_none()) {
            self.serve(part, false);
        }
        if self.progress.get(&part).is_some_and(|progress| !progress.settled) {
            self.settle(part, self.blank());
        }
    }

    fn appeared(&mut self, part: Part) -> Option<Order> {
        let progress = self.progress.entry(part).or_default();
        // A watch that waits for its next try may be served from now on.
        if progress.listed {
            return None;
        }
        progress.running = true;
        self.lists.remove(&part);
        Some(Order::Start(part))
    }

    fn vanished(&mut self, part: Part) -> Option<Order> {
        let progress = self.progress.entry(part).or_default();
        let ran = std::mem::take(&mut progress.running);
        progress.listed = false;
        if ran || !progress.settled {
            self.lists.remove(&part);
            self.unreadable.retain(|(of, _, _), _| *of != part);
            self.settle(part, self.blank());
        }
        self.serve(part, false);
        ran.then_some(Order::Stop(part))
    }

    /// Tells the listener whether the server has the part's kind, where that is news.
    fn serve(&mut self, part: Part, served: bool) {
        let told = self.progress.entry(part).or_default().served.replace(served);
        if told == Some(served) {
            return;
        }
        self.heard = true;
        if served { self.listener.served(part) } else { self.listener.unserved(part) }
    }

    /// A snapshot in which every part is known and empty.
    fn blank(&self) -> Snapshot {
        Snapshot { settings: self.master.settings.clone(), ..Snapshot::empty() }
    }

    fn settle(&mut self, part: Part, known: Snapshot) {
        part.replace(&mut self.master, known);
        self.progress.entry(part).or_default().settled = true;
        self.dirty = true;
    }

    /// Takes an object into the master copy, or into the list that is being read.
    ///
    /// Of an object that cannot be read the last version that could be stays: a policy that nobody can read must not be less strict than the one before it.
    fn take(&mut self, part: Part, object: &Value, listing: bool) {
        if !part.fills() {
            return;
        }
        let (namespace, name) = key_of(object);
        let taken = match self.lists.get_mut(&part) {
            Some(list) if listing => list.take(object).inspect_err(|_| part.carry(list, &self.master, &namespace, &name)),
            None if listing => return,
            _ => self.master.take(object).inspect(|()| self.dirty = true),
        };
        let key = (part, namespace, name);
        match taken {
            Ok(()) => drop(self.unreadable.remove(&key)),
            Err(error @ NotTaken::Other { .. }) => debug!(%error, "an object was passed over"),
            Err(error @ NotTaken::Unreadable { .. }) => {
                let why = error.to_string();
                if self.unreadable.get(&key) != Some(&why) {
                    warn!(namespace = key.1, name = key.2, %error, "an object is passed over; its last readable version stays, if there was one");
                    self.unreadable.insert(key, why);
                }
            }
        }
    }
}

fn key_of(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
