//! The sidecar's variables, in the order in which Dapr's injector writes them.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

use crate::engine::plan::Sidecar;

/// The memory limit that Go's collector heeds: it follows from resources, which others may change.
pub(super) const GO_MEMORY_LIMIT: &str = "GOMEMLIMIT";
/// Where sidecar and pluggable components meet.
pub(super) const COMPONENTS_FOLDER: &str = "DAPR_COMPONENT_SOCKETS_FOLDER";

/// All of them.
pub(super) fn of(sidecar: &Sidecar) -> Vec<EnvVar> {
    let options = &sidecar.options;
    let mut env = identity(sidecar);
    env.extend(options.env.iter().map(|(name, value)| literal(name, value)));
    env.extend(options.env_from_secret.iter().map(|(name, from)| secret(name, &from.secret, &from.key)));
    let literals = options.env.iter().map(|(name, _)| name.as_str());
    let names: Vec<&str> = literals.chain(options.env_from_secret.iter().map(|(name, _)| name.as_str())).collect();
    if !names.is_empty() {
        env.push(literal("DAPR_ENV_KEYS", &names.join(" ")));
    }
    if !options.components.is_empty() {
        env.push(literal(COMPONENTS_FOLDER, &options.components_folder));
    }
    let tokens = [("DAPR_API_TOKEN", &options.api_token_secret), ("APP_API_TOKEN", &options.app_token_secret)];
    env.extend(tokens.into_iter().filter_map(|(name, from)| Some(secret(name, from.as_ref()?, "token"))));
    let stated = names.contains(&GO_MEMORY_LIMIT);
    env.extend(sidecar.go_memory_limit().filter(|_| !stated).map(|limit| literal(GO_MEMORY_LIMIT, &limit)));
    env
}

fn identity(sidecar: &Sidecar) -> Vec<EnvVar> {
    let pod_name = ObjectFieldSelector { field_path: "metadata.name".to_owned(), ..Default::default() };
    let pod_name = EnvVarSource { field_ref: Some(pod_name), ..Default::default() };
    vec![
        literal("NAMESPACE", &sidecar.namespace),
        literal("DAPR_TRUST_ANCHORS", &sidecar.trust_anchors),
        EnvVar { name: "POD_NAME".to_owned(), value: None, value_from: Some(pod_name) },
        literal("DAPR_CONTROLPLANE_NAMESPACE", &sidecar.settings.dapr_namespace),
        literal("DAPR_CONTROLPLANE_TRUST_DOMAIN", &sidecar.settings.trust_domain),
    ]
}

fn literal(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}

fn secret(name: &str, secret: &str, key: &str) -> EnvVar {
    let from = SecretKeySelector { name: secret.to_owned(), key: key.to_owned(), optional: None };
    let from = EnvVarSource { secret_key_ref: Some(from), ..Default::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(from) }
}
