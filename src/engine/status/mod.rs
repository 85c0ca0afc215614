//! What is there against what should be: the next steps, and what the Wiring says of it.

mod addresses;
mod announce;
mod condition;
mod conditions;
mod drain;
mod feeding;
mod live;
mod loading;
mod questions;
mod removal;
mod report;
mod steps;
mod writing;

pub use announce::Notice;
pub use steps::{Question, Reading, Step};

pub(crate) use addresses::addresses;
pub(crate) use announce::announce;
pub(crate) use condition::{DRAINED, drained, ready_on};
pub(crate) use conditions::Case;
pub(crate) use drain::{Drains, settled_after};
pub(crate) use feeding::unfed;
pub(crate) use live::Live;
pub(crate) use questions::questions;
pub(crate) use report::report;
pub(crate) use steps::make;
