//! Reads an AdmissionReview, and of a broken one at least whom to answer.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What a review says around the object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) uid: String,
    kind: Option<Kind>,
    operation: Option<String>,
    sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    dry_run: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    group: Option<String>,
    version: Option<String>,
    kind: Option<String>,
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Review {
    /// A review whose head was read.
    Read(Head),
    /// Of this request nothing more than its uid can be used.
    Unreadable {
        /// Whom to answer.
        uid: String,
        /// What is wrong.
        why: String,
    },
}

impl Review {
    /// Reads a body; `None` where it names no request that could be answered.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Envelope {
            api_version: String,
            kind: String,
            request: Head,
        }
        let unreadable = |why: String| uid_of(body).map(|uid| Review::Unreadable { uid, why });
        match serde_json::from_slice::<Envelope>(body) {
            Err(error) => unreadable(error.to_string()),
            Ok(read) if read.request.uid.is_empty() => None,
            Ok(read) if read.api_version != "admission.k8s.io/v1" || read.kind != "AdmissionReview" => {
                unreadable(format!("{} {} is no AdmissionReview of admission.k8s.io/v1", read.api_version, read.kind))
            }
            Ok(read) => Some(Review::Read(read.request)),
        }
    }
}

/// What is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Matter {
    /// A pod that is created, and may be wired.
    Wiring,
    /// A pod that is created or changed, or resized.
    Pod {
        /// By the subresource of that name.
        resize: bool,
    },
    /// A workload that is created or changed.
    Workload,
}

impl Head {
    /// What `/mutate` is asked about: the creation of a pod, which is all that podwire changes.
    pub(super) fn to_wire(&self) -> Option<Matter> {
        (self.request() == ("", "v1", "Pod", "CREATE", "")).then_some(Matter::Wiring)
    }

    /// What `/review` is asked about.
    pub(super) fn to_review(&self) -> Option<Matter> {
        match self.request() {
            ("", "v1", "Pod", "CREATE" | "UPDATE", "") => Some(Matter::Pod { resize: false }),
            ("", "v1", "Pod", "UPDATE", "resize") => Some(Matter::Pod { resize: true }),
            ("apps", "v1", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet", "CREATE" | "UPDATE", "")
            | ("batch", "v1", "CronJob" | "Job", "CREATE" | "UPDATE", "") => Some(Matter::Workload),
            _ => None,
        }
    }

    /// Group, version, kind, operation, subresource.
    fn request(&self) -> (&str, &str, &str, &str, &str) {
        let part = |part: fn(&Kind) -> Option<&String>| self.kind.as_ref().and_then(part).map_or("", String::as_str);
        (
            part(|kind| kind.group.as_ref()),
            part(|kind| kind.version.as_ref()),
            part(|kind| kind.kind.as_ref()),
            self.operation.as_deref().unwrap_or_default(),
            self.sub_resource.as_deref().unwrap_or_default(),
        )
    }

    /// The namespace of the request; the object's own may be missing.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The object's name; empty where the API server has yet to make it.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether nothing of it will be stored.
    pub(super) fn dry_run(&self) -> bool {
        self.dry_run.unwrap_or_default()
    }
}

/// The object of a review whose head was read, and the one in whose place it would be.
pub(super) fn objects(body: &[u8]) -> Result<(Value, Option<Value>), serde_json::Error> {
    #[derive(Deserialize)]
    struct Envelope {
        request: Carrier,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Carrier {
        #[serde(default)]
        object: Value,
        old_object: Option<Value>,
    }
    serde_json::from_slice::<Envelope>(body).map(|envelope| (envelope.request.object, envelope.request.old_object))
}

/// The uid of a body that is broken elsewhere, be it behind the uid.
fn uid_of(body: &[u8]) -> Option<String> {
    let found = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(body);
    // The uid counts, whatever reading ends with.
    let _ = Within { path: &["request", "uid"], found: &found }.deserialize(&mut reader);
    found.into_inner().filter(|uid| !uid.is_empty())
}

/// Looks for the text at `path`, and keeps it as soon as it is found.
struct Within<'a> {
    path: &'a [&'a str],
    found: &'a Cell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            self.found.set(Some(String::deserialize(reader)?));
            return Ok(());
        }
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.path {
                [first, rest @ ..] if *first == key => map.next_value_seed(Within { path: rest, found: self.found })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}
