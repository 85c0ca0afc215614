//! A plan becomes a patch: what is podwire's already is recognised, what is missing is added, and what was added can be taken back.

mod arguments;
mod container;
mod describe;
mod edit;
mod edits;
mod own;
mod undo;
mod variables;
mod volumes;

pub use undo::{Undone, undo};

pub(crate) use describe::describe;
pub(crate) use edit::patch;
pub(crate) use edits::{edits, label_conflicts};
pub(crate) use own::Found;
