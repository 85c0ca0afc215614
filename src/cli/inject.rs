//! `podwire inject`: manifests in, wired manifests out, by the very decision that the webhook makes.

use similar::TextDiff;

use super::manifest::{self, Printed};
use super::opts::InjectOpts;
use super::walk::{self, Judged, Said};
use super::{Exit, print, snapshot};
use crate::api::yaml;
use crate::engine::{Decision, Reason, Verdict};

pub(super) fn run(opts: &InjectOpts) -> Result<String, Exit> {
    let sources = manifest::read(&opts.input.filename)?;
    let mut snapshot = snapshot::read(&opts.known)?;
    let documents = manifest::documents(&sources);
    let walk = walk::over(&documents, &opts.known.namespace, &mut snapshot, opts.with_objects);
    let mut talk = String::new();
    for said in &walk.said {
        match said {
            Said::Found(remark) => talk.push_str(&remark.text()),
            Said::Judged(judged) if !opts.quiet => talk.push_str(&report(judged)),
            Said::Judged(_) | Said::Silent { .. } => {}
        }
    }
    print::talk(&talk);
    if walk.failed {
        return Err(Exit::Findings);
    }
    if opts.diff { Ok(diff(&walk.printed)) } else { manifest::print(&walk.printed, opts.output) }
}

/// A few lines a pod: what was decided, what was added, and why.
fn report(Judged { template, request, verdict }: &Judged) -> String {
    if matches!(verdict.decision, Decision::Untouched(_)) {
        return String::new();
    }
    let style = verdict.style.map_or("", |style| style.word());
    let mut text = format!("{} in {}: {}, {style}\n", template.title, request.namespace, outcome(verdict));
    if matches!(verdict.decision, Decision::Wired(_)) {
        verdict.changes.iter().for_each(|change| text.push_str(&format!("  + {change}\n")));
        text.push_str(&format!("  because {}\n", because(&verdict.reasons)));
    }
    text
}

/// The word of a decision.
pub(super) fn outcome(verdict: &Verdict) -> &'static str {
    match &verdict.decision {
        Decision::Wired(patch) if patch.0.is_empty() => "wired already",
        _ => verdict.word(),
    }
}

/// The reasons in one line; requests of one container with one origin share their words.
fn because(reasons: &[Reason]) -> String {
    let mut parts: Vec<(String, &Reason)> = Vec::new();
    for reason in reasons.iter().filter(|reason| !reason.minor) {
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
