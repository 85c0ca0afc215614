//! Why the webhook does not serve.

use std::net::SocketAddr;

use crate::edge::certs::CertificatesError;

/// Why the webhook does not serve.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("certificates cannot be served")]
    Certificates(#[from] CertificatesError),
    /// A server ended by itself.
    #[error("the {server} server ended")]
    Ended {
        /// `admission` or `metrics`.
        server: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}
