//! The words in which resources are spoken of: a section, an amount, and where a value came from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

use crate::api::policy;
use crate::api::quantity::Quantity;
use crate::engine::{Code, Finding, Origin, Subject};

/// One of the two halves of a container's resources.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Section {
    Limits,
    Requests,
}

impl Section {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Section::Limits => "limits",
            Section::Requests => "requests",
        }
    }
}

/// A request or a limit that is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Amount {
    pub(crate) section: Section,
    pub(crate) resource: String,
    pub(crate) value: Quantity,
}

/// The resources that podwire decides about.
pub(super) const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Requests that always exist, by resource: of the application, of the sidecar.
pub(super) const BUILT_IN: [(&str, Quantity, Quantity); 2] =
    [("cpu", Quantity::milli(100), Quantity::milli(100)), ("memory", Quantity::mebi(128), Quantity::mebi(250))];

/// What a value is and who said so.
pub(super) type Value = (Quantity, Origin);

/// Whether the pod's author said so. What a default made is podwire's to move.
pub(super) fn is_stated(origin: &Origin) -> bool {
    matches!(origin, Origin::DaprAnnotation | Origin::Limit | Origin::Manifest)
}

/// What a policy says of a resource.
pub(super) fn amount(amounts: &policy::Amounts, section: Section, resource: &str) -> Option<Quantity> {
    match section {
        Section::Limits => amounts.limits.get(resource).copied(),
        Section::Requests => amounts.requests.get(resource).copied(),
    }
}

/// The amount among those that are to be written.
pub(super) fn written(amounts: &[Amount], section: Section, resource: &str) -> Option<Quantity> {
    amounts.iter().find(|amount| amount.section == section && amount.resource == resource).map(|amount| amount.value)
}

pub(super) fn section_of(resources: Option<&ResourceRequirements>, section: Section) -> Option<&BTreeMap<String, Written>> {
    match section {
        Section::Limits => resources?.limits.as_ref(),
        Section::Requests => resources?.requests.as_ref(),
    }
}

/// What a manifest states, as the API server stores it; nothing where it is no quantity.
pub(super) fn stated(resources: Option<&ResourceRequirements>, section: Section, resource: &str) -> Option<Quantity> {
    Quantity::parse(&section_of(resources, section)?.get(resource)?.0).ok().map(Quantity::round_to_milli)
}

pub(super) fn subject(container: Option<&str>, section: Section, resource: &str) -> Subject {
    Subject::Resource { container: container.map(str::to_owned), section: section.word(), resource: resource.to_owned() }
}

/// What a manifest states, or a finding where it is no quantity.
pub(super) fn read(
    resources: Option<&ResourceRequirements>,
    container: Option<&str>,
    section: Section,
    resource: &str,
    findings: &mut Vec<Finding>,
) -> Option<Quantity> {
    let text = &section_of(resources, section)?.get(resource)?.0;
    let quantity = stated(resources, section, resource);
    if quantity.is_none() {
        let subject = subject(container, section, resource);
        findings.push(Finding::new(Code::InvalidQuantity, subject, "allowed: 250m, 1.5, 128Mi, 1e3").read(text));
    }
    quantity
}
