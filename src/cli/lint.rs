//! `podwire lint`: what a CI job wants to know of manifests, and nothing else.

use serde_json::json;

use super::diagnose::Remark;
use super::opts::{FailOn, LintOpts, Report};
use super::walk::{self, Said};
use super::{Exit, manifest, print, sarif, snapshot};
use crate::engine::Severity;

pub(super) fn run(opts: &LintOpts) -> Exit {
    made(opts).unwrap_or_else(|exit| exit)
}

fn made(opts: &LintOpts) -> Result<Exit, Exit> {
    let sources = manifest::read(&opts.input.filename)?;
    let mut snapshot = snapshot::read(&opts.known)?;
    let documents = manifest::documents(&sources);
    let walk = walk::over(&documents, &opts.known.namespace, &mut snapshot, true);
    let mut remarks: Vec<Remark> = walk
        .said
        .into_iter()
        .filter_map(|said| match said {
            Said::Found(remark) => Some(remark),
            Said::Judged(_) | Said::Silent { .. } => None,
        })
        .collect();
    // Objects are looked at after all pods; a reader goes from line to line.
    remarks.sort_by_cached_key(|remark| (remark.document.number, remark.region()));
    let text = match opts.output {
        Report::Text => Ok(remarks.iter().map(Remark::line).collect()),
        Report::Json => json_list(&remarks),
        Report::Sarif => sarif::log(&remarks),
    };
    let printed = print::data(&text.map_err(print::internal)?);
    let reached = remarks.iter().any(|remark| fails(remark.finding.severity(), opts.fail_on));
    Ok(if printed == Exit::Clean && reached { Exit::Findings } else { printed })
}

fn fails(severity: Severity, fail_on: FailOn) -> bool {
    match fail_on {
        FailOn::Error => severity != Severity::Warning,
        FailOn::Warning => true,
        FailOn::Never => false,
    }
}

fn json_list(remarks: &[Remark]) -> Result<String, serde_json::Error> {
    let one = |remark: &Remark| {
        let (finding, region) = (&remark.finding, remark.region());
        json!({
            "file": remark.document.source.name,
            "line": region.start.0,
            "column": region.start.1,
            "endLine": region.end.0,
            "endColumn": region.end.1,
            "severity": finding.severity().word(),
            "code": finding.code.id(),
            "name": finding.code.name(),
            "subject": finding.subject.to_string(),
            "read": finding.read,
            "allowed": finding.allowed,
            "help": finding.help,
        })
    };
    serde_json::to_string_pretty(&remarks.iter().map(one).collect::<Vec<_>>()).map(|text| text + "\n")
}
