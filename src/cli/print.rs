//! stdout is data, stderr is talk.

use std::io::{ErrorKind, Write};

use super::Exit;
use crate::edge::telemetry::chain;

/// Writes data to stdout. A reader that has seen enough is no failure.
pub(super) fn data(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Clean,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Clean,
        Err(error) => {
            talk(&format!("error: failed to write to stdout: {error}\n"));
            Exit::Usage
        }
    }
}

/// Writes to stderr, with colours where they are wanted. There is nobody to tell when that fails.
pub(super) fn talk(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Says what is wrong with the command line or a file that it names.
pub(super) fn usage(error: &dyn std::error::Error) -> Exit {
    talk(&format!("error: {}\n", chain(error)));
    Exit::Usage
}

/// Says what a defect of podwire is.
pub(super) fn internal(error: impl std::fmt::Display) -> Exit {
    talk(&format!("error: {error}\n"));
    Exit::Internal
}
