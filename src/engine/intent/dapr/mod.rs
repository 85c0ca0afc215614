//! `dapr.io/` annotations → [`SidecarOptions`], by one table.

mod options;
mod read;
mod rows;
mod values;

pub(crate) use options::{Mount, SidecarOptions, Timing};
pub(crate) use read::read;
pub(crate) use values::{RESERVED, overlaps};
