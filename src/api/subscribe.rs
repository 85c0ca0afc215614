//! What an application consumes: the entries of `podwire.io/subscribe`, and `podwire.io/retry`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::{EntryName, EventPath, Topic};

/// The fields of an entry's long form.
pub const FIELDS: [&str; 6] = ["deadLetter", "filter", "name", "path", "topic", "type"];

/// One subscription: events of a topic, perhaps only some of them, to one path of the application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Dapr topic; Knative Broker.
    pub topic: Topic,
    /// Only events with these CloudEvents attributes, exact match; `type` is one of them.
    pub attributes: BTreeMap<String, String>,
    /// Where the application takes the event.
    pub path: EventPath,
    /// Part of the Trigger's name; unique among the entries.
    pub name: EntryName,
    /// The topic that gets what could not be delivered.
    pub dead_letter: Option<Topic>,
}

impl Entry {
    /// Whether no event fits both entries: some attribute is fixed in both, to different values.
    pub fn is_disjoint(&self, other: &Entry) -> bool {
        self.attributes.iter().any(|(name, value)| other.attributes.get(name).is_some_and(|others| others != value))
    }
}

/// How long a failed delivery is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// The sum of the waits between tries, about.
    pub for_about: Duration,
    /// How long one delivery may take.
    pub timeout: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { for_about: Duration::from_secs(30), timeout: None }
    }
}

impl Retry {
    /// What is allowed, as a fragment of a message.
    pub const ALLOWED: &str = "for=30s, timeout=10s or both with a comma between them, of 1ms to 60m";

    /// Reads `for=30s,timeout=10s`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut retry = Retry::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let (key, value) = part.trim().split_once('=')?;
            let duration = duration(value)?;
            match key {
                "for" => retry.for_about = duration,
                "timeout" => retry.timeout = Some(duration),
                _ => return None,
            }
            if seen.contains(&key) {
                return None;
            }
            seen.push(key);
        }
        Some(retry)
    }
}

/// Whole milliseconds, seconds or minutes, of 1 ms to an hour.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..end].parse().ok()?;
    let unit = match &text[end..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let millis = number.checked_mul(unit)?;
    (1..=3_600_000).contains(&millis).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::Retry;
    use std::time::Duration;

    #[test]
    fn retry_reads_either_part_or_both() {
        let seconds = |text: &str| {
            Retry::parse(text).map(|retry| (retry.for_about.as_secs_f64(), retry.timeout.map(|timeout| timeout.as_secs_f64())))
        };
        assert_eq!(seconds("for=1m"), Some((60.0, None)));
        assert_eq!(seconds("timeout=500ms"), Some((30.0, Some(0.5))));
        assert_eq!(seconds("for=5s, timeout=2s"), Some((5.0, Some(2.0))));
        for bad in ["", "30s", "for=30", "for=0s", "for=1h", "for=-1s", "for=1s,for=2s", "times=3", "for=99999999999999999999s", "for=61m"]
        {
            assert_eq!(Retry::parse(bad), None, "{bad}");
        }
        assert_eq!(Retry::default().for_about, Duration::from_secs(30));
    }
}
