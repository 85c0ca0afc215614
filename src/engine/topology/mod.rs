//! Who publishes and who consumes what, and where the two do not meet.

mod flows;

pub use flows::{End, Flows, Role};
