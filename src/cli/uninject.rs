//! `podwire uninject`: takes back what podwire's record names.

use super::manifest::{self, Document, Printed};
use super::opts::UninjectOpts;
use super::{Exit, diagnose, print};
use crate::engine::undo;

pub(super) fn run(opts: &UninjectOpts) -> Exit {
    let sources = match manifest::read(&opts.input.filename) {
        Ok(sources) => sources,
        Err(error) => {
            print::talk(&format!("error: {}\n", print::chain(&error)));
            return Exit::Usage;
        }
    };
    let documents: Vec<Document> = manifest::documents(&sources);
    let printed: Vec<Result<Printed, String>> = documents.iter().map(document).collect();
    let faults: String = printed.iter().filter_map(|one| one.as_ref().err().cloned()).collect();
    if !faults.is_empty() {
        print::talk(&faults);
        return Exit::Findings;
    }
    let printed: Vec<Printed> = printed.into_iter().flatten().collect();
    manifest::print(&printed, opts.input.output).map_or_else(
        |error| {
            print::talk(&format!("error: {error}\n"));
            Exit::Internal
        },
        |text| print::data(&text),
    )
}

fn document<'d>(document: &'d Document<'d>) -> Result<Printed<'d>, String> {
    if document.is_empty() {
        return Ok(Printed::Copied(document));
    }
    let node = document.read().map_err(|error| diagnose::unreadable(&error, document))?;
    let original = node.value();
    let mut value = original.clone();
    for template in manifest::templates(&original) {
        let Some(target) = template.of(&mut value) else { continue };
        undo(target).map_err(|finding| diagnose::render(&finding, document, Some(&node), Some(&template)))?;
    }
    Ok(if value == original { Printed::Copied(document) } else { Printed::Changed(document, value) })
}
