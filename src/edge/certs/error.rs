//! Why certificates were not taken.

use std::path::PathBuf;

/// Why what lies in the files is not served.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file holds no PEM of the kind that belongs there, or only a part of it.
    #[error("{} is no PEM of a {what}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What the parser said.
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate is no X.509 certificate.
    #[error("{} is no X.509 certificate", path.display())]
    NotX509 {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: x509_parser::nom::Err<x509_parser::error::X509Error>,
    },
    /// Certificate and key do not belong together, or the key is of a kind that is not supported.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// The file of the client CA holds nothing that clients could be checked against.
    #[error("clients cannot be checked against the client ca")]
    ClientCa(#[source] rustls::server::VerifierBuilderError),
    /// A certificate of the client CA is refused.
    #[error("a certificate of the client ca cannot be used")]
    ClientCaCertificate(#[source] rustls::Error),
    /// TLS 1.2 and 1.3 are not available.
    #[error("tls cannot be set up")]
    Tls(#[source] rustls::Error),
}
