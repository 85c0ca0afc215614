//! The table: a row for each annotation that Dapr's injector reads. docs/dapr.md says of each why it is open or closed.

use std::time::Duration;

use super::options::SidecarOptions;
use super::values::{
    Read, Refusal, addresses, amount, checked, duration, health_path, host, init_endpoints, invalid, listen_addresses, mounts, number,
    object, one_of, port, secret_variables, service_annotations, size, socket_path, sockets_folder, truth, variables, words,
};
use crate::api::annotations::{DAPR_APP_ID, DAPR_APP_PORT, DAPR_ENABLED};

/// An annotation that Dapr's injector reads.
pub(crate) struct Row {
    /// The key.
    pub(crate) key: &'static str,
    /// Whether an application may set it without the policy's word.
    pub(crate) open: bool,
    /// Takes the value in, or says what is allowed.
    pub(crate) read: Reader,
}

type Reader = fn(&str, &mut SidecarOptions) -> Read<()>;

const fn open(key: &'static str, read: Reader) -> Row {
    Row { key, open: true, read }
}

const fn closed(key: &'static str, read: Reader) -> Row {
    Row { key, open: false, read }
}

/// A reader that sets one field.
macro_rules! set {
    ($($field:ident).+, $read:expr) => {
        |value, options| {
            options.$($field).+ = $read(value)?;
            Ok(())
        }
    };
}

/// The same for a field that is absent where nothing is stated.
macro_rules! some {
    ($field:ident, $read:expr) => {
        |value, options| {
            options.$field = Some($read(value)?);
            Ok(())
        }
    };
}

const HIGHEST: i64 = i32::MAX as i64;

fn natural(value: &str) -> Read<i32> {
    number(value, 0..=HIGHEST)
}

fn positive(value: &str) -> Read<i32> {
    number(value, 1..=HIGHEST)
}

/// -1 is no limit, or Dapr's default.
fn limit(value: &str) -> Read<i64> {
    number(value, -1..=HIGHEST)
}

fn secret(value: &str) -> Read<String> {
    object(value, "Secret, whose key is token")
}

/// Every annotation of Dapr 1.18's injector (`pkg/injector/annotations`).
pub(crate) const ROWS: &[Row] = &[
    open(DAPR_ENABLED, |_, _| Ok(())),
    open(DAPR_APP_ID, |_, _| Ok(())),
    open(DAPR_APP_PORT, |value, _| port(value).map(drop)),
    open("dapr.io/app-protocol", set!(app_protocol, |value| one_of(value, &["http", "https", "grpc", "grpcs", "h2c"]))),
    open("dapr.io/app-ssl", set!(app_ssl, truth)),
    open("dapr.io/app-max-concurrency", some!(app_max_concurrency, limit)),
    closed("dapr.io/app-channel-address", some!(app_channel, host)),
    open("dapr.io/enable-app-health-check", set!(health.enabled, truth)),
    open("dapr.io/app-health-check-path", set!(health.path, health_path)),
    open("dapr.io/app-health-probe-interval", set!(health.interval, positive)),
    open("dapr.io/app-health-probe-timeout", set!(health.timeout, positive)),
    open("dapr.io/app-health-threshold", set!(health.threshold, positive)),
    open("dapr.io/config", some!(config, |value| object(value, "Dapr Configuration"))),
    open("dapr.io/log-level", set!(log_level, |value| one_of(value, &["debug", "info", "warn", "error", "fatal", "panic"]))),
    open("dapr.io/log-as-json", set!(log_as_json, truth)),
    open("dapr.io/enable-api-logging", some!(api_logging, truth)),
    open("dapr.io/enable-metrics", set!(metrics, truth)),
    open("dapr.io/metrics-port", some!(metrics_port, port)),
    open("dapr.io/grpc-port", some!(grpc_port, port)),
    open("dapr.io/internal-grpc-port", some!(internal_grpc_port, port)),
    closed("dapr.io/sidecar-listen-addresses", set!(listen_addresses, listen_addresses)),
    open("dapr.io/enable-profiling", set!(profiling, truth)),
    closed("dapr.io/enable-debug", set!(debug, truth)),
    open("dapr.io/debug-port", some!(debug_port, port)),
    open("dapr.io/env", set!(env, variables)),
    closed("dapr.io/env-from-secret", set!(env_from_secret, secret_variables)),
    closed("dapr.io/api-token-secret", some!(api_token_secret, secret)),
    closed("dapr.io/app-token-secret", some!(app_token_secret, secret)),
    open("dapr.io/sidecar-cpu-limit", |value, options| amount(value, "cpu", &mut options.limits)),
    open("dapr.io/sidecar-cpu-request", |value, options| amount(value, "cpu", &mut options.requests)),
    open("dapr.io/sidecar-memory-limit", |value, options| amount(value, "memory", &mut options.limits)),
    open("dapr.io/sidecar-memory-request", |value, options| amount(value, "memory", &mut options.requests)),
    open("dapr.io/sidecar-liveness-probe-delay-seconds", set!(liveness.delay, natural)),
    open("dapr.io/sidecar-liveness-probe-timeout-seconds", set!(liveness.timeout, positive)),
    open("dapr.io/sidecar-liveness-probe-period-seconds", set!(liveness.period, positive)),
    open("dapr.io/sidecar-liveness-probe-threshold", set!(liveness.threshold, positive)),
    open("dapr.io/sidecar-readiness-probe-delay-seconds", set!(readiness.delay, natural)),
    open("dapr.io/sidecar-readiness-probe-timeout-seconds", set!(readiness.timeout, positive)),
    open("dapr.io/sidecar-readiness-probe-period-seconds", set!(readiness.period, positive)),
    open("dapr.io/sidecar-readiness-probe-threshold", set!(readiness.threshold, positive)),
    closed("dapr.io/sidecar-image", some!(image, image)),
    closed("dapr.io/sidecar-seccomp-profile-type", set!(seccomp, |value| one_of(value, &["RuntimeDefault", "Unconfined"]))),
    closed("dapr.io/enable-native-sidecar", some!(native, truth)),
    open("dapr.io/http-max-request-size", some!(http_max_request_size, limit)),
    open("dapr.io/http-read-buffer-size", some!(http_read_buffer_size, limit)),
    open("dapr.io/max-body-size", some!(max_body_size, size)),
    open("dapr.io/read-buffer-size", some!(read_buffer_size, size)),
    // why a day: as for durations.
    open("dapr.io/graceful-shutdown-seconds", set!(graceful_shutdown, |value| number(value, -1..=86_400))),
    open("dapr.io/block-shutdown-duration", some!(block_shutdown, |value| duration(value, Duration::ZERO))),
    open("dapr.io/actors-disseminate-timeout", some!(actors_timeout, |value| duration(value, Duration::from_nanos(1)))),
    closed("dapr.io/placement-host-address", some!(placement, addresses)),
    closed("dapr.io/scheduler-host-address", some!(scheduler, addresses)),
    closed("dapr.io/sentry-request-jwt-audiences", |value, options| {
        options.jwt_audiences = Some(words(value, "audiences with commas between them")?.join(","));
        Ok(())
    }),
    open("dapr.io/disable-builtin-k8s-secret-store", set!(disable_secret_store, truth)),
    open("dapr.io/disable-init-endpoints", |value, _| init_endpoints(value)),
    open("dapr.io/unix-domain-socket-path", some!(socket_path, socket_path)),
    closed("dapr.io/volume-mounts", set!(mounts, mounts)),
    closed("dapr.io/volume-mounts-rw", set!(mounts_rw, mounts)),
    open("dapr.io/pluggable-components", set!(components, |value| words(value, "names of containers with commas between them"))),
    open("dapr.io/pluggable-components-sockets-folder", set!(components_folder, sockets_folder)),
    open("dapr.io/inject-pluggable-components", |value, _| match truth(value)? {
        true => Err(Refusal::Security(
            "false: podwire runs no image that a Component brings; name a container of the pod in dapr.io/pluggable-components".to_owned(),
        )),
        false => Ok(()),
    }),
    open("dapr.io/component-container", |_, _| Err(invalid("no such annotation on a pod: Dapr reads it on a Component"))),
    closed("dapr.io/sidecar-svc-annotations", set!(service_annotations, service_annotations)),
];

fn image(value: &str) -> Read<String> {
    checked(value, !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()), "an image reference")
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test reads the golden folders")]
mod tests {
    use super::{ROWS, Row};
    use crate::engine::intent::dapr::options::SidecarOptions;

    #[test]
    fn the_names_of_the_api_are_those_of_the_table() {
        let mut names: Vec<&str> = ROWS.iter().filter_map(|row| row.key.strip_prefix("dapr.io/")).collect();
        names.sort_unstable();
        assert_eq!(names, crate::api::annotations::DAPR_NAMES);
    }

    /// What docs/dapr.md says of a row.
    fn word(row: &Row) -> &'static str {
        match (row.open, row.key) {
            // Any value that would have an effect is refused, and no policy changes it.
            (_, "dapr.io/component-container" | "dapr.io/inject-pluggable-components") => "never",
            (true, _) => "yes",
            (false, _) => "by policy",
        }
    }

    #[test]
    fn the_page_says_of_each_annotation_what_becomes_of_it() {
        let page = include_str!("../../../../docs/dapr.md");
        let line = |row: &Row| format!("| `{}` | {} | ", row.key, word(row));
        let missing: Vec<String> = ROWS.iter().map(line).filter(|begin| !page.lines().any(|line| line.starts_with(begin))).collect();
        assert!(missing.is_empty(), "docs/dapr.md lacks {missing:#?}");
        let told: Vec<&str> = page.lines().filter(|line| line.starts_with("| `dapr.io/")).collect();
        assert_eq!(told.len(), ROWS.len(), "docs/dapr.md has a line for each annotation and no other");
        let unexplained: Vec<_> = told.iter().filter(|line| line.split(" | ").count() != 4 || line.ends_with(" | |")).collect();
        assert!(unexplained.is_empty(), "what it does and why: {unexplained:#?}");
    }

    #[test]
    fn each_row_is_in_a_golden_folder_right_and_wrong() {
        let golden = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let folders = std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
        let read = |file: &std::path::Path| std::fs::read_to_string(file).unwrap_or_default();
        let (mut wired, mut refused) = (String::new(), String::new());
        for folder in folders.filter(|path| path.is_dir()) {
            let (pod, findings) = (read(&folder.join("pod.in.yaml")), read(&folder.join("findings.out.txt")));
            if findings.starts_with("wired") {
                wired.push_str(&pod);
            }
            // That a row is closed says nothing of its values.
            refused.extend(findings.lines().filter(|line| !line.contains("lets applications set no such thing")));
        }
        let says_nothing = ["dapr.io/enabled", "dapr.io/app-id"];
        let lacking = ROWS.iter().map(|row| row.key).filter(|key| {
            let right = word_of(key) != "never" && !wired.contains(&format!("{key}:"));
            right || (!says_nothing.contains(key) && !refused.contains(&format!(" {key} is ")))
        });
        assert_eq!(lacking.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    fn word_of(key: &str) -> &'static str {
        ROWS.iter().find(|row| row.key == key).map_or("", word)
    }

    #[test]
    fn no_value_panics_and_no_empty_one_is_taken_for_a_value() {
        // Dapr reads these as "none of it".
        let none = ["dapr.io/enabled", "dapr.io/app-id", "dapr.io/placement-host-address", "dapr.io/scheduler-host-address"];
        for row in ROWS {
            for value in ["", "\u{0}", ",", "=", ":", "é", "99999999999999999999", "-", "/", "a=b:c,"] {
                let read = (row.read)(value, &mut SidecarOptions::default());
                assert!(!value.is_empty() || read.is_err() || none.contains(&row.key), "{} {value:?}", row.key);
            }
        }
    }
}
