//! Reads, creates and applies objects as kubectl does, without starting a process: tests look hundreds of times, on processors that what they test needs.
#![allow(dead_code)] // The tests and the demo each use a part of it.

use std::path::Path;

use kube::api::{Api, DynamicObject, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind, Request};
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Config, Resource as _};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::failure::Failure;

/// Whose the fields are that [`Caller::apply`] writes.
pub(crate) const MANAGER: &str = "tests";

/// Kinds: API version, name, name of many, and whether they are in namespaces.
const KINDS: [(&str, &str, &str, bool); 28] = [
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Event", "events", true),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Pod", "pods", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("argoproj.io/v1alpha1", "Rollout", "rollouts", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("batch/v1", "Job", "jobs", true),
    ("coordination.k8s.io/v1", "Lease", "leases", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("dapr.io/v1alpha1", "Component", "components", true),
    ("dapr.io/v1alpha1", "Resiliency", "resiliencies", true),
    ("dapr.io/v2alpha1", "Subscription", "subscriptions", true),
    ("eventing.knative.dev/v1", "Broker", "brokers", true),
    ("eventing.knative.dev/v1", "Trigger", "triggers", true),
    ("messaging.knative.dev/v1", "InMemoryChannel", "inmemorychannels", true),
    ("podwire.io/v1alpha1", "InjectionPolicy", "injectionpolicies", false),
    ("podwire.io/v1alpha1", "Wiring", "wirings", true),
];

/// A kind, and whether it is in namespaces, by one of the names that kubectl knows: `trigger`, `triggers`, `triggers.eventing.knative.dev`.
fn kind(word: &str) -> Option<(ApiResource, bool)> {
    KINDS.iter().find_map(|(api_version, kind, plural, namespaced)| {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let named = word.eq_ignore_ascii_case(kind)
            || word == *plural
            || word.strip_prefix(plural).and_then(|rest| rest.strip_prefix('.')) == Some(group);
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        named.then_some((resource, *namespaced))
    })
}

/// The same of a word that a test states: a mistake in it is no reason to wait.
fn known(word: &str) -> (ApiResource, bool) {
    kind(word).unwrap_or_else(|| panic!("nobody knows the kind {word:?} here"))
}

/// A client of the cluster that a kubeconfig names.
pub(crate) async fn client(kubeconfig: &Path) -> Result<Client, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(failed)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(failed)?;
    Client::try_from(config).map_err(failed)
}

pub(crate) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// What the API server itself says, where it is that which refused.
fn refused(error: kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) => Failure::new(status.message),
        other => failed(other),
    }
}

/// Who speaks to the API server. It has a thread of its own.
pub(crate) struct Caller {
    runtime: Runtime,
    client: Client,
}

/// What is asked for, in the words of `kubectl get`.
#[derive(Default)]
struct Question<'a> {
    kind: &'a str,
    name: Option<&'a str>,
    /// `None`: of all namespaces.
    namespace: Option<&'a str>,
    params: ListParams,
}

impl<'a> Question<'a> {
    fn of(arguments: &[&'a str]) -> Result<Self, Failure> {
        let mut question = Question { namespace: Some("default"), ..Question::default() };
        let mut rest = arguments.iter().copied();
        while let Some(argument) = rest.next() {
            let (flag, value) = argument.split_once('=').map_or((argument, None), |(flag, value)| (flag, Some(value)));
            let mut value = || value.or_else(|| rest.next()).ok_or_else(|| Failure::new(format!("{arguments:?}: {flag} has no value")));
            match flag {
                "-A" => question.namespace = None,
                "-n" => question.namespace = Some(value()?),
                "-l" => question.params = question.params.labels(value()?),
                "--field-selector" => question.params = question.params.fields(value()?),
                _ if flag.starts_with('-') => return Err(Failure::new(format!("{arguments:?}: nobody knows {flag} here"))),
                _ if question.kind.is_empty() => question.kind = argument,
                _ => question.name = Some(argument),
            }
        }
        Ok(question)
    }
}

impl Caller {
    pub(crate) fn new(kubeconfig: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("caller").enable_all().build()?;
        let client = runtime.block_on(client(kubeconfig))?;
        Ok(Caller { runtime, client })
    }

    /// What `kubectl get -o json` says of these arguments: an object, or a list.
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value, Failure> {
        self.find(arguments)?.ok_or_else(|| Failure::new(format!("there is no {}", arguments.join(" "))))
    }

    /// The same, or `None` where the API server has no such object, or no such kind.
    pub(crate) fn find(&self, arguments: &[&str]) -> Result<Option<Value>, Failure> {
        let question = Question::of(arguments)?;
        let (resource, namespaced) = known(question.kind);
        let namespace = question.namespace.filter(|_| namespaced);
        let request = Request::new(DynamicObject::url_path(&resource, namespace));
        let request = match question.name {
            Some(name) => request.get(name, &GetParams::default()),
            None => request.list(&question.params),
        };
        match self.runtime.block_on(self.client.request(request.map_err(failed)?)) {
            Ok(answer) => Ok(Some(answer)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// Creates an object, or says only what it would become.
    pub(crate) fn create(&self, object: &Value, dry_run: bool) -> Result<Value, Failure> {
        let params = PostParams { dry_run, field_manager: None };
        let request = self.place(object)?.create(&params, object.to_string().into_bytes());
        self.runtime.block_on(self.client.request(request.map_err(failed)?)).map_err(refused)
    }

    /// `kubectl apply --server-side --force-conflicts` of an object, or of the items of a List.
    pub(crate) fn apply(&self, object: &Value) -> Result<(), Failure> {
        if let Some(items) = object["items"].as_array() {
            return items.iter().try_for_each(|item| self.apply(item));
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let request = self.place(object)?.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object));
        self.runtime.block_on(self.client.request::<Value>(request.map_err(failed)?)).map(drop).map_err(refused)
    }

    /// Where objects like this one are.
    fn place(&self, object: &Value) -> Result<Request, Failure> {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let known = kind(text("kind")).filter(|(resource, _)| resource.api_version == text("apiVersion"));
        let (resource, namespaced) = match known {
            Some(known) => known,
            None => {
                let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
                let kind = GroupVersionKind::gvk(group, version, text("kind"));
                let (resource, capabilities) = self.runtime.block_on(pinned_kind(&self.client, &kind)).map_err(refused)?;
                (resource, capabilities.scope == Scope::Namespaced)
            }
        };
        let namespace = object["metadata"]["namespace"].as_str().or(Some("default")).filter(|_| namespaced);
        Ok(Request::new(DynamicObject::url_path(&resource, namespace)))
    }
}

/// The objects of a kind of [`KINDS`], in one namespace or, where it has no name, in all.
pub(crate) fn api(client: &Client, word: &str, namespace: &str) -> Api<DynamicObject> {
    let (resource, _) = known(word);
    match namespace {
        "" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}
