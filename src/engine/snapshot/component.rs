//! Dapr's pub/sub components, as far as podwire depends on them.

use std::time::Duration;

use serde_json::Value;

use crate::api::duration::parse_duration;

/// What Dapr's Redis component does where it is told nothing else.
const PROCESSING_TIMEOUT: Duration = Duration::from_secs(60);
const REDELIVER_INTERVAL: Duration = Duration::from_secs(15);

/// A Dapr pub/sub component, as far as podwire depends on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Component {
    /// The applications that may use it; all of them where the list is empty.
    pub scopes: Vec<String>,
    /// `pubsub.redis`.
    pub kind: String,
    /// After how long a message that nobody acknowledged is taken over by another consumer.
    pub processing_timeout: Option<Duration>,
    /// How often such messages are looked for.
    pub redeliver_interval: Option<Duration>,
}

impl Component {
    /// What podwire keeps of one, and nothing else, for it may hold passwords.
    ///
    /// `redeliverInterval` is read as whole milliseconds, and as nothing where it has a unit (components-contrib, `common/component/redis`).
    pub(crate) fn of(object: &Value) -> Self {
        let spec = &object["spec"];
        let entry = |name: &str| {
            let entries = spec["metadata"].as_array().into_iter().flatten();
            entries.into_iter().find(|entry| entry["name"].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name)))
        };
        let text = |name: &str| {
            let value = &entry(name)?["value"];
            Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        let milliseconds = |text: String| text.parse().ok().map(Duration::from_millis);
        let scopes = object["scopes"].as_array().into_iter().flatten().filter_map(|scope| scope.as_str().map(str::to_owned));
        Component {
            scopes: scopes.collect(),
            kind: spec["type"].as_str().unwrap_or_default().to_owned(),
            processing_timeout: text("processingTimeout").and_then(|text| parse_duration(&text).or_else(|| milliseconds(text))),
            redeliver_interval: text("redeliverInterval").and_then(milliseconds),
        }
    }

    /// After how long a message that nobody acknowledged is taken over: what the component states, or what Dapr's Redis component does.
    pub(crate) fn patience(component: Option<&Component>) -> Duration {
        component.and_then(|component| component.processing_timeout).unwrap_or(PROCESSING_TIMEOUT)
    }

    /// After how long such a message is delivered again at the latest.
    pub(crate) fn redelivers_after(component: Option<&Component>) -> Duration {
        let looks = component.and_then(|component| component.redeliver_interval).unwrap_or(REDELIVER_INTERVAL);
        Component::patience(component) + looks
    }

    /// Whether the application may use it.
    pub(crate) fn admits(&self, app_id: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope == app_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_component_nothing_is_kept_but_its_kind_its_scopes_and_two_times() {
        let metadata = json!([{ "name": "redisPassword", "value": "hunter2" }, { "name": "processingTimeout", "value": "hunter2" }]);
        let kept =
            Component::of(&json!({ "scopes": ["billing"], "spec": { "type": "pubsub.redis", "version": "v1", "metadata": metadata } }));
        assert_eq!(kept, Component { scopes: vec!["billing".to_owned()], kind: "pubsub.redis".to_owned(), ..Component::default() });
    }

    #[test]
    fn the_times_are_read_as_dapr_reads_them() {
        let of = |metadata: Value| {
            Component::of(&json!({ "scopes": ["billing"], "spec": { "type": "pubsub.redis", "version": "v1", "metadata": metadata } }))
        };
        let seconds = |of: Option<Duration>| of.map(|time| time.as_secs_f64());
        let all = of(json!([{ "name": "processingTimeout", "value": "90s" }, { "name": "redeliverInterval", "value": "2000" }]));
        assert_eq!(
            (all.kind.as_str(), seconds(all.processing_timeout), seconds(all.redeliver_interval)),
            ("pubsub.redis", Some(90.0), Some(2.0))
        );
        let unit = of(json!([{ "name": "redeliverInterval", "value": "2s" }, { "name": "processingTimeout", "value": 500 }]));
        assert_eq!((seconds(unit.processing_timeout), seconds(unit.redeliver_interval)), (Some(0.5), None));
        assert_eq!((of(Value::Null).processing_timeout, of(Value::Null).scopes), (None, vec!["billing".to_owned()]));
    }
}
