//! InjectionPolicies in the cluster: their schema, and that the next pod obeys them.

use std::fs;

use podwire::api::yaml;
use serde_json::{Value, json};

use crate::support::lab::{Failure, wait_for};
use crate::support::podwire::documents;
use crate::{Test, World, golden};

pub(crate) const TESTS: &[(&str, Test)] =
    &[("policy::the_schema_refuses_what_is_no_policy", schema), ("policy::golden_folders_with_a_policy_hold_in_the_cluster", folders)];

fn schema(world: &World) -> Result<(), Failure> {
    let refused = |spec: Value, field: &str| {
        let name = "refused";
        let policy = json!({ "apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": { "name": name }, "spec": spec });
        let output = world.lab.try_kubectl(&["create", "--dry-run=server", "--validate=strict", "-f", "-"], Some(&policy.to_string()))?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let named = !output.status.success() && error.contains(field);
        if named { Ok(()) } else { Err(Failure::new(format!("{spec} should be refused for {field}: {error}"))) }
    };
    refused(json!({ "allowedStyles": ["mesh"] }), "allowedStyles")?;
    refused(json!({ "onInvaild": "Warn" }), "onInvaild")?;
    refused(json!({ "priority": "high" }), "priority")?;
    refused(json!({ "sidecar": { "placement": "Somewhere" } }), "placement")?;
    refused(json!({ "resources": { "app": { "default": { "requests": { "cpu": [] } } } } }), "cpu")
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
fn settled(world: &World) -> Result<(), Failure> {
    let text = fs::read_to_string(golden::folder().join("broker-producer/pod.in.yaml"))?;
    let mut pod = yaml::read(&text).map_err(|error| Failure::new(error.to_string()))?.value();
    pod["metadata"]["namespace"] = json!("shop");
    wait_for("no policy governs any more", 10, || {
        let wired = world.lab.create(&pod, &["--dry-run=server"]).ok()?;
        let record = wired["metadata"]["annotations"]["podwire.io/wired"].as_str()?.to_owned();
        (!record.contains("\"policy\"")).then_some(())
    })
}
