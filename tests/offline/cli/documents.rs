//! What is a document, and what is read in it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{BROKER, Folder, POD, stdout};

fn values(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn objects_of_json_follow_each_other_without_a_separator() {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "shop",
        "annotations": { "podwire.io/style": "broker", "podwire.io/app-id": "web", "podwire.io/publish": "orders" } },
        "spec": { "containers": [{ "name": "app" }] } });
    let bad = pod.to_string().replace("orders", "Pay ments");
    let folder = Folder::of(&[
        ("copied.json", "{\"kind\": \"Secret\"}\n{\n  \"kind\": \"Service\"\n} {}\n\n"),
        ("wired.json", &format!("{{\"kind\": \"Secret\"}}\n{pod}\n")),
        ("bad.json", &format!("{{\"kind\": \"Secret\"}}\n\n{bad}\n")),
        ("broken.json", "{\"kind\": \"Secret\"}\n{\"kind\": }\n"),
        ("separated.json", "{\"kind\": \"Secret\"}\n---\n{\"kind\": \"Service\"}\n"),
        ("broker.yaml", BROKER),
    ]);
    assert_snapshot!(folder.says(&["inject", "-f", "copied.json"]), @r#"
    exit 0
    --- stdout
    {"kind": "Secret"}
    ---
    {
      "kind": "Service"
    }
    ---
     {}

    --- stderr
    "#);
    assert_eq!(stdout(folder.run(&["inject", "-f", "separated.json"])), "{\"kind\": \"Secret\"}\n---\n{\"kind\": \"Service\"}\n");
    let wired = stdout(folder.run(&["inject", "-q", "-f", "wired.json", "--snapshot", "broker.yaml", "-o", "json"]));
    assert_eq!(values(&wired)["items"][1]["spec"]["containers"][0]["env"][3]["name"], "K_SINK");
    let place = folder.says(&["inject", "-q", "-f", "bad.json", "--snapshot", "broker.yaml"]);
    assert!(place.contains("--> bad.json:3:"), "{place}");
    assert_snapshot!(folder.says(&["inject", "-f", "broken.json"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW090]: unreadable-document: document
     --> broken.json:2:1
      |
    2 | {"kind": }
      | ^ something follows the end of the document: another begins after a line of three dashes
    "#);
}

#[test]
fn thousands_of_pods_and_deep_documents_are_read() {
    let pod = "- {apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: web, tier: front}}, spec: {containers: [{name: app, image: web, env: [{name: A, value: b}]}]}}\n";
    let many = format!("apiVersion: v1\nkind: List\nitems:\n{}", pod.repeat(6000));
    let deep: String = (0..300).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let deeper: String = (0..1100).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    let indented: String = deep.lines().map(|line| format!("  {line}\n")).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n-\n{indented}- {}", POD.replace('\n', "\n  "));
    let folder =
        Folder::of(&[("many.yaml", &many), ("deep.yaml", &deep), ("deeper.yaml", &deeper), ("list.yaml", &list), ("broker.yaml", BROKER)]);
    for file in ["many.yaml", "deep.yaml"] {
        assert!(folder.run(&["inject", "-f", file]).status.success(), "{file}");
    }
    let wired = stdout(folder.run(&["inject", "-q", "-f", "list.yaml", "--snapshot", "broker.yaml"]));
    assert!(wired.contains("K_SINK") && wired.matches("a:\n").count() >= 299, "{wired}");
    let refused = folder.says(&["inject", "-f", "deeper.yaml"]);
    assert!(refused.contains("it is nested deeper than 1000 levels"), "{refused}");
}

#[test]
fn a_document_that_explodes_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    (1..10).for_each(|level| bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "))));
    let folder = Folder::of(&[("bomb.yaml", &bomb)]);
    assert_snapshot!(folder.says(&["inject", "-f", "bomb.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW090]: unreadable-document: document
     --> bomb.yaml:5:35
      |
    5 | a4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3]
      |                                   ^ its anchors and aliases make too much of it
    "#);
}

#[test]
fn what_a_reader_refuses_is_said_in_podwires_words() {
    let folder = Folder::of(&[
        ("separator.yaml", "kind: Secret\n--- {kind: Service}\n"),
        ("twice.yaml", "kind: Secret\nkind: Service\n"),
        ("number.yaml", "kind: Secret\nx: .nan\n"),
        ("key.yaml", "kind: Secret\n~: 1\n"),
    ]);
    assert_snapshot!(folder.says(&["inject", "-f", "."]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW090]: unreadable-document: document
     --> ./key.yaml:2:1
      |
    2 | ~: 1
      | ^ a key is text

    error[PW090]: unreadable-document: document
     --> ./number.yaml:2:4
      |
    2 | x: .nan
      |    ^ .nan is a number that JSON does not have

    error[PW090]: unreadable-document: document
     --> ./separator.yaml:2:5
      |
    2 | --- {kind: Service}
      |     ^ another document begins: the line of its three dashes holds nothing else but a comment

    error[PW090]: unreadable-document: document
     --> ./twice.yaml:2:1
      |
    2 | kind: Service
      | ^ the key kind stands twice in one mapping
    "#);
}

#[test]
fn keys_are_those_that_kubectl_reads() {
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}, data: {{y: a, 'n': b, off: c, 0x10: d}}}}\n- {}",
        POD.replace('\n', "\n  ")
    );
    let folder = Folder::of(&[("list.yaml", &list), ("broker.yaml", BROKER)]);
    let arguments = ["inject", "-q", "-f", "list.yaml", "--snapshot", "broker.yaml"];
    let expected = json!({ "true": "a", "n": "b", "false": "c", "16": "d" });
    assert_eq!(values(&stdout(folder.run(&[&arguments[..], &["-o", "json"]].concat())))["items"][0]["data"], expected);
    // What is printed as YAML reads as the same keys.
    let again = Folder::of(&[("again.yaml", &stdout(folder.run(&arguments)))]);
    assert_eq!(values(&stdout(again.run(&["uninject", "-f", "again.yaml", "-o", "json"])))["items"][0]["data"], expected);
}

#[test]
fn a_snapshot_holds_lists_in_lists() {
    let nested = format!("apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: List, items: [{BROKER}]}}]\n");
    let typed = BROKER.replace("apiVersion: eventing.knative.dev/v1, kind: Broker, ", "");
    let typed = format!("{{apiVersion: eventing.knative.dev/v1, kind: BrokerList, items: [{typed}]}}\n");
    let folder = Folder::of(&[("pod.yaml", POD), ("nested.yaml", &nested), ("typed.yaml", &typed)]);
    for snapshot in ["nested.yaml", "typed.yaml"] {
        let wired = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", snapshot]));
        assert!(wired.contains("value: http://broker/shop/orders"), "{snapshot}: {wired}");
    }
}

#[test]
fn a_namespace_in_a_list_counts_as_applied() {
    let list = "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {podwire.io/style: broker}}}]}\n---\n";
    let pod = POD.replace("    podwire.io/style: broker\n", "");
    let folder = Folder::of(&[("all.yaml", &format!("{list}{pod}")), ("broker.yaml", BROKER)]);
    let said = folder.says(&["inject", "-f", "all.yaml", "--snapshot", "broker.yaml"]);
    assert!(said.contains("Pod/web in shop: wired, broker"), "{said}");
}

#[test]
fn nulls_of_text_maps_are_empty_texts_as_for_the_api_server() {
    let pod = POD.replace("    podwire.io/publish: orders\n", "    podwire.io/publish: orders\n    note:\n  labels:\n    app: ~\n");
    let pod = pod.replace("spec:\n", "spec:\n  nodeSelector: {disk: }\n");
    let folder = Folder::of(&[("pod.yaml", &pod), ("broker.yaml", BROKER)]);
    let wired = folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml", "-o", "json"]);
    let wired = values(&stdout(wired));
    assert_eq!(wired["metadata"]["annotations"]["note"], Value::Null);
    assert_eq!(wired["metadata"]["labels"], json!({ "app": null, "podwire.io/app-id": "web", "podwire.io/wired-style": "broker" }));
    assert_eq!(wired["spec"]["nodeSelector"], json!({ "disk": null }));
    // A word of podwire's own is judged as the empty text that it is.
    let empty = POD.replace("podwire.io/app-id: web", "podwire.io/app-id:");
    std::fs::write(folder.0.path().join("pod.yaml"), empty).unwrap();
    assert_snapshot!(folder.says(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW005]: invalid-app-id: podwire.io/app-id is ""
     --> pod.yaml:8:22
      |
    8 |     podwire.io/app-id:
      |                      ^ allowed: a DNS-1123 label (a-z, 0-9, -) of at most 58 characters
    "#);
}

#[test]
fn a_namespace_without_a_name_is_a_wrong_command_line() {
    let folder = Folder::of(&[("pod.yaml", POD)]);
    assert_snapshot!(folder.says(&["inject", "-f", "pod.yaml", "-n", ""]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: a value is required for '--namespace <NAMESPACE>' but none was supplied

    For more information, try '--help'.
    "#);
}

#[test]
fn the_help_of_inject_says_what_becomes_of_comments() {
    let help = stdout(Folder::of(&[]).run(&["inject", "--help"]));
    assert!(help.contains("are kept, those inside it are not"), "{help}");
}
