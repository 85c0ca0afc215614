//! The kinds of Kubernetes that hold a pod template, and where in them it stands.

use serde_json::Value;

/// A kind that holds a PodTemplateSpec; a Pod is its own.
#[derive(Debug)]
pub struct Holder {
    /// The `apiVersion`.
    pub version: &'static str,
    /// The `kind`.
    pub kind: &'static str,
    /// Fields from the object to the template; none of a Pod.
    pub fields: &'static [&'static str],
}

const HOLDERS: [Holder; 8] = [
    Holder { version: "v1", kind: "Pod", fields: &[] },
    Holder { version: "v1", kind: "ReplicationController", fields: &["spec", "template"] },
    Holder { version: "apps/v1", kind: "DaemonSet", fields: &["spec", "template"] },
    Holder { version: "apps/v1", kind: "Deployment", fields: &["spec", "template"] },
    Holder { version: "apps/v1", kind: "ReplicaSet", fields: &["spec", "template"] },
    Holder { version: "apps/v1", kind: "StatefulSet", fields: &["spec", "template"] },
    Holder { version: "batch/v1", kind: "CronJob", fields: &["spec", "jobTemplate", "spec", "template"] },
    Holder { version: "batch/v1", kind: "Job", fields: &["spec", "template"] },
];

impl Holder {
    /// The holder of this version and kind.
    pub fn of(version: &str, kind: &str) -> Option<&'static Holder> {
        HOLDERS.iter().find(|holder| holder.version == version && holder.kind == kind)
    }

    /// The holder of this kind, whatever its version.
    pub fn of_kind(kind: &str) -> Option<&'static Holder> {
        HOLDERS.iter().find(|holder| holder.kind == kind)
    }

    /// The part of an object that the first `depth` fields lead to; null where a field is missing.
    pub fn at<'a>(&self, object: &'a Value, depth: usize) -> &'a Value {
        self.fields[..depth].iter().fold(object, |here, field| &here[*field])
    }

    /// The template of an object; null where there is none.
    pub fn template<'a>(&self, object: &'a Value) -> &'a Value {
        self.at(object, self.fields.len())
    }
}
