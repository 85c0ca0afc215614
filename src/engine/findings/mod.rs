//! One fact, many renderings: the catalogue of codes, the value that carries a fact, and every text made of it.

#[macro_use]
mod catalogue;
mod code;
mod finding;
mod render;

pub use catalogue::Severity;
pub use code::Code;
pub use finding::{Finding, Subject};
pub use render::{page, summary, warnings};

pub(crate) use render::audit_reason;
