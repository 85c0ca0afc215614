//! What podwire's controller wrote, as the API server's audit log has it.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

use super::controller::ACCOUNT;
use super::lab::{Failure, Lab};

/// A place in the audit log: what comes after it is new.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    log: PathBuf,
    at: u64,
}

/// A request that writes, or reads one object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Write {
    pub(crate) verb: String,
    /// With its subresource: `wirings/status`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The status of the answer.
    pub(crate) code: u64,
}

impl Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}/{} ({})", self.verb, self.resource, self.namespace, self.name, self.code)
    }
}

impl Mark {
    /// The end of the log as it is now.
    pub(crate) fn now(lab: &Lab) -> Result<Self, Failure> {
        let log = lab.plane.dir().join("audit.log");
        Ok(Mark { at: log.metadata()?.len(), log })
    }

    /// The beginning of the log.
    pub(crate) fn start(lab: &Lab) -> Self {
        Mark { log: lab.plane.dir().join("audit.log"), at: 0 }
    }
}

/// What controllers wrote since the mark, in order; without the renewals of their Lease, which never end.
pub(crate) fn writes_by_controller(since: &Mark) -> Result<Vec<Write>, Failure> {
    Ok(requests_by_controller(since)?.into_iter().filter(|write| write.verb != "get").collect())
}

/// The same, and what they read one by one.
pub(crate) fn requests_by_controller(since: &Mark) -> Result<Vec<Write>, Failure> {
    let by_controller = |event: &Value| event["user"]["username"] == ACCOUNT && event["objectRef"]["resource"] != "leases";
    Ok(events(since)?.iter().filter(|event| by_controller(event)).map(write).collect())
}

/// What everybody wrote in a namespace of which the audit policy keeps it.
pub(crate) fn writes_by_anybody(since: &Mark, namespace: &str) -> Result<Vec<Write>, Failure> {
    Ok(events(since)?.iter().map(write).filter(|write| write.namespace == namespace && write.verb != "get").collect())
}

fn events(since: &Mark) -> Result<Vec<Value>, Failure> {
    let mut file = File::open(&since.log)?;
    file.seek(SeekFrom::Start(since.at))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    // The last line may not be written to its end.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    Ok(whole.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The same, in one namespace.
pub(crate) fn writes_in(since: &Mark, namespace: &str) -> Result<Vec<Write>, Failure> {
    Ok(writes_by_controller(since)?.into_iter().filter(|write| write.namespace == namespace).collect())
}

fn write(event: &Value) -> Write {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = &event["objectRef"];
    let subresource = of["subresource"].as_str().map_or_else(String::new, |subresource| format!("/{subresource}"));
    Write {
        verb: text(&event["verb"]),
        resource: format!("{}{subresource}", text(&of["resource"])),
        namespace: text(&of["namespace"]),
        name: text(&of["name"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    }
}
