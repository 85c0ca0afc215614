//! Speaks: flags, exit codes, printing; one file a verb. stdout is data, stderr is talk, a closed pipe is no failure.

mod account;
mod certs;
mod chart;
mod check;
mod controller;
mod crds;
mod diagnose;
mod exit;
mod explain;
mod footprint;
mod inject;
mod lint;
mod live;
mod manifest;
mod migrate;
mod objects;
mod opts;
mod plan;
mod print;
mod run;
mod sarif;
mod server;
mod sheet;
mod snapshot;
mod uninject;
mod walk;
mod webhook;

pub use crds::definitions;
pub use exit::Exit;
pub use opts::{Opts, reference};
pub use run::main;
