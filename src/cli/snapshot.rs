//! What the cluster holds, read from files: the same [`Snapshot`] that the webhook keeps by watches.

use super::manifest::{self, At, Document, Object, Source};
use super::opts::KnownOpts;
use super::{Exit, diagnose, print};
use crate::api::yaml::Node;
use crate::engine::{NotTaken, Snapshot, check_policy};

/// Reads what is known of the cluster, and policies beside it; what is wrong with it has been said when it fails.
pub(super) fn read(opts: &KnownOpts) -> Result<Snapshot, Exit> {
    let (sources, policies) = (manifest::read(&opts.snapshot)?, manifest::read(&opts.policy)?);
    let mut snapshot = Snapshot::empty();
    let any: usize = sources.iter().map(|source| take(source, &mut snapshot, |_| true)).sum();
    let policies: usize = policies.iter().map(|source| take(source, &mut snapshot, is_policy)).sum();
    if any + policies > 0 { Err(Exit::Findings) } else { Ok(snapshot) }
}

fn is_policy(object: &Object) -> bool {
    (object.version, object.kind) == ("podwire.io/v1alpha1", "InjectionPolicy")
}

/// Takes in every object of a source; how many could not be read, or are wrong.
fn take(source: &Source, snapshot: &mut Snapshot, wanted: fn(&Object) -> bool) -> usize {
    let mut faults = 0;
    for document in manifest::documents([source]).iter().filter(|document| !document.is_empty()) {
        let node = match document.read() {
            Ok(node) => node,
            Err(error) => {
                print::talk(&diagnose::unreadable(&error, document).text());
                faults += 1;
                continue;
            }
        };
        let value = node.value();
        for object in manifest::objects(&value) {
            if !wanted(&object) {
                print::talk(&format!("error: {}: {}/{} is no InjectionPolicy\n", source.name, object.version, object.kind));
                faults += 1;
                continue;
            }
            match snapshot.take(&object.whole()) {
                Ok(()) => faults += judge(&object, document, &node, snapshot),
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

/// Says what is wrong with a policy that was taken in; how much there is.
fn judge(object: &Object, document: &Document, node: &Node, snapshot: &Snapshot) -> usize {
    let name = object.value["metadata"]["name"].as_str().filter(|_| is_policy(object));
    let taken = name.and_then(|name| snapshot.policies.as_ref()?.get(name));
    let findings = taken.map(check_policy).unwrap_or_default();
    let at = At { pod: &object.path, object: &object.path };
    let count = findings.len();
    findings.into_iter().for_each(|finding| print::talk(&diagnose::remark(finding, document, Some(node), at).text()));
    count
}
