//! Newtypes for the names that people write. Each has one constructor, so a value that exists is a value that may be used.

use std::fmt;
use std::num::NonZeroU16;

/// The sidecar's container name, which Dapr's injector and operator look for.
pub const SIDECAR: &str = "daprd";
/// The volume of the token that Dapr's Sentry checks.
pub const TOKEN_VOLUME: &str = "dapr-identity-token";
/// The volume of the sockets that replace the sidecar's ports.
pub const SOCKETS_VOLUME: &str = "dapr-unix-domain-socket";
/// The volume of the sockets by which the sidecar reaches pluggable components.
pub const COMPONENTS_VOLUME: &str = "dapr-components-unix-domain-socket";
/// The ConfigMap of a namespace in which the controller writes what it knows of the Brokers there: the address under the Broker's name, its certificates under [`BrokerName::certificates_key`].
pub const BROKERS_CONFIG_MAP: &str = "podwire-brokers";

macro_rules! name {
    ($(#[$doc:meta])+ $name:ident, $allowed:literal, $fits:expr) => {
        $(#[$doc])+
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// What is allowed, as a fragment of a message.
            pub const ALLOWED: &str = $allowed;

            /// The name, where the text is one.
            pub fn parse(text: &str) -> Option<Self> {
                let fits: fn(&str) -> bool = $fits;
                fits(text).then(|| $name(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Identity and consumer group of an application. At most 58 characters, since Dapr makes a Service `<app-id>-dapr` of it.
    AppId,
    "a DNS-1123 label (a-z, 0-9, -) of at most 58 characters",
    |text| is_label(text, 58)
);

name!(
    /// A Knative Broker. At most 50 characters, so that the names made of it stay within 63.
    BrokerName,
    "a DNS-1123 label of at most 50 characters",
    |text| is_label(text, 50)
);

name!(
    /// The name of a subscription's entry.
    EntryName,
    "a DNS-1123 label of at most 50 characters",
    |text| is_label(text, 50)
);

name!(
    /// A path on the application.
    EventPath,
    "a path with exactly one leading slash, without host, query, fragment, spaces or ..",
    is_path
);

name!(
    /// A Dapr pub/sub component: the name of a Kubernetes object.
    PubsubName,
    "a DNS-1123 subdomain (a-z, 0-9, - and .)",
    |text| text.len() <= 253 && text.split('.').all(|part| is_label(part, 63))
);

name!(
    /// A topic. Where it [is portable](Topic::is_portable) it is a Broker's name too.
    Topic,
    "a DNS-1123 label of at most 50 characters",
    |text| is_label(text, 50) || is_dapr_topic(text)
);

impl Topic {
    /// Whether a Broker of this name can exist, so that the application can move to the broker style.
    pub fn is_portable(&self) -> bool {
        is_label(&self.0, 50)
    }

    /// The end of the environment variable that holds the topic's address: upper case, others than A-Z and 0-9 become `_`.
    pub fn variable(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        self.0.chars().map(letter).collect()
    }

    /// The topic as a DNS-1123 label: itself where it is one.
    pub fn slug(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let slug: String = self.0.chars().map(letter).collect();
        slug.trim_matches('-').to_owned()
    }
}

impl BrokerName {
    /// The Broker of a topic, which has the topic's name.
    pub fn of_topic(topic: &Topic) -> Option<Self> {
        BrokerName::parse(topic.as_str())
    }

    /// The key of its certificates in [`BROKERS_CONFIG_MAP`]. No Broker has it for a name: a name holds no dot.
    pub fn certificates_key(&self) -> String {
        format!("{self}.ca.crt")
    }
}

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Port(NonZeroU16);

impl Port {
    /// The port of a number.
    pub fn new(number: i64) -> Option<Self> {
        u16::try_from(number).ok().and_then(NonZeroU16::new).map(Port)
    }

    /// The port of decimal digits, nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok().and_then(Port::new))?
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether the text is a DNS-1123 label of at most `length` characters.
pub(super) fn is_label(text: &str, length: usize) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes = text.as_bytes();
    text.len() <= length && edge(bytes.first()) && edge(bytes.last()) && text.bytes().all(inner)
}

/// Topics that Dapr takes and that stand in a URL as they are. why 249: Kafka's limit.
fn is_dapr_topic(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let whole = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    text.len() <= 249 && whole && text.bytes().all(letter) && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn is_path(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
    let inside = text.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    inside && text.len() <= 1024 && text.bytes().all(letter) && text.split('/').all(|part| part != ".." && part != ".")
}

#[cfg(test)]
mod tests {
    use super::{AppId, EventPath, Port, PubsubName, Topic};

    #[test]
    fn names_are_what_kubernetes_takes() {
        for (text, fits) in [
            ("orders", true),
            ("a", true),
            ("0a", true),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("", false),
            ("a.b", false),
            ("ä", false),
        ] {
            assert_eq!(AppId::parse(text).is_some(), fits, "{text}");
        }
        assert!(AppId::parse(&"a".repeat(58)).is_some() && AppId::parse(&"a".repeat(59)).is_none());
        assert!(PubsubName::parse("redis.shop").is_some() && PubsubName::parse("redis..shop").is_none());
        let portable = |text: &str| Topic::parse(text).map(|topic| topic.is_portable());
        assert_eq!(
            [portable("orders"), portable("Shop.Orders"), portable("a b"), portable("../x"), portable("")],
            [Some(true), Some(false), None, None, None]
        );
    }

    #[test]
    fn a_path_stays_on_the_application() {
        for (text, fits) in [
            ("/", true),
            ("/events/a", true),
            ("//host/x", false),
            ("events", false),
            ("/a/../b", false),
            ("/a b", false),
            ("/a?b", false),
            ("/a%2f", false),
            ("http://x", false),
            ("/a\n", false),
        ] {
            assert_eq!(EventPath::parse(text).is_some(), fits, "{text:?}");
        }
    }

    #[test]
    fn a_port_is_digits_between_1_and_65535() {
        for (text, fits) in
            [("1", true), ("65535", true), ("0", false), ("65536", false), ("+80", false), ("80a", false), ("", false), (" 80", false)]
        {
            assert_eq!(Port::parse(text).is_some(), fits, "{text:?}");
        }
    }
}
