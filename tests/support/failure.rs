//! What every test with a cluster says when something is not as it should be, and how it waits.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Why something that was expected did not come.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Failure(text.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure(format!("no JSON: {error}"))
    }
}

/// How much slower a machine may be than one that runs nothing else. Only a test that fails waits so long.
const PATIENCE: u32 = 3;

/// Asks until there is an answer, for so many seconds of a machine that runs nothing else.
pub(crate) fn wait_for<T>(what: impl Display, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if start.elapsed() > Duration::from_secs(seconds) * PATIENCE {
            return Err(Failure(format!("after {:.0?} it is still not so that {what}", start.elapsed())));
        }
        thread::sleep(pause);
        // Whoever waits long need not ask often: kubectl costs more than most of what is tested.
        pause = (pause + Duration::from_millis(50)).min(Duration::from_millis(250));
    }
}

pub(crate) fn require(what: &str, holds: bool) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure(format!("it is not so that {what}"))) }
}
