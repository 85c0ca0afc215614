//! A finding with the place in the file that it is about.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::manifest::{At, Document};
use crate::api::yaml::{Node, NotYaml, Place, Tree};
use crate::engine::{Code, Finding, Severity, Subject};

/// A finding of a document, and the bytes of the document's text that it is about.
pub(super) struct Remark<'d> {
    pub(super) finding: Finding,
    pub(super) document: &'d Document<'d>,
    span: Option<Range<usize>>,
}

/// Lines and columns of a file, counted from one; the end is the first character behind.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Region {
    pub(super) start: (usize, usize),
    pub(super) end: (usize, usize),
}

/// The finding with the place that it is about.
pub(super) fn remark<'d>(finding: Finding, document: &'d Document<'d>, node: Option<&Node>, at: At) -> Remark<'d> {
    let span = node.and_then(|node| place(&finding, node, at)).and_then(|node| span(document, node, finding.read.as_deref()));
    Remark { finding, document, span }
}

/// A document that is no YAML.
pub(super) fn unreadable<'d>(error: &NotYaml, document: &'d Document<'d>) -> Remark<'d> {
    let finding = Finding::new(Code::UnreadableDocument, Subject::Document, error.message.clone());
    Remark { finding, document, span: offset(document, error.place).map(|start| start..start) }
}

impl Remark<'_> {
    /// The line of the file with a caret, the code, what was read, what is allowed.
    pub(super) fn text(&self) -> String {
        let Remark { finding, document, span } = self;
        let level = match finding.severity() {
            Severity::Security | Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(finding.title()).id(finding.code.id());
        let label = finding.allowed.as_str();
        let snippet = Snippet::source(document.text).path(document.source.name.as_str()).line_start(document.lines_before + 1);
        let snippet = snippet.annotation(AnnotationKind::Primary.span(span.clone().unwrap_or(0..0)).label(label));
        let mut group: Group = match span {
            Some(_) => title.element(snippet),
            None => title.element(annotate_snippets::Origin::path(document.source.name.as_str())).element(Level::NOTE.message(label)),
        };
        if let Some(help) = &finding.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut text = Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group]);
        text.push_str("\n\n");
        text
    }

    /// `orders.yaml:9:27: error[PW012]: invalid-port: …`, in one line.
    pub(super) fn line(&self) -> String {
        let (line, column) = self.region().start;
        let (name, finding) = (&self.document.source.name, &self.finding);
        format!("{name}:{line}:{column}: {}[{}]: {}\n", finding.severity().word(), finding.code.id(), self.message())
    }

    /// What was read, what is allowed and what to do, in one line.
    pub(super) fn message(&self) -> String {
        let help = self.finding.help.iter().map(|help| format!("; {help}")).collect::<String>();
        let text = format!("{}: {}{help}", self.finding.title(), self.finding.allowed);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Where it is in the file; of a finding without a place the beginning of its document.
    pub(super) fn region(&self) -> Region {
        let at = |offset: usize| {
            let before = &self.document.text[..offset.min(self.document.text.len())];
            let line = before.rsplit('\n').next().unwrap_or_default();
            (self.document.lines_before + before.matches('\n').count() + 1, line.chars().count() + 1)
        };
        let span = self.span.clone().unwrap_or(0..0);
        Region { start: at(span.start), end: at(span.end) }
    }
}

/// The node that a finding is about; where the text has none, the name of the object around it, or the object.
fn place<'a>(finding: &Finding, document: &'a Node, at: At) -> Option<&'a Node> {
    let object = follow(document, at.object)?;
    let name = || ["name", "generateName"].into_iter().find_map(|field| object.get("metadata")?.get(field));
    follow(document, at.pod).and_then(|pod| stated(finding, pod, object)).or_else(name).or(Some(object))
}

/// The node that a finding of a pod names.
fn stated<'a>(finding: &Finding, pod: &'a Node, object: &'a Node) -> Option<&'a Node> {
    let metadata = |section: &str, key: &str| pod.get("metadata")?.get(section)?.get(key);
    let containers = || ["containers", "initContainers"].into_iter().filter_map(|list| pod.get("spec")?.get(list)).flat_map(Node::items);
    let container = |name: &str| containers().find(|container| container.get("name").is_some_and(|node| node.value() == name));
    match &finding.subject {
        Subject::Annotation(key) => metadata("annotations", key).or_else(|| object.get("metadata")?.get("annotations")?.get(key)),
        Subject::Container(name) => container(name)?.get("name"),
        Subject::Resource { container: owner, section, resource } => {
            let holder = match owner {
                Some(name) => container(name)?,
                None => pod.get("spec")?,
            };
            let stated = holder.get("resources").and_then(|resources| resources.get(section)?.get(resource));
            stated.or_else(|| holder.get("name"))
        }
        Subject::Field(path) => path.split(['.', '[']).map(|part| part.trim_end_matches(']')).try_fold(pod, step),
        Subject::Label(key) => metadata("labels", key),
        Subject::Document | Subject::NamespaceLabel(_) | Subject::Pod | Subject::Policy(_) => None,
        Subject::Variable { container: owner, name } => {
            let mut variables = container(owner)?.get("env")?.items().iter();
            variables.find(|variable| variable.get("name").is_some_and(|node| node.value() == name.as_str()))?.get("value")
        }
    }
}

/// The keys of the annotations that stand at a place.
pub(super) fn annotations<'a>(document: &'a Node, at: At) -> impl Iterator<Item = &'a str> {
    let annotations = follow(document, at.pod).and_then(|holder| holder.get("metadata")?.get("annotations"));
    annotations.into_iter().flat_map(Node::entries).map(|(key, _)| key.as_str())
}

fn follow<'a>(node: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, part| step(node, part))
}

fn step<'a>(node: &'a Node, part: &str) -> Option<&'a Node> {
    match &node.tree {
        Tree::Sequence(items) => items.get(part.parse::<usize>().ok()?),
        Tree::Map(_) | Tree::Scalar(_) => node.get(part),
    }
}

/// Where a place stands in the document's text, in bytes.
fn offset(document: &Document, place: Place) -> Option<usize> {
    let line = document.text.split_inclusive('\n').nth(place.line.checked_sub(1)?).unwrap_or_default();
    let before: usize = document.text.split_inclusive('\n').take(place.line - 1).map(str::len).sum();
    let column: usize = line.chars().take(place.column.saturating_sub(1)).map(char::len_utf8).sum();
    Some((before + column).min(document.text.len()))
}

/// The bytes of a node: of a text the part that was read, of another scalar its token, of anything else its first character.
fn span(document: &Document, node: &Node, read: Option<&str>) -> Option<Range<usize>> {
    let start = offset(document, node.place)?;
    let part = read.filter(|read| !read.contains('\n') && !read.is_empty());
    if let (Some(whole), Some(read)) = (node.value().as_str().filter(|whole| Some(*whole) != read), part)
        && whole.contains(read)
        && let Some(at) = document.text[start..].find(read)
    {
        return Some(start + at..start + at + read.len());
    }
    let rest = document.text[start..].lines().next().unwrap_or_default();
    let length = match (&node.tree, rest.chars().next()) {
        (Tree::Scalar(_), Some(quote @ ('"' | '\''))) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        // A null may have no token at all.
        (Tree::Scalar(serde_json::Value::Null), Some(first)) if !['n', 'N', '~'].contains(&first) => first.len_utf8(),
        (Tree::Scalar(_), _) => {
            let value = node.value();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if rest.starts_with(&value) { value.len() } else { rest.split(" #").next().unwrap_or(rest).trim_end().len() }
        }
        _ => rest.chars().next().map_or(0, char::len_utf8),
    };
    Some(start..start + length)
}
