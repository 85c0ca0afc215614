//! From what the watches say to the applications about which there is news.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::runtime::watcher::Event;
use serde_json::Value;

use super::key::{Key, Place};
use super::queue::Queue;
use super::world::World;
use crate::edge::watch::{Listener, Part};

/// After which time a policy counts its applications again, once there was news of any.
const SURVEY: Duration = Duration::from_secs(5);

/// Fills the world and the queue.
pub(super) struct Ear {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) queue: Queue<Key>,
    /// Lists that are being read.
    pub(super) lists: BTreeMap<Part, BTreeSet<Place>>,
}

impl Listener for Ear {
    fn hear(&mut self, part: Part, event: &Event<Value>) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => drop(self.lists.insert(part, BTreeSet::new())),
            Event::InitApply(object) => {
                self.lists.entry(part).or_default().insert(Place::of(object));
                world.put(part, object);
            }
            Event::InitDone => {
                if let Some(listed) = self.lists.remove(&part) {
                    world.retain(part, &listed);
                }
            }
            Event::Apply(object) => world.put(part, object),
            Event::Delete(object) => world.remove(part, object),
        }
    }

    fn served(&mut self, part: Part) {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).serve(part, true);
    }

    fn unserved(&mut self, part: Part) {
        self.lists.remove(&part);
        self.world.lock().unwrap_or_else(PoisonError::into_inner).serve(part, false);
    }

    fn published(&mut self) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let (news, policies) = (world.take_news(), world.policies());
        drop(world);
        if news.iter().any(|key| !key.is_policy()) {
            policies.into_iter().for_each(|policy| self.queue.add_after(policy, SURVEY));
        }
        news.into_iter().filter(|key| !key.is_namespace()).for_each(|key| self.queue.add(key));
    }
}
