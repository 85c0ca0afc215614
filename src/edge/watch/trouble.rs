//! What is wrong with the watches: said once, and once more when it is over.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{debug, info, warn};

use super::streams::Source;

/// The troubles that last.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// The last reason, by whose it is.
    lasting: BTreeMap<Source, String>,
    /// The reasons that the log has.
    told: BTreeSet<String>,
}

impl Troubles {
    /// Something failed. Returns whether that was worth a line in the log: most failures end with the next try, and an outage of the API server fails every watch alike.
    pub(super) fn begin(&mut self, whose: Source, why: String) -> bool {
        let repeated = self.lasting.get(&whose) == Some(&why);
        let telling = repeated && !self.told.contains(&why);
        if telling {
            warn!(watch = %whose, why, "a watch fails, it is tried again");
            self.told.insert(why.clone());
        } else {
            debug!(watch = %whose, why, "a watch fails");
        }
        self.lasting.insert(whose, why);
        telling
    }

    /// It works. Returns whether it did not before.
    pub(super) fn end(&mut self, whose: Source) -> bool {
        let ended = self.lasting.remove(&whose).is_some();
        if ended && self.lasting.is_empty() && !self.told.is_empty() {
            info!("every watch works again");
            self.told.clear();
        }
        ended
    }
}
