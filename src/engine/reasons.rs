//! Why a plan is what it is.

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// An annotation of podwire's on the pod.
    Annotation,
    /// Nothing was said anywhere.
    BuiltIn,
    /// The only port that the application's container declares.
    ContainerPort,
    /// An annotation of Dapr's on the pod.
    DaprAnnotation,
    /// A flag with which podwire was installed.
    Installation,
    /// The API server copied it from the limit.
    Limit,
    /// A LimitRange of the namespace, by its name where that is known.
    LimitRange(Option<String>),
    /// The container's manifest states it.
    Manifest,
    /// The label of the namespace.
    NamespaceLabel,
    /// The workload's name.
    Owner(String),
    /// A policy, by its name.
    Policy(String),
    /// The priority of a policy.
    Priority(i32),
    /// A ResourceQuota demands it, by its name.
    Quota(String),
    /// The answer that a Wiring holds.
    Wiring,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Annotation => write!(f, "annotation"),
            Origin::BuiltIn => write!(f, "built in"),
            Origin::ContainerPort => write!(f, "the only container port"),
            Origin::DaprAnnotation => write!(f, "dapr.io annotation"),
            Origin::Installation => write!(f, "installation"),
            Origin::Limit => write!(f, "limit (API server default)"),
            Origin::LimitRange(None) => write!(f, "LimitRange"),
            Origin::LimitRange(Some(name)) => write!(f, "LimitRange {name}"),
            Origin::Manifest => write!(f, "manifest"),
            Origin::NamespaceLabel => write!(f, "namespace label"),
            Origin::Owner(owner) => write!(f, "{owner}"),
            Origin::Policy(name) => write!(f, "policy {name}"),
            Origin::Priority(priority) => write!(f, "priority {priority}"),
            Origin::Quota(name) => write!(f, "ResourceQuota {name}"),
            Origin::Wiring => write!(f, "wiring"),
        }
    }
}

/// A rule that had something to say: the value it gives, and which rule it is.
pub type Said = (String, Origin);

/// One decision of a plan: what was decided, the value, what decided, and what else had something to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// What was decided: `style`, `app-id`, `daprd requests cpu`.
    pub what: String,
    /// The value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// What the rules that lost would have said, the strongest first.
    pub instead: Vec<Said>,
    /// Whether a summary leaves it out: the pod itself shows it.
    pub minor: bool,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.what, self.value, self.origin)
    }
}

impl Reason {
    pub(crate) fn new(what: impl Into<String>, value: impl ToString, origin: Origin) -> Self {
        Reason { what: what.into(), value: value.to_string(), origin, instead: Vec::new(), minor: false }
    }

    /// With every rule that had something to say, the strongest first; the one that won may be among them.
    pub(crate) fn over(self, rules: impl IntoIterator<Item = Said>) -> Self {
        let instead = rules.into_iter().filter(|(value, origin)| (value, origin) != (&self.value, &self.origin)).collect();
        Reason { instead, ..self }
    }

    /// As one that a summary leaves out.
    pub(crate) fn minor(self) -> Self {
        Reason { minor: true, ..self }
    }
}
