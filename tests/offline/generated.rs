//! Pages that are made from the program: written with `UPDATE=1`, and never stale.

use std::fmt::Write;

use podwire::api::annotations::VOCABULARY;
use podwire::engine::{Code, Severity};
use similar::TextDiff;

use super::{repository, text};

#[test]
fn annotations_page_is_fresh() {
    let template = text("tests/offline/annotations.md");
    let (before, after) = template.split_once("<!-- the vocabulary -->\n").expect("the place of the table");
    fresh("docs/annotations.md", &format!("{before}{}{after}", vocabulary()));
}

#[test]
fn findings_page_is_fresh() {
    fresh("docs/findings.md", &findings());
}

#[test]
fn command_line_page_is_fresh() {
    fresh("docs/cli.md", &podwire::cli::reference());
}

#[test]
fn definitions_are_fresh() {
    for (file, definition) in podwire::cli::definitions() {
        fresh(&format!("manifests/crds/{file}"), &podwire::api::yaml::write(&definition).unwrap());
    }
}

/// Compares a page with the committed one, or writes it.
fn fresh(path: &str, page: &str) {
    let committed = std::fs::read_to_string(repository(path)).unwrap_or_default();
    if committed == page {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        assert!(std::env::var_os("CI").is_none(), "pages are not written in CI");
        std::fs::write(repository(path), page).unwrap();
        return;
    }
    let diff = TextDiff::from_lines(&committed, page).unified_diff().header(&format!("{path} as committed"), "now").to_string();
    panic!("{diff}\nUPDATE=1 cargo test --test offline writes it");
}

fn vocabulary() -> String {
    let mut table = "| annotation | values | default | meaning |\n|---|---|---|---|\n".to_owned();
    for one in VOCABULARY {
        writeln!(table, "| `{}` | {} | {} | {} |", one.key, one.values, one.default, one.meaning).unwrap();
    }
    table
}

fn findings() -> String {
    let mut page = "# Findings\n\n\
        Every mistake, override, refusal and doubt that podwire reports has a code. The code decides the severity, and neither number nor\n\
        name ever changes its meaning. `podwire explain PW012` prints the same page on a terminal.\n\n\
        - **error**: the pod cannot be wired as asked. `onInvalid: Deny` (built in) refuses it with all findings; `Warn` admits it unwired.\n\
        - **error, always**: refused under both, since somebody could gain something by it.\n\
        - **warning**: the pod is wired, and something about it will surprise somebody.\n\n\
        Made from the catalogue: `UPDATE=1 cargo test --test offline` writes this page.\n\n\
        | code | name | severity |\n|---|---|---|\n"
        .to_owned();
    for code in Code::ALL {
        writeln!(page, "| [{id}](#{id}) | {} | {} |", code.name(), severity(*code), id = code.id()).unwrap();
    }
    for code in Code::ALL {
        let body: Vec<&str> = code.page().iter().map(|line| line.trim()).collect();
        let heading = format!("<a id=\"{id}\"></a>\n\n## {id} {}", code.name(), id = code.id());
        write!(page, "\n{heading}\n\nSeverity: {}\n\n{}\n", severity(*code), body.join("\n")).unwrap();
    }
    page
}

fn severity(code: Code) -> &'static str {
    match code.severity() {
        Severity::Security => "error, always",
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
