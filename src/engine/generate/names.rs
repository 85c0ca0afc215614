//! Names and labels of generated objects. They never change by an edit of what an object says.

use serde_json::{Value, json};

use crate::api::annotations::APP_ID_LABEL;

/// The longest name that every kind takes.
const LONGEST: usize = 63;

/// `<app-id>-<part>`, within 63 characters: where it is cut, a hash of the whole takes the place of the rest.
pub(super) fn joined(app_id: &str, part: &str) -> String {
    let whole = format!("{app_id}-{part}");
    if whole.len() <= LONGEST { whole } else { hashed(&whole, &whole) }
}

/// The name, cut to leave room, with a hash of `of` at its end.
pub(crate) fn hashed(name: &str, of: &str) -> String {
    let hash = format!("{:08x}", fnv(of) as u32);
    let cut: String = name.chars().take(LONGEST - hash.len() - 1).collect();
    format!("{}-{hash}", cut.trim_end_matches('-'))
}

/// FNV-1a: the standard library's hash may differ from one release to the next, and these names may not.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The metadata of an object of the application. No label is copied from the workload: tools that prune by label would take the object for theirs.
pub(crate) fn metadata(name: &str, namespace: &str, app_id: &str) -> Value {
    json!({ "name": name, "namespace": namespace, "labels": { "app.kubernetes.io/managed-by": "podwire", APP_ID_LABEL: app_id } })
}
