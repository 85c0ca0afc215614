//! A fact for a person, as data.

use super::{Code, Severity};

/// What a finding is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// An annotation of the pod, by its key.
    Annotation(String),
    /// A container of the pod, by its name.
    Container(String),
    /// A document of a file.
    Document,
    /// A field of the pod, by its path from the pod: `spec.hostNetwork`.
    Field(String),
    /// A label of the pod, by its key.
    Label(String),
    /// A label of the pod's namespace, by its key.
    NamespaceLabel(String),
    /// The pod as a whole.
    Pod,
    /// A policy, by its name.
    Policy(String),
    /// A request or a limit.
    Resource {
        /// The container's name; `None` for the pod's own.
        container: Option<String>,
        /// `requests` or `limits`.
        section: &'static str,
        /// The resource's name.
        resource: String,
    },
    /// An environment variable of a container.
    Variable {
        /// The container's name.
        container: String,
        /// The variable's name.
        name: String,
    },
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Annotation(key) => write!(f, "{key}"),
            Subject::Container(name) => write!(f, "container {name}"),
            Subject::Document => write!(f, "document"),
            Subject::Field(path) => write!(f, "{path}"),
            Subject::Label(key) => write!(f, "label {key}"),
            Subject::Policy(name) => write!(f, "InjectionPolicy {name}"),
            Subject::NamespaceLabel(key) => write!(f, "namespace label {key}"),
            Subject::Pod => write!(f, "pod"),
            Subject::Resource { container: Some(name), section, resource } => write!(f, "container {name} {section} {resource}"),
            Subject::Resource { container: None, section, resource } => write!(f, "pod {section} {resource}"),
            Subject::Variable { container, name } => write!(f, "variable {name} of container {container}"),
        }
    }
}

/// A mistake, an override, a refusal or a doubt: what was looked at, what was read there, and what is allowed.
///
/// Every text that a person sees is a rendering of one of these.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// Which fact it is; the code decides the severity.
    pub code: Code,
    /// What it is about.
    pub subject: Subject,
    /// The value that was read there, where there is one.
    pub read: Option<String>,
    /// What is allowed there, or what holds instead: a fragment that fits after a colon.
    pub allowed: String,
    /// What to do, where that is not obvious.
    pub help: Option<String>,
}

impl Finding {
    /// A finding about `subject`; `allowed` says what would be right.
    pub fn new(code: Code, subject: Subject, allowed: impl Into<String>) -> Self {
        Finding { code, subject, read: None, allowed: allowed.into(), help: None }
    }

    /// A finding about an annotation.
    pub fn annotation(code: Code, key: &str, read: &str, allowed: impl Into<String>) -> Self {
        Finding::new(code, Subject::Annotation(key.to_owned()), allowed).read(read)
    }

    /// With the value that was read.
    pub fn read(self, read: impl Into<String>) -> Self {
        Finding { read: Some(read.into()), ..self }
    }

    /// With what to do.
    pub fn help(self, help: impl Into<String>) -> Self {
        Finding { help: Some(help.into()), ..self }
    }

    /// The severity of its code.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether the pod cannot be wired because of it.
    pub fn prevents(&self) -> bool {
        self.severity() != Severity::Warning
    }
}
