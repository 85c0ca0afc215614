//! Findings as SARIF 2.1.0 (OASIS), the form in which code hosts take them.

use serde_json::{Value, json};

use super::diagnose::Remark;
use crate::engine::{Code, page};

/// The log of one run.
pub(super) fn log(remarks: &[Remark]) -> Result<String, serde_json::Error> {
    let rules: Vec<Value> = Code::ALL.iter().map(|code| rule(*code)).collect();
    let driver = json!({ "name": "podwire", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "results": remarks.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

/// A code as a rule: the first paragraph of its page is what it says in short.
fn rule(code: Code) -> Value {
    let lines: Vec<&str> = code.page().iter().map(|line| line.trim()).collect();
    let short = lines.iter().take_while(|line| !line.is_empty()).copied().collect::<Vec<_>>().join(" ");
    json!({
        "id": code.id(),
        "name": code.name(),
        "shortDescription": { "text": short },
        "fullDescription": { "text": lines.join("\n") },
        "help": { "text": page(code), "markdown": lines.join("\n") },
        "defaultConfiguration": { "level": code.severity().word() },
    })
}

fn result(remark: &Remark) -> Value {
    let (finding, region) = (&remark.finding, remark.region());
    json!({
        "ruleId": finding.code.id(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == finding.code),
        "level": finding.severity().word(),
        "message": { "text": remark.message() },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&remark.document.source.name) },
                "region": {
                    "startLine": region.start.0,
                    "startColumn": region.start.1,
                    "endLine": region.end.0,
                    "endColumn": region.end.1,
                },
            },
        }],
    })
}

/// A path as the reference of a URI (RFC 3986): what is no letter, digit or one of `-._~/` is encoded.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_the_reference_of_a_uri() {
        assert_eq!(
            ["./a/b.yaml", "a b/ü.yaml", "/x/y.yaml", "<stdin>", "c:d.yaml"].map(uri),
            ["a/b.yaml", "a%20b/%C3%BC.yaml", "file:///x/y.yaml", "%3Cstdin%3E", "c%3Ad.yaml"]
        );
    }
}
