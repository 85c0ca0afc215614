//! `podwire crds`: the CustomResourceDefinitions, made of the types.

use serde_json::{Value, json};

use super::{Exit, print};
use crate::api::policy;
use crate::api::yaml;

pub(super) fn run() -> Exit {
    let texts: Result<Vec<String>, _> = definitions().iter().map(|(_, definition)| yaml::write(definition)).collect();
    match texts {
        Ok(texts) => print::data(&texts.join("---\n")),
        Err(error) => {
            print::talk(&format!("error: {error}\n"));
            Exit::Internal
        }
    }
}

/// Every definition with the name of its file under `manifests/crds`.
pub fn definitions() -> Vec<(&'static str, Value)> {
    vec![("injectionpolicies.yaml", json!(policy::definition()))]
}
