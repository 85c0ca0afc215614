//! Pairs that are replaced, and pairs that must not be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
    date_time_ymd,
};
use tempfile::TempDir;

use super::{Certificates, Change, Files};
use crate::edge::telemetry::chain;

/// A CA of a test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost`, good for servers and for clients, with a key of its own.
    pub(crate) fn issue(&self, serial: u64) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_after = date_time_ymd(2049, 1, 2);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

/// Lays a pair (and a client CA) into a folder as the kubelet does: a folder a revision, and links that are swapped at once.
pub(crate) fn lay(folder: &Path, revision: &str, pair: &Pair, client_ca: Option<&str>) -> Files {
    let revision_folder = folder.join(format!("..{revision}"));
    fs::create_dir(&revision_folder).unwrap();
    let files = [("tls.crt", Some(pair.certificate.as_str())), ("tls.key", Some(pair.key.as_str())), ("ca.crt", client_ca)];
    for (name, text) in files {
        if let Some(text) = text {
            fs::write(revision_folder.join(name), text).unwrap();
            if !folder.join(name).is_symlink() {
                symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
            }
        }
    }
    symlink(format!("..{revision}"), folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    files_of(folder, client_ca.is_some())
}

fn files_of(folder: &Path, client_ca: bool) -> Files {
    Files { certificate: folder.join("tls.crt"), key: folder.join("tls.key"), client_ca: client_ca.then(|| folder.join("ca.crt")) }
}

#[test]
fn links_that_are_swapped_replace_the_pair() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let files = lay(folder.path(), "1", &authority.issue(1), None);
    let certificates = Certificates::of(files).unwrap();
    assert_eq!(certificates.problem(), None);
    assert_eq!(certificates.expires_at(), Some(date_time_ymd(2049, 1, 2).unix_timestamp()));
    assert_eq!(certificates.reload().unwrap(), Change::Same);
    let before = certificates.tls().get_inner();
    lay(folder.path(), "2", &authority.issue(2), None);
    assert_eq!(certificates.reload().unwrap(), Change::Replaced);
    assert!(!std::sync::Arc::ptr_eq(&before, &certificates.tls().get_inner()));
    assert_eq!(certificates.reload().unwrap(), Change::Same);
}

/// Whatever is half written: the old pair is served, and the complete one is taken afterwards.
#[test]
fn what_does_not_fit_together_is_not_taken() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(1), authority.issue(2));
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let cases = [
        ("new certificate, old key", new.certificate.clone(), old.key.clone(), "certificate and key cannot be used together"),
        ("old certificate, new key", old.certificate.clone(), new.key.clone(), "certificate and key cannot be used together"),
        ("half a certificate", half(&new.certificate), new.key.clone(), "is no PEM of a certificate"),
        ("half a key", new.certificate.clone(), half(&new.key), "is no PEM of a private key"),
        ("nothing", String::new(), String::new(), "is no PEM of a certificate"),
        ("the key in the certificate's file", new.key.clone(), new.key.clone(), "is no PEM of a certificate"),
        (
            "no X.509",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            new.key.clone(),
            "is no X.509 certificate",
        ),
    ];
    for (what, certificate, key, message) in cases {
        let folder = TempDir::new().unwrap();
        let files = lay(folder.path(), "1", &old, None);
        let certificates = Certificates::of(files.clone()).unwrap();
        let before = certificates.tls().get_inner();
        lay(folder.path(), "2", &Pair { certificate, key }, None);
        let error = certificates.reload().err().map(|error| chain(&error)).unwrap_or_default();
        assert!(error.contains(message), "{what}: {error}");
        assert!(std::sync::Arc::ptr_eq(&before, &certificates.tls().get_inner()), "{what}");
        assert_eq!(certificates.problem(), None, "{what}");
        lay(folder.path(), "3", &new, None);
        assert_eq!(certificates.reload().unwrap(), Change::Replaced, "{what}");
    }
}

#[test]
fn a_client_ca_counts_as_a_part_of_the_whole() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let pair = authority.issue(1);
    let files = lay(folder.path(), "1", &pair, Some(&authority.pem()));
    let certificates = Certificates::of(files).unwrap();
    assert_eq!(certificates.problem(), None);
    lay(folder.path(), "2", &authority.issue(2), Some("no PEM"));
    assert!(certificates.reload().is_err());
    lay(folder.path(), "3", &pair, Some(&Authority::new().pem()));
    assert_eq!(certificates.reload().unwrap(), Change::Replaced);
}

#[test]
fn files_that_are_not_there_yet_are_waited_for() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    let certificates = Certificates::of(files_of(folder.path(), false)).unwrap();
    assert!(certificates.problem().unwrap().contains("tls.crt cannot be read: "));
    assert_eq!(certificates.expires_at(), None);
    lay(folder.path(), "1", &authority.issue(1), None);
    assert_eq!(certificates.reload().unwrap(), Change::Replaced);
    assert_eq!(certificates.problem(), None);
}
