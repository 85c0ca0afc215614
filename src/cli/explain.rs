//! `podwire explain`: a code's page, or the reasons of a decision.

use super::opts::ExplainOpts;
use super::walk::{self, Said};
use super::{Exit, account, live, manifest, print, snapshot};
use crate::engine::{Code, page};

pub(super) fn run(opts: &ExplainOpts) -> Exit {
    match &opts.what {
        Some(object) if object.contains('/') => live::run(object, opts),
        Some(code) => code_page(code),
        None if opts.filename.is_empty() => {
            let line = |code: &Code| format!("{}  {:<8} {}\n", code.id(), code.severity().word(), code.name());
            print::data(&Code::ALL.iter().map(line).collect::<String>())
        }
        None => files(opts).map_or_else(|exit| exit, |text| print::data(&text)),
    }
}

fn code_page(text: &str) -> Exit {
    match Code::find(text) {
        Some(code) => print::data(&page(code)),
        None => {
            print::talk(&format!("error: podwire has no code {text:?}\n\nhint: podwire explain lists them\n"));
            Exit::Usage
        }
    }
}

/// Each pod template of files: the decision, its reasons, and what was found. A pod that would be denied is an answer, no failure.
fn files(opts: &ExplainOpts) -> Result<String, Exit> {
    let sources = manifest::read(&opts.filename)?;
    let mut snapshot = snapshot::read(&opts.known)?;
    snapshot.settings = opts.settings.meant();
    let documents = manifest::documents(&sources);
    let walk = walk::over(&documents, &opts.known.namespace, &mut snapshot, false);
    // What stands around a template is found before the template is looked at, and said after it.
    let (mut text, mut around) = (String::new(), String::new());
    for said in &walk.said {
        match said {
            Said::Found(remark) if remark.finding.code == Code::AnnotationOnWorkload => around.push_str(&format!("  {}", remark.line())),
            Said::Found(remark) => text.push_str(&format!("  {}", remark.line())),
            Said::Judged(judged) => {
                let template = &judged.template;
                text.push_str(&account::decision(&template.title, &judged.request, &judged.verdict, template.listens_too, &snapshot));
            }
            Said::Silent { title, namespace } => {
                text.push_str(&format!("{title} in {namespace}: untouched\n  why\n    it carries no annotation for podwire\n"));
            }
        }
        if !matches!(said, Said::Found(_)) {
            text.push_str(&std::mem::take(&mut around));
        }
    }
    Ok(text + &around)
}
