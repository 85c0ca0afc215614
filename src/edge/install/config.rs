//! What is kept, and what can be in the way.

use std::path::PathBuf;

use crate::edge::certs::{AuthorityError, Wanted};

/// Under which name podwire writes what belongs to its installation.
pub(super) const MANAGER: &str = "podwire-install";

/// What is kept.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The file of the InjectionPolicy that was installed with podwire.
    pub policy: Option<PathBuf>,
    /// The webhook's certificates, where podwire makes them.
    pub certificates: Option<Certificates>,
}

/// Where the webhook's certificates are kept.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// podwire's namespace.
    pub namespace: String,
    /// The Secret, which exists already.
    pub secret: String,
    /// The name of both webhook configurations.
    pub configuration: String,
    /// What is wanted of them.
    pub wanted: Wanted,
}

/// Why something of the installation is not as it is to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{} cannot be read", file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{} is no InjectionPolicy: {why}", file.display())]
    NoPolicy { file: PathBuf, why: String },
    #[error("the installed InjectionPolicy cannot be applied")]
    Policy(#[source] kube::Error),
    #[error("Secret {0} does not exist; whoever installs podwire makes it, empty")]
    NoSecret(String),
    #[error("Secret {0} cannot be read or written")]
    Secret(String, #[source] kube::Error),
    #[error("the caBundle of {0} cannot be set")]
    Registration(String, #[source] kube::Error),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}
