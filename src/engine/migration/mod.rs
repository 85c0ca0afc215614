//! Moving a namespace to the other style so that no event is lost: who does what next, and what must be true before.
//!
//! There: consumers listen on both sides; publishers move, upstream first; the old side falls silent; consumers leave it. Back: the same, and publishers move downstream first, so that what a
//! publisher causes has somewhere to go. Each step is possible only where those before it are done, and safe only when its gates are open: conditions of Wirings, which podwire's controller writes.

mod gates;
mod order;
mod part;
mod refusals;
mod stance;
mod steps;
#[cfg(test)]
mod tests;

pub use order::migrate;
pub use steps::{Advance, Edit, Gate, Migration, Move, Mover, Seen, Stage};
