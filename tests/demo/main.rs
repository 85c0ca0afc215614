//! The demo: an order system is wired offline, then by the webhook of a real API server, and runs on a real node where the machine can have one. `make demo` runs it.
//!
//! With `--keep` (`make demo-up`) the API server stays until Ctrl-C, and there is no node.

mod background;
mod cluster;
mod node;
mod offline;
mod pods;
mod screen;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

use background::Build;
use screen::{Screen, Shell, seconds};
use support::lab::Failure;

/// Why the demo stops.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("podwire itself is not at {}", .0.display())]
    NoPodwire(PathBuf),
    #[error("the programs of the API server could not be built")]
    Build,
    #[error("this command did something else than expected: {0}")]
    Command(String),
    #[error("{0}")]
    Lab(String),
    #[error("the part on the node failed, see above")]
    Node,
    #[error("{0}: {1}")]
    System(String, #[source] io::Error),
    #[error("the terminal cannot be written to")]
    Terminal(#[source] io::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Lab(failure.to_string())
    }
}

impl Error {
    /// What a person can do about it.
    fn help(&self) -> &'static str {
        match self {
            Error::NoPodwire(_) => "run the demo with `make demo`, which builds podwire first",
            Error::Build => {
                "the lines above say what is missing; then run `make demo` again (what was built stays).\n\
                 The part that needs no API server has been shown; it works without Go."
            }
            Error::Command(_) => "its output stands above; a podwire of other sources than the demo's is mended by `make build`",
            Error::Node => "run it again; `make cluster` starts such a node to look at",
            Error::Lab(_) => "read what is named there, then run `make demo` again: it takes other ports and another folder",
            Error::System(..) | Error::Terminal(_) => "look at free disk space, memory and the number of processes, then run it again",
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let shown = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demo(false),
        ["--keep"] => demo(true),
        // The demo runs itself so, inside of the node.
        ["--on-node", steps] => podwire().and_then(|podwire| node::inside(&mut Screen::after(steps.parse().unwrap_or_default()), &podwire)),
        _ => {
            eprintln!("usage: demo [--keep]\n  --keep  keep the API server until Ctrl-C");
            return ExitCode::from(2);
        }
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, as in `make demo | head`.
        Err(Error::Terminal(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo stops here: {error}\nWhat to do: {}", error.help());
            ExitCode::FAILURE
        }
    }
}

fn demo(keep: bool) -> Result<(), Error> {
    let podwire = podwire()?;
    let mut screen = Screen::new();
    let build = Build::start()?;
    offline::show(&mut screen, &Shell::offline(&podwire)?)?;
    screen.step("A real API server")?;
    let tools = build.finish(&screen)?;
    cluster::show(&mut screen, &tools, &podwire, keep)?;
    if !keep {
        node::show(&mut screen, &podwire)?;
        screen.step("What to try next")?;
        next(&screen, &podwire)?;
    }
    let time = if keep { String::new() } else { format!(" The demo took {}.", seconds(screen.elapsed())) };
    screen.say(&format!("\nEverything is stopped and its files are removed.{time}"))
}

fn next(screen: &Screen, podwire: &Path) -> Result<(), Error> {
    let podwire = podwire.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(podwire).display();
    screen.show(&format!(
        "make demo-up\n    the same, and the API server stays for a kubectl of your own\n\
         {podwire} inject --diff -f FILE\n    what podwire would change in your manifests\n\
         {podwire} explain\n    every mistake that podwire finds; `explain PW003` is the page of one\n\
         make cluster\n    such a node to play with (Linux, root)\n\
         make test\n    the tests, those with a real API server and those on a node among them"
    ))
}

/// The podwire that was built beside the demo.
fn podwire() -> Result<PathBuf, Error> {
    let demo = env::current_exe().map_err(|error| Error::System("this program's own path".to_owned(), error))?;
    let path = demo.parent().and_then(|examples| examples.parent()).unwrap_or(&demo).join("podwire");
    if path.is_file() { Ok(path) } else { Err(Error::NoPodwire(path)) }
}
