//! What a policy is told of itself.

use serde_json::{Value, json};

use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};
use crate::words::{condition, deployment, expect};
use crate::{Test, World};

/// A policy governs by its selector, and is counted over the whole cluster.
pub(crate) const ALONE: &[(&str, Test)] = &[("policies::a_policy_knows_whom_it_governs_and_whom_it_would_hit", surveyed)];

/// The policy, as soon as its status is so.
fn told(world: &World, what: &str, so: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    wait_for(format!("the policy says {what}"), 20, || world.lab.get(&["injectionpolicy", "surveyed"]).ok().filter(|policy| so(policy)))
}

fn surveyed(world: &World) -> Result<(), Failure> {
    let namespace = "surveyed";
    world.namespace(namespace, &json!({ "surveyed": "yes" }))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "orders" });
    world.lab.apply(&deployment("cart", namespace, &annotations))?;
    world.pod(namespace, "cart")?;
    let policy = |spec: Value| {
        let mut spec = spec;
        spec["namespaceSelector"] = json!({ "matchLabels": { "surveyed": "yes" } });
        spec["priority"] = json!(1);
        json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": "surveyed" }, "spec": spec })
    };
    world.lab.apply(&policy(json!({ "allowedStyles": ["broker", "sidecar"] })))?;
    let governing = told(world, "that it governs one", |policy| policy["status"]["applications"] == 1)?;
    expect("accepted", condition(&governing, "Accepted"), Some(("True", "Accepted")))?;
    expect("namespaces", &governing["status"]["namespaces"], &json!(1))?;
    expect("would deny", &governing["status"]["wouldDeny"]["count"], &json!(0))?;

    world.lab.apply(&policy(json!({ "allowedStyles": ["sidecar"] })))?;
    let hitting = told(world, "that it would deny one", |policy| policy["status"]["wouldDeny"]["count"] == 1)?;
    expect("names", &hitting["status"]["wouldDeny"]["names"], &json!(["surveyed/cart"]))?;

    world.lab.apply(&policy(json!({ "sidecar": { "allowedOverrides": ["no-such-annotation"] } })))?;
    let wrong = told(world, "that it is wrong", |policy| condition(policy, "Accepted").is_some_and(|(value, _)| value == "False"))?;
    expect("reason", condition(&wrong, "Accepted"), Some(("False", "InvalidPolicy")))?;
    let message = wrong["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    require(&format!("the fault is named: {message}"), message.contains("no-such-annotation"))?;
    expect("governed by a wrong policy", &wrong["status"]["namespaces"], &json!(0))?;

    let broker =
        json!({ "class": "MTChannelBasedBroker", "config": { "kind": "ConfigMap", "name": "channels", "namespace": "knative-eventing" } });
    world.lab.apply(&policy(json!({ "broker": broker })))?;
    let annotations = json!({ "podwire.io/style": "broker", "podwire.io/subscribe": "payments" });
    world.lab.apply(&deployment("till", namespace, &annotations))?;
    let made = world.there("broker", namespace, "payments")?;
    let class = &made["metadata"]["annotations"]["eventing.knative.dev/broker.class"];
    expect("the policy's class", class.as_str(), Some("MTChannelBasedBroker"))?;
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "channels", "namespace": "knative-eventing" });
    expect("the policy's configuration", &made["spec"]["config"], &config)?;

    world.lab.kubectl(&["delete", "injectionpolicy", "surveyed"])?;
    world.lab.kubectl(&["delete", "namespace", namespace, "--wait=false"]).map(drop)
}
