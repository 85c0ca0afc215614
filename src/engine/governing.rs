//! Which policy governs a namespace.

use std::collections::BTreeMap;

use super::{Origin, Snapshot};
use crate::api::policy::{InjectionPolicySpec, selects};

/// The one policy that governs a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Governing {
    /// Its name; `None` where the built-in values hold.
    pub(crate) name: Option<String>,
    /// What it says.
    pub(crate) spec: InjectionPolicySpec,
    /// Policies exist and none fits the namespace.
    pub(crate) none_fits: bool,
}

impl Governing {
    /// Among the policies whose selector fits: the highest priority, then the first by name.
    pub(crate) fn of(namespace: &str, snapshot: &Snapshot) -> Self {
        let Some(policies) = snapshot.policies.as_ref().filter(|policies| !policies.is_empty()) else { return Governing::default() };
        let known = snapshot.namespaces.as_ref().and_then(|known| known.get(namespace));
        let mut labels = known.map_or_else(BTreeMap::new, |namespace| namespace.labels.clone());
        // The API server gives every namespace this label; a file need not state it.
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        let fits =
            |spec: &InjectionPolicySpec| spec.namespace_selector.as_ref().is_none_or(|selector| selects(selector, &labels) == Some(true));
        let governing = policies.iter().filter(|(_, spec)| fits(spec)).min_by_key(|(name, spec)| (std::cmp::Reverse(spec.priority), *name));
        match governing {
            Some((name, spec)) => Governing { name: Some(name.clone()), spec: spec.clone(), none_fits: false },
            None => Governing { none_fits: true, ..Governing::default() },
        }
    }

    /// Who it is, in words: `policy default`, `the built-in policy`.
    pub(crate) fn words(&self) -> String {
        match &self.name {
            Some(name) => format!("policy {name}"),
            None => "the built-in policy".to_owned(),
        }
    }

    /// The origin of a value that the policy may have stated.
    pub(crate) fn origin(&self, stated: bool) -> Origin {
        match (&self.name, stated) {
            (Some(name), true) => Origin::Policy(name.clone()),
            _ => Origin::BuiltIn,
        }
    }
}
