//! From the arguments to a verb, and from its end to an exit code.

use clap::Parser;

use super::opts::Verb;
use super::{Exit, Opts, crds, explain, inject, print, uninject, webhook};

/// Parses the arguments, runs the verb, and answers with its exit code.
pub fn main() -> std::process::ExitCode {
    verb(Opts::parse().verb).into()
}

fn verb(verb: Verb) -> Exit {
    match verb {
        Verb::Crds => crds::run(),
        Verb::Explain(opts) => explain::run(&opts),
        Verb::Inject(opts) => inject::run(&opts),
        Verb::Uninject(opts) => uninject::run(&opts),
        Verb::Webhook(opts) => match webhook::run(*opts) {
            Ok(()) => Exit::Clean,
            Err(error) => {
                print::talk(&format!("error: {}\n", print::chain(&error)));
                error.exit()
            }
        },
    }
}
