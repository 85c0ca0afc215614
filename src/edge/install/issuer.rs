//! The webhook's certificates in the cluster: kept in the Secret, and trusted by the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};

use super::{Certificates, MANAGER, Trouble, registration, secret};
use crate::edge::certs::Held;
use crate::edge::clock::now;

/// The longest time in which nobody looks at the Secret: somebody may have emptied it.
const LOOK: Duration = Duration::from_secs(60);
/// The kinds of configuration.
const KINDS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// A configuration as a watch shows it, with its kind.
pub(super) type Shown = (&'static str, DynamicObject);

/// Who keeps them.
pub(super) struct Issuer {
    certificates: Certificates,
    client: Client,
    /// The configurations as the API server last showed them.
    configurations: BTreeMap<&'static str, DynamicObject>,
}

impl Issuer {
    pub(super) fn new(certificates: Certificates, client: Client) -> Self {
        Issuer { certificates, client, configurations: BTreeMap::new() }
    }

    /// The configurations, whenever they change.
    pub(super) fn watch(&self) -> SelectAll<BoxStream<'static, Shown>> {
        let named = watcher::Config::default().fields(&format!("metadata.name={}", self.certificates.configuration));
        let all = KINDS.into_iter().map(|kind| {
            let shown = watcher(self.of(kind), named.clone()).default_backoff().applied_objects();
            shown.filter_map(async |shown| shown.ok()).map(move |one| (kind, one)).boxed()
        });
        all.collect()
    }

    pub(super) fn hear(&mut self, (kind, configuration): Shown) {
        self.configurations.insert(kind, configuration);
    }

    /// Makes what is missing, and tells whoever must trust it. Answers after which time to look again.
    pub(super) async fn keep(&mut self) -> Result<Duration, Trouble> {
        let name = self.certificates.secret.clone();
        let api = Api::<Secret>::namespaced(self.client.clone(), &self.certificates.namespace);
        let failed = |error| Trouble::Secret(name.clone(), error);
        let secret = api.get_opt(&name).await.map_err(failed)?.ok_or_else(|| Trouble::NoSecret(name.clone()))?;
        let before = secret::held(&secret);
        let published = if before == Held::default() { Ok(()) } else { self.publish(&before).await };
        let next = before.next(&self.certificates.wanted, now(), published.is_ok())?;
        if next.held != before {
            api.replace(&name, &PostParams::default(), &secret::holding(secret, &next.held)).await.map_err(failed)?;
            tracing::info!(secret = name, news = next.news.join(", "), "the webhook's certificates");
        }
        published?;
        self.publish(&next.held).await?;
        Ok(next.again.clamp(Duration::from_millis(100), LOOK))
    }

    /// Lets the API server trust what is trusted.
    async fn publish(&mut self, held: &Held) -> Result<(), Trouble> {
        let name = self.certificates.configuration.clone();
        for kind in KINDS {
            let failed = |error| Trouble::Registration(format!("{kind} {name}"), error);
            let api = self.of(kind);
            // Taken out: where something fails it is asked for anew, for it may be gone.
            let known = match self.configurations.remove(kind) {
                Some(known) => Some(known),
                // The watch may not have shown it yet, and nothing may be concluded from that.
                None => api.get_opt(&name).await.map_err(failed)?,
            };
            let Some(mut known) = known else { continue };
            if let Some(patch) = registration::patch(&known, &held.ca) {
                let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                known = api.patch(&name, &params, &Patch::Json::<()>(patch)).await.map_err(failed)?;
                tracing::info!(kind, name, "the caBundle is set");
            }
            self.configurations.insert(kind, known);
        }
        Ok(())
    }

    fn of(&self, kind: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_ascii_lowercase())))
    }
}
