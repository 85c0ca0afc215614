//! Every annotation and label of podwire's, once.

use serde_json::Value;

/// The prefix of podwire's annotations and labels.
pub const PREFIX: &str = "podwire.io/";

/// How the pod publishes and listens.
pub const STYLE: &str = "podwire.io/style";
/// Listens on the other side too.
pub const LISTEN: &str = "podwire.io/listen";
/// Identity and consumer group.
pub const APP_ID: &str = "podwire.io/app-id";
/// Where events are delivered.
pub const APP_PORT: &str = "podwire.io/app-port";
/// Which container is the application.
pub const APP_CONTAINER: &str = "podwire.io/app-container";
/// Dapr pub/sub component.
pub const PUBSUB: &str = "podwire.io/pubsub";
/// One Broker for all topics.
pub const BROKER: &str = "podwire.io/broker";
/// Topics the application publishes to.
pub const PUBLISH: &str = "podwire.io/publish";
/// What the application consumes.
pub const SUBSCRIBE: &str = "podwire.io/subscribe";
/// For how long a failed delivery is tried again.
pub const RETRY: &str = "podwire.io/retry";
/// The record of podwire's edits; written by podwire, never read by admission.
pub const WIRED: &str = "podwire.io/wired";

/// Label on wired pods: the app-id.
pub const APP_ID_LABEL: &str = "podwire.io/app-id";
/// Label on wired pods: the style in which they publish.
pub const STYLE_LABEL: &str = "podwire.io/wired-style";
/// Label on namespaces that podwire never touches, with the value `disabled`.
pub const INJECT_LABEL: &str = "podwire.io/inject";
/// Label on namespaces: the style of pods that state none.
pub const NAMESPACE_STYLE_LABEL: &str = STYLE;

/// Dapr's app-id, which Sentry checks.
pub const DAPR_APP_ID: &str = "dapr.io/app-id";
/// Dapr's app port.
pub const DAPR_APP_PORT: &str = "dapr.io/app-port";
/// Asks Dapr's own injector for a sidecar.
pub const DAPR_ENABLED: &str = "dapr.io/enabled";
/// Which container `kubectl logs` and `kubectl exec` take.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Every annotation that Dapr's injector reads (1.18), without the prefix `dapr.io/`.
pub const DAPR_NAMES: &[&str] = &[
    "actors-disseminate-timeout",
    "api-token-secret",
    "app-channel-address",
    "app-health-check-path",
    "app-health-probe-interval",
    "app-health-probe-timeout",
    "app-health-threshold",
    "app-id",
    "app-max-concurrency",
    "app-port",
    "app-protocol",
    "app-ssl",
    "app-token-secret",
    "block-shutdown-duration",
    "component-container",
    "config",
    "debug-port",
    "disable-builtin-k8s-secret-store",
    "disable-init-endpoints",
    "enable-api-logging",
    "enable-app-health-check",
    "enable-debug",
    "enable-metrics",
    "enable-native-sidecar",
    "enable-profiling",
    "enabled",
    "env",
    "env-from-secret",
    "graceful-shutdown-seconds",
    "grpc-port",
    "http-max-request-size",
    "http-read-buffer-size",
    "inject-pluggable-components",
    "internal-grpc-port",
    "log-as-json",
    "log-level",
    "max-body-size",
    "metrics-port",
    "placement-host-address",
    "pluggable-components",
    "pluggable-components-sockets-folder",
    "read-buffer-size",
    "scheduler-host-address",
    "sentry-request-jwt-audiences",
    "sidecar-cpu-limit",
    "sidecar-cpu-request",
    "sidecar-image",
    "sidecar-listen-addresses",
    "sidecar-liveness-probe-delay-seconds",
    "sidecar-liveness-probe-period-seconds",
    "sidecar-liveness-probe-threshold",
    "sidecar-liveness-probe-timeout-seconds",
    "sidecar-memory-limit",
    "sidecar-memory-request",
    "sidecar-readiness-probe-delay-seconds",
    "sidecar-readiness-probe-period-seconds",
    "sidecar-readiness-probe-threshold",
    "sidecar-readiness-probe-timeout-seconds",
    "sidecar-seccomp-profile-type",
    "sidecar-svc-annotations",
    "unix-domain-socket-path",
    "volume-mounts",
    "volume-mounts-rw",
];

/// An annotation that an application writes on its pod template.
pub struct Annotation {
    /// The key.
    pub key: &'static str,
    /// What may stand there.
    pub values: &'static str,
    /// What holds where it is absent.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The vocabulary, in the order in which it is explained.
pub const VOCABULARY: &[Annotation] = &[
    Annotation {
        key: STYLE,
        values: "`sidecar`, `broker`, `auto`, `none`",
        default: "the namespace's label of the same name, then `auto`",
        meaning: "How the pod publishes and listens. `none` opts out.",
    },
    Annotation {
        key: LISTEN,
        values: "`both`",
        default: "-",
        meaning: "Listens on the other side too: the step in the middle of a migration.",
    },
    Annotation {
        key: APP_ID,
        values: "a DNS-1123 label of at most 58 characters",
        default: "the name of the Deployment, StatefulSet or DaemonSet",
        meaning: "Identity and consumer group, for ever: another app-id is another consumer. Pods of Jobs and bare pods state it.",
    },
    Annotation {
        key: APP_PORT,
        values: "1..65535 or a container port's name",
        default: "the application's only container port",
        meaning: "Where events are delivered; required to subscribe.",
    },
    Annotation {
        key: APP_CONTAINER,
        values: "a container's name",
        default: "`kubectl.kubernetes.io/default-container`, then the first container",
        meaning: "Which container is the application.",
    },
    Annotation {
        key: PUBSUB,
        values: "the name of a Dapr component",
        default: "the policy's, then `pubsub`",
        meaning: "The pub/sub component of the sidecar style.",
    },
    Annotation {
        key: BROKER,
        values: "the name of a Knative Broker",
        default: "each topic has the Broker of its name",
        meaning: "One Broker that carries all topics of this application but dead letters; every entry of `subscribe` then states its `type`.",
    },
    Annotation {
        key: PUBLISH,
        values: "topics with commas between them: `orders,payments`",
        default: "none",
        meaning: "The topics to which the application publishes.",
    },
    Annotation {
        key: SUBSCRIBE,
        values: "topics with commas between them, or a YAML or JSON list of entries",
        default: "none",
        meaning: "What the application consumes.",
    },
    Annotation {
        key: RETRY,
        values: "`for=30s`, `timeout=10s`, or both with a comma between them",
        default: "`for=30s`, no timeout",
        meaning: "For about how long a failed delivery is tried again, and how long one delivery may take.",
    },
];

/// Whether an annotation of this key asks for wiring.
pub fn asks(key: &str) -> bool {
    (key.starts_with(PREFIX) && key != WIRED) || key == DAPR_ENABLED
}

/// Whether an object with `metadata` carries such an annotation.
pub fn is_asking(object: &Value) -> bool {
    object["metadata"]["annotations"].as_object().into_iter().flatten().any(|(key, _)| asks(key))
}

/// The known annotation that is nearest to a key that nobody knows, where one is near.
pub fn nearest(key: &str) -> Option<&'static str> {
    closest(key, PREFIX, VOCABULARY.iter().map(|annotation| annotation.key))
}

/// The word of `words`, which all begin with `prefix`, that is nearest to a key, where one is near.
pub fn closest<'a>(key: &str, prefix: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = key.strip_prefix(prefix)?;
    let near = |word: &'a str| (distance(name, &word[prefix.len()..]), word);
    // why a third: a slip of one letter in three is a typo, more is another word.
    words.map(near).filter(|(edits, word)| *edits * 3 <= word.len() - prefix.len()).min().map(|(_, word)| word)
}

/// How many letters must be added, dropped, changed or swapped to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_the_word_and_another_word_finds_none() {
        assert_eq!(nearest("podwire.io/stlye"), Some("podwire.io/style"));
        assert_eq!(nearest("podwire.io/subscribes"), Some("podwire.io/subscribe"));
        assert_eq!(nearest("podwire.io/appport"), Some("podwire.io/app-port"));
        assert_eq!(nearest("podwire.io/memory"), None);
    }
}
