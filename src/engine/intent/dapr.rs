//! `dapr.io/` annotations → [`SidecarOptions`]: one table, a row for each annotation that Dapr's injector reads.

use std::collections::BTreeMap;

use crate::api::annotations::{DAPR_APP_ID, DAPR_APP_PORT, DAPR_ENABLED};
use crate::api::names::{Port, PubsubName};
use crate::api::quantity::Quantity;
use crate::engine::governing::Governing;
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding};

/// What an application says about its sidecar in Dapr's own words.
#[derive(Clone, Debug)]
pub(crate) struct SidecarOptions {
    pub(crate) app_protocol: String,
    pub(crate) config: Option<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) image: Option<String>,
    pub(crate) limits: BTreeMap<&'static str, Quantity>,
    pub(crate) log_level: String,
    pub(crate) metrics: bool,
    pub(crate) metrics_port: Option<Port>,
    pub(crate) requests: BTreeMap<&'static str, Quantity>,
    /// The keys that stand on the pod and that Dapr's injector knows.
    pub(crate) stated: Vec<String>,
}

impl Default for SidecarOptions {
    fn default() -> Self {
        SidecarOptions {
            app_protocol: "http".to_owned(),
            config: None,
            env: Vec::new(),
            image: None,
            limits: BTreeMap::new(),
            log_level: "info".to_owned(),
            metrics: true,
            metrics_port: None,
            requests: BTreeMap::new(),
            stated: Vec::new(),
        }
    }
}

/// An annotation that Dapr's injector reads.
pub(crate) struct Row {
    /// The key.
    pub(crate) key: &'static str,
    /// Whether an application may set it without the policy's word.
    pub(crate) open: bool,
    /// Takes the value in, or says what is allowed; `None` where podwire does not handle the annotation yet.
    pub(crate) read: Option<Reader>,
}

type Reader = fn(&str, &mut SidecarOptions) -> Result<(), Refusal>;

/// Why a value was not taken.
pub(crate) enum Refusal {
    /// It is no value of this annotation; what is allowed.
    Invalid(String),
    /// It would change what the sidecar is; what is allowed.
    Security(String),
}

const fn handled(key: &'static str, read: Reader) -> Row {
    Row { key, open: true, read: Some(read) }
}

const fn later(key: &'static str) -> Row {
    Row { key, open: true, read: None }
}

const fn closed(key: &'static str, read: Option<Reader>) -> Row {
    Row { key, open: false, read }
}

/// Every annotation of Dapr 1.18's injector (`pkg/injector/annotations`). To handle one more, give it a reader.
pub(crate) const ROWS: &[Row] = &[
    handled(DAPR_ENABLED, |_, _| Ok(())),
    handled(DAPR_APP_ID, |_, _| Ok(())),
    handled(DAPR_APP_PORT, |value, _| Port::parse(value).map(drop).ok_or(invalid("1..65535"))),
    handled("dapr.io/app-protocol", |value, options| {
        options.app_protocol = one_of(value, &["http", "https", "grpc", "grpcs", "h2c"])?;
        Ok(())
    }),
    handled("dapr.io/config", |value, options| {
        options.config = Some(PubsubName::parse(value).ok_or(invalid("the name of a Dapr Configuration"))?.to_string());
        Ok(())
    }),
    handled("dapr.io/enable-metrics", |value, options| {
        options.metrics = truth(value)?;
        Ok(())
    }),
    handled("dapr.io/env", |value, options| {
        options.env = variables(value)?;
        Ok(())
    }),
    handled("dapr.io/log-level", |value, options| {
        options.log_level = one_of(value, &["debug", "info", "warn", "error", "fatal", "panic"])?;
        Ok(())
    }),
    handled("dapr.io/metrics-port", |value, options| {
        options.metrics_port = Some(Port::parse(value).ok_or(invalid("1..65535"))?);
        Ok(())
    }),
    handled("dapr.io/sidecar-cpu-limit", |value, options| amount(value, "cpu", &mut options.limits)),
    handled("dapr.io/sidecar-cpu-request", |value, options| amount(value, "cpu", &mut options.requests)),
    handled("dapr.io/sidecar-memory-limit", |value, options| amount(value, "memory", &mut options.limits)),
    handled("dapr.io/sidecar-memory-request", |value, options| amount(value, "memory", &mut options.requests)),
    closed(
        "dapr.io/sidecar-image",
        Some(|value, options| {
            let image = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            options.image = Some(image.then(|| value.to_owned()).ok_or(invalid("an image reference"))?);
            Ok(())
        }),
    ),
    closed("dapr.io/enable-native-sidecar", None),
    closed("dapr.io/placement-host-address", None),
    closed("dapr.io/scheduler-host-address", None),
    closed("dapr.io/sidecar-seccomp-profile-type", None),
    later("dapr.io/actors-disseminate-timeout"),
    later("dapr.io/api-token-secret"),
    later("dapr.io/app-channel-address"),
    later("dapr.io/app-health-check-path"),
    later("dapr.io/app-health-probe-interval"),
    later("dapr.io/app-health-probe-timeout"),
    later("dapr.io/app-health-threshold"),
    later("dapr.io/app-max-concurrency"),
    later("dapr.io/app-ssl"),
    later("dapr.io/app-token-secret"),
    later("dapr.io/block-shutdown-duration"),
    later("dapr.io/debug-port"),
    later("dapr.io/disable-builtin-k8s-secret-store"),
    later("dapr.io/disable-init-endpoints"),
    later("dapr.io/enable-api-logging"),
    later("dapr.io/enable-app-health-check"),
    later("dapr.io/enable-debug"),
    later("dapr.io/enable-profiling"),
    later("dapr.io/env-from-secret"),
    later("dapr.io/graceful-shutdown-seconds"),
    later("dapr.io/grpc-port"),
    later("dapr.io/http-max-request-size"),
    later("dapr.io/http-read-buffer-size"),
    later("dapr.io/inject-pluggable-components"),
    later("dapr.io/internal-grpc-port"),
    later("dapr.io/log-as-json"),
    later("dapr.io/max-body-size"),
    later("dapr.io/pluggable-components"),
    later("dapr.io/pluggable-components-sockets-folder"),
    later("dapr.io/read-buffer-size"),
    later("dapr.io/sentry-request-jwt-audiences"),
    later("dapr.io/sidecar-listen-addresses"),
    later("dapr.io/sidecar-liveness-probe-delay-seconds"),
    later("dapr.io/sidecar-liveness-probe-period-seconds"),
    later("dapr.io/sidecar-liveness-probe-threshold"),
    later("dapr.io/sidecar-liveness-probe-timeout-seconds"),
    later("dapr.io/sidecar-readiness-probe-delay-seconds"),
    later("dapr.io/sidecar-readiness-probe-period-seconds"),
    later("dapr.io/sidecar-readiness-probe-threshold"),
    later("dapr.io/sidecar-readiness-probe-timeout-seconds"),
    later("dapr.io/sidecar-svc-annotations"),
    later("dapr.io/unix-domain-socket-path"),
    later("dapr.io/volume-mounts"),
    later("dapr.io/volume-mounts-rw"),
];

/// Reads every annotation of the table that stands on the pod; where Dapr's own injector adds the sidecar, it handles all of them.
pub(super) fn read(request: &PodRequest, governing: &Governing, dapr_injects: bool, findings: &mut Vec<Finding>) -> SidecarOptions {
    let mut options = SidecarOptions::default();
    let overrides = &governing.spec.sidecar.allowed_overrides;
    for row in ROWS {
        let Some(value) = request.annotation(row.key) else { continue };
        options.stated.push(row.key.to_owned());
        let name = row.key.strip_prefix("dapr.io/").unwrap_or(row.key);
        if !row.open && !overrides.iter().any(|allowed| allowed == name) {
            let allowed = format!("{} lets applications set no such thing", governing.words());
            findings.push(Finding::annotation(Code::OverrideRefused, row.key, value, allowed).help("remove the annotation"));
            continue;
        }
        let Some(read) = row.read else {
            if dapr_injects {
                continue;
            }
            findings.push(Finding::annotation(Code::DaprNotHandled, row.key, value, "podwire does not handle it yet: it has no effect"));
            continue;
        };
        let (code, allowed) = match read(value, &mut options) {
            Ok(()) => continue,
            Err(Refusal::Invalid(allowed)) => (Code::DaprInvalidValue, allowed),
            Err(Refusal::Security(allowed)) => (Code::OverrideRefused, allowed),
        };
        findings.push(Finding::annotation(code, row.key, value, format!("allowed: {allowed}")));
    }
    options
}

fn invalid(allowed: &str) -> Refusal {
    Refusal::Invalid(allowed.to_owned())
}

fn one_of(value: &str, allowed: &[&str]) -> Result<String, Refusal> {
    allowed.contains(&value).then(|| value.to_owned()).ok_or_else(|| invalid(&allowed.join(", ")))
}

/// Dapr's truthy words, and their opposites: any other word is a mistake, which Dapr takes for false.
fn truth(value: &str) -> Result<bool, Refusal> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err(invalid("true or false")),
    }
}

fn amount(value: &str, resource: &'static str, amounts: &mut BTreeMap<&'static str, Quantity>) -> Result<(), Refusal> {
    let quantity = Quantity::parse(value).ok().filter(|quantity| quantity.is_positive_or_zero());
    amounts.insert(resource, quantity.ok_or(invalid("a quantity such as 250m, 1.5 or 128Mi"))?.round_to_milli());
    Ok(())
}

/// Variables on which the sidecar's identity and trust depend, or which open what the plan closes.
pub(crate) const RESERVED: [&str; 10] = [
    "APP_API_TOKEN",
    "DAPR_API_TOKEN",
    "DAPR_CONTROLPLANE_NAMESPACE",
    "DAPR_CONTROLPLANE_TRUST_DOMAIN",
    "DAPR_ENV_KEYS",
    "DAPR_TRUST_ANCHORS",
    "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK",
    "NAMESPACE",
    "POD_NAME",
    "SSL_CERT_DIR",
];

/// `K=V,K2=V2`, where a value may hold commas: a comma ends it only before another `K=`, as Dapr reads it.
fn variables(text: &str) -> Result<Vec<(String, String)>, Refusal> {
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

#[cfg(test)]
mod tests {
    use super::{ROWS, Row};

    /// What docs/dapr.md says of a row.
    fn word(row: &Row) -> &'static str {
        match (row.open, row.read) {
            (true, Some(_)) => "handled",
            (true, None) => "not yet",
            (false, Some(_)) => "needs allowedOverrides",
            (false, None) => "needs allowedOverrides, not yet",
        }
    }

    #[test]
    fn the_page_says_of_each_annotation_what_becomes_of_it() {
        let page = include_str!("../../../docs/dapr.md");
        let line = |row: &Row| format!("| `{}` | {} | ", row.key, word(row));
        let missing: Vec<String> =
            ROWS.iter().map(line).filter(|begin| !page.lines().any(|line| format!("{line} ").starts_with(begin))).collect();
        assert!(missing.is_empty(), "docs/dapr.md lacks {missing:#?}");
        let told = page.lines().filter(|line| line.starts_with("| `dapr.io/")).count();
        assert_eq!(told, ROWS.len(), "docs/dapr.md has a line for each annotation and no other");
    }
}
