//! The InjectionPolicy that was installed with podwire.

use std::path::PathBuf;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};

use super::{MANAGER, Trouble};
use crate::api::yaml;

/// A policy in a file.
pub(super) struct Policy {
    file: PathBuf,
    client: Client,
    /// The text that was applied last.
    applied: Option<String>,
}

impl Policy {
    pub(super) fn new(file: PathBuf, client: Client) -> Self {
        Policy { file, client, applied: None }
    }

    /// Applies what the file says where it is something else than before.
    pub(super) async fn keep(&mut self) -> Result<(), Trouble> {
        let failed = |source| Trouble::File { file: self.file.clone(), source };
        let text = tokio::fs::read_to_string(&self.file).await.map_err(failed)?;
        if self.applied.as_ref() == Some(&text) {
            return Ok(());
        }
        let no_policy = |why: String| Trouble::NoPolicy { file: self.file.clone(), why };
        let value = yaml::read(&text).map_err(|error| no_policy(error.to_string()))?.value();
        let policy: DynamicObject = serde_json::from_value(value).map_err(|error| no_policy(error.to_string()))?;
        let gvk = GroupVersionKind::gvk("podwire.io", "v1alpha1", "InjectionPolicy");
        let types = policy.types.as_ref().filter(|types| types.kind == gvk.kind && types.api_version == gvk.api_version());
        if types.is_none() {
            return Err(no_policy(format!("it has another kind or apiVersion than {} of {}", gvk.kind, gvk.api_version())));
        }
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, "injectionpolicies"));
        let name = policy.name_any();
        api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&policy)).await.map_err(Trouble::Policy)?;
        tracing::info!(policy = name, file = %self.file.display(), "the installed policy is applied");
        self.applied = Some(text);
        Ok(())
    }
}
