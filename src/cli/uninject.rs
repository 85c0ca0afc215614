//! `podwire uninject`: takes back what podwire's record names.

use serde_json::Value;

use super::manifest::{self, Document, Printed, Template};
use super::opts::UninjectOpts;
use super::{Exit, diagnose, print};
use crate::api::annotations::STYLE_LABEL;
use crate::engine::{Code, Finding, Subject, Undone, undo};

pub(super) fn run(opts: &UninjectOpts) -> Result<String, Exit> {
    let sources = manifest::read(&opts.input.filename)?;
    let documents: Vec<Document> = manifest::documents(&sources);
    let mut removal = Removal::default();
    let printed: Vec<Printed> = documents.iter().map(|one| removal.document(one)).collect();
    print::talk(&removal.talk);
    if removal.failed { Err(Exit::Findings) } else { manifest::print(&printed, opts.output) }
}

#[derive(Default)]
struct Removal {
    /// What will be said on stderr.
    talk: String,
    failed: bool,
}

impl Removal {
    fn document<'d>(&mut self, document: &'d Document<'d>) -> Printed<'d> {
        if document.is_empty() {
            return Printed::Copied(document);
        }
        let node = match document.read() {
            Ok(node) => node,
            Err(error) => {
                self.failed = true;
                self.talk.push_str(&diagnose::unreadable(&error, document).text());
                return Printed::Copied(document);
            }
        };
        let original = node.value();
        let mut value = original.clone();
        for template in manifest::objects(&original).iter().filter_map(|object| object.template()) {
            if let Some(finding) = take_back(&template, &mut value) {
                self.failed |= finding.prevents();
                self.talk.push_str(&diagnose::remark(finding, document, Some(&node), template.at()).text());
            }
        }
        if value == original { Printed::Copied(document) } else { Printed::Changed(document, value) }
    }
}

fn take_back(template: &Template, document: &mut Value) -> Option<Finding> {
    let target = template.of(document)?;
    match undo(target) {
        Ok(Undone::Taken) => None,
        Ok(Undone::Nothing) => {
            let style = target["metadata"]["labels"][STYLE_LABEL].as_str()?;
            let finding =
                Finding::new(Code::NothingRecorded, Subject::Label(STYLE_LABEL.to_owned()), "no record beside it: nothing is taken back");
            Some(finding.read(style).help("remove by hand what podwire added"))
        }
        Err(finding) => Some(finding),
    }
}
