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

    /// After how long a message that nobody acknowledged is taken over, and how often such messages are looked for: what the component states, or what
    /// Dapr's Redis component does. `None` where one of them is nothing: then it never is (components-contrib, `pubsub/redis`).
    fn times(component: Option<&Component>) -> Option<[Duration; 2]> {
        let of = |time: fn(&Component) -> Option<Duration>, usual| component.and_then(time).unwrap_or(usual);
        let times = [of(|one| one.processing_timeout, PROCESSING_TIMEOUT), of(|one| one.redeliver_interval, REDELIVER_INTERVAL)];
        times.iter().all(|time| !time.is_zero()).then_some(times)
    }

    /// After how long another consumer takes a message over that nobody acknowledged, if one ever does.
    pub(crate) fn patience(component: Option<&Component>) -> Option<Duration> {
        Component::times(component).map(|[patience, _]| patience)
    }

    /// After how long such a message is delivered again at the latest; at once where it never is.
    pub(crate) fn redelivers_after(component: Option<&Component>) -> Duration {
        Component::times(component).map_or(Duration::ZERO, |[patience, looks]| patience + looks)
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

    #[test]
    fn what_nobody_stated_is_dapr_s_own_and_nothing_is_never() {
        let of = |timeout: Option<u64>, interval: Option<u64>| {
            let time = |seconds: Option<u64>| seconds.map(Duration::from_secs);
            let component = Component { processing_timeout: time(timeout), redeliver_interval: time(interval), ..Component::default() };
            let patience = Component::patience(Some(&component)).map(|patience| patience.as_secs());
            (patience, Component::redelivers_after(Some(&component)).as_secs())
        };
        assert_eq!((Component::patience(None), Component::redelivers_after(None).as_secs()), (Some(Duration::from_secs(60)), 75));
        assert_eq!([of(None, None), of(Some(300), None), of(Some(10), Some(2))], [(Some(60), 75), (Some(300), 315), (Some(10), 12)]);
        assert_eq!([of(Some(0), None), of(None, Some(0))], [(None, 0), (None, 0)]);
    }
}
