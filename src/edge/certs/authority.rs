//! A CA of podwire's own: what it holds, and what it holds next. Time is an argument.
//!
//! Nothing that is trusted or served is taken away before its successor has been known for a while:
//!
//! ```text
//!   CA 1   ├──────────────── 2/3 ────────┤
//!   CA 2                      ├──────────────────────▶      made, and trusted beside CA 1
//!   leaf        ├── 2/3 ─┤├── 2/3 ─┤ ├────────▶             by CA 2 once it was trusted for the overlap
//!   trusted    CA 1           │CA 2, CA 1    │CA 2          CA 1 goes when the last leaf of it was replaced for the overlap
//! ```

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// A certificate is good from this long before it was made: clocks differ.
const SKEW: Duration = Duration::from_secs(300);
/// The longest overlap: kubelets bring a changed Secret within two minutes, API servers hear of a caBundle within seconds.
const LONGEST_OVERLAP: Duration = Duration::from_secs(3600);

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate can be made")]
pub struct AuthorityError(#[from] rcgen::Error);

/// What is wanted of the certificates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// The names under which the server is asked for, the first one being the most usual: `podwire-webhook.podwire-system.svc`.
    pub names: Vec<String>,
    /// For how long a CA is good.
    pub ca_lifetime: Duration,
    /// For how long a server's certificate is good, unless its CA ends before.
    pub lifetime: Duration,
}

/// A CA and a server's certificate, PEM. Texts are empty where there is nothing yet. It holds private keys: it is compared, never shown.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Held {
    /// The certificates that are trusted, the newest first: the caBundle.
    pub ca: String,
    /// The key of the newest of them.
    pub ca_key: String,
    /// The server's certificate.
    pub certificate: String,
    /// The key of the server's certificate.
    pub key: String,
}

/// What is to be held next.
pub struct Next {
    /// It.
    pub held: Held,
    /// What is new about it, in words; empty where it is what was held before.
    pub news: Vec<&'static str>,
    /// After which time to look again.
    pub again: Duration,
}

/// A certificate that was read.
struct Read {
    pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
    names: Vec<String>,
    is_ca: bool,
    /// Since 1970.
    made: Duration,
    end: Duration,
}

/// Under which names the parts of a [`Held`] are kept, in files and in a Secret: those of `kubernetes.io/tls` and what cert-manager adds to them. The CA's key has one of its own, which no webhook mounts.
pub(crate) const PARTS: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

impl Wanted {
    /// Both names under which a Service is asked for.
    pub fn of_service(namespace: &str, service: &str, cluster_domain: &str) -> Vec<String> {
        vec![format!("{service}.{namespace}.svc"), format!("{service}.{namespace}.svc.{cluster_domain}")]
    }

    fn overlap(&self) -> Duration {
        (self.lifetime / 12).min(LONGEST_OVERLAP)
    }
}

impl Held {
    /// What stands under each of [`PARTS`].
    pub(crate) fn of([ca, ca_key, certificate, key]: [String; 4]) -> Self {
        Held { ca, ca_key, certificate, key }
    }

    /// The same, with each name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [&self.ca, &self.ca_key, &self.certificate, &self.key];
        PARTS.into_iter().zip(texts.map(String::as_str))
    }

    /// What is to be held from now on; `now` is the time since 1970, and `published` says whether all that are trusted are known wherever they are needed.
    ///
    /// Whatever cannot be used (no PEM, a key of another certificate, other names) is replaced; a CA that can still be trusted stays trusted.
    ///
    /// # Errors
    /// [`AuthorityError`] where a key or a certificate cannot be made.
    pub fn next(&self, wanted: &Wanted, now: Duration, published: bool) -> Result<Next, AuthorityError> {
        let mut news = Vec::new();
        let mut held = self.clone();
        let mut trusted: Vec<Read> = certificates(&self.ca).into_iter().filter(|one| one.is_ca && now < one.end).collect();
        let signs = trusted.first().is_some_and(|ca| belongs(&self.ca_key, ca) && now < ca.renewal());
        if !signs {
            let (ca, key) = authority(wanted, now)?;
            held.ca_key = key;
            trusted.insert(0, ca);
            news.push("a new CA");
        }
        let (signer, older) = trusted.split_first().ok_or(rcgen::Error::CouldNotParseCertificate)?;
        let known_at = signer.made + wanted.overlap();
        let leaf = certificates(&self.certificate).into_iter().next().filter(|leaf| {
            let trusted = trusted.iter().any(|ca| leaf.is_signed_by(ca));
            trusted && now < leaf.end && leaf.names == wanted.names && belongs(&self.key, leaf)
        });
        // One that is good is not replaced by one whose CA nobody may have heard of.
        let good = leaf.filter(|leaf| if leaf.is_signed_by(signer) { now < leaf.renewal() } else { now < known_at || !published });
        let leaf = match good {
            Some(leaf) => leaf,
            None => {
                let (leaf, certificate, key) = server(wanted, signer, &held.ca_key, now)?;
                (held.certificate, held.key) = (certificate, key);
                news.push("a new certificate");
                leaf
            }
        };
        let served_at = leaf.made + wanted.overlap();
        let by_signer = leaf.is_signed_by(signer);
        let kept = older.iter().filter(|_| !by_signer || now < served_at);
        held.ca = std::iter::once(signer).chain(kept).map(|one| one.pem.as_str()).collect();
        if news.is_empty() && held.ca != self.ca {
            news.push("an old CA has gone");
        }
        let leaf_at = if by_signer { leaf.renewal() } else { known_at };
        let old_at = (trusted.len() > 1).then_some(served_at).filter(|at| by_signer && now < *at);
        let ends = trusted.iter().map(|ca| ca.end);
        let at = [Some(leaf_at), old_at, Some(signer.renewal())].into_iter().flatten().chain(ends).min().unwrap_or(now);
        Ok(Next { held, news, again: at.saturating_sub(now) })
    }
}

impl Read {
    /// When it is to be replaced: after two thirds of its life.
    fn renewal(&self) -> Duration {
        self.made + (self.end.saturating_sub(self.made)) * 2 / 3
    }

    fn is_signed_by(&self, ca: &Read) -> bool {
        match (X509Certificate::from_der(&self.der), X509Certificate::from_der(&ca.der)) {
            (Ok((_, leaf)), Ok((_, ca))) => leaf.verify_signature(Some(ca.public_key())).is_ok(),
            _ => false,
        }
    }
}

/// Whether a key is that of a certificate.
fn belongs(key: &str, certificate: &Read) -> bool {
    KeyPair::from_pem(key).is_ok_and(|key| key.subject_public_key_info() == certificate.key)
}

/// The certificates of a PEM, those that can be read.
fn certificates(pem: &str) -> Vec<Read> {
    pem.split_inclusive("-----END CERTIFICATE-----").filter_map(read).collect()
}

fn read(pem: &str) -> Option<Read> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, parsed) = X509Certificate::from_der(&der).ok()?;
    let names = parsed.subject_alternative_name().ok()?.map_or_else(Vec::new, |names| {
        let all = names.value.general_names.iter();
        all.filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }).collect()
    });
    let key = parsed.public_key().raw.to_vec();
    let seconds = |at: i64| u64::try_from(at).ok().map(Duration::from_secs);
    let (made, end) = (seconds(parsed.validity().not_before.timestamp())? + SKEW, seconds(parsed.validity().not_after.timestamp())?);
    let is_ca = parsed.is_ca();
    Some(Read { pem: format!("{}\n", pem.trim()), key, names, is_ca, made, end, der })
}

/// A new CA and its key.
fn authority(wanted: &Wanted, now: Duration) -> Result<(Read, String), AuthorityError> {
    let mut params = params("podwire webhook CA", now, now + wanted.ca_lifetime);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let read = read(&certificate.pem()).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    Ok((read, key.serialize_pem()))
}

/// A new server's certificate, as PEM too, and its key.
fn server(wanted: &Wanted, ca: &Read, ca_key: &str, now: Duration) -> Result<(Read, String, String), AuthorityError> {
    let issuer = Issuer::from_ca_cert_der(&ca.der, KeyPair::from_pem(ca_key)?)?;
    let name = wanted.names.first().map(String::as_str).unwrap_or_default();
    let mut params = params(name, now, (now + wanted.lifetime).min(ca.end));
    for name in &wanted.names {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    let read = read(&certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
    Ok((read, certificate, key.serialize_pem()))
}

fn params(name: &str, now: Duration, end: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + end;
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86400);
    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn wanted() -> Wanted {
        let names = Wanted::of_service("podwire-system", "podwire-webhook", "cluster.local");
        Wanted { names, ca_lifetime: DAY * 730, lifetime: DAY * 90 }
    }

    fn next(held: &Held, now: Duration) -> Next {
        held.next(&wanted(), now, true).unwrap()
    }

    /// Whether a client that trusts the first accepts a server that serves the second.
    fn accepted(trusting: &Held, serving: &Held, now: Duration) -> bool {
        let leaf = certificates(&serving.certificate).remove(0);
        let trusted = certificates(&trusting.ca);
        leaf.made <= now + SKEW && now < leaf.end && trusted.iter().any(|ca| now < ca.end && leaf.is_signed_by(ca))
    }

    #[test]
    fn the_first_pair_is_of_the_first_ca_and_stays() {
        let Next { held, news, again } = next(&Held::default(), NOW);
        assert_eq!(news, ["a new CA", "a new certificate"]);
        assert_eq!(again, DAY * 60);
        assert!(accepted(&held, &held, NOW));
        let leaf = certificates(&held.certificate).remove(0);
        assert_eq!(leaf.names, ["podwire-webhook.podwire-system.svc", "podwire-webhook.podwire-system.svc.cluster.local"]);
        assert_eq!((leaf.end - NOW, leaf.is_ca), (DAY * 90, false));
        let later = next(&held, NOW + DAY * 59);
        assert!(later.held == held && later.news.is_empty());
        assert_eq!(later.again, DAY);
    }

    /// Six years, each change as late as it is allowed to be. Whoever has not heard of the last change yet gets on with whoever has.
    #[test]
    fn old_and_new_get_on_for_as_long_as_the_news_travel() {
        let (mut held, mut now) = (Held::default(), NOW);
        let mut counts = std::collections::BTreeMap::new();
        let mut trusting: Vec<(Duration, Held)> = Vec::new();
        while now < NOW + DAY * 365 * 6 {
            let Next { held: new, news, again } = next(&held, now);
            assert!(again > Duration::ZERO && !news.is_empty(), "{news:?} at {now:?}");
            news.iter().for_each(|news| *counts.entry(*news).or_insert(0) += 1);
            if !held.ca.is_empty() {
                assert!(accepted(&new, &held, now) && accepted(&held, &new, now), "{news:?} at {now:?}");
            }
            assert!(accepted(&new, &new, now + again), "nothing is good until {:?}", now + again);
            // Nobody has to change twice within the overlap.
            let hour = Duration::from_secs(3600);
            trusting.retain(|(since, _)| now < *since + hour);
            assert!(trusting.is_empty(), "{news:?} follows too soon at {now:?}");
            trusting.push((now, new.clone()));
            (held, now) = (new, now + again);
        }
        assert_eq!(counts["a new CA"], 5, "{counts:?}");
        assert_eq!(counts["an old CA has gone"], 4, "{counts:?}");
        assert!((36..=44).contains(&counts["a new certificate"]), "{counts:?}");
    }

    #[test]
    fn a_clock_that_jumps_past_every_end_gets_a_new_pair_at_once() {
        let first = next(&Held::default(), NOW).held;
        let leaf_gone = next(&first, NOW + DAY * 100);
        assert_eq!(leaf_gone.news, ["a new certificate"]);
        assert_eq!(leaf_gone.held.ca, first.ca);
        let all_gone = next(&first, NOW + DAY * 1000);
        assert_eq!(all_gone.news, ["a new CA", "a new certificate"]);
        assert_eq!(certificates(&all_gone.held.ca).len(), 1);
    }

    #[test]
    fn what_cannot_be_used_is_replaced_and_what_can_be_trusted_stays_trusted() {
        let good = next(&Held::default(), NOW).held;
        let other = next(&Held::default(), NOW).held;
        let check = |held: Held, news: &[&str], trusted: usize| {
            let next = next(&held, NOW);
            assert_eq!((next.news.as_slice(), certificates(&next.held.ca).len()), (news, trusted));
            assert!(accepted(&next.held, &next.held, NOW));
            let after = self::next(&next.held, NOW + next.again);
            assert!(accepted(&after.held, &next.held, NOW + next.again) || !news.contains(&"a new certificate"));
        };
        check(good.clone(), &[], 1);
        check(Held { ca_key: String::new(), ..good.clone() }, &["a new CA"], 2);
        check(Held { ca_key: other.ca_key.clone(), ..good.clone() }, &["a new CA"], 2);
        check(Held { ca: "no PEM".to_owned(), ..good.clone() }, &["a new CA", "a new certificate"], 1);
        check(Held { certificate: other.certificate.clone(), key: other.key.clone(), ..good.clone() }, &["a new certificate"], 1);
        check(Held { key: other.key, ..good.clone() }, &["a new certificate"], 1);
        check(Held { certificate: good.ca.clone(), key: good.ca_key.clone(), ..good.clone() }, &["a new certificate"], 1);
        let renamed = Wanted { names: vec!["hooks.podwire-system.svc".to_owned()], ..wanted() };
        assert_eq!(good.next(&renamed, NOW, true).unwrap().news, ["a new certificate"]);
    }

    #[test]
    fn a_ca_that_is_not_known_everywhere_signs_nothing_while_the_old_certificate_is_good() {
        let first = next(&Held::default(), NOW).held;
        let held = Held { ca_key: String::new(), ..first.clone() }.next(&wanted(), NOW, true).unwrap().held;
        let at = |days: u32, published| held.next(&wanted(), NOW + DAY * days, published).unwrap().news;
        assert_eq!(at(1, false), <[&str; 0]>::default());
        assert_eq!(at(89, false), <[&str; 0]>::default());
        assert_eq!(at(1, true), ["a new certificate"]);
        assert_eq!(at(90, false), ["a new certificate"]);
    }

    #[test]
    fn a_short_life_is_a_whole_one() {
        let wanted = Wanted { ca_lifetime: Duration::from_secs(60), lifetime: Duration::from_secs(24), ..wanted() };
        let (mut held, mut now) = (Held::default(), NOW);
        for _ in 0..40 {
            let Next { held: new, again, .. } = held.next(&wanted, now, true).unwrap();
            assert!(held.ca.is_empty() || accepted(&new, &held, now) && accepted(&held, &new, now));
            assert!(again >= Duration::from_secs(1), "{again:?}");
            (held, now) = (new, now + again);
        }
        assert!(now > NOW + Duration::from_secs(240));
    }
}
