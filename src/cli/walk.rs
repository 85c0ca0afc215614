//! The one walk over manifests: each verb that decides about pods hears the same of it, in the same order.

use serde_json::{Map, Value};

use super::diagnose::{self, Remark};
use super::manifest::{self, At, Document, Object, Printed, Template};
use super::objects::{self, Workload};
use crate::api::annotations::{self, LISTEN, PREFIX};
use crate::api::yaml::Node;
use crate::engine::{Code, Decision, Finding, Member, PodRequest, Snapshot, Subject, Verdict, admit, copy_limits};

/// What came of a walk.
pub(super) struct Walk<'d> {
    /// What was found out, in the order in which it is said.
    pub(super) said: Vec<Said<'d>>,
    /// The documents, wired where they are to be, and the objects that applications need beside them.
    pub(super) printed: Vec<Printed<'d>>,
    /// Something was wrong: what would be printed is not to be applied.
    pub(super) failed: bool,
}

/// Something that was found out.
pub(super) enum Said<'d> {
    Found(Remark<'d>),
    Judged(Box<Judged>),
    /// A pod template without a word for podwire.
    Silent {
        title: String,
        namespace: String,
    },
}

/// The decision about a pod template.
pub(super) struct Judged {
    pub(super) template: Template,
    /// The pod as the webhook would see it.
    pub(super) request: PodRequest,
    pub(super) verdict: Verdict,
}

/// Decides about every pod template of the documents. Namespaces that stand in them, or are only named, are taken into the snapshot.
pub(super) fn over<'d>(documents: &'d [Document<'d>], namespace: &str, snapshot: &mut Snapshot, with_objects: bool) -> Walk<'d> {
    let mut walker = Walker { namespace, said: Vec::new(), failed: false, workloads: Vec::new() };
    let read: Vec<Option<Node>> = documents.iter().map(|document| walker.read(document)).collect();
    namespaces(&read, namespace, snapshot);
    let pairs = documents.iter().zip(&read);
    let mut printed: Vec<Printed> = pairs.map(|(document, node)| walker.document(document, node.as_ref(), snapshot)).collect();
    if with_objects {
        let (objects, findings) = objects::of(std::mem::take(&mut walker.workloads), snapshot);
        printed.extend(objects.into_iter().map(Printed::Added));
        for (finding, number, template) in findings {
            if let (Some(document), Some(node)) = (documents.get(number), read.get(number)) {
                walker.failed |= finding.prevents();
                walker.found(finding, document, node.as_ref(), template.at());
            }
        }
    }
    Walk { said: walker.said, printed, failed: walker.failed }
}

/// Namespaces of the documents count as if they were applied; those that are only named are there without labels.
fn namespaces(documents: &[Option<Node>], namespace: &str, snapshot: &mut Snapshot) {
    let mut named = vec![namespace.to_owned()];
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

struct Walker<'a, 'd> {
    /// That of documents that name none.
    namespace: &'a str,
    said: Vec<Said<'d>>,
    failed: bool,
    /// The workloads that are wired, each with the number of its document.
    workloads: Vec<Workload>,
}

impl<'d> Walker<'_, 'd> {
    fn read(&mut self, document: &'d Document<'d>) -> Option<Node> {
        if document.is_empty() {
            return None;
        }
        let fault = |error| {
            self.failed = true;
            self.said.push(Said::Found(diagnose::unreadable(&error, document)));
        };
        document.read().map_err(fault).ok()
    }

    fn found(&mut self, finding: Finding, document: &'d Document<'d>, node: Option<&Node>, at: At) {
        self.said.push(Said::Found(diagnose::remark(finding, document, node, at)));
    }

    fn fail(&mut self, finding: Finding, document: &'d Document<'d>, node: &Node, at: At) {
        self.failed = true;
        self.found(finding, document, Some(node), at);
    }

    fn document(&mut self, document: &'d Document<'d>, node: Option<&Node>, snapshot: &Snapshot) -> Printed<'d> {
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
    fn misplaced(&mut self, document: &'d Document<'d>, node: &Node, template: &Template) {
        for at in template.around() {
            let read_there = |key: &str| key == LISTEN && at.pod == at.object;
            for key in diagnose::annotations(node, at).filter(|key| key.starts_with(PREFIX) && !read_there(key)) {
                let finding = Finding::new(Code::AnnotationOnWorkload, Subject::Annotation(key.to_owned()), "pods do not carry it");
                let finding = finding.help(format!("annotate the pod template: {}.metadata.annotations", template.fields()));
                self.found(finding, document, Some(node), at);
            }
        }
    }

    /// An object whose pods ask for wiring, but whose kind is none of those that are wired in files.
    fn unknown(&mut self, document: &'d Document<'d>, node: &Node, object: &Object) {
        if let Some((field, read)) = object.unknown() {
            let subject = Subject::Field(field.to_owned());
            let finding = Finding::new(Code::KindNotWired, subject, "its pods are wired at admission only").read(read);
            self.found(finding, document, Some(node), At { pod: &object.path, object: &object.path });
        }
    }

    fn template(&mut self, document: &'d Document<'d>, node: &Node, template: &Template, value: &mut Value, snapshot: &Snapshot) {
        let namespace = template.namespace.as_deref().unwrap_or(self.namespace);
        let Some(target) = template.of(value) else { return };
        // One that does not ask is copied, whatever is wrong with it.
        if !annotations::is_asking(target) {
            return self.said.push(Said::Silent { title: template.title.clone(), namespace: namespace.to_owned() });
        }
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
                return self.fail(finding, document, node, template.at());
            }
        };
        let verdict = self.judge(document, node, template, request, snapshot);
        match verdict.decision {
            Decision::Denied => self.failed = true,
            Decision::Passed | Decision::Untouched(_) | Decision::Unwired => {}
            Decision::Wired(patch) if patch.0.is_empty() => {}
            Decision::Wired(patch) => match json_patch::patch(&mut defaulted, &patch) {
                Ok(()) => {
                    copied.withdraw(&mut defaulted);
                    restore_blanks(&mut defaulted, blanks);
                    *target = defaulted;
                }
                Err(error) => {
                    let finding = Finding::new(Code::InternalFailure, Subject::Pod, error.to_string());
                    self.fail(finding, document, node, template.at());
                }
            },
        }
    }

    /// Decides, and says what was decided and found.
    fn judge(&mut self, document: &'d Document<'d>, node: &Node, template: &Template, request: PodRequest, snapshot: &Snapshot) -> Verdict {
        let verdict = admit(&request, snapshot);
        if matches!(verdict.decision, Decision::Wired(_)) {
            let member = Member::of(&request, snapshot, &template.title, template.listens_too);
            self.workloads.extend(member.map(|member| Workload { member, document: document.number, template: template.clone() }));
        }
        self.said.push(Said::Judged(Box::new(Judged { template: template.clone(), request, verdict: verdict.clone() })));
        for finding in &verdict.findings {
            self.found(finding.clone(), document, Some(node), template.at());
        }
        verdict
    }

    /// The API server takes text only; a number or a boolean of YAML is a slip that deserves its own caret.
    fn annotations_are_text(&mut self, document: &'d Document<'d>, node: &Node, template: &Template, target: &Value) -> bool {
        let annotations = target["metadata"]["annotations"].as_object().into_iter().flatten();
        let mut all = true;
        for (key, value) in annotations.filter(|(_, value)| !value.is_string()) {
            let finding = Finding::annotation(Code::AnnotationNotText, key, &value.to_string(), "an annotation is text").help("quote it");
            self.fail(finding, document, node, template.at());
            all = false;
        }
        all
    }
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
