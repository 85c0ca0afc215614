//! What `podwire footprint` says, and what the node's own account of its pods says.

use std::path::Path;
use std::process::Command;

use podwire::api::quantity::Quantity;
use serde_json::{Value, json};

use crate::Test;
use crate::node::{Failure, Node, require};
use crate::shop::{App, Brokers, Shop, Style};
use crate::table::note;

pub(crate) const TESTS: &[(&str, Test)] = &[("footprint::the_node_counts_what_footprint_says", counted)];

/// CPU and memory.
type Pair = [Quantity; 2];

fn pair(requests: &Value) -> Result<Pair, Failure> {
    let of =
        |field: &str| Quantity::parse(requests[field].as_str().unwrap_or("")).map_err(|_| Failure::new(format!("no {field}: {requests}")));
    Ok([of("cpu")?, of("memory")?])
}

fn plus(one: Pair, other: Pair) -> Pair {
    [one[0] + other[0], one[1] + other[1]]
}

/// What each pod of a namespace requests, as `kubectl describe node` counts it; those that have ended are not listed there.
fn described(node: &Node, namespace: &str) -> Result<Vec<(String, Pair)>, Failure> {
    let text = node.kubectl(&["describe", "node", "node"])?;
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| row.len() == 11 && row[0] == namespace);
    rows.map(|row| Ok((row[1].to_owned(), pair(&json!({ "cpu": row[2], "memory": row[6] }))?))).collect()
}

fn footprint(arguments: &[&str]) -> Result<Value, Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podwire"));
    let output = command.arg("footprint").args(arguments).args(["-o", "json"]).output()?;
    require(&format!("footprint says: {}", String::from_utf8_lossy(&output.stderr)), output.status.success())?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The same application in each style, and what each would be in the other one.
fn counted(node: &Node) -> Result<(), Failure> {
    let shop = Shop::open_with(node, "footprint", Style::Sidecar, Brokers::Shared)?;
    let apps = [
        App::consuming("one", "footprint-orders").replicas(2),
        App::consuming("two", "footprint-orders").with("style", "broker"),
        App::publishing("three", "footprint-orders"),
    ];
    shop.start(&apps)?;
    let (said, pods) = (footprint(&["-n", &shop.namespace])?, described(node, &shop.namespace)?);
    println!("of the node's pods {pods:?}");
    let of = |app: &str| -> Vec<Pair> {
        pods.iter().filter(|(name, _)| name.starts_with(&format!("{app}-"))).map(|(_, requests)| *requests).collect()
    };
    let workloads = said["workloads"].as_array().ok_or_else(|| Failure::new("no workloads"))?;
    require(&format!("all are weighed: {said:#}"), workloads.len() == apps.len())?;
    for workload in workloads {
        let app = workload["workload"].as_str().and_then(|title| title.strip_prefix("Deployment/")).unwrap_or_default();
        let now = pair(&workload["now"]["requests"])?;
        let seen = of(app);
        let as_said = seen.len() as u64 == workload["pods"].as_u64().unwrap_or_default() && seen.iter().all(|one| *one == now);
        require(&format!("each pod of {app} requests what is said: {seen:?}, {workload:#}"), as_said)?;
        // The application is the same in all of them: each knows what the others are.
        for (style, twin) in [("sidecar", "one"), ("broker", "two")] {
            let there = pair(&workload["styles"][style]["requests"])?;
            require(&format!("in {style} style {app} would be as {twin}: {workload:#}"), of(twin).iter().all(|one| *one == there))?;
        }
    }
    let all = pods.iter().map(|(_, requests)| *requests).fold([Quantity::ZERO; 2], plus);
    require(&format!("all together: {all:?}, {said:#}"), pair(&said["now"]["applications"])? == all)?;
    platforms(node, &said)?;
    let everywhere = footprint(&["-A"])?;
    let here = everywhere["workloads"].as_array().into_iter().flatten().filter(|one| one["namespace"] == *shop.namespace).count();
    require(&format!("of every namespace it says the same of this one: {here}"), here == apps.len())?;
    for style in [Style::Sidecar, Style::Broker] {
        note("`podwire footprint`, and the requests that the node counts", style, "agree, of each pod and of all");
    }
    shop.close()
}

/// What is shared, as the node counts it and as it is shipped.
fn platforms(node: &Node, said: &Value) -> Result<(), Failure> {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples/shop.yaml");
    let offline = footprint(&["-f", &shop.display().to_string()])?;
    for (style, namespace) in [("broker", "knative-eventing"), ("sidecar", "dapr-system")] {
        let counted = described(node, namespace)?.into_iter().map(|(_, requests)| requests).fold([Quantity::ZERO; 2], plus);
        let (read, shipped) = (&said["styles"][style]["shared"], &offline["styles"][style]["shared"]);
        println!("shared in {style} style: the node counts {counted:?}, the cluster has {read}, shipped is {shipped}");
        require(&format!("it is read: {read}"), read["origin"] == format!("namespace {namespace} of the cluster"))?;
        let same = pair(&read["requests"])? == counted && pair(&shipped["requests"])? == counted;
        require(&format!("{namespace} requests what is said: {counted:?}, {read}, {shipped}"), same)?;
    }
    Ok(())
}
