//! Why a plan is what it is.

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// An annotation of podwire's on the pod.
    Annotation,
    /// Nothing was said anywhere.
    BuiltIn,
    /// An annotation of Dapr's on the pod.
    DaprAnnotation,
    /// The API server copied it from the limit.
    Limit,
    /// A LimitRange of the namespace put it there.
    LimitRange,
    /// The container's manifest states it.
    Manifest,
    /// The label of the namespace.
    NamespaceLabel,
    /// The workload's name.
    Owner(String),
    /// A policy, by its name.
    Policy(String),
    /// The answer that a Wiring holds.
    Wiring,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Annotation => write!(f, "annotation"),
            Origin::BuiltIn => write!(f, "built in"),
            Origin::DaprAnnotation => write!(f, "dapr.io annotation"),
            Origin::Limit => write!(f, "limit (API server default)"),
            Origin::LimitRange => write!(f, "LimitRange"),
            Origin::Manifest => write!(f, "manifest"),
            Origin::NamespaceLabel => write!(f, "namespace label"),
            Origin::Owner(owner) => write!(f, "{owner}"),
            Origin::Policy(name) => write!(f, "policy {name}"),
            Origin::Wiring => write!(f, "wiring"),
        }
    }
}

/// One decision of a plan: what was decided, the value, and what decided.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// What was decided: `style`, `app-id`, `daprd requests cpu`.
    pub what: String,
    /// The value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.what, self.value, self.origin)
    }
}

impl Reason {
    pub(crate) fn new(what: impl Into<String>, value: impl ToString, origin: Origin) -> Self {
        Reason { what: what.into(), value: value.to_string(), origin }
    }
}
