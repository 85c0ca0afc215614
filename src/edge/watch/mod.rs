//! Keeps the [`Snapshot`](crate::engine::Snapshot) fresh, so that admission asks nobody.
//!
//! ```text
//!  kinds ──▶ streams ──▶ reducer ──▶ Snapshots ──▶ admission, readiness, metrics
//!  (table)   (a watch    (events to   (an Arc,
//!             each)       a value)     swapped)
//!                           └──▶ Listener: every event, for the controller
//! ```
//!
//! One door: [`keep()`], and `keep_listening` where somebody hears every event. What they return is read through [`Snapshots`]. Who asks only once has `once`. Kinds that need not be installed are watched while their definition exists.

mod keep;
mod kinds;
mod listener;
mod once;
mod reducer;
mod snapshots;
mod streams;
mod trouble;
mod watches;

pub use keep::{WatchError, keep};
pub use snapshots::Snapshots;
pub(crate) use {
    keep::keep_listening,
    kinds::Part,
    listener::Listener,
    once::{NotListed, once},
};

#[cfg(test)]
mod tests;
