//! `podwire check`: whether the podwire of a cluster wires pods of a namespace, seen from outside.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as Text;
use serde_json::{Value, json};

use super::server::{self, ServerError};
use super::{Exit, print};
use crate::api::annotations::{APP_ID, PUBLISH, STYLE, WIRED};
use crate::api::style::Style;
use crate::edge::probe::{Probed, probe};

/// Which cluster, and which namespace of it.
#[derive(Args, Debug)]
pub(super) struct CheckOpts {
    /// The namespace in which a pod is tried out; nothing is created
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = Text::new())]
    namespace: String,
    /// How the cluster is reached; without it KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

const STYLES: [Style; 2] = [Style::Sidecar, Style::Broker];
const APP: &str = "podwire-check";

/// Tries both styles; one that works is enough, for a policy may allow just one.
pub(super) fn run(opts: &CheckOpts) -> Exit {
    let asked = server::ask(opts.kubeconfig.as_deref(), async |client| {
        let mut answers = Vec::new();
        for style in STYLES {
            answers.push((style, probe(client.clone(), &opts.namespace, pod(style)).await.map_err(ServerError::Client)?));
        }
        Ok(answers)
    });
    match asked {
        Ok(answers) => {
            let lines: String = answers.iter().map(|(style, probed)| format!("{}: {}\n", style.word(), told(probed))).collect();
            let printed = print::data(&lines);
            let works = answers.iter().any(|(_, probed)| matches!(probed, Probed::Taken(pod) if is_wired(pod)));
            if works || printed != Exit::Clean { printed } else { Exit::Findings }
        }
        Err(error) => error.told(),
    }
}

/// A pod that any namespace takes: it meets Pod Security `restricted`.
fn pod(style: Style) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": APP, "annotations": { STYLE: style.word(), APP_ID: APP, PUBLISH: APP } },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "app", "image": APP,
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                "resources": { "requests": { "cpu": "1m", "memory": "1Mi" }, "limits": { "cpu": "1m", "memory": "1Mi" } },
            }],
        },
    })
}

fn is_wired(pod: &Value) -> bool {
    !pod["metadata"]["annotations"][WIRED].is_null()
}

fn told(probed: &Probed) -> String {
    match probed {
        Probed::Taken(pod) if is_wired(pod) => {
            let spec = &pod["spec"];
            let all = ["containers", "initContainers"].into_iter().flat_map(|field| spec[field].as_array().into_iter().flatten());
            let added: Vec<&str> = all.filter_map(|container| container["name"].as_str()).filter(|name| *name != "app").collect();
            let app = spec["containers"].as_array().into_iter().flatten().find(|container| container["name"] == "app");
            let variables = app.and_then(|app| app["env"].as_array()).map_or(0, Vec::len);
            let containers = if added.is_empty() { "no container".to_owned() } else { format!("container {}", added.join(", ")) };
            format!("wired, with {containers} and {variables} variables")
        }
        Probed::Taken(_) => "taken and not wired: podwire was not asked, or did not answer".to_owned(),
        Probed::Refused(why) => format!("refused: {}", why.replace('\n', "; ")),
    }
}
