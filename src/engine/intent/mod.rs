//! What a pod asks for: its annotations, read once. After an [`Intent`] nobody looks at a raw string.

mod dapr;
mod read;
mod subscribe;

pub(crate) use dapr::RESERVED;
pub(crate) use read::{Ask, Asked, Intent, asks, mentions, read};
