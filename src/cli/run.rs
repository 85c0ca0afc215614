//! From the arguments to a verb, and from its end to an exit code.

use clap::Parser;

use super::opts::Verb;
use super::server::ServerError;
use super::{Exit, Opts, certs, check, controller, crds, explain, footprint, inject, lint, migrate, print, uninject, webhook};

/// Parses the arguments, runs the verb, and answers with its exit code.
pub fn main() -> std::process::ExitCode {
    verb(Opts::parse().verb).into()
}

fn verb(verb: Verb) -> Exit {
    match verb {
        Verb::Certs(opts) => certs::run(&opts),
        Verb::Check(opts) => check::run(&opts),
        Verb::Controller(opts) => served(controller::run(*opts)),
        Verb::Crds => data(crds::run()),
        Verb::Explain(opts) => explain::run(&opts),
        Verb::Footprint(opts) => footprint::run(&opts),
        Verb::Inject(opts) => data(inject::run(&opts)),
        Verb::Lint(opts) => lint::run(&opts),
        Verb::Migrate(opts) => migrate::run(&opts),
        Verb::Uninject(opts) => data(uninject::run(&opts)),
        Verb::Webhook(opts) => served(webhook::run(*opts)),
    }
}

/// How a server ended.
fn served(ended: Result<(), ServerError>) -> Exit {
    match ended {
        Ok(()) => Exit::Clean,
        Err(error) => error.told(),
    }
}

/// Prints what a verb made; one that made nothing has said why.
fn data(made: Result<String, Exit>) -> Exit {
    made.map_or_else(|exit| exit, |text| print::data(&text))
}
