//! `podwire crds`: the CustomResourceDefinitions, made of the types.

use serde_json::{Value, json};

use super::{Exit, print};
use crate::api::{policy, wiring, yaml};

pub(super) fn run() -> Result<String, Exit> {
    let texts: Result<Vec<String>, _> = definitions().iter().map(|(_, definition)| yaml::write(definition)).collect();
    texts.map(|texts| texts.join("---\n")).map_err(print::internal)
}

/// Every definition with the name of its file under `manifests/crds`.
pub fn definitions() -> Vec<(&'static str, Value)> {
    vec![("injectionpolicies.yaml", json!(policy::definition())), ("wirings.yaml", json!(wiring::definition()))]
}
