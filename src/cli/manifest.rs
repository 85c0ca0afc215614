//! Files of manifests: reading them, cutting them into documents, finding the pod templates in them.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::opts::Output;
use crate::api::yaml::{self, Node, NotYaml};
use crate::engine::Owner;

/// A text and where it is from.
pub(super) struct Source {
    /// The path as it was given; `<stdin>`.
    pub(super) name: String,
    pub(super) text: String,
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("failed to read {0}")]
    Read(String, #[source] std::io::Error),
    #[error("{0} holds no .yaml, .yml or .json file")]
    Empty(String),
}

/// Reads files, folders (in the order of their names) and standard input.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, InputError> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| InputError::Read("standard input".to_owned(), error))?;
            sources.push(Source { name: "<stdin>".to_owned(), text });
        } else if path.is_dir() {
            let files = folder(path)?;
            for file in files {
                sources.push(file_source(&file)?);
            }
        } else {
            sources.push(file_source(path)?);
        }
    }
    Ok(sources)
}

fn file_source(path: &Path) -> Result<Source, InputError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source { name, text }),
        Err(error) => Err(InputError::Read(name, error)),
    }
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, InputError> {
    let name = path.display().to_string();
    let entries =
        std::fs::read_dir(path).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| InputError::Read(name.clone(), error))?;
    let manifest = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|extension| ["json", "yaml", "yml"].iter().any(|one| extension == *one))
    };
    let mut files: Vec<PathBuf> = entries.into_iter().filter(manifest).collect();
    files.sort();
    if files.is_empty() { Err(InputError::Empty(name)) } else { Ok(files) }
}

/// One document of a source.
pub(super) struct Document<'a> {
    /// Its place among all that were read.
    pub(super) number: usize,
    pub(super) source: &'a Source,
    /// The separator line before it, where there is one.
    pub(super) separator: &'a str,
    /// Its text, byte for byte.
    pub(super) text: &'a str,
    /// How many lines of the source stand before the text.
    pub(super) lines_before: usize,
}

impl Document<'_> {
    /// Whether it holds nothing but comments.
    pub(super) fn is_empty(&self) -> bool {
        self.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    }

    /// The comments before its first line.
    pub(super) fn head(&self) -> &str {
        let length = self.text.split_inclusive('\n').take_while(|line| line.trim().is_empty() || line.starts_with('#')).map(str::len).sum();
        &self.text[..length]
    }

    /// The values and their places, with the lines counted in the document.
    pub(super) fn read(&self) -> Result<Node, NotYaml> {
        yaml::read(self.text)
    }
}

/// Cuts sources where kubectl does: at lines that begin with three dashes and say nothing else.
pub(super) fn documents<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    for source in sources {
        let (mut start, mut at, mut lines, mut lines_before, mut separator) = (0, 0, 0, 0, "");
        let mut add = |separator, text, lines_before| {
            documents.push(Document { number: documents.len(), source, separator, text, lines_before });
        };
        for line in source.text.split_inclusive('\n') {
            let end = at + line.len();
            lines += 1;
            let rest = line.strip_prefix("---").map(str::trim);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
                if at > 0 {
                    add(separator, &source.text[start..at], lines_before);
                }
                (start, lines_before, separator) = (end, lines, line);
            }
            at = end;
        }
        add(separator, &source.text[start..], lines_before);
    }
    documents
}

/// A pod template in a document.
#[derive(Clone)]
pub(super) struct Template {
    /// Fields and indices from the document to the object that holds `metadata` and `spec` of the pod.
    pub(super) path: Vec<String>,
    pub(super) owner: Owner,
    pub(super) namespace: Option<String>,
    /// `Deployment/orders`.
    pub(super) title: String,
    /// The workload's own annotations, where it is not the pod itself.
    pub(super) workload_annotations: Map<String, Value>,
}

impl Template {
    /// The template within the document.
    pub(super) fn of<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        let mut here = document;
        for part in &self.path {
            here = match here {
                Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
                other => other.get_mut(part)?,
            };
        }
        Some(here)
    }
}

type OwnerOf = fn(String) -> Owner;

/// The kinds that hold a pod template, where it stands, and what the pods' owner is.
const KINDS: [(&str, &str, &[&str], OwnerOf); 8] = [
    ("v1", "Pod", &[], |_| Owner::Bare),
    ("apps/v1", "Deployment", &["spec", "template"], Owner::Deployment),
    ("apps/v1", "StatefulSet", &["spec", "template"], Owner::StatefulSet),
    ("apps/v1", "DaemonSet", &["spec", "template"], Owner::DaemonSet),
    ("apps/v1", "ReplicaSet", &["spec", "template"], |name| Owner::Other { kind: "ReplicaSet".to_owned(), name }),
    ("v1", "ReplicationController", &["spec", "template"], |name| Owner::Other { kind: "ReplicationController".to_owned(), name }),
    ("batch/v1", "Job", &["spec", "template"], Owner::Job),
    ("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template"], Owner::CronJob),
];

/// Every pod template of a document; a List holds those of its items.
pub(super) fn templates(document: &Value) -> Vec<Template> {
    let mut found = Vec::new();
    collect(document, ("", ""), Vec::new(), &mut found);
    found
}

/// `of` is the version and kind of an object that does not say its own: an item of a typed list.
fn collect(object: &Value, of: (&str, &str), path: Vec<String>, found: &mut Vec<Template>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (version, kind) = (object["apiVersion"].as_str().unwrap_or(of.0), object["kind"].as_str().unwrap_or(of.1));
    if let Some(item_kind) = kind.strip_suffix("List").filter(|_| object["items"].is_array()) {
        for (index, item) in object["items"].as_array().into_iter().flatten().enumerate() {
            let inner = path.iter().cloned().chain(["items".to_owned(), index.to_string()]).collect();
            collect(item, (version, item_kind), inner, found);
        }
        return;
    }
    let Some((_, _, to_template, owner)) = KINDS.iter().find(|known| known.0 == version && known.1 == kind) else { return };
    let name = text(&object["metadata"]["name"]).or_else(|| text(&object["metadata"]["generateName"])).unwrap_or_default();
    found.push(Template {
        path: path.into_iter().chain(to_template.iter().map(|part| (*part).to_owned())).collect(),
        title: format!("{kind}/{name}"),
        owner: owner(name),
        namespace: text(&object["metadata"]["namespace"]),
        workload_annotations: object["metadata"]["annotations"]
            .as_object()
            .filter(|_| !to_template.is_empty())
            .cloned()
            .unwrap_or_default(),
    });
}

/// What is printed: a document's own bytes, its new value, or an object of which no document says anything.
pub(super) enum Printed<'a> {
    Added(Value),
    Copied(&'a Document<'a>),
    Changed(&'a Document<'a>, Value),
}

/// Documents as text, in their order.
pub(super) fn print(documents: &[Printed], output: Output) -> Result<String, String> {
    match output {
        Output::Yaml => documents.iter().try_fold(String::new(), |mut text, printed| {
            append(&mut text, printed)?;
            Ok(text)
        }),
        Output::Json => json(documents),
    }
}

fn append(text: &mut String, printed: &Printed) -> Result<(), String> {
    let separator = match printed {
        Printed::Added(_) => "",
        Printed::Copied(document) | Printed::Changed(document, _) => document.separator,
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // Files follow each other without a separator of their own.
    text.push_str(if separator.is_empty() && !text.is_empty() { "---\n" } else { separator });
    match printed {
        Printed::Added(value) => text.push_str(&yaml::write(value).map_err(|error| error.to_string())?),
        Printed::Copied(document) => text.push_str(document.text),
        Printed::Changed(document, value) => {
            text.push_str(document.head());
            text.push_str(&yaml::write(value).map_err(|error| error.to_string())?);
        }
    }
    Ok(())
}

/// One object as it is, several as a List: what kubectl reads back.
fn json(documents: &[Printed]) -> Result<String, String> {
    let value = |printed: &Printed| match printed {
        Printed::Copied(document) => document.read().map(|node| node.value()).map_err(|error| error.to_string()),
        Printed::Added(value) | Printed::Changed(_, value) => Ok(value.clone()),
    };
    let full = documents.iter().filter(|printed| !matches!(printed, Printed::Copied(document) if document.is_empty()));
    let mut values = full.map(value).collect::<Result<Vec<Value>, String>>()?;
    let whole =
        if values.len() == 1 { values.remove(0) } else { serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": values }) };
    serde_json::to_string_pretty(&whole).map(|text| text + "\n").map_err(|error| error.to_string())
}
