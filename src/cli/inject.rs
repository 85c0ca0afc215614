//! `podwire inject`: manifests in, wired manifests out, by the very decision that the webhook makes.

use serde_json::{Map, Value};
use similar::TextDiff;

use super::manifest::{self, At, Document, Object, Printed, Template};
use super::objects::{self, Workload};
use super::opts::InjectOpts;
use super::{Exit, diagnose, print, snapshot};
use crate::api::annotations::{DAPR_ENABLED, LISTEN, PREFIX};
use crate::api::yaml::{self, Node};
use crate::engine::{Code, Decision, Finding, Member, PodRequest, Reason, Snapshot, Subject, Verdict, admit, copy_limits};

pub(super) fn run(opts: &InjectOpts) -> Result<String, Exit> {
    let sources = manifest::read(&opts.input.filename)?;
    let mut snapshot = snapshot::read(&opts.snapshot)?;
    let documents: Vec<Document> = manifest::documents(&sources);
    let mut injection = Injection { opts, talk: String::new(), failed: false, workloads: Vec::new() };
    let read: Vec<Option<Node>> = documents.iter().map(|document| injection.read(document)).collect();
    namespaces(&read, opts, &mut snapshot);
    let pairs = || documents.iter().zip(&read);
    let mut printed: Vec<Printed> = pairs().map(|(document, node)| injection.document(document, node.as_ref(), &snapshot)).collect();
    if opts.with_objects {
        let (objects, talk, failed) = objects::of(std::mem::take(&mut injection.workloads), &pairs().collect::<Vec<_>>());
        printed.extend(objects.into_iter().map(Printed::Added));
        injection.talk.push_str(&talk);
        injection.failed |= failed;
    }
    print::talk(&injection.talk);
    if injection.failed {
        return Err(Exit::Findings);
    }
    if opts.diff { Ok(diff(&printed)) } else { manifest::print(&printed, opts.input.output) }
}

/// Namespaces of the documents count as if they were applied; those that are only named are there without labels.
fn namespaces(documents: &[Option<Node>], opts: &InjectOpts, snapshot: &mut Snapshot) {
    let mut named = vec![opts.namespace.clone()];
    for value in documents.iter().flatten().map(Node::value) {
        for object in manifest::objects(&value) {
            if (object.version, object.kind) == ("v1", "Namespace") {
                // A Namespace with labels that are no text is kubectl's to refuse.
                let _ = snapshot.take(&object.whole());
            }
            named.extend(object.template().and_then(|template| template.namespace));
        }
    }
    for name in named {
        snapshot.namespaces.get_or_insert_default().entry(name).or_default();
    }
}

struct Injection<'a> {
    opts: &'a InjectOpts,
    /// What will be said on stderr.
    talk: String,
    failed: bool,
    /// The workloads that are wired, each with the number of its document.
    workloads: Vec<Workload>,
}

impl Injection<'_> {
    fn read(&mut self, document: &Document) -> Option<Node> {
        if document.is_empty() {
            return None;
        }
        document.read().map_err(|error| self.fail(&diagnose::unreadable(&error, document))).ok()
    }

    fn fail(&mut self, text: &str) {
        self.failed = true;
        self.talk.push_str(text);
    }

    fn document<'d>(&mut self, document: &'d Document<'d>, node: Option<&Node>, snapshot: &Snapshot) -> Printed<'d> {
        let Some(node) = node else { return Printed::Copied(document) };
        let original = node.value();
        let mut value = original.clone();
        for object in manifest::objects(&original) {
            match object.template() {
                Some(template) => {
                    self.misplaced(document, node, &template);
                    self.template(document, node, &template, &mut value, snapshot);
                }
                None => self.unknown(document, node, &object),
            }
        }
        if value == original { Printed::Copied(document) } else { Printed::Changed(document, value) }
    }

    /// Annotations around the template instead of in it: the pods do not carry them.
    fn misplaced(&mut self, document: &Document, node: &Node, template: &Template) {
        for at in template.around() {
            let read_there = |key: &str| key == LISTEN && at.pod == at.object;
            for key in diagnose::annotations(node, at).filter(|key| key.starts_with(PREFIX) && !read_there(key)) {
                let finding = Finding::new(Code::AnnotationOnWorkload, Subject::Annotation(key.to_owned()), "pods do not carry it");
                let finding = finding.help(format!("annotate the pod template: {}.metadata.annotations", template.fields()));
                self.talk.push_str(&diagnose::render(&finding, document, Some(node), at));
            }
        }
    }

    /// An object whose pods ask for wiring, but whose kind is none of those that are wired in files.
    fn unknown(&mut self, document: &Document, node: &Node, object: &Object) {
        if let Some((field, read)) = object.unknown() {
            let subject = Subject::Field(field.to_owned());
            let finding = Finding::new(Code::KindNotWired, subject, "its pods are wired at admission only").read(read);
            let at = At { pod: &object.path, object: &object.path };
            self.talk.push_str(&diagnose::render(&finding, document, Some(node), at));
        }
    }

    fn template(&mut self, document: &Document, node: &Node, template: &Template, value: &mut Value, snapshot: &Snapshot) {
        let namespace = template.namespace.as_deref().unwrap_or(&self.opts.namespace);
        let Some(target) = template.of(value).filter(|target| asks(target)) else { return };
        // What the API server does before the webhook is asked.
        let mut defaulted = target.clone();
        let blanks = fill_blanks(&mut defaulted);
        if !self.annotations_are_text(document, node, template, &defaulted) {
            return;
        }
        let copied = copy_limits(&mut defaulted);
        let request = match PodRequest::from_template(namespace, template.owner.clone(), &defaulted) {
            Ok(request) => request,
            Err(error) => {
                let finding = Finding::new(Code::UnreadablePod, Subject::Pod, error.to_string());
                return self.fail(&diagnose::render(&finding, document, Some(node), template.at()));
            }
        };
        let verdict = admit(&request, snapshot);
        if self.opts.with_objects && matches!(verdict.decision, Decision::Wired(_)) {
            let member = Member::of(&request, snapshot, &template.title, template.listens_too);
            self.workloads.extend(member.map(|member| Workload { member, document: document.number, template: template.clone() }));
        }
        self.report(template, namespace, &verdict);
        for finding in &verdict.findings {
            self.talk.push_str(&diagnose::render(finding, document, Some(node), template.at()));
        }
        match &verdict.decision {
            Decision::Denied => self.failed = true,
            Decision::Untouched(_) | Decision::Unwired => {}
            Decision::Wired(patch) if patch.0.is_empty() => {}
            Decision::Wired(patch) => match json_patch::patch(&mut defaulted, patch) {
                Ok(()) => {
                    copied.withdraw(&mut defaulted);
                    restore_blanks(&mut defaulted, blanks);
                    *target = defaulted;
                }
                Err(error) => {
                    let finding = Finding::new(Code::InternalFailure, Subject::Pod, error.to_string());
                    self.fail(&diagnose::render(&finding, document, Some(node), template.at()));
                }
            },
        }
    }

    /// The API server takes text only; a number or a boolean of YAML is a slip that deserves its own caret.
    fn annotations_are_text(&mut self, document: &Document, node: &Node, template: &Template, target: &Value) -> bool {
        let annotations = target["metadata"]["annotations"].as_object().into_iter().flatten();
        let faults: Vec<Finding> = annotations
            .filter(|(_, value)| !value.is_string())
            .map(|(key, value)| {
                Finding::annotation(Code::AnnotationNotText, key, &value.to_string(), "an annotation is text").help("quote it")
            })
            .collect();
        faults.iter().for_each(|finding| self.fail(&diagnose::render(finding, document, Some(node), template.at())));
        faults.is_empty()
    }

    /// A few lines a pod: what was decided, what was added, and why.
    fn report(&mut self, template: &Template, namespace: &str, verdict: &Verdict) {
        if self.opts.quiet || matches!(verdict.decision, Decision::Untouched(_)) {
            return;
        }
        let outcome = match &verdict.decision {
            Decision::Wired(patch) if patch.0.is_empty() => "wired already",
            _ => verdict.word(),
        };
        let style = verdict.style.map_or("", |style| style.word());
        self.talk.push_str(&format!("{} in {namespace}: {outcome}, {style}\n", template.title));
        if matches!(verdict.decision, Decision::Wired(_)) {
            verdict.changes.iter().for_each(|change| self.talk.push_str(&format!("  + {change}\n")));
            self.talk.push_str(&format!("  because {}\n", because(&verdict.reasons)));
        }
    }
}

/// The reasons in one line; requests of one container with one origin share their words.
fn because(reasons: &[Reason]) -> String {
    let mut parts: Vec<(String, &Reason)> = Vec::new();
    for reason in reasons {
        let amount = |reason: &Reason| reason.what.rsplit_once(' ').map(|(of, resource)| (of.to_owned(), resource.to_owned()));
        match (parts.last_mut(), amount(reason)) {
            (Some((text, last)), Some((of, resource)))
                if last.origin == reason.origin && amount(last).is_some_and(|(known, _)| known == of) =>
            {
                text.push_str(&format!(", {resource} {}", reason.value));
                *last = reason;
            }
            _ => parts.push((format!("{} {}", reason.what, reason.value), reason)),
        }
    }
    parts.into_iter().map(|(text, reason)| format!("{text} ({})", reason.origin)).collect::<Vec<_>>().join("; ")
}

/// Maps of a pod whose values are text. Go's decoder takes a null in them for an empty one.
const TEXT_MAPS: [[&str; 2]; 3] = [["metadata", "annotations"], ["metadata", "labels"], ["spec", "nodeSelector"]];

fn text_map<'a>(template: &'a mut Value, [section, map]: [&str; 2]) -> Option<&'a mut Map<String, Value>> {
    template.get_mut(section)?.get_mut(map)?.as_object_mut()
}

/// Makes nulls of text maps empty texts; answers where they stood.
fn fill_blanks(template: &mut Value) -> Vec<([&'static str; 2], String)> {
    let mut filled = Vec::new();
    for map in TEXT_MAPS {
        for (key, value) in text_map(template, map).into_iter().flatten().filter(|(_, value)| value.is_null()) {
            *value = "".into();
            filled.push((map, key.clone()));
        }
    }
    filled
}

/// Gives back the nulls that nothing was made of.
fn restore_blanks(template: &mut Value, filled: Vec<([&'static str; 2], String)>) {
    for (map, key) in filled {
        if let Some(value) = text_map(template, map).and_then(|texts| texts.get_mut(&key)).filter(|value| **value == "") {
            *value = Value::Null;
        }
    }
}

/// Whether a template carries a word for podwire; one that does not is copied, whatever is wrong with it.
fn asks(template: &Value) -> bool {
    let mut keys = template["metadata"]["annotations"].as_object().into_iter().flatten().map(|(key, _)| key);
    keys.any(|key| key.starts_with(PREFIX) || key == DAPR_ENABLED)
}

/// What changes, document by document, in the form in which it would be printed.
fn diff(printed: &[Printed]) -> String {
    let mut text = String::new();
    for change in printed {
        let (before, value, name) = match change {
            Printed::Added(value) => (String::new(), value, "generated".to_owned()),
            Printed::Changed(document, value) => {
                let before = document.read().ok().and_then(|node| yaml::write(&node.value()).ok()).unwrap_or_default();
                (before, value, format!("{}:{}", document.source.name, document.lines_before + 1))
            }
            Printed::Copied(_) => continue,
        };
        let after = yaml::write(value).unwrap_or_default();
        text.push_str(&TextDiff::from_lines(&before, &after).unified_diff().header(&name, &format!("{name} wired")).to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::manifest::{self, Source};

    #[test]
    fn documents_are_cut_where_kubectl_cuts_and_lose_no_byte() {
        let text = "# head\n---\na: 1\n--- # next\nb: |\n  ---\n  text\n---\n---\nc: 3";
        let source = Source { name: "x".to_owned(), text: text.to_owned() };
        let documents = manifest::documents([&source]);
        assert_eq!(documents.iter().map(|document| format!("{}{}", document.separator, document.text)).collect::<String>(), text);
        assert_eq!(documents.iter().map(|document| document.lines_before).collect::<Vec<_>>(), [0, 2, 4, 8, 9]);
    }
}
