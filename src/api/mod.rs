//! What people write and podwire reads: annotations, the policy, and the newtypes that say what a value may be.

#![deny(clippy::disallowed_methods)]

pub mod annotations;
pub mod duration;
pub mod names;
pub mod policy;
pub mod quantity;
mod schema;
pub mod style;
pub mod subscribe;
pub mod templates;
pub mod wiring;
pub mod yaml;
