//! The files, and what lies in them.

use std::path::{Path, PathBuf};

use super::CertificatesError;

/// Where the certificates lie; each file holds PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// The server's certificate, the chain behind it.
    pub certificate: PathBuf,
    /// The key of the server's certificate.
    pub key: PathBuf,
    /// The CA that clients' certificates are checked against; `None` lets every client in.
    pub client_ca: Option<PathBuf>,
}

/// What lay in the files. It holds the private key: it is compared, never shown.
#[derive(Eq, PartialEq)]
pub(super) struct Contents {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_ca: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn read(&self) -> Result<Contents, CertificatesError> {
        Ok(Contents {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            client_ca: self.client_ca.as_deref().map(read).transpose()?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificatesError> {
    std::fs::read(path).map_err(|source| CertificatesError::Unreadable { path: path.to_owned(), source })
}
