//! Pages that are made from the program: written with `UPDATE=1`, and never stale.

use std::fmt::Write;

use podwire::api::annotations::VOCABULARY;
use podwire::engine::{Code, Severity};
use serde_json::{Value, json};
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
fn policy_page_is_fresh() {
    let definition = json!(podwire::api::policy::definition());
    let whole = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut page = text("tests/offline/policy.md");
    for (place, made) in
        [("the rules", rules(&whole["spec"])), ("the fields", fields(&whole["spec"])), ("the status", fields(&whole["status"]))]
    {
        let place = format!("<!-- {place} -->\n");
        assert!(page.contains(&place), "{place}");
        page = page.replace(&place, &made);
    }
    fresh("docs/policy.md", &page);
}

#[test]
fn command_line_page_is_fresh() {
    fresh("docs/cli.md", &podwire::cli::reference());
}

#[test]
fn definitions_are_fresh() {
    for (file, definition) in podwire::cli::definitions() {
        let text = podwire::api::yaml::write(&definition).unwrap();
        fresh(&format!("manifests/crds/{file}"), &text);
        fresh(&format!("charts/podwire/files/crds/{file}"), &text);
    }
}

/// A policy in the chart's values is held to the same fields as one in the cluster.
#[test]
fn the_charts_schema_knows_a_policy_as_the_cluster_does() {
    let file = "charts/podwire/values.schema.json";
    let mut schema: Value = serde_json::from_str(&text(file)).unwrap();
    let definition = json!(podwire::api::policy::definition());
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    schema["definitions"]["policySpec"] = plain(spec);
    fresh(file, &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
}

/// A schema as Helm reads it, JSON Schema draft 7: nothing of Kubernetes' own, and no field beside those that are named.
fn plain(schema: &Value) -> Value {
    const KEPT: [&str; 7] = ["enum", "maxItems", "maxLength", "maxProperties", "minItems", "minLength", "required"];
    let either = schema["x-kubernetes-int-or-string"] == true;
    let mut made = json!({ "type": if either { json!(["integer", "string"]) } else { schema["type"].clone() } });
    for word in KEPT.into_iter().filter(|word| !either && !schema[*word].is_null()) {
        made[word] = schema[word].clone();
    }
    if schema["format"] == "int32" {
        (made["minimum"], made["maximum"]) = (json!(i32::MIN), json!(i32::MAX));
    }
    if schema["items"].is_object() {
        made["items"] = plain(&schema["items"]);
    }
    match (&schema["properties"], &schema["additionalProperties"]) {
        (Value::Object(properties), _) => {
            made["properties"] =
                properties.iter().map(|(name, field)| (name.clone(), plain(field))).collect::<serde_json::Map<_, _>>().into();
            made["additionalProperties"] = json!(false);
        }
        (_, Value::Object(_)) => made["additionalProperties"] = plain(&schema["additionalProperties"]),
        _ => {}
    }
    made
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

/// Every field of a schema: its path, what may stand there, what it means, an example.
fn fields(schema: &Value) -> String {
    let mut table = "| field | values | meaning | example |\n|---|---|---|---|\n".to_owned();
    rows(schema, "", &mut table);
    table
}

fn rows(schema: &Value, path: &str, table: &mut String) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}").trim_start_matches('.').to_owned();
        let words = |field: &Value| field["enum"].as_array().map(|words| words.iter().map(word).collect::<Vec<_>>().join(", "));
        let values = words(field).or_else(|| words(&field["items"]).map(|words| format!("list of {words}")));
        let values = values.unwrap_or_else(|| kind(field));
        let meaning = field["description"].as_str().unwrap_or_default();
        writeln!(table, "| `{path}` | {values} | {meaning} | `{}` |", field["example"]).unwrap();
        // What is Kubernetes' own is explained there, and the two containers have the same fields.
        if path != "conditions" && path != "resources.sidecar" {
            rows(field, &path, table);
        }
    }
}

fn word(value: &Value) -> String {
    format!("`{}`", value.as_str().unwrap_or_default())
}

fn kind(field: &Value) -> String {
    match (field["type"].as_str().unwrap_or_default(), field["additionalProperties"].is_object()) {
        ("array", _) => format!("list of {}", kind(&field["items"])),
        ("object", true) => "map".to_owned(),
        ("string", _) => "text".to_owned(),
        (kind, _) => kind.to_owned(),
    }
}

/// Every rule of a schema with the field at which it stands; what holds of all requests and limits stands once.
fn rules(spec: &Value) -> String {
    let mut table = "| at | rule |\n|---|---|\n".to_owned();
    each_rule(spec, "", &mut |path, message| {
        let mut at = if path.is_empty() { "spec".to_owned() } else { path.replace("resources.app", "resources.*") };
        for part in [".default.", ".max.", ".min."] {
            at = at.replace(part, ".*.");
        }
        at = at.replace("*.*.limits", "*.*.*").replace("*.*.requests", "*.*.*");
        let row = format!("| `{at}` | {message} |\n");
        if !path.starts_with("resources.sidecar") && !table.contains(&row) {
            table.push_str(&row);
        }
    });
    table
}

fn each_rule(schema: &Value, path: &str, f: &mut dyn FnMut(&str, &str)) {
    let messages = schema["x-kubernetes-validations"].as_array().into_iter().flatten().filter_map(|rule| rule["message"].as_str());
    messages.for_each(|message| f(path, message));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        each_rule(field, format!("{path}.{name}").trim_start_matches('.'), f);
    }
    for (below, end) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[below].is_object() {
            each_rule(&schema[below], &format!("{path}{end}"), f);
        }
    }
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
