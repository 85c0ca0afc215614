//! One condition of a Wiring, and the words that others look for.

use crate::api::style::Style;

/// A condition's three values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Truth {
    False,
    True,
    Unknown,
}

/// What is said under one heading.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Said {
    pub(super) kind: &'static str,
    pub(super) truth: Truth,
    /// One word in CamelCase.
    pub(super) reason: String,
    pub(super) message: String,
}

/// The condition about a side that is on its way out.
pub(crate) const DRAINED: &str = "Drained";

/// The condition by which an application takes events of a side.
pub(crate) fn ready_on(side: Style) -> &'static str {
    match side {
        Style::Broker => "TriggersReady",
        Style::Sidecar => "SubscriptionsReady",
    }
}

/// The reason of [`DRAINED`] by which the side may be taken away.
pub(crate) fn drained(side: Style) -> &'static str {
    match side {
        Style::Broker => "BrokerDrained",
        Style::Sidecar => "SidecarDrained",
    }
}

impl Truth {
    pub(super) fn word(self) -> &'static str {
        match self {
            Truth::False => "False",
            Truth::True => "True",
            Truth::Unknown => "Unknown",
        }
    }
}

impl Said {
    pub(super) fn new(kind: &'static str, truth: Truth, reason: &str, message: impl Into<String>) -> Self {
        // why: the API server takes at most 32768 characters; nobody reads more than these.
        let message: String = message.into().chars().take(1000).collect();
        Said { kind, truth, reason: reason.to_owned(), message }
    }
}

/// `app-id-taken` as a reason: `AppIdTaken`.
pub(super) fn camel(name: &str) -> String {
    let word = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').filter(|part| !part.is_empty()).map(word).collect()
}
