//! A variable of the application's containers: a text, or a fact of a Broker that is not known yet.

use crate::api::names::BrokerName;

/// A variable of the application's containers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Content,
    /// The facts that podwire may have given it while a Broker was not ready: a reference to one of them is podwire's own.
    pub(crate) facts: Vec<Fact>,
}

impl Variable {
    /// A variable whose value depends on no Broker.
    pub(crate) fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Variable { name: name.into(), value: Content::Text(value.into()), facts: Vec::new() }
    }

    /// Whether the container starts without it.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(&self.value, Content::Fact(fact) if fact.is_optional())
    }
}

/// What a variable holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// This text.
    Text(String),
    /// What the namespace's ConfigMap of Brokers says when the container starts.
    Fact(Fact),
}

/// What the namespace's ConfigMap of Brokers says of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fact {
    /// Where it takes events; a container that refers to it waits for it.
    Address(BrokerName),
    /// The CA of its address; most Brokers have none, so nobody waits for it.
    Certificates(BrokerName),
}

impl Fact {
    /// The key in the ConfigMap.
    pub(crate) fn key(&self) -> String {
        match self {
            Fact::Address(broker) => broker.to_string(),
            Fact::Certificates(broker) => broker.certificates_key(),
        }
    }

    /// Whether a container that refers to it starts without it.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self, Fact::Certificates(_))
    }
}
