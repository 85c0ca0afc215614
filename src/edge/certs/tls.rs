//! From what lies in the files to a configuration of TLS: all of it fits together, or none of it is used.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::files::{Contents, Files};
use super::{CertificatesError, CertificatesError as Error};

/// A configuration that is ready to serve.
pub(super) struct Served {
    pub(super) config: Arc<ServerConfig>,
    /// When the server's certificate ends, in seconds since 1970.
    pub(super) expires_at: i64,
}

/// Makes the configuration of `contents`.
pub(super) fn serve(files: &Files, contents: &Contents) -> Result<Served, CertificatesError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let expires_at = expiry(&files.certificate, chain.first())?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|source| Error::NotPem {
        path: files.key.clone(),
        what: "private key",
        source,
    })?;
    let pair = CertifiedKey::from_der(chain, key, &provider).map_err(Error::Pair)?;
    let clients = match (&files.client_ca, &contents.client_ca) {
        (Some(path), Some(pem)) => client_verifier(path, pem, &provider)?,
        _ => Arc::new(NoClientAuth),
    };
    Ok(Served { config: configure(&provider, clients, Arc::new(SingleCertAndKey::from(pair)))?, expires_at })
}

/// A configuration without a certificate: every handshake fails.
pub(super) fn nothing() -> Result<Arc<ServerConfig>, CertificatesError> {
    configure(&Arc::new(ring::default_provider()), Arc::new(NoClientAuth), Arc::new(NoCertificate))
}

fn configure(
    provider: &Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, CertificatesError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider));
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(Error::Tls)?;
    let mut config = builder.with_client_cert_verifier(clients).with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

fn client_verifier(path: &Path, pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, CertificatesError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(Error::ClientCaCertificate)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(Error::ClientCa)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let not_pem = |source| Error::NotPem { path: path.to_owned(), what: "certificate", source };
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(not_pem)?;
    if all.is_empty() { Err(not_pem(rustls::pki_types::pem::Error::NoItemsFound)) } else { Ok(all) }
}

fn expiry(path: &Path, leaf: Option<&CertificateDer<'_>>) -> Result<i64, CertificatesError> {
    let der = leaf.map(AsRef::as_ref).unwrap_or_default();
    let (_, certificate) = X509Certificate::from_der(der).map_err(|source| Error::NotX509 { path: path.to_owned(), source })?;
    Ok(certificate.validity().not_after.timestamp())
}
