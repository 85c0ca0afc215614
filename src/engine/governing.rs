//! Which policy governs a namespace.

use std::collections::BTreeMap;

use super::{Code, Finding, Origin, Reason, Snapshot, Subject};
use crate::api::policy::{Fault, InjectionPolicySpec, selects};

/// The one policy that governs a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Governing {
    /// Its name; `None` where the built-in values hold.
    pub(crate) name: Option<String>,
    /// What it says.
    pub(crate) spec: InjectionPolicySpec,
    /// Policies exist and none that may govern fits the namespace.
    pub(crate) none_fits: bool,
    /// Of each policy that would govern in its place, were it not wrong: what is wrong with it.
    pub(crate) passed_over: Vec<Finding>,
    /// The sound policies that fit too, the next one first: their names and priorities.
    others: Vec<(String, i32)>,
}

impl Governing {
    /// Among the policies whose selector fits, without those that are wrong: the highest priority, then the first by name.
    pub(crate) fn of(namespace: &str, snapshot: &Snapshot) -> Self {
        let Some(policies) = snapshot.policies.as_ref().filter(|policies| !policies.is_empty()) else { return Governing::default() };
        let known = snapshot.namespaces.as_ref().and_then(|known| known.get(namespace));
        let mut labels = known.map_or_else(BTreeMap::new, |namespace| namespace.labels.clone());
        // The API server gives every namespace this label; a file need not state it.
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        let fits = |spec: &InjectionPolicySpec| match spec.namespace_selector.as_ref().map(|selector| selects(selector, &labels)) {
            None | Some(Some(true)) => true,
            Some(Some(false)) => false,
            // Nobody can tell whom it selects: it is passed over everywhere.
            Some(None) => !spec.faults.is_empty(),
        };
        let mut fitting: Vec<(&String, &InjectionPolicySpec)> = policies.iter().filter(|(_, spec)| fits(spec)).collect();
        fitting.sort_by_key(|(name, spec)| (std::cmp::Reverse(spec.priority), *name));
        let first = fitting.iter().position(|(_, spec)| spec.faults.is_empty());
        let passed_over = fitting[..first.unwrap_or(fitting.len())].iter().filter_map(|(name, spec)| passed_over(name, spec)).collect();
        let mut sound = fitting.into_iter().filter(|(_, spec)| spec.faults.is_empty());
        match sound.next() {
            Some((name, spec)) => {
                let others = sound.map(|(name, spec)| (name.clone(), spec.priority)).collect();
                Governing { name: Some(name.clone()), spec: spec.clone(), none_fits: false, passed_over, others }
            }
            None => Governing { none_fits: true, passed_over, ..Governing::default() },
        }
    }

    /// Why it is this policy.
    pub(crate) fn reason(&self) -> Reason {
        let others = self.others.iter().map(|(name, priority)| (name.clone(), Origin::Priority(*priority)));
        let reason = match &self.name {
            Some(name) => Reason::new("policy", name, Origin::Priority(self.spec.priority)),
            None => Reason::new("policy", "none", Origin::BuiltIn),
        };
        reason.over(others).minor()
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

/// What is wrong with a policy, as [`Snapshot`] holds it; it governs only where nothing is.
pub fn check_policy(spec: &InjectionPolicySpec) -> Vec<Finding> {
    let finding = |fault: &Fault| Finding {
        code: Code::InvalidPolicy,
        subject: Subject::Field(fault.path.clone()),
        read: fault.read.clone(),
        allowed: fault.allowed.clone(),
        help: fault.help.clone(),
    };
    spec.faults.iter().map(finding).collect()
}

/// What a pod is told of a policy that does not govern it because it is wrong.
fn passed_over(name: &str, spec: &InjectionPolicySpec) -> Option<Finding> {
    let first = spec.faults.first()?;
    let read = first.read.as_ref().map_or_else(String::new, |read| format!(" is {read:?}"));
    let more = match spec.faults.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let wrong = format!("{}{read}: {}{more}", first.path, first.allowed);
    Some(Finding::new(Code::PolicyPassedOver, Subject::Policy(name.to_owned()), wrong).help("it does not govern until it is corrected"))
}
