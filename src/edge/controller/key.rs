//! By what the controller finds things.

use serde_json::Value;

/// An application: what a reconciliation is about. Its order puts a namespace's own key before those of its applications.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) namespace: String,
    /// The app-id; `None` for what the whole namespace shares.
    pub(super) app_id: Option<String>,
}

impl Key {
    pub(super) fn new(namespace: &str, app_id: &str) -> Self {
        Key { namespace: namespace.to_owned(), app_id: Some(app_id.to_owned()) }
    }

    pub(super) fn of_namespace(namespace: &str) -> Self {
        Key { namespace: namespace.to_owned(), app_id: None }
    }

    /// A policy belongs to no namespace.
    pub(super) fn of_policy(name: &str) -> Self {
        Key::new("", name)
    }

    pub(super) fn is_policy(&self) -> bool {
        self.namespace.is_empty()
    }

    pub(super) fn is_namespace(&self) -> bool {
        self.app_id.is_none()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.app_id.as_deref().unwrap_or_default())
    }
}

/// Where an object stands.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Place {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Place { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn of(object: &Value) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        Place::new(text("namespace"), text("name"))
    }
}
