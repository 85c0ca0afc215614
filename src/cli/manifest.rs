//! Files of manifests: reading them, cutting them into documents, finding the pod templates in them.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde_json::Value;

use super::opts::Output;
use super::{Exit, print};
use crate::api::annotations::{LISTEN, PREFIX};
use crate::api::templates::Holder;
use crate::api::yaml::{self, Node, NotYaml};
use crate::engine::{Owner, PodRequest, Unreadable, copy_limits};

/// A text and where it is from.
pub(super) struct Source {
    /// The path as it was given; `<stdin>`.
    pub(super) name: String,
    pub(super) text: String,
}

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error("failed to read {0}")]
    Read(String, #[source] std::io::Error),
    #[error("{0} holds no .yaml, .yml or .json file")]
    Empty(String),
}

/// Reads files, folders (in the order of their names) and standard input; what cannot be read has been said when it fails.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Exit> {
    sources(paths).map_err(|error| print::usage(&error))
}

fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, InputError> {
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
        yaml::read(self.text).or_else(|error| deep(self.text).unwrap_or(Err(error)))
    }
}

/// why: far more levels than anything in Kubernetes has.
const DEPTH: usize = 1000;

/// Reads a text that may be nested deep, on a stack of its own.
fn deep(text: &str) -> Option<Result<Node, NotYaml>> {
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(DEPTH * yaml::LEVEL);
        reader.spawn_scoped(scope, || yaml::read_to(text, DEPTH)).ok()?.join().ok()
    })
}

/// Cuts sources where kubectl does. JSON: after each object. YAML: at lines of three dashes that say nothing else or hold a comment.
///
/// kubectl refuses other content behind the dashes; here the line stays in its document, which the reader takes or refuses.
pub(super) fn documents<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    for source in sources {
        // Where it is no JSON, the reader of YAML says what is wrong.
        for Cut { separator, text, lines_before } in json_cuts(&source.text).unwrap_or_else(|| yaml_cuts(&source.text)) {
            documents.push(Document { number: documents.len(), source, separator, text, lines_before });
        }
    }
    documents
}

/// One document of a text, with the line that parts it from the one before.
struct Cut<'a> {
    separator: &'a str,
    text: &'a str,
    lines_before: usize,
}

/// The objects of a text that begins with one.
fn json_cuts(text: &str) -> Option<Vec<Cut<'_>>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while let Some(object) = objects.next() {
        object.ok()?;
        let end = objects.byte_offset();
        let rest = text[end..].trim_start_matches([' ', '\t', '\r']);
        ends.push(if rest.starts_with('\n') { text.len() - rest.len() + 1 } else { end });
    }
    *ends.last_mut()? = text.len();
    let (mut start, mut lines_before) = (0, 0);
    let cut = |end| {
        let cut = Cut { separator: "", text: &text[start..end], lines_before };
        (start, lines_before) = (end, lines_before + cut.text.matches('\n').count());
        cut
    };
    Some(ends.into_iter().map(cut).collect())
}

fn yaml_cuts(text: &str) -> Vec<Cut<'_>> {
    let mut cuts = Vec::new();
    let (mut start, mut at, mut lines, mut lines_before, mut separator) = (0, 0, 0, 0, "");
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        lines += 1;
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            if at > 0 {
                cuts.push(Cut { separator, text: &text[start..at], lines_before });
            }
            (start, lines_before, separator) = (end, lines, line);
        }
        at = end;
    }
    cuts.push(Cut { separator, text: &text[start..], lines_before });
    cuts
}

/// A pod template in a document.
#[derive(Clone)]
pub(super) struct Template {
    /// Fields and indices from the document to the value that holds `metadata` and `spec` of the pod.
    pub(super) path: Vec<String>,
    /// How many of them lead to the object that the template belongs to.
    object: usize,
    pub(super) owner: Owner,
    pub(super) namespace: Option<String>,
    /// `Deployment/orders`.
    pub(super) title: String,
    /// Whether the workload itself, where it is not the pod, says that it listens on both sides.
    pub(super) listens_too: bool,
    /// How many pods it has at a time; of a DaemonSet that no cluster holds, on one node.
    pub(super) pods: u64,
}

impl Template {
    /// The template within the document.
    pub(super) fn of<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        self.path.iter().try_fold(document, |here, part| match here {
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
            other => other.get_mut(part),
        })
    }

    /// Its pods, as the API server would send them to the webhook.
    pub(super) fn request(&self, namespace: &str, document: &Value) -> Result<PodRequest, Unreadable> {
        let mut pod = self.of(&mut document.clone()).cloned().unwrap_or_default();
        copy_limits(&mut pod);
        PodRequest::from_template(namespace, self.owner.clone(), &pod)
    }

    /// Where findings about its pods are shown.
    pub(super) fn at(&self) -> At<'_> {
        At { pod: &self.path, object: &self.path[..self.object] }
    }

    /// Everything around the template that may have `metadata` of its own: the object, and a CronJob's template of Jobs.
    pub(super) fn around(&self) -> impl Iterator<Item = At<'_>> {
        (self.object..self.path.len()).map(|length| At { pod: &self.path[..length], ..self.at() })
    }

    /// The fields from the object to the template: `spec.template`.
    pub(super) fn fields(&self) -> String {
        self.path[self.object..].join(".")
    }
}

/// A place in a document: the holder of `metadata` and `spec` that is looked at, and the object around it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) pod: &'a [String],
    pub(super) object: &'a [String],
}

/// An object of a document: the document itself, or an item of a List.
pub(super) struct Object<'a> {
    pub(super) value: &'a Value,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    /// Fields and indices from the document.
    pub(super) path: Vec<String>,
}

/// Every object of a document; a List, also one in a List, is its items.
pub(super) fn objects(document: &Value) -> Vec<Object<'_>> {
    let mut found = Vec::new();
    collect(document, ("", ""), Vec::new(), &mut found);
    found
}

/// `of` is the version and kind of an object that does not say its own: an item of a typed list.
fn collect<'a>(value: &'a Value, of: (&'a str, &'a str), path: Vec<String>, found: &mut Vec<Object<'a>>) {
    let (version, kind) = (value["apiVersion"].as_str().unwrap_or(of.0), value["kind"].as_str().unwrap_or(of.1));
    match (kind.strip_suffix("List"), value["items"].as_array()) {
        (Some(item_kind), Some(items)) => {
            for (index, item) in items.iter().enumerate() {
                let inner = path.iter().cloned().chain(["items".to_owned(), index.to_string()]).collect();
                collect(item, (version, item_kind), inner, found);
            }
        }
        _ => found.push(Object { value, version, kind, path }),
    }
}

impl Object<'_> {
    /// The object with the version and the kind that its list says for it.
    pub(super) fn whole(&self) -> Value {
        let mut whole = self.value.clone();
        if let Some(fields) = whole.as_object_mut() {
            fields.entry("apiVersion").or_insert_with(|| self.version.into());
            fields.entry("kind").or_insert_with(|| self.kind.into());
        }
        whole
    }

    /// The pod template of the object, where its kind has one.
    pub(super) fn template(&self) -> Option<Template> {
        let holder = Holder::of(self.version, self.kind)?;
        let metadata = &self.value["metadata"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&metadata["name"]).or_else(|| text(&metadata["generateName"])).unwrap_or_default();
        Some(Template {
            path: self.path.iter().cloned().chain(holder.fields.iter().map(|part| (*part).to_owned())).collect(),
            object: self.path.len(),
            title: format!("{}/{name}", self.kind),
            owner: Owner::of(self.kind, name),
            namespace: text(&metadata["namespace"]),
            listens_too: !holder.fields.is_empty() && metadata["annotations"][LISTEN] == "both",
            pods: self.pods(),
        })
    }

    fn pods(&self) -> u64 {
        let of = |object: &Value, field: &str| object[field].as_u64().unwrap_or(1);
        let job = |spec: &Value| of(spec, "parallelism").min(spec["completions"].as_u64().unwrap_or(u64::MAX));
        let spec = &self.value["spec"];
        match self.kind {
            "Pod" => 1,
            "Job" | "CronJob" if spec["suspend"] == true => 0,
            "DaemonSet" => of(&self.value["status"], "desiredNumberScheduled"),
            "Job" => job(spec),
            "CronJob" => job(&spec["jobTemplate"]["spec"]),
            _ => of(spec, "replicas"),
        }
    }

    /// The field by which podwire does not know the kind, where the object's pods ask for wiring in the usual place.
    pub(super) fn unknown(&self) -> Option<(&'static str, &str)> {
        let annotations = self.value["spec"]["template"]["metadata"]["annotations"].as_object()?;
        let asks = annotations.keys().any(|key| key.starts_with(PREFIX));
        asks.then_some(if Holder::of_kind(self.kind).is_some() { ("apiVersion", self.version) } else { ("kind", self.kind) })
    }
}

/// What is printed: a document's own bytes, its new value, or an object of which no document says anything.
pub(super) enum Printed<'a> {
    Added(Value),
    Copied(&'a Document<'a>),
    Changed(&'a Document<'a>, Value),
}

/// Documents as text, in their order; that one has no form is a defect of podwire, and said.
pub(super) fn print(documents: &[Printed], output: Output) -> Result<String, Exit> {
    let text = match output {
        Output::Yaml => documents.iter().try_fold(String::new(), |mut text, printed| {
            append(&mut text, printed)?;
            Ok(text)
        }),
        Output::Json => json(documents),
    };
    text.map_err(print::internal)
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
