//! The two styles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an application publishes and listens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Through a Knative Broker.
    Broker,
    /// Through a Dapr sidecar.
    Sidecar,
}

impl Style {
    /// The word that people write.
    pub fn word(self) -> &'static str {
        match self {
            Style::Broker => "broker",
            Style::Sidecar => "sidecar",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Style::Broker => Style::Sidecar,
            Style::Sidecar => Style::Broker,
        }
    }

    /// The style of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "broker" => Some(Style::Broker),
            "sidecar" => Some(Style::Sidecar),
            _ => None,
        }
    }
}
