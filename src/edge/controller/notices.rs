//! Events, where the owner of a workload looks for them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::{info, warn};

use crate::edge::telemetry::chain;
use crate::engine::Notice;

/// Tells Events. Equal ones are one Event with a count.
pub(super) struct Notices {
    client: Client,
    reporter: Reporter,
    /// By text: a recorder takes Events with one reason for equal, whatever they say, and only the first would be read.
    recorders: Mutex<BTreeMap<String, Recorder>>,
}

/// why: texts that are forgotten begin a new Event, which costs little.
const REMEMBERED: usize = 1000;

impl Notices {
    pub(super) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: "podwire".to_owned(), instance: Some(identity.to_owned()) };
        Notices { client, reporter, recorders: Mutex::default() }
    }

    fn recorder(&self, note: &str) -> Recorder {
        let mut recorders = self.recorders.lock().unwrap_or_else(PoisonError::into_inner);
        if recorders.len() >= REMEMBERED && !recorders.contains_key(note) {
            recorders.clear();
        }
        let new = || Recorder::new(self.client.clone(), self.reporter.clone());
        recorders.entry(note.to_owned()).or_insert_with(new).clone()
    }

    /// Tells them. An Event that cannot be told is a line in the log and no more.
    pub(super) async fn tell(&self, notices: &[Notice]) {
        for notice in notices {
            let of = super::read::title(&notice.regarding);
            info!(namespace = notice.regarding.namespace, of, reason = notice.reason, note = notice.note, "event");
            let event = Event {
                type_: if notice.warning { EventType::Warning } else { EventType::Normal },
                reason: notice.reason.to_owned(),
                // why: the API server takes 1024 bytes.
                note: Some(notice.note.chars().take(250).collect()),
                action: "Wire".to_owned(),
                secondary: None,
            };
            if let Err(error) = self.recorder(&notice.note).publish(&event, &notice.regarding).await {
                warn!(of, error = chain(&error), "an event could not be told");
            }
        }
    }
}
