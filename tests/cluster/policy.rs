//! InjectionPolicies in the cluster: their schema, and that the next pod obeys them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use podwire::api::policy::{InjectionPolicySpec, InjectionPolicyStatus, WouldDeny, definition};
use podwire::api::yaml;
use serde_json::{Value, json};

use crate::review::governed;
use crate::support::lab::{Failure, wait_for};
use crate::support::podwire::documents;
use crate::{Test, World, golden};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("policy::the_schema_refuses_what_is_no_policy", schema),
    ("policy::every_rule_holds_in_the_api_server_and_offline_in_the_same_words", rules),
    ("policy::the_api_server_takes_what_is_a_policy", taken),
    ("policy::two_owners_share_a_policy", owners),
    ("policy::a_status_is_a_part_of_its_own_and_shows_in_columns", status),
    ("policy::a_new_policy_and_a_changed_one_hold_for_the_next_pod", at_once),
    ("policy::golden_folders_with_a_policy_hold_in_the_cluster", folders),
];

fn policy(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": name }, "spec": spec })
}

/// What the API server says against a policy; nothing where it takes it.
fn refusal(world: &World, spec: &Value) -> Result<Option<String>, Failure> {
    let text = policy("tried", spec).to_string();
    let output = world.lab.try_kubectl(&["create", "--dry-run=server", "--validate=strict", "-f", "-"], Some(&text))?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// What the type itself says.
fn schema(world: &World) -> Result<(), Failure> {
    let refused = |spec: Value, field: &str| {
        let error = refusal(world, &spec)?.unwrap_or_default();
        let offline = InjectionPolicySpec::read(&spec).is_err();
        let both = error.contains(field) && offline;
        if both { Ok(()) } else { Err(Failure::new(format!("{spec} should be refused for {field}, offline too: {offline}, {error}"))) }
    };
    refused(json!({ "allowedStyles": ["mesh"] }), "allowedStyles")?;
    refused(json!({ "onInvaild": "Warn" }), "onInvaild")?;
    refused(json!({ "onUndrained": "Wait" }), "onUndrained")?;
    refused(json!({ "priority": "high" }), "priority")?;
    refused(json!({ "sidecar": { "placement": "Somewhere" } }), "placement")?;
    refused(json!({ "broker": { "onMissing": "Later" } }), "onMissing")?;
    refused(json!({ "broker": { "config": { "kind": "ConfigMap" } } }), "name")?;
    refused(json!({ "resources": { "app": { "default": { "requests": { "cpu": [] } } } } }), "cpu")
}

/// A spec that one rule refuses, and where the fault is. The words are the finding's: the API server says them too, but where it has its own for what the schema alone says.
fn wrong() -> Vec<(Value, &'static str, Option<&'static str>)> {
    let at = |container: &str, group: &str, section: &str, amounts: Value| json!({ "resources": { container: { group: { section: amounts } } } });
    let selector = |key: &str, operator: &str, values: &[&str]| json!({ "namespaceSelector": { "matchExpressions": [{ "key": key, "operator": operator, "values": values }] } });
    let mut all = vec![
        (json!({ "allowedStyles": [] }), "spec.allowedStyles", None),
        (json!({ "allowedStyles": ["broker", "broker"] }), "spec.allowedStyles[1]", Some("Duplicate value")),
        (json!({ "allowedStyles": ["broker"], "preferredStyle": "sidecar" }), "spec.preferredStyle", None),
        (selector("team", "Gt", &["1"]), "spec.namespaceSelector.matchExpressions[0].operator", Some("Unsupported value")),
        (selector("team", "In", &[]), "spec.namespaceSelector.matchExpressions[0]", None),
        (selector("team", "Exists", &["a"]), "spec.namespaceSelector.matchExpressions[0]", None),
        (selector("te am", "In", &["a"]), "spec.namespaceSelector.matchExpressions[0].key", None),
        (selector("team", "In", &["a b"]), "spec.namespaceSelector.matchExpressions[0].values[0]", None),
        (json!({ "namespaceSelector": { "matchLabels": { "te am": "a" } } }), "spec.namespaceSelector.matchLabels", None),
        (json!({ "namespaceSelector": { "matchLabels": { "team": "-a" } } }), "spec.namespaceSelector.matchLabels.team", None),
        (json!({ "sidecar": { "pubsub": "Redis" } }), "spec.sidecar.pubsub", None),
        (json!({ "sidecar": { "pubsub": "" } }), "spec.sidecar.pubsub", None),
        (json!({ "sidecar": { "pubsub": "a".repeat(300) } }), "spec.sidecar.pubsub", Some("Too long")),
        (json!({ "sidecar": { "image": "" } }), "spec.sidecar.image", None),
        (json!({ "sidecar": { "image": "a b" } }), "spec.sidecar.image", None),
        (json!({ "sidecar": { "image": "a\nb" } }), "spec.sidecar.image", None),
        (json!({ "sidecar": { "allowedImages": ["a b*"] } }), "spec.sidecar.allowedImages[0]", None),
        (json!({ "sidecar": { "allowedImages": [""] } }), "spec.sidecar.allowedImages[0]", None),
        (json!({ "sidecar": { "allowedImages": ["a", "a"] } }), "spec.sidecar.allowedImages[1]", Some("Duplicate value")),
        (json!({ "sidecar": { "image": "evil/daprd:1", "allowedImages": ["shop/*"] } }), "spec.sidecar.image", None),
        (json!({ "sidecar": { "image": "shopx/daprd:1", "allowedImages": ["shop.x/*"] } }), "spec.sidecar.image", None),
        (
            json!({ "sidecar": { "image": "shop/daprd:1@sha256:ab", "allowedImages": ["shop/daprd@sha256:aa"] } }),
            "spec.sidecar.image",
            None,
        ),
        (json!({ "sidecar": { "image": "shop/daprd:1", "allowedImages": [] } }), "spec.sidecar.image", None),
        (json!({ "sidecar": { "allowedOverrides": ["dapr.io/env"] } }), "spec.sidecar.allowedOverrides[0]", None),
        (json!({ "broker": { "allowedBrokers": ["Orders*"] } }), "spec.broker.allowedBrokers[0]", None),
        (json!({ "broker": { "class": " " } }), "spec.broker.class", None),
        (json!({ "broker": { "config": { "apiVersion": "1", "kind": "ConfigMap", "name": "a" } } }), "spec.broker.config.apiVersion", None),
        (json!({ "broker": { "config": { "kind": "", "name": "a" } } }), "spec.broker.config.kind", None),
        (json!({ "broker": { "config": { "kind": "ConfigMap", "name": "" } } }), "spec.broker.config.name", None),
        (json!({ "broker": { "config": { "kind": "ConfigMap", "name": "a", "namespace": "a.b" } } }), "spec.broker.config.namespace", None),
        (at("app", "min", "requests", json!({ "cpu": "many" })), "spec.resources.app.min.requests.cpu", None),
        (at("app", "min", "requests", json!({ "cpu": "-1" })), "spec.resources.app.min.requests.cpu", None),
        (at("app", "min", "requests", json!({ "cpu": -1 })), "spec.resources.app.min.requests.cpu", None),
        (at("sidecar", "max", "limits", json!({ "memory": 1.5 })), "spec.resources.sidecar.max.limits.memory", Some("must be of type")),
        (at("sidecar", "max", "limits", json!({ "memory": "1".repeat(41) })), "spec.resources.sidecar.max.limits.memory", Some("Too long")),
        (at("sidecar", "max", "limits", json!({ "nvidia.com/gpu": 1 })), "spec.resources.sidecar.max.limits", None),
    ];
    // Written as text and as a number, which are compared by what they are.
    let (more, less) = (json!({ "cpu": 2 }), json!({ "cpu": "1500m" }));
    for container in ["app", "sidecar"] {
        for section in ["requests", "limits"] {
            for (lower, upper) in [("min", "default"), ("min", "max"), ("default", "max")] {
                let bounds = json!({ lower: { section: more }, upper: { section: less } });
                all.push((json!({ "resources": { container: bounds } }), "cpu", None));
            }
        }
        for lower in ["min", "default"] {
            for upper in ["default", "max"] {
                let mut bounds = json!({ upper: { "limits": less } });
                bounds[lower]["requests"] = more.clone();
                all.push((json!({ "resources": { container: bounds } }), "cpu", None));
            }
        }
    }
    all
}

/// How soon is printed: a test is no clock.
fn at_once(world: &World) -> Result<(), Failure> {
    let (lab, namespace) = (&world.lab, "policy-at-once");
    lab.namespace(namespace, &json!({}))?;
    let annotations = json!({ "podwire.io/style": "sidecar", "podwire.io/publish": "orders", "podwire.io/app-id": "web" });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "image": "none" }] },
    });
    let until = |what: &str, word: Option<&str>| {
        let begun = Instant::now();
        wait_for(what.to_owned(), 10, || {
            let output = lab.try_kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&pod.to_string())).ok()?;
            let text = String::from_utf8_lossy(&output.stderr);
            word.map_or(output.status.success(), |word| text.contains(word)).then_some(())
        })?;
        println!("{what}: seen after {:.2?}", begun.elapsed());
        Ok::<(), Failure>(())
    };
    until("no policy governs", None)?;
    governed(lab, json!({ "allowedStyles": ["broker"] }), || {
        until("a new policy holds", Some("allowedStyles of policy reviewing: broker"))?;
        lab.apply(&policy("reviewing", &json!({ "allowedStyles": ["sidecar"] })))?;
        until("a changed policy holds", None)?;
        lab.apply(&policy(
            "reviewing",
            &json!({ "resources": { "onViolation": "Deny", "sidecar": { "max": { "requests": { "cpu": "10m" } } } } }),
        ))?;
        until("another change of it holds", Some("resources.sidecar.max"))
    })
}

fn rules(world: &World) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut said = BTreeSet::new();
    for (spec, path, words) in wrong() {
        let found = InjectionPolicySpec::read(&spec).map_err(Failure::new)?.faults;
        let Some(fault) = found.iter().find(|fault| fault.path == path || fault.path.ends_with(&format!(".{path}"))) else {
            faults.push(format!("{spec}: offline there is no fault at {path}: {found:?}"));
            continue;
        };
        let error = refusal(world, &spec)?.unwrap_or_default();
        if !error.contains(words.unwrap_or(&fault.allowed)) {
            faults.push(format!("{spec}: the API server does not say {:?}: {error}", words.unwrap_or(&fault.allowed)));
        }
        said.extend(found.into_iter().map(|fault| fault.allowed));
    }
    let mut rules = BTreeSet::new();
    messages(&json!(definition()), &mut rules);
    let untried: Vec<_> = rules.difference(&said).collect();
    if !untried.is_empty() || rules.len() < 20 {
        faults.push(format!("of {} rules these are not tried: {untried:?}", rules.len()));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

/// The message of every rule of a schema.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
        Value::Object(members) => {
            found.extend(members.get("rule").and(members.get("message")).and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| messages(member, found));
        }
        _ => {}
    }
}

fn taken(world: &World) -> Result<(), Failure> {
    let selector = json!([{ "key": "a.b/team", "operator": "NotIn", "values": ["x", ""] }, { "key": "team", "operator": "Exists" }]);
    let pinned = json!(["shop.io/daprd@sha256:aa", "*/daprd:1.*"]);
    let same = json!({ "requests": { "cpu": 1, "memory": "1Gi" }, "limits": { "cpu": "1000m", "memory": "1024Mi" } });
    let good = [
        json!({}),
        json!({ "namespaceSelector": { "matchLabels": { "a.b/team": "shop", "x": "" }, "matchExpressions": selector } }),
        json!({ "allowedStyles": ["broker", "sidecar"], "preferredStyle": "sidecar", "onUndrained": "Deny", "priority": -5 }),
        json!({ "allowedStyles": ["broker"] }),
        json!({ "preferredStyle": null, "sidecar": null }),
        json!({ "sidecar": { "image": "shop.io/daprd:1@sha256:aa", "allowedImages": pinned, "pubsub": "redis.shop" } }),
        json!({ "sidecar": { "image": "x:5000/daprd:1.18", "allowedImages": pinned, "allowedOverrides": ["sidecar-image", "env"] } }),
        json!({ "sidecar": { "allowedImages": [] }, "broker": { "allowedBrokers": ["*", "orders-*"], "class": "MTChannelBasedBroker" } }),
        json!({ "broker": { "config": { "apiVersion": "rabbitmq.com/v1beta1", "kind": "RabbitmqBrokerConfig", "name": "a.b", "namespace": "c" } } }),
        json!({ "resources": { "app": { "min": same, "default": same, "max": same }, "sidecar": { "max": { "requests": { "cpu": "1e3" } } } } }),
        json!({ "resources": { "app": { "min": { "limits": { "cpu": 1 } }, "max": { "requests": { "cpu": "0.5" } } } } }),
    ];
    for spec in good {
        let faults = InjectionPolicySpec::read(&spec).map_err(Failure::new)?.faults;
        let refused = refusal(world, &spec)?;
        if refused.is_some() || !faults.is_empty() {
            return Err(Failure::new(format!("{spec} is a policy: {faults:?} {}", refused.unwrap_or_default())));
        }
    }
    Ok(())
}

/// Two owners apply a part each, and both parts stand.
fn owners(world: &World) -> Result<(), Failure> {
    let apply = |owner: &str, spec: Value| {
        let manager = format!("--field-manager={owner}");
        let output = world.lab.try_kubectl(&["apply", "--server-side", &manager, "-f", "-"], Some(&policy("owners", &spec).to_string()))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(Failure::new(format!("{owner}: {error}"))) }
    };
    let part = |broker: &str, resource: &str| {
        let bounds = json!({ "max": { "requests": { resource: 1 } } });
        json!({ "namespaceSelector": { "matchLabels": { "team": "nobody" } }, "broker": { "allowedBrokers": [broker] }, "resources": { "app": bounds } })
    };
    apply("one", part("orders", "cpu"))?;
    apply("two", part("payments", "memory"))?;
    let stored = world.lab.get(&["injectionpolicy", "owners"])?;
    world.lab.kubectl(&["delete", "injectionpolicy", "owners"])?;
    settled(world)?;
    let requests = &stored["spec"]["resources"]["app"]["max"]["requests"];
    let both = stored["spec"]["broker"]["allowedBrokers"] == json!(["orders", "payments"]) && *requests == json!({ "cpu": 1, "memory": 1 });
    if both { Ok(()) } else { Err(Failure::new(stored["spec"].to_string())) }
}

fn status(world: &World) -> Result<(), Failure> {
    let spec = json!({ "namespaceSelector": { "matchLabels": { "team": "nobody" } }, "priority": 3, "allowedStyles": ["broker"], "onInvalid": "Warn" });
    world.lab.apply(&policy("columns", &spec))?;
    let condition = json!({ "type": "Accepted", "status": "False", "reason": "InvalidPolicy", "message": "PW075", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let status = InjectionPolicyStatus {
        observed_generation: Some(1),
        conditions: vec![serde_json::from_value(condition)?],
        namespaces: 4,
        applications: 12,
        would_deny: WouldDeny { count: 1, names: vec!["shop/orders".to_owned()] },
    };
    let patch = json!({ "status": status }).to_string();
    world.lab.kubectl(&["patch", "injectionpolicy", "columns", "--subresource=status", "--type=merge", "-p", &patch])?;
    let table = world.lab.kubectl(&["get", "injectionpolicies", "columns"])?;
    let stored = world.lab.get(&["injectionpolicy", "columns"])?;
    world.lab.kubectl(&["delete", "injectionpolicy", "columns"])?;
    settled(world)?;
    let row: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    let expected = ["columns", "3", "[\"broker\"]", "Warn", "False", "4", "12", "1"];
    let shown = row.len() == expected.len() + 1 && row[..expected.len()] == expected;
    let same = stored["status"] == json!(status) && stored["metadata"]["generation"] == 1;
    if shown && same { Ok(()) } else { Err(Failure::new(format!("{table}\n{}", stored["status"]))) }
}

/// Installs the policies of each folder in turn, and waits until its pod is admitted as the folder says.
fn folders(world: &World) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for case in golden::governed() {
        let text = fs::read_to_string(golden::folder().join(&case).join("policy.yaml"))?;
        let policies: Vec<Value> = documents(&text);
        policies.iter().try_for_each(|policy| world.lab.apply(policy))?;
        let mut last = None;
        let obeyed =
            wait_for("the pod is admitted as the folder says", 10, || golden::check(world, &case).map_err(|error| last = Some(error)).ok());
        if obeyed.is_err() {
            faults.push(format!("{case}: {}", last.map_or_else(String::new, |error| error.to_string())));
        }
        for policy in &policies {
            let name = policy["metadata"]["name"].as_str().unwrap_or_default();
            world.lab.kubectl(&["delete", "injectionpolicy", name])?;
        }
    }
    settled(world)?;
    if faults.is_empty() { Ok(()) } else { Err(Failure::new(faults.join("\n"))) }
}

/// The built-in policy holds again.
pub(crate) fn settled(world: &World) -> Result<(), Failure> {
    let text = fs::read_to_string(golden::folder().join("broker-producer/pod.in.yaml"))?;
    let mut pod = yaml::read(&text).map_err(|error| Failure::new(error.to_string()))?.value();
    pod["metadata"]["namespace"] = json!("shop");
    wait_for("no policy governs any more", 10, || {
        let wired = world.lab.dry_run(&pod).ok()?;
        let record = wired["metadata"]["annotations"]["podwire.io/wired"].as_str()?.to_owned();
        (!record.contains("\"policy\"")).then_some(())
    })
}
