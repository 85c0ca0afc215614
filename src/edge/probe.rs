//! A pod that is created and never exists: what admission would make of it.

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// What became of it.
#[derive(Debug)]
pub(crate) enum Probed {
    /// It would be taken, like this.
    Taken(Value),
    /// It would be refused, for this.
    Refused(String),
}

/// Asks the API server to create a pod, and to keep nothing of it (`dryRun=All`). Webhooks without side effects are called as for any other.
///
/// # Errors
/// Where the API server gives no answer, or none about the pod.
pub(crate) async fn probe(client: Client, namespace: &str, pod: Value) -> Result<Probed, kube::Error> {
    let pods = Api::<Pod>::namespaced(client, namespace);
    let pod: Pod = serde_json::from_value(pod).map_err(kube::Error::SerdeError)?;
    match pods.create(&PostParams { dry_run: true, field_manager: None }, &pod).await {
        Ok(taken) => Ok(Probed::Taken(json!(taken))),
        // Whoever may not create pods, or names no namespace, has learned nothing of the webhook.
        Err(kube::Error::Api(status)) if !is_about_the_asker(&status) => Ok(Probed::Refused(status.message.clone())),
        Err(error) => Err(error),
    }
}

fn is_about_the_asker(status: &kube::core::Status) -> bool {
    let unauthorized = status.is_forbidden() && status.message.contains("cannot create resource");
    status.code == 401 || status.is_not_found() || unauthorized
}
