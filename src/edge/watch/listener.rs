//! Who hears what the watches say, beside the snapshot.

use kube::runtime::watcher::Event;
use serde_json::Value;

use super::kinds::Part;

/// Hears what the watches say, in the order in which they say it. It is called between two events, so it does not wait.
pub(crate) trait Listener: Send + 'static {
    /// An event of a part's objects, before a snapshot is published that holds it.
    ///
    /// `Init`, `InitApply` for each object and `InitDone` are a list: once it is done, what it lacks is gone. A list that broke off has no `InitDone`; another `Init` begins it anew. `Init` is heard when the server has begun to answer.
    fn hear(&mut self, part: Part, event: &Event<Value>);

    /// The server has objects of the part's kind. Heard before the first list, also of kinds that every server has, and again when the kind is back.
    fn served(&mut self, part: Part);

    /// The part's kind is not installed, or is no more: all its objects are gone, and a list that was being read will not be done.
    fn unserved(&mut self, part: Part);

    /// Everything heard so far is in the published snapshot, a list as soon as it is done. Heard soon after the last of a burst, and not much more often than every 50 ms while events come.
    fn published(&mut self);
}

/// Nobody listens: the snapshot is enough.
impl Listener for () {
    fn hear(&mut self, _: Part, _: &Event<Value>) {}
    fn served(&mut self, _: Part) {}
    fn unserved(&mut self, _: Part) {}
    fn published(&mut self) {}
}
