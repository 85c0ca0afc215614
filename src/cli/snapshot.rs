//! What the cluster holds, read from files: the same [`Snapshot`] that the webhook keeps by watches.

use std::path::PathBuf;

use super::manifest::{self, Source};
use super::{Exit, diagnose, print};
use crate::engine::{NotTaken, Snapshot};

/// Reads a snapshot; what is wrong with it has been said when it fails.
pub(super) fn read(paths: &[PathBuf]) -> Result<Snapshot, Exit> {
    let sources = manifest::read(paths)?;
    let mut snapshot = Snapshot::empty();
    let faults: usize = sources.iter().map(|source| take(source, &mut snapshot)).sum();
    if faults > 0 { Err(Exit::Findings) } else { Ok(snapshot) }
}

/// Takes in every object of a source; how many could not be read.
fn take(source: &Source, snapshot: &mut Snapshot) -> usize {
    let mut faults = 0;
    for document in manifest::documents([source]).iter().filter(|document| !document.is_empty()) {
        let object = match document.read() {
            Ok(node) => node.value(),
            Err(error) => {
                print::talk(&diagnose::unreadable(&error, document));
                faults += 1;
                continue;
            }
        };
        for object in manifest::objects(&object) {
            match snapshot.take(&object.whole()) {
                Ok(()) => {}
                Err(other @ NotTaken::Other { .. }) => print::talk(&format!("note: {}: {other}\n", source.name)),
                Err(unreadable @ NotTaken::Unreadable { .. }) => {
                    print::talk(&format!("error: {}: {unreadable}\n", source.name));
                    faults += 1;
                }
            }
        }
    }
    faults
}
