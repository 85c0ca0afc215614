//! What is wrong with the watches: said once, and once more when it is over.

use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use super::streams::Source;

/// The troubles that last, by whose they are.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<Source, String>);

impl Troubles {
    /// Something failed. An outage of the API server fails every watch alike, and is one line in the log.
    pub(super) fn begin(&mut self, whose: Source, why: String) {
        if self.0.values().any(|known| *known == why) {
            debug!(watch = %whose, why, "still failing");
        } else {
            warn!(watch = %whose, why, "the API server is asked again and again, the snapshot ages meanwhile");
        }
        self.0.insert(whose, why);
    }

    /// It works.
    pub(super) fn end(&mut self, whose: Source) {
        if self.0.remove(&whose).is_some() && self.0.is_empty() {
            info!("every watch works again");
        }
    }

    #[cfg(test)]
    pub(super) fn lasting(&self) -> usize {
        self.0.len()
    }
}

/// An error and its causes in one line; a cause that its error repeats is said once.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
