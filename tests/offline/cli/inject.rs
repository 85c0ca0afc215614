//! `podwire inject`: what it reads, what it prints, what it says.

use insta::assert_snapshot;

use super::{BAD, BROKER, Folder, POD, UNTOUCHED, said, shop, stdout};

#[test]
fn a_good_file_is_wired() {
    assert_snapshot!(shop().says(&["inject", "-f", "pod.yaml", "--snapshot", "broker.yaml"]), @r#"
    exit 0
    --- stdout
    apiVersion: v1
    kind: Pod
    metadata:
      name: web
      namespace: shop
      annotations:
        podwire.io/style: broker
        podwire.io/app-id: web
        podwire.io/publish: orders
        podwire.io/wired: "{\"version\":1,\"style\":\"broker\",\"listen\":[\"broker\"],\"labels\":[\"podwire.io/app-id\",\"podwire.io/wired-style\"],\"variables\":[{\"containers\":[\"containers/app\"],\"names\":[\"K_CE_OVERRIDES\",\"K_SINK\",\"PODWIRE_APP_ID\",\"PODWIRE_PUBLISH_URL_ORDERS\",\"PODWIRE_STYLE\"]}],\"amounts\":{\"app\":{\"requests.cpu\":null,\"requests.memory\":null}},\"made\":[\"containers/app/env\",\"containers/app/resources\",\"containers/app/resources/requests\",\"metadata/labels\"]}"
      labels:
        podwire.io/app-id: web
        podwire.io/wired-style: broker
    spec:
      containers:
      - name: app
        image: web:1
        env:
        - name: PODWIRE_STYLE
          value: broker
        - name: PODWIRE_APP_ID
          value: web
        - name: PODWIRE_PUBLISH_URL_ORDERS
          value: http://broker/shop/orders
        - name: K_SINK
          value: http://broker/shop/orders
        - name: K_CE_OVERRIDES
          value: ""
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
    --- stderr
    Pod/web in shop: wired, broker
      + env of app: PODWIRE_STYLE PODWIRE_APP_ID PODWIRE_PUBLISH_URL_ORDERS K_SINK K_CE_OVERRIDES
      + requests of app: cpu 100m, memory 128Mi
      + labels: podwire.io/app-id, podwire.io/wired-style
      + annotations: podwire.io/wired
      because style broker (annotation); app-id web (annotation); app requests cpu 100m, memory 128Mi (built in)
    "#);
}

#[test]
fn every_mistake_is_shown_at_its_place_and_nothing_is_printed() {
    assert_snapshot!(shop().says(&["inject", "-f", "bad.yaml", "--snapshot", "broker.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    Deployment/billing in shop: denied, sidecar
    error[PW012]: invalid-port: podwire.io/app-port is "80a"
      --> bad.yaml:10:30
       |
    10 |         podwire.io/app-port: "80a"
       |                              ^^^^^ allowed: 1..65535 or a container port's name (http)

    error[PW014]: invalid-topic: podwire.io/publish is ""
      --> bad.yaml:11:29
       |
    11 |         podwire.io/publish: orders,,Pay ments
       |                             ^^^^^^^^^^^^^^^^^ allowed: a DNS-1123 label of at most 50 characters

    error[PW014]: invalid-topic: podwire.io/publish is "Pay ments"
      --> bad.yaml:11:37
       |
    11 |         podwire.io/publish: orders,,Pay ments
       |                                     ^^^^^^^^^ allowed: a DNS-1123 label of at most 50 characters

    error[PW019]: invalid-path: podwire.io/subscribe is "http://elsewhere/"
      --> bad.yaml:14:19
       |
    14 |             path: http://elsewhere/
       |                   ^^^^^^^^^^^^^^^^^ allowed: a path with exactly one leading slash, without host, query, fragment, spaces or ..

    error[PW034]: dapr-not-found: pod
     --> bad.yaml:4:18
      |
    4 | metadata: {name: billing, namespace: shop}
      |                  ^^^^^^^ ConfigMap dapr-trust-bundle of namespace dapr-system is not there
      |
      = help: install Dapr, or choose the broker style

    warning[PW002]: unknown-annotation: podwire.io/stlye is "broker"
     --> bad.yaml:9:27
      |
    9 |         podwire.io/stlye: broker
      |                           ^^^^^^ podwire knows no such annotation
      |
      = help: did you mean podwire.io/style?
    "#);
}

#[test]
fn broken_yaml_is_shown_where_reading_stopped() {
    let folder = Folder::of(&[("broken.yaml", "kind: Pod\nmetadata:\n  name: [web\n---\nkind: Service\n")]);
    assert_snapshot!(folder.says(&["inject", "-f", "broken.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW090]: unreadable-document: document
     --> broken.yaml:3:9
      |
    3 |   name: [web
      |         ^ unclosed bracket '['
    "#);
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = Folder::of(&[("b.yml", "kind: Service\n"), ("a.json", "{\"kind\": \"Secret\"}"), ("c.txt", "no manifest")]);
    assert_snapshot!(folder.says(&["inject", "-f", "."]), @r#"
    exit 0
    --- stdout
    {"kind": "Secret"}
    ---
    kind: Service
    --- stderr
    "#);
}

#[test]
fn standard_input_is_read_like_a_file() {
    let folder = shop();
    let named = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]));
    assert_eq!(stdout(folder.feed(&["inject", "-q", "-f", "-", "--snapshot", "broker.yaml"], POD)), named);
    assert_snapshot!(said(&folder.feed(&["inject", "-q", "-f", "-"], BAD)).lines().nth(4).unwrap(), @"  --> <stdin>:10:30");
}

#[test]
fn json_is_read_and_printed() {
    let json = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"podwire.io/app-id": "web", "podwire.io/style": "broker"}},
 "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": 1, "memory": "1Gi"}}}]}}"#;
    let folder = Folder::of(&[("pod.json", json)]);
    assert_snapshot!(folder.says(&["inject", "-f", "pod.json", "-o", "json"]), @r#"
    exit 0
    --- stdout
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "name": "web",
        "annotations": {
          "podwire.io/app-id": "web",
          "podwire.io/style": "broker",
          "podwire.io/wired": "{\"version\":1,\"style\":\"broker\",\"listen\":[\"broker\"],\"labels\":[\"podwire.io/app-id\",\"podwire.io/wired-style\"],\"variables\":[{\"containers\":[\"containers/app\"],\"names\":[\"PODWIRE_APP_ID\",\"PODWIRE_STYLE\"]}],\"made\":[\"containers/app/env\",\"metadata/labels\"]}"
        },
        "labels": {
          "podwire.io/app-id": "web",
          "podwire.io/wired-style": "broker"
        }
      },
      "spec": {
        "containers": [
          {
            "name": "app",
            "resources": {
              "requests": {
                "cpu": 1,
                "memory": "1Gi"
              }
            },
            "env": [
              {
                "name": "PODWIRE_STYLE",
                "value": "broker"
              },
              {
                "name": "PODWIRE_APP_ID",
                "value": "web"
              }
            ]
          }
        ]
      }
    }
    --- stderr
    Pod/web in default: wired, broker
      + env of app: PODWIRE_STYLE PODWIRE_APP_ID
      + labels: podwire.io/app-id, podwire.io/wired-style
      + annotations: podwire.io/wired
      because style broker (annotation); app-id web (annotation); app requests cpu 1, memory 1Gi (manifest)
    warning[PW053]: nothing-wired: pod
     --> pod.json:1:58
      |
    1 | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"podwire.io/app-id": "web", "podwire.io/style": "brok...
      |                                                          ^^^^^ it names no topic
      |
      = help: set podwire.io/publish or podwire.io/subscribe
    "#);
}

#[test]
fn items_of_a_list_are_wired_where_they_stand() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: web}}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: web, namespace: shop, annotations: {podwire.io/style: broker, podwire.io/app-id: web, podwire.io/publish: orders}}\n  spec: {containers: [{name: app}]}\n";
    let folder = Folder::of(&[("list.yaml", list), ("broker.yaml", BROKER)]);
    let printed = stdout(folder.run(&["inject", "-q", "-f", "list.yaml", "--snapshot", "broker.yaml", "-o", "json"]));
    let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(value["items"][0], serde_json::json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } }));
    assert_eq!(value["items"][1]["spec"]["containers"][0]["env"][3]["name"], "K_SINK");
}

#[test]
fn a_diff_shows_what_would_change() {
    assert_snapshot!(shop().says(&["inject", "-q", "--diff", "-f", "pod.yaml", "--snapshot", "broker.yaml"]), @r#"
    exit 0
    --- stdout
    --- pod.yaml:1
    +++ pod.yaml:1 wired
    @@ -7,7 +7,26 @@
         podwire.io/style: broker
         podwire.io/app-id: web
         podwire.io/publish: orders
    +    podwire.io/wired: "{\"version\":1,\"style\":\"broker\",\"listen\":[\"broker\"],\"labels\":[\"podwire.io/app-id\",\"podwire.io/wired-style\"],\"variables\":[{\"containers\":[\"containers/app\"],\"names\":[\"K_CE_OVERRIDES\",\"K_SINK\",\"PODWIRE_APP_ID\",\"PODWIRE_PUBLISH_URL_ORDERS\",\"PODWIRE_STYLE\"]}],\"amounts\":{\"app\":{\"requests.cpu\":null,\"requests.memory\":null}},\"made\":[\"containers/app/env\",\"containers/app/resources\",\"containers/app/resources/requests\",\"metadata/labels\"]}"
    +  labels:
    +    podwire.io/app-id: web
    +    podwire.io/wired-style: broker
     spec:
       containers:
       - name: app
         image: web:1
    +    env:
    +    - name: PODWIRE_STYLE
    +      value: broker
    +    - name: PODWIRE_APP_ID
    +      value: web
    +    - name: PODWIRE_PUBLISH_URL_ORDERS
    +      value: http://broker/shop/orders
    +    - name: K_SINK
    +      value: http://broker/shop/orders
    +    - name: K_CE_OVERRIDES
    +      value: ""
    +    resources:
    +      requests:
    +        cpu: 100m
    +        memory: 128Mi
    --- stderr
    "#);
}

#[test]
fn the_namespace_of_documents_that_name_none_is_a_flag() {
    let pod = POD.replace("  namespace: shop\n", "");
    let folder = Folder::of(&[("pod.yaml", &pod), ("broker.yaml", BROKER)]);
    assert!(folder.run(&["inject", "-f", "pod.yaml", "--snapshot", "broker.yaml", "--namespace", "shop"]).status.success());
    let elsewhere = folder.says(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml", "--namespace", "nowhere"]);
    assert!(elsewhere.starts_with("exit 0") && elsewhere.contains("namespace nowhere has no such Broker"), "{elsewhere}");
    assert_snapshot!(folder.says(&["inject", "-f", "pod.yaml", "--name-space", "shop"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: unexpected argument '--name-space' found

      tip: a similar argument exists: '--namespace'

    Usage: podwire inject --filename <FILE> --namespace <NAMESPACE>

    For more information, try '--help'.
    "#);
}

#[test]
fn files_with_carriage_returns_keep_them_and_are_wired() {
    let folder = Folder::of(&[
        ("untouched.yaml", &UNTOUCHED.replace('\n', "\r\n")),
        ("pod.yaml", &format!("{}---\r\n{}", "kind: Service\r\n", POD.replace('\n', "\r\n"))),
        ("broker.yaml", BROKER),
    ]);
    assert_eq!(stdout(folder.run(&["inject", "-f", "untouched.yaml"])), UNTOUCHED.replace('\n', "\r\n"));
    let wired = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]));
    assert!(wired.starts_with("kind: Service\r\n---\r\n") && wired.contains("name: K_SINK"), "{wired:?}");
}

#[test]
fn values_stay_what_kubectl_reads() {
    let pod = format!(
        "{POD}    env: [{{name: A, value: \"yes\"}}, {{name: B, value: \"0644\"}}]\n    stdin: yes\n  volumes: [{{name: v, secret: {{secretName: s, defaultMode: 0644, optional: no}}}}]\n"
    );
    let folder = Folder::of(&[("pod.yaml", &pod), ("broker.yaml", BROKER)]);
    let printed = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml", "-o", "json"]));
    let value: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let (container, secret) = (&value["spec"]["containers"][0], &value["spec"]["volumes"][0]["secret"]);
    assert_eq!((&secret["defaultMode"], &secret["optional"], &container["stdin"]), (&420.into(), &false.into(), &true.into()));
    let env = container["env"].as_array().unwrap();
    assert_eq!((&env[env.len() - 2]["value"], &env[env.len() - 1]["value"]), (&"yes".into(), &"0644".into()));
    // What is printed as YAML reads as the same values.
    let yaml = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]));
    let again = Folder::of(&[("again.yaml", &yaml)]);
    assert_eq!(
        stdout(again.run(&["uninject", "-f", "again.yaml", "-o", "json"])),
        stdout(folder.run(&["uninject", "-f", "pod.yaml", "-o", "json"]))
    );
}

#[test]
fn what_is_wired_already_is_said_and_copied() {
    let folder = shop();
    let wired = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]));
    std::fs::write(folder.0.path().join("wired.yaml"), &wired).unwrap();
    let again = folder.run(&["inject", "-f", "wired.yaml", "--snapshot", "broker.yaml"]);
    assert!(String::from_utf8_lossy(&again.stderr).starts_with("Pod/web in shop: wired already, broker"), "{}", said(&again));
    assert_eq!(stdout(again), wired);
}

const STRICT: &str = "\
apiVersion: podwire.io/v1alpha1
kind: InjectionPolicy
metadata: {name: strict}
spec:
  allowedStyles: [sidecar]
";

const WRONG: &str = "\
apiVersion: podwire.io/v1alpha1
kind: InjectionPolicy
metadata: {name: wrong}
spec:
  preferredStyle: broker
  allowedStyles: [sidecar]
  sidecar:
    allowedOverrides:
    - sidecar-imgae
  resources:
    app:
      min: {requests: {cpu: 2}}
      max: {requests: {cpu: 1500m}}
";

#[test]
fn a_policy_from_a_file_governs() {
    let folder = Folder::of(&[("pod.yaml", POD), ("broker.yaml", BROKER), ("policy.yaml", STRICT)]);
    assert_snapshot!(folder.says(&["inject", "-f", "pod.yaml", "--snapshot", "broker.yaml", "--policy", "policy.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    Pod/web in shop: denied, broker
    error[PW060]: style-not-allowed: podwire.io/style is "broker"
     --> pod.yaml:7:23
      |
    7 |     podwire.io/style: broker
      |                       ^^^^^^ allowedStyles of policy strict: sidecar
    "#);
    let other = folder.says(&["inject", "-f", "pod.yaml", "--policy", "broker.yaml"]);
    assert_eq!(other, "exit 1\n--- stdout\n--- stderr\nerror: broker.yaml: eventing.knative.dev/v1/Broker is no InjectionPolicy\n");
}

#[test]
fn what_is_wrong_with_a_policy_is_shown_at_its_place() {
    let folder = Folder::of(&[("pod.yaml", POD), ("wrong.yaml", WRONG)]);
    let said = folder.says(&["inject", "-f", "pod.yaml", "--policy", "wrong.yaml"]);
    assert_snapshot!(said, @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW075]: invalid-policy: spec.preferredStyle is "broker"
     --> wrong.yaml:5:19
      |
    5 |   preferredStyle: broker
      |                   ^^^^^^ preferredStyle must be one of allowedStyles

    error[PW075]: invalid-policy: spec.resources.app.min.requests.cpu is "2"
      --> wrong.yaml:12:29
       |
    12 |       min: {requests: {cpu: 2}}
       |                             ^ min.requests must not be above max.requests
       |
       = help: max.requests.cpu is 1500m

    error[PW075]: invalid-policy: spec.sidecar.allowedOverrides[0] is "sidecar-imgae"
     --> wrong.yaml:9:7
      |
    9 |     - sidecar-imgae
      |       ^^^^^^^^^^^^^ Dapr's injector reads no such annotation
    "#);
    assert_eq!(said, folder.says(&["inject", "-f", "pod.yaml", "--snapshot", "wrong.yaml"]));
}
