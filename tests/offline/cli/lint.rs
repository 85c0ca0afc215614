//! `podwire lint`: findings as a CI job reads them.

use insta::assert_snapshot;
use podwire::engine::Code;
use serde_json::Value;

use super::{BAD, Folder, POD, shop, stdout};

const WIDE: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, annotations: {podwire.io/style: broker, podwire.io/app-id: web, podwire.io/stlye: ü, podwire.io/publish: orders}}
spec: {containers: [{name: app}]}
";

#[test]
fn a_finding_is_a_line_at_its_place_and_nothing_else_is_printed() {
    assert_snapshot!(shop().says(&["lint", "-f", "pod.yaml", "-f", "bad.yaml", "--snapshot", "broker.yaml"]), @r#"
    exit 1
    --- stdout
    bad.yaml:4:18: error[PW034]: dapr-not-found: pod: ConfigMap dapr-trust-bundle of namespace dapr-system is not there; install Dapr, or choose the broker style
    bad.yaml:9:27: warning[PW002]: unknown-annotation: podwire.io/stlye is "broker": podwire knows no such annotation; did you mean podwire.io/style?
    bad.yaml:10:30: error[PW012]: invalid-port: podwire.io/app-port is "80a": allowed: 1..65535 or a container port's name (http)
    bad.yaml:11:29: error[PW014]: invalid-topic: podwire.io/publish is "": allowed: a DNS-1123 label of at most 50 characters
    bad.yaml:11:37: error[PW014]: invalid-topic: podwire.io/publish is "Pay ments": allowed: a DNS-1123 label of at most 50 characters
    bad.yaml:14:19: error[PW019]: invalid-path: podwire.io/subscribe is "http://elsewhere/": allowed: a path with exactly one leading slash, without host, query, fragment, spaces or ..
    --- stderr
    "#);
    assert_eq!(shop().says(&["lint", "-f", "pod.yaml", "--snapshot", "broker.yaml"]), "exit 0\n--- stdout\n--- stderr\n");
}

#[test]
fn a_document_that_is_no_yaml_and_what_generated_objects_give_cause_for_are_findings_too() {
    let both = "podwire.io/app-id: web\n    podwire.io/subscribe: orders\n    podwire.io/retry: for=90s";
    let pod = POD.replace("podwire.io/app-id: web", both).replace("style: broker", "style: sidecar");
    let pod = format!("{pod}    ports: [{{containerPort: 80}}]\n");
    let folder = Folder::of(&[("all.yaml", &format!("{pod}---\nkind: [\n"))]);
    let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot.yaml");
    assert_snapshot!(folder.says(&["lint", "-f", "all.yaml", "--snapshot", snapshot]), @r#"
    exit 1
    --- stdout
    all.yaml:10:23: warning[PW057]: retry-too-long: podwire.io/retry: up to 128 s, and Redis waits 60 s; shorten it, or raise the component's processingTimeout
    all.yaml:18:7: error[PW090]: unreadable-document: document: unclosed bracket '['
    --- stderr
    "#);
}

#[test]
fn what_fails_a_job_is_a_flag() {
    let folder = Folder::of(&[("wide.yaml", WIDE), ("bad.yaml", BAD)]);
    let code = |file: &str, fail_on: &str| folder.run(&["lint", "-f", file, "--fail-on", fail_on]).status.code();
    assert_eq!(["error", "warning", "never"].map(|fail_on| code("wide.yaml", fail_on)), [Some(0), Some(1), Some(0)]);
    assert_eq!(["error", "warning", "never"].map(|fail_on| code("bad.yaml", fail_on)), [Some(1), Some(1), Some(0)]);
    assert_eq!(code("nowhere.yaml", "never"), Some(2));
}

#[test]
fn a_policy_is_a_file_of_its_own_and_nothing_else_is_taken_from_it() {
    let policy = "{apiVersion: podwire.io/v1alpha1, kind: InjectionPolicy, metadata: {name: strict}, spec: {allowedStyles: [sidecar]}}\n";
    let folder = Folder::of(&[("pod.yaml", POD), ("policy.yaml", policy), ("broker.yaml", super::BROKER)]);
    let arguments = ["lint", "-f", "pod.yaml", "--policy", "policy.yaml"];
    assert_snapshot!(folder.says(&arguments), @r#"
    exit 1
    --- stdout
    pod.yaml:7:23: error[PW060]: style-not-allowed: podwire.io/style is "broker": allowedStyles of policy strict: sidecar
    pod.yaml:9:25: warning[PW059]: broker-awaited: podwire.io/publish is "orders": the containers wait: namespace shop has no such Broker; podwire makes it
    --- stderr
    "#);
    let other = folder.says(&["lint", "-f", "pod.yaml", "--policy", "policy.yaml", "--policy", "broker.yaml"]);
    assert!(other.contains("error: broker.yaml: eventing.knative.dev/v1/Broker is no InjectionPolicy"), "{other}");
    let denied = folder.run(&["inject", "-q", "-f", "pod.yaml", "--policy", "policy.yaml"]);
    assert!(!denied.status.success() && String::from_utf8_lossy(&denied.stderr).contains("allowedStyles of policy strict"));
}

#[test]
fn findings_are_objects() {
    let folder = Folder::of(&[("wide.yaml", WIDE)]);
    assert_snapshot!(folder.says(&["lint", "-f", "wide.yaml", "-o", "json"]), @r#"
    exit 0
    --- stdout
    [
      {
        "file": "wide.yaml",
        "line": 3,
        "column": 122,
        "endLine": 3,
        "endColumn": 123,
        "severity": "warning",
        "code": "PW002",
        "name": "unknown-annotation",
        "subject": "podwire.io/stlye",
        "read": "ü",
        "allowed": "podwire knows no such annotation",
        "help": "did you mean podwire.io/style?"
      },
      {
        "file": "wide.yaml",
        "line": 3,
        "column": 145,
        "endLine": 3,
        "endColumn": 151,
        "severity": "warning",
        "code": "PW059",
        "name": "broker-awaited",
        "subject": "podwire.io/publish",
        "read": "orders",
        "allowed": "the containers wait: namespace shop has no such Broker",
        "help": "podwire makes it"
      }
    ]
    --- stderr
    "#);
}

#[test]
fn sarif_names_every_rule_and_points_at_lines_and_columns() {
    let folder = Folder::of(&[("wi de.yaml", WIDE)]);
    let log: Value = serde_json::from_str(&stdout(folder.run(&["lint", "-f", "wi de.yaml", "-o", "sarif"]))).unwrap();
    assert_eq!((&log["version"], &log["runs"].as_array().unwrap().len()), (&"2.1.0".into(), &1));
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), Code::ALL.len());
    for (rule, code) in rules.iter().zip(Code::ALL) {
        let texts = ["shortDescription", "fullDescription", "help"].map(|field| rule[field]["text"].as_str().unwrap_or_default());
        assert!(rule["id"] == code.id() && rule["name"] == code.name() && texts.iter().all(|text| !text.is_empty()), "{rule}");
        assert_eq!(rule["defaultConfiguration"]["level"], code.severity().word());
    }
    let result = log["runs"][0]["results"].as_array().unwrap().iter().find(|result| result["ruleId"] == "PW002").unwrap();
    assert_eq!(rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()]["id"], "PW002");
    assert_snapshot!(serde_json::to_string_pretty(result).unwrap(), @r#"
    {
      "ruleId": "PW002",
      "ruleIndex": 1,
      "level": "warning",
      "message": {
        "text": "unknown-annotation: podwire.io/stlye is \"ü\": podwire knows no such annotation; did you mean podwire.io/style?"
      },
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "wi%20de.yaml"
            },
            "region": {
              "startLine": 3,
              "startColumn": 122,
              "endLine": 3,
              "endColumn": 123
            }
          }
        }
      ]
    }
    "#);
}
