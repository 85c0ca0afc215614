//! From the arguments to a verb, and from its end to an exit code.

use clap::Parser;

use super::opts::Verb;
use super::{Exit, Opts, crds, explain, inject, print, uninject, webhook};
use crate::edge::telemetry::chain;

/// Parses the arguments, runs the verb, and answers with its exit code.
pub fn main() -> std::process::ExitCode {
    verb(Opts::parse().verb).into()
}

fn verb(verb: Verb) -> Exit {
    match verb {
        Verb::Crds => data(crds::run()),
        Verb::Explain(opts) => explain::run(&opts),
        Verb::Inject(opts) => data(inject::run(&opts)),
        Verb::Uninject(opts) => data(uninject::run(&opts)),
        Verb::Webhook(opts) => match webhook::run(*opts) {
            Ok(()) => Exit::Clean,
            Err(error) => {
                print::talk(&format!("error: {}\n", chain(&error)));
                error.exit()
            }
        },
    }
}

/// Prints what a verb made; one that made nothing has said why.
fn data(made: Result<String, Exit>) -> Exit {
    made.map_or_else(|exit| exit, |text| print::data(&text))
}
