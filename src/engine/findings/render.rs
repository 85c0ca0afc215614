//! Every text that is made of findings.

use super::{Code, Finding, Severity};

/// why: the API server advises warnings of at most 120 characters (KEP-1693) and cuts at 256.
const WARNING_LENGTH: usize = 120;
/// why: kubectl shows about 4 KiB of warnings and drops the rest; ten of 120 characters always arrive.
const WARNINGS: usize = 10;

impl Finding {
    /// The fact without what is allowed: `invalid-port: podwire.io/app-port is "80a"`.
    pub fn title(&self) -> String {
        match &self.read {
            Some(read) => format!("{}: {} is {}", self.code.name(), self.subject, quoted(read)),
            None => format!("{}: {}", self.code.name(), self.subject),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.code.id(), self.title(), self.allowed)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// A value as it stands in a message: one line, at most 60 characters.
fn quoted(read: &str) -> String {
    let line = read.lines().next().unwrap_or_default();
    let cut = shorten(line, 60);
    let more = if read.lines().count() > 1 && !cut.ends_with('…') { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// The text, cut to `length` characters with an ellipsis.
fn shorten(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The warnings of an admission response: errors first, at most ten of 120 characters, and how many more there are.
pub fn warnings(findings: &[Finding]) -> Vec<String> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity());
    let shown = if sorted.len() > WARNINGS { WARNINGS - 1 } else { sorted.len() };
    let mut texts: Vec<String> = sorted[..shown].iter().map(|finding| shorten(&finding.to_string(), WARNING_LENGTH)).collect();
    if sorted.len() > shown {
        texts.push(format!("and {} more: podwire inject -f shows all", sorted.len() - shown));
    }
    texts
}

/// The message of a denial: every finding that prevents wiring, one after the other.
pub fn summary(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().filter(|finding| finding.prevents()).map(Finding::to_string).collect();
    format!("podwire: {}", texts.join(" | "))
}

/// The codes of findings for an audit annotation, errors first: `PW012,PW046`.
pub(crate) fn audit_reason(findings: &[Finding]) -> String {
    let mut codes: Vec<(Severity, &str)> = findings.iter().map(|finding| (finding.severity(), finding.code.id())).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().map(|(_, id)| id).collect::<Vec<_>>().join(",")
}

/// A code's page as text: heading, severity, and the code's doc comment.
pub fn page(code: Code) -> String {
    let severity = match code.severity() {
        Severity::Security => "error, under every policy",
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let body: Vec<&str> = code.page().iter().map(|line| line.trim()).collect();
    format!("{} {}\nSeverity: {severity}\n\n{}\n", code.id(), code.name(), body.join("\n"))
}
