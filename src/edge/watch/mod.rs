//! Keeps the [`Snapshot`](crate::engine::Snapshot) fresh, so that admission asks nobody.
//!
//! ```text
//!  kinds ──▶ streams ──▶ reducer ──▶ Snapshots ──▶ admission, readiness, metrics
//!  (table)   (a watch    (events to   (an Arc,
//!             each)       a value)     swapped)
//! ```
//!
//! One door: [`keep()`]. What it returns is read through [`Snapshots`]. Kinds that need not be installed are watched while their definition exists.

mod keep;
mod kinds;
mod reducer;
mod snapshots;
mod streams;
mod trouble;
mod watches;

pub use keep::{WatchError, keep};
pub use snapshots::Snapshots;

#[cfg(test)]
mod tests;
