//! What the values of `dapr.io/` annotations may be: Dapr's rules, less what it ignores in silence and what daprd ends of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::options::{GoDuration, Mount, SecretKey};
use crate::api::duration::parse_duration;
use crate::api::names::{COMPONENTS_VOLUME, Port, PubsubName, SOCKETS_VOLUME, TOKEN_VOLUME};
use crate::api::quantity::Quantity;

/// Why a value was not taken.
pub(crate) enum Refusal {
    /// It is no value of this annotation; what is allowed.
    Invalid(String),
    /// It would change what the sidecar is; what is allowed.
    Security(String),
}

pub(super) type Read<T> = Result<T, Refusal>;

pub(super) fn invalid(allowed: &str) -> Refusal {
    Refusal::Invalid(allowed.to_owned())
}

/// A text that fits, or what would.
pub(super) fn checked(value: &str, fits: bool, allowed: &str) -> Read<String> {
    fits.then(|| value.to_owned()).ok_or_else(|| invalid(allowed))
}

pub(super) fn one_of(value: &str, allowed: &[&str]) -> Read<String> {
    checked(value, allowed.contains(&value), &allowed.join(", "))
}

/// Dapr's truthy words, and their opposites: any other word is a mistake, which Dapr takes for false.
pub(super) fn truth(value: &str) -> Read<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err(invalid("true or false")),
    }
}

/// A number in decimal digits; Dapr ignores other text, and daprd and the API server refuse numbers out of range.
pub(super) fn number<N: Copy + TryFrom<i64>>(value: &str, range: RangeInclusive<i64>) -> Read<N> {
    let number = value.parse::<i64>().ok().filter(|number| range.contains(number)).and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| invalid(&format!("a whole number from {} to {}", range.start(), range.end())))
}

pub(super) fn port(value: &str) -> Read<Port> {
    Port::parse(value).ok_or(invalid("1..65535"))
}

/// The name of an object of the pod's namespace.
pub(super) fn object(value: &str, kind: &str) -> Read<String> {
    checked(value, PubsubName::parse(value).is_some(), &format!("the name of a {kind}"))
}

pub(super) fn amount(value: &str, resource: &'static str, amounts: &mut BTreeMap<&'static str, Quantity>) -> Read<()> {
    let quantity = Quantity::parse(value).ok().filter(|quantity| quantity.is_positive_or_zero());
    amounts.insert(resource, quantity.ok_or(invalid("a quantity such as 250m, 1.5 or 128Mi"))?.round_to_milli());
    Ok(())
}

/// why a day: Go's durations end somewhere, and no sidecar waits so long.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn duration(value: &str, shortest: Duration) -> Read<GoDuration> {
    let length = parse_duration(value).filter(|length| (shortest..=LONGEST).contains(length));
    length.map(|length| GoDuration { text: value.to_owned(), length }).ok_or(invalid("a duration such as 500ms, 10s or 1m30s, up to 24h"))
}

/// Bytes. daprd ends of fractions, also where they are whole bytes: 1.5Mi.
pub(super) fn size(value: &str) -> Read<String> {
    let digits = value.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match &value[digits.len()..] {
        "" => digits.len() <= 15,
        "k" | "M" | "G" | "Ki" | "Mi" | "Gi" => digits.len() <= 5,
        _ => false,
    };
    checked(value, whole && fits, "whole bytes such as 4194304, 512Ki or 16Mi")
}

/// A path on the application. daprd puts it behind the address, so nothing in it may end the path or the address.
pub(super) fn health_path(value: &str) -> Read<String> {
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    checked(value, plain && value.starts_with('/') && !value.starts_with("//"), "a path with exactly one leading slash")
}

fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || PubsubName::parse(text).is_some()
}

pub(super) fn host(value: &str) -> Read<String> {
    checked(value, is_host(value), "an address or a host's name")
}

/// `host:port`, or some with commas between them; empty is none. Quotes around it are Dapr's to take away.
pub(super) fn addresses(value: &str) -> Read<String> {
    let value = value.trim_matches(['"', '\'']).trim();
    let is_address = |one: &str| {
        let (host, port) = one.rsplit_once(':').unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        Port::parse(port).is_some() && bare.map_or(is_host(host) && !host.contains(':'), |bare| bare.parse::<IpAddr>().is_ok())
    };
    checked(value, value.is_empty() || value.split(',').all(is_address), "host:port, some with commas between them, or nothing")
}

/// Addresses that are known before the pod is: its own is not.
pub(super) fn listen_addresses(value: &str) -> Read<String> {
    let known = ["127.0.0.1", "[::1]", "0.0.0.0", "[::]", "localhost"];
    checked(value, value.split(',').all(|one| known.contains(&one)), "127.0.0.1, [::1], 0.0.0.0, [::] or some of them with commas")
}

/// Words with commas between them, as they are.
pub(super) fn words(value: &str, allowed: &str) -> Read<Vec<String>> {
    let fits = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    checked(value, value.split(',').all(fits), allowed)?;
    Ok(value.split(',').map(str::to_owned).collect())
}

/// Subscriptions are objects in both styles, so neither endpoint is ever asked; a value that leaves one open cannot hold.
pub(super) fn init_endpoints(value: &str) -> Read<()> {
    let mut words: Vec<String> = value.split(',').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    checked(value, words == ["config", "subscribe"], "config,subscribe: podwire never lets daprd ask the application for either").map(drop)
}

/// Whether one of two paths lies in the other.
pub(crate) fn overlaps(path: &str, other: &str) -> bool {
    let parts = |path: &str| -> Vec<String> {
        let mut parts: Vec<String> = path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect();
        // Images link one to the other.
        if parts.starts_with(&["var".to_owned(), "run".to_owned()]) {
            parts.remove(0);
        }
        parts
    };
    let (path, other) = (parts(path), parts(other));
    path.iter().any(|part| part == "..") || path.iter().zip(&other).all(|(one, other)| one == other)
}

/// What no mount of the sidecar may hide: its program, its identity, its sockets, the kernel's own.
const PROTECTED: [&str; 7] = ["/daprd", "/dlv", "/var/run/secrets", "/var/run/dapr-sockets", "/proc", "/sys", "/dev"];
/// What a folder that everybody may ask for may not hide either.
const SYSTEM: [&str; 5] = ["/bin", "/etc", "/lib", "/lib64", "/usr"];

fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b":,".contains(&byte))
        && !path.split('/').any(|part| part == "..")
}

/// Where sockets are mounted in the author's own containers.
pub(super) fn socket_path(value: &str) -> Read<String> {
    checked(value, is_absolute(value) && !value.trim_matches('/').is_empty(), "an absolute path without .., colon and comma")
}

/// Where sockets of components are mounted, in the sidecar too.
pub(super) fn sockets_folder(value: &str) -> Read<String> {
    let path = socket_path(value)?;
    match PROTECTED.iter().chain(&SYSTEM).find(|kept| overlaps(&path, kept)) {
        Some(kept) => Err(Refusal::Security(format!("a folder that does not lie over {kept} of the sidecar"))),
        None => Ok(path),
    }
}

/// `volume:path` with commas between them.
pub(super) fn mounts(value: &str) -> Read<Vec<Mount>> {
    let mut mounts = Vec::new();
    for pair in value.split(',') {
        let (volume, path) = pair.trim().split_once(':').unwrap_or_default();
        if PubsubName::parse(volume).is_none() || !is_absolute(path) {
            return Err(invalid("volume:/path,other:/path"));
        }
        if [TOKEN_VOLUME, SOCKETS_VOLUME, COMPONENTS_VOLUME].contains(&volume) {
            return Err(Refusal::Security(format!("other volumes than {volume}, which is the sidecar's")));
        }
        if let Some(kept) = PROTECTED.iter().find(|kept| overlaps(path, kept)) {
            return Err(Refusal::Security(format!("paths that do not lie over {kept} of the sidecar")));
        }
        mounts.push(Mount { volume: volume.to_owned(), path: path.to_owned() });
    }
    Ok(mounts)
}

/// `key=value` with commas between them, for the Service that podwire makes.
pub(super) fn service_annotations(value: &str) -> Read<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in value.split(',') {
        let (key, value) = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim())).unwrap_or_default();
        let fits = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte)) && key.matches('/').count() <= 1;
        if key.is_empty() || !fits {
            return Err(invalid("key=value,other=value"));
        }
        if key.starts_with("dapr.io/") || key.starts_with("podwire.io/") {
            return Err(invalid("other keys than dapr.io/ and podwire.io/"));
        }
        pairs.insert(key.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

/// Variables on which the sidecar's identity and trust depend, which open what the plan closes, or which it sets itself.
pub(crate) const RESERVED: [&str; 14] = [
    "APP_API_TOKEN",
    "DAPR_API_TOKEN",
    "DAPR_COMPONENT_SOCKETS_FOLDER",
    "DAPR_CONTROLPLANE_NAMESPACE",
    "DAPR_CONTROLPLANE_TRUST_DOMAIN",
    "DAPR_ENV_KEYS",
    "DAPR_SCHEDULER_HOST_ADDRESS_DNS_A",
    "DAPR_SENTRY_TOKEN_FILE",
    "DAPR_TRUST_ANCHORS",
    "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK",
    "NAMESPACE",
    "POD_NAME",
    "SENTRY_LOCAL_IDENTITY",
    "SSL_CERT_DIR",
];

/// `K=V,K2=V2`, where a value may hold commas: a comma ends it only before another `K=`, as Dapr reads it.
pub(super) fn variables(text: &str) -> Read<Vec<(String, String)>> {
    let is_name = |name: &str| {
        let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        rest && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in text.split(',') {
        match (part.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) if is_name(name.trim_start()) => {
                let name = name.trim_start();
                // The last of a name holds, and is written once.
                pairs.retain(|(other, _)| other != name);
                pairs.push((name.to_owned(), value.to_owned()));
            }
            (_, Some((_, value))) => {
                value.push(',');
                value.push_str(part);
            }
            (_, None) => return Err(invalid("NAME=value,OTHER=value")),
        }
    }
    pairs.iter_mut().for_each(|(_, value)| value.truncate(value.trim_end().len()));
    match pairs.iter().find(|(name, _)| RESERVED.contains(&name.as_str())) {
        Some((name, _)) => Err(Refusal::Security(format!("other variables than {name}, on which the sidecar's identity depends"))),
        None => Ok(pairs),
    }
}

/// `K=secret:key,K2=secret`; without a key it is the Secret's name.
pub(super) fn secret_variables(text: &str) -> Read<Vec<(String, SecretKey)>> {
    let allowed = || invalid("NAME=secret:key,OTHER=secret");
    let source = |value: &str| {
        let (secret, key) = value.split_once(':').unwrap_or((value, value));
        let (secret, key) = (secret.trim(), key.trim());
        let is_key = !key.is_empty() && key.len() <= 253 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (is_key && PubsubName::parse(secret).is_some()).then(|| SecretKey { secret: secret.to_owned(), key: key.to_owned() })
    };
    let pairs = variables(text).map_err(|refusal| if matches!(refusal, Refusal::Invalid(_)) { allowed() } else { refusal })?;
    pairs.into_iter().map(|(name, value)| Ok((name, source(&value).ok_or_else(allowed)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Read, Refusal, addresses, init_endpoints, listen_addresses, mounts, overlaps, secret_variables, size, sockets_folder};

    fn holds(cases: &[(&str, bool)], fits: impl Fn(&str) -> bool) {
        cases.iter().for_each(|(value, fit)| assert_eq!(fits(value), *fit, "{value:?}"));
    }

    #[test]
    fn sizes_are_whole_as_daprd_reads_them() {
        let cases = [
            ("4194304", true),
            ("16Mi", true),
            ("0", true),
            ("1.5Mi", false),
            ("-1", false),
            ("123456Gi", false),
            ("500m", false),
            ("", false),
        ];
        holds(&cases, |value| size(value).is_ok());
    }

    #[test]
    fn addresses_have_ports_and_may_be_none() {
        let cases = [
            ("", true),
            ("''", true),
            (" ", true),
            ("a.b:80,[::1]:80", true),
            ("a", false),
            ("a:0", false),
            ("::1:80", false),
            ("a:80,", false),
        ];
        holds(&cases, |value| addresses(value).is_ok());
        holds(&[("0.0.0.0", true), ("[::1],127.0.0.1", true), ("10.0.0.1", false), ("", false)], |value| listen_addresses(value).is_ok());
    }

    #[test]
    fn neither_endpoint_is_left_open() {
        holds(
            &[("subscribe, Config", true), ("config,subscribe,", true), ("config", false), ("", false), ("config,subscribe,x", false)],
            |value| init_endpoints(value).is_ok(),
        );
    }

    #[test]
    fn nothing_is_mounted_over_what_the_sidecar_is() {
        fn is_security<T>(read: Read<T>) -> bool {
            matches!(read, Err(Refusal::Security(_)))
        }
        for path in ["/daprd", "//daprd/x", "/run/secrets/dapr.io", "/var/run", "/proc/self", "/var/run/dapr-sockets"] {
            assert!(is_security(mounts(&format!("data:{path}"))) && is_security(sockets_folder(path)), "{path}");
        }
        assert!(is_security(mounts("dapr-identity-token:/token")) && is_security(sockets_folder("/etc/ssl/certs")));
        assert!(mounts("data:/data, certs:/etc/ssl/certs").is_ok_and(|mounts| mounts.len() == 2));
        holds(&[("data", false), ("data:data", false), ("data:/a:ro", false), ("data:/a/../b", false), ("data:/a,", false)], |value| {
            mounts(value).is_ok()
        });
        assert!(overlaps("/", "/daprd") && overlaps("/run/secrets", "/var/run/secrets/x") && !overlaps("/daprd2", "/daprd"));
    }

    #[test]
    fn a_secret_is_named_by_name_and_key() {
        let read = secret_variables("A=s:k,B=t").unwrap_or_default();
        let read: Vec<String> = read.iter().map(|(name, from)| format!("{name} {} {}", from.secret, from.key)).collect();
        assert_eq!(read, ["A s k", "B t t"]);
        holds(&[("A=s:k:x", false), ("A", false), ("A=", false), ("A=S", false), ("NAMESPACE=s", false)], |value| {
            secret_variables(value).is_ok()
        });
    }
}
