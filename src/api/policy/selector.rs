//! Selectors of labels.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether a selector fits labels; `None` where it has an operator that Kubernetes does not know.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> Option<bool> {
    for (key, value) in selector.match_labels.iter().flatten() {
        if labels.get(key) != Some(value) {
            return Some(false);
        }
    }
    for requirement in selector.match_expressions.iter().flatten() {
        let value = labels.get(&requirement.key);
        let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
        let fits = match requirement.operator.as_str() {
            "DoesNotExist" => value.is_none(),
            "Exists" => value.is_some(),
            "In" => listed,
            "NotIn" => !listed,
            _ => return None,
        };
        if !fits {
            return Some(false);
        }
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::selects;
    use serde_json::json;

    #[test]
    fn a_selector_selects_as_kubernetes_does() {
        let selector = |value| serde_json::from_value(value).unwrap();
        let labels = [("team".to_owned(), "shop".to_owned())].into();
        let expression = |operator: &str, values: &[&str]| {
            selector(json!({ "matchExpressions": [{ "key": "team", "operator": operator, "values": values }] }))
        };
        assert_eq!(selects(&selector(json!({})), &labels), Some(true));
        assert_eq!(selects(&selector(json!({ "matchLabels": { "team": "other" } })), &labels), Some(false));
        let outcomes = [("In", true), ("NotIn", false), ("Exists", true), ("DoesNotExist", false)];
        outcomes
            .into_iter()
            .for_each(|(operator, fit)| assert_eq!(selects(&expression(operator, &["shop"]), &labels), Some(fit), "{operator}"));
        assert_eq!(selects(&expression("Gt", &["1"]), &labels), None);
    }
}
