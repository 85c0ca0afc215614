//! What a namespace allows its pods: LimitRanges and ResourceQuotas, as their plugins read them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::api::quantity::Quantity;

/// Amounts by resource: `cpu`, `requests.memory`.
type Amounts = BTreeMap<String, Quantity>;

/// A LimitRange, with what the API server adds to one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LimitRange {
    /// What holds for each container.
    pub container: Range,
    /// What holds for a pod as a whole.
    pub pod: Range,
}

/// What a LimitRange says of one type.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The least that is requested, and the least limit.
    #[serde(default, deserialize_with = "present")]
    pub min: Amounts,
    /// The greatest limit, and the most that is requested.
    #[serde(default, deserialize_with = "present")]
    pub max: Amounts,
    /// The limit of a container that states none.
    #[serde(default, deserialize_with = "present")]
    pub default: Amounts,
    /// The request of a container that states none.
    #[serde(default, deserialize_with = "present")]
    pub default_request: Amounts,
    /// How many times the request the limit may be.
    #[serde(default, deserialize_with = "present")]
    pub max_limit_request_ratio: Amounts,
}

/// A ResourceQuota.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResourceQuota {
    /// The most that the pods of the namespace may have together.
    pub hard: Amounts,
    /// What they had when podwire heard of it last.
    pub used: Amounts,
    /// The pods that are counted: those that fit all of these.
    pub scopes: Vec<Scope>,
}

/// Which pods a ResourceQuota counts.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// `NotTerminating`, `PriorityClass` …
    pub scope_name: String,
    /// `Exists`, `In` …
    #[serde(default)]
    pub operator: String,
    /// What `In` and `NotIn` compare with.
    #[serde(default, deserialize_with = "present")]
    pub values: Vec<String>,
}

/// What is written as null is not there.
fn present<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn read<T: Default + for<'de> Deserialize<'de>>(place: &str, value: &Value) -> Result<T, String> {
    if value.is_null() { Ok(T::default()) } else { T::deserialize(value).map_err(|error| format!("{place}: {error}")) }
}

impl LimitRange {
    pub(super) fn of(object: &Value) -> Result<Self, String> {
        let mut read = LimitRange::default();
        for item in object["spec"]["limits"].as_array().into_iter().flatten() {
            let range: Range = self::read("spec.limits", item)?;
            match item["type"].as_str() {
                Some("Container") => read.container = range.with_defaults(),
                Some("Pod") => read.pod = range,
                _ => {}
            }
        }
        Ok(read)
    }
}

impl Range {
    /// What the API server adds to a range of containers (`SetDefaults_LimitRangeItem`); a file may not have it yet.
    fn with_defaults(mut self) -> Self {
        let add = |to: &mut Amounts, from: &Amounts| {
            for (name, value) in from {
                to.entry(name.clone()).or_insert(*value);
            }
        };
        add(&mut self.default, &self.max);
        add(&mut self.default_request, &self.default);
        add(&mut self.default_request, &self.min);
        self
    }
}

impl ResourceQuota {
    pub(super) fn of(object: &Value) -> Result<Self, String> {
        let (spec, status) = (&object["spec"], &object["status"]);
        // The plugin reads the status; a file may have none.
        let hard = if status["hard"].is_object() { &status["hard"] } else { &spec["hard"] };
        let mut scopes: Vec<Scope> = read("spec.scopeSelector", &spec["scopeSelector"]["matchExpressions"])?;
        let plain: Vec<String> = read("spec.scopes", &spec["scopes"])?;
        scopes.extend(plain.into_iter().map(|scope_name| Scope { scope_name, operator: "Exists".to_owned(), values: Vec::new() }));
        Ok(ResourceQuota { hard: read("hard", hard)?, used: read("status.used", &status["used"])?, scopes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_range_of_containers_has_the_defaults_that_the_api_server_gives_it() {
        let container = json!({"type": "Container", "max": {"cpu": 1, "memory": "1Gi"}, "default": {"cpu": "500m"}, "min": {"memory": "64Mi"}, "defaultRequest": null});
        let pod = json!({"type": "Pod", "max": {"cpu": "2"}});
        let range = LimitRange::of(&json!({"spec": {"limits": [container, pod, {"type": "PersistentVolumeClaim"}]}})).unwrap();
        let text = |amounts: &Amounts| amounts.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
        assert_eq!(text(&range.container.default), "cpu=500m memory=1Gi");
        assert_eq!(text(&range.container.default_request), "cpu=500m memory=1Gi");
        assert_eq!((text(&range.pod.max), text(&range.pod.default)), ("cpu=2".to_owned(), String::new()));
        assert!(LimitRange::of(&json!({"spec": {"limits": [{"type": "Pod", "max": {"cpu": "much"}}]}})).is_err());
    }

    #[test]
    fn a_quota_is_what_its_status_says_and_counts_the_pods_of_its_scopes() {
        let selector = json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]});
        let spec = json!({"hard": {"pods": 4}, "scopes": ["NotTerminating"], "scopeSelector": selector});
        let young = ResourceQuota::of(&json!({"spec": spec})).unwrap();
        assert_eq!((young.hard["pods"].to_string(), young.used.len()), ("4".to_owned(), 0));
        let names: Vec<&str> = young.scopes.iter().map(|scope| scope.scope_name.as_str()).collect();
        assert_eq!(names, ["PriorityClass", "NotTerminating"]);
        let known = ResourceQuota::of(&json!({"spec": spec, "status": {"hard": {"pods": "5"}, "used": {"pods": "1"}}})).unwrap();
        assert_eq!((known.hard["pods"].to_string(), known.used["pods"].to_string()), ("5".to_owned(), "1".to_owned()));
    }
}
