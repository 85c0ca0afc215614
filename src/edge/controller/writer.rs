//! Requests to the API server, each as careful as it can be: a POST merges into nothing, and what is changed or deleted must still be the object that was read.

use std::sync::Arc;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

use super::key::Place;
use crate::edge::telemetry::ControllerMetrics;
use crate::engine::Step;

/// The name under which podwire writes.
const MANAGER: &str = "podwire";

/// Writes objects.
#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    metrics: Arc<ControllerMetrics>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Wrote {
    /// The object as it is now.
    Is(Value),
    /// It is gone.
    Gone,
    /// It cannot be made: this one is there already.
    Taken(Value),
}

/// Kinds that podwire writes, and their plural.
const PLURALS: [(&str, &str); 8] = [
    ("Broker", "brokers"),
    ("ConfigMap", "configmaps"),
    ("InjectionPolicy", "injectionpolicies"),
    ("Resiliency", "resiliencies"),
    ("Service", "services"),
    ("Subscription", "subscriptions"),
    ("Trigger", "triggers"),
    ("Wiring", "wirings"),
];

impl Writer {
    pub(super) fn new(client: Client, metrics: Arc<ControllerMetrics>) -> Self {
        Writer { client, metrics }
    }

    /// Does what a step says.
    pub(super) async fn write(&self, step: &Step) -> Result<Wrote, kube::Error> {
        match step {
            Step::Create(object) => self.create(object).await,
            Step::Apply(object) => {
                let done = self.api(object).patch(&name(object), &forced(), &Patch::Apply(object)).await;
                self.done("apply", object, done)
            }
            Step::Merge { of, patch } => {
                let mut patch = patch.clone();
                patch["metadata"]["uid"] = of["metadata"]["uid"].clone();
                let done = self
                    .api(of)
                    .patch(
                        &name(of),
                        &PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() },
                        &Patch::Merge(&patch),
                    )
                    .await;
                self.done("merge", of, done)
            }
            Step::Status(object) => {
                let done = self.api(object).patch_status(&name(object), &forced(), &Patch::Apply(object)).await;
                self.done("status", object, done)
            }
            Step::Delete(object) => self.delete(object).await,
        }
    }

    /// The object as it is; nothing where there is none.
    pub(super) async fn read(&self, object: &Value) -> Result<Option<Value>, kube::Error> {
        let read = self.api(object).get_opt(&name(object)).await?;
        read.map(plain).transpose()
    }

    async fn create(&self, object: &Value) -> Result<Wrote, kube::Error> {
        let typed: DynamicObject = serde_json::from_value(object.clone()).map_err(kube::Error::SerdeError)?;
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let done = self.api(object).create(&params, &typed).await;
        if let Err(kube::Error::Api(status)) = &done
            && status.is_already_exists()
        {
            self.metrics.wrote("create", kind(object));
            return Ok(self.read(object).await?.map_or(Wrote::Gone, Wrote::Taken));
        }
        self.done("create", object, done)
    }

    async fn delete(&self, object: &Value) -> Result<Wrote, kube::Error> {
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        let preconditions = Preconditions { uid: text("uid"), resource_version: None };
        // Not in the foreground: what a Wiring owns goes by itself, and nothing here blocks the deletion of anything.
        let params = DeleteParams::background().preconditions(preconditions);
        let done = self.api(object).delete(&name(object), &params).await;
        self.metrics.wrote("delete", kind(object));
        match done {
            Ok(_) => Ok(Wrote::Gone),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Wrote::Gone),
            Err(error) => Err(error),
        }
    }

    fn done(&self, verb: &'static str, object: &Value, done: Result<DynamicObject, kube::Error>) -> Result<Wrote, kube::Error> {
        self.metrics.wrote(verb, kind(object));
        plain(done?).map(Wrote::Is)
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let of = object["kind"].as_str().unwrap_or_default();
        let plural = PLURALS.iter().find(|(kind, _)| *kind == of).map(|(_, plural)| *plural).unwrap_or_default();
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, of), plural);
        match Place::of(object).namespace.as_str() {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }
}

fn name(object: &Value) -> String {
    Place::of(object).name
}

/// The kind as it stands in the table, for the metrics.
fn kind(object: &Value) -> &'static str {
    PLURALS.iter().find(|(kind, _)| object["kind"] == **kind).map(|(kind, _)| *kind).unwrap_or("other")
}

fn forced() -> PatchParams {
    PatchParams { force: true, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

fn plain(object: DynamicObject) -> Result<Value, kube::Error> {
    let mut object = object;
    object.metadata.managed_fields = None;
    serde_json::to_value(object).map_err(kube::Error::SerdeError)
}
