//! Speaks: flags, exit codes, printing; one file a verb. stdout is data, stderr is talk, a closed pipe is no failure.

mod crds;
mod diagnose;
mod exit;
mod explain;
mod inject;
mod manifest;
mod objects;
mod opts;
mod print;
mod run;
mod snapshot;
mod uninject;
mod webhook;

pub use crds::definitions;
pub use exit::Exit;
pub use opts::{Opts, reference};
pub use run::main;
