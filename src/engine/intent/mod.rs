//! What a pod asks for: its annotations, read once. After an [`Intent`] nobody looks at a raw string.

mod dapr;
mod read;
mod subscribe;

pub(crate) use dapr::{Mount, RESERVED, SidecarOptions, Timing, overlaps};
pub(crate) use read::{Ask, Asked, Intent, app_id, mentions, ports, read};
