//! `podwire footprint`: what each style costs.

use insta::assert_snapshot;
use serde_json::Value;

use super::{Folder, stdout};

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  template:
    metadata: {annotations: {podwire.io/style: broker, podwire.io/listen: both, podwire.io/subscribe: orders}}
    spec:
      initContainers: [{name: first, image: x, resources: {requests: {cpu: "1"}}}]
      containers:
      - {name: app, image: x, ports: [{containerPort: 80}], resources: {requests: {cpu: 50m, memory: 64Mi}}}
      - {name: log, image: x, resources: {limits: {cpu: 10m, memory: 16Mi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: back}
spec:
  jobTemplate:
    spec:
      parallelism: 2
      template:
        metadata: {annotations: {podwire.io/style: sidecar, podwire.io/app-id: nightly, podwire.io/publish: orders}}
        spec: {containers: [{name: app, image: x}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: host, namespace: back}
spec:
  template:
    metadata: {annotations: {podwire.io/style: broker, podwire.io/publish: orders}}
    spec: {hostNetwork: true, containers: [{name: app, image: x}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stranger, namespace: back}
spec: {template: {spec: {containers: [{name: app, image: x}]}}}
"#;

fn shop() -> Folder {
    Folder::of(&[("shop.yaml", SHOP)])
}

#[test]
fn each_style_is_weighed_as_the_scheduler_would_and_what_cannot_move_stays() {
    assert_snapshot!(shop().says(&["footprint", "-f", "shop.yaml"]), @r#"
    exit 0
    --- stdout
    namespace back: CPU / memory that one pod requests
      workload         pods  style    now           in sidecar style  in broker style
      CronJob/nightly  2     sidecar  200m / 378Mi  200m / 378Mi      100m / 128Mi
      Deployment/host  1     broker   100m / 128Mi  not wired         100m / 128Mi

    namespace shop: CPU / memory that one pod requests
      workload        pods  style   now        in sidecar style  in broker style
      Deployment/web  3     broker  1 / 330Mi  1 / 330Mi         1 / 80Mi

    all of it
                            sidecar style   broker style
      applications, 6 pods  3500m / 1874Mi  3300m / 624Mi
      what they share       0 / 0           500m / 450Mi
      together              3500m / 1874Mi  3800m / 1074Mi

    shared in sidecar style: 0 / 0 (Dapr 1.18.1's chart, which states none)
    shared in broker style: 500m / 450Mi (Knative Eventing 0.47.0's manifests)
    now: 6 pods request 3500m / 1874Mi, with what is shared in their styles 4 / 2324Mi
    CPU: broker style requests less from 13 such pods on
    memory: broker style requests less from 2 such pods on
    Deployment/host in back is not wired in sidecar style: PW043 host-network: spec.hostNetwork is "true": no sidecar on the host's network; choose the broker style
    --- stderr
    "#);
}

#[test]
fn what_is_shared_may_be_stated_and_moves_the_crossing() {
    let less = |platform: &[&str]| {
        let said = stdout(shop().run(&[["footprint", "-f", "shop.yaml", "-o", "json"].as_slice(), platform].concat()));
        let said: Value = serde_json::from_str(&said).unwrap();
        let shared = said["styles"]["broker"]["shared"].clone();
        (said["brokerRequestsLessFrom"].to_string(), shared["requests"].to_string(), shared["origin"].as_str().unwrap().to_owned())
    };
    let text = |one: &str, other: &str, by: &str| (one.to_owned(), other.to_owned(), by.to_owned());
    let shipped = text(r#"{"cpu":13,"memory":2}"#, r#"{"cpu":"500m","memory":"450Mi"}"#, "Knative Eventing 0.47.0's manifests");
    assert_eq!(less(&[]), shipped);
    assert_eq!(less(&["--platform", "200m/640Mi"]), text(r#"{"cpu":6,"memory":3}"#, r#"{"cpu":"200m","memory":"640Mi"}"#, "--platform"));
    assert_eq!(less(&["--platform", "sidecar=2/2Gi"]).0, r#"{"cpu":1,"memory":1}"#);
}

/// Workloads and pods, and the requests of all of them now.
fn weighed(files: &[(&str, &str)], more: &[&str]) -> (Vec<String>, String) {
    let said = stdout(Folder::of(files).run(&[["footprint", "-n", "shop", "-f", ".", "-o", "json"].as_slice(), more].concat()));
    let said: Value = serde_json::from_str(&said).unwrap();
    let workloads = said["workloads"].as_array().unwrap().iter();
    let workloads = workloads.map(|one| format!("{} {}", one["workload"].as_str().unwrap(), one["pods"]));
    (workloads.collect(), said["now"]["applications"].to_string())
}

fn deployment(annotations: &str, container: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web}}, spec: {{replicas: 2, template: {{metadata: {{annotations: {{{annotations}}}}}, spec: {{containers: [{{name: app, image: x{container}}}]}}}}}}}}"
    )
}

const ASKS: &str = "podwire.io/style: broker, podwire.io/publish: orders";

#[test]
fn items_of_lists_nulls_and_wired_templates_are_weighed_as_they_stand() {
    let requests = ", resources: {requests: {cpu: 10m, memory: 10Mi}}";
    let whole = (vec!["Deployment/web 2".to_owned()], r#"{"cpu":"20m","memory":"20Mi"}"#.to_owned());
    assert_eq!(weighed(&[("one.yaml", &deployment(ASKS, requests))], &[]), whole);
    let list = format!("{{apiVersion: v1, kind: List, items: [{}]}}", deployment(ASKS, requests));
    assert_eq!(weighed(&[("list.yaml", &list)], &[]), whole);
    assert_eq!(weighed(&[("null.yaml", &deployment(&format!("{ASKS}, note: "), requests))], &[]), whole);
    // Wired in its file with the default policy; another one today changes nothing of it.
    let sidecar = Folder::of(&[("web.yaml", &deployment("podwire.io/style: sidecar, podwire.io/publish: orders", requests))]);
    let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot.yaml");
    let wired = stdout(sidecar.run(&["inject", "-q", "-n", "shop", "-f", "web.yaml", "--snapshot", snapshot]));
    assert!(wired.contains("name: daprd"), "{wired}");
    let policy = "{apiVersion: podwire.io/v1alpha1, kind: InjectionPolicy, metadata: {name: default}, spec: {resources: {sidecar: {default: {requests: {cpu: 1m, memory: 1Mi}}}}}}";
    let weighed = weighed(&[("web.yaml", &wired), ("policy.yaml", policy)], &["--policy", "policy.yaml"]);
    assert_eq!(weighed, (vec!["Deployment/web 2".to_owned()], r#"{"cpu":"220m","memory":"520Mi"}"#.to_owned()));
}

#[test]
fn whom_podwire_leaves_alone_is_not_weighed_and_jobs_that_rest_have_no_pods() {
    let none = (Vec::new(), r#"{"cpu":"0","memory":"0"}"#.to_owned());
    for alone in ["podwire.io/style: none, podwire.io/publish: orders", "dapr.io/enabled: \"true\", dapr.io/app-id: web"] {
        assert_eq!(weighed(&[("web.yaml", &deployment(alone, ""))], &[]), none, "{alone}");
    }
    assert_eq!(weighed(&[("web.yaml", &deployment(ASKS, ""))], &["--exclude-namespace", "shop"]), none);
    let job = |fields: &str| {
        let template = format!(
            "template: {{metadata: {{annotations: {{{ASKS}, podwire.io/app-id: web}}}}, spec: {{containers: [{{name: app, image: x}}]}}}}"
        );
        let job = format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: web}}, spec: {{{fields}, {template}}}}}");
        weighed(&[("job.yaml", &job)], &[]).0
    };
    assert_eq!(job("parallelism: 5, completions: 2"), ["Job/web 2"]);
    assert_eq!(job("parallelism: 5"), ["Job/web 5"]);
    assert_eq!(job("parallelism: 5, suspend: true"), ["Job/web 0"]);
}

#[test]
fn a_broker_that_is_not_there_hides_no_figure_and_a_broken_file_hides_all() {
    let policy = "{apiVersion: podwire.io/v1alpha1, kind: InjectionPolicy, metadata: {name: default}, spec: {broker: {create: Never, onMissing: Deny}}}";
    let files = [("shop.yaml", SHOP), ("policy.yaml", policy)];
    let said = Folder::of(&files).says(&["footprint", "-f", "shop.yaml", "--policy", "policy.yaml"]);
    assert!(said.contains("CPU: broker style requests less from 13 such pods on"), "{said}");
    let said = Folder::of(&[("shop.yaml", SHOP), ("broken.yaml", "a: [")]).says(&["footprint", "-f", "."]);
    assert!(said.starts_with("exit 1\n--- stdout\n--- stderr\nerror") && said.contains("broken.yaml"), "{said}");
}

#[test]
fn a_platform_that_is_none_is_refused_with_what_is_allowed() {
    for wrong in ["200m", "200m/x", "-1/1Mi", "both=1/1Mi"] {
        let said = shop().says(&["footprint", "-f", "shop.yaml", &format!("--platform={wrong}")]);
        assert!(said.starts_with("exit 2\n") && said.contains(wrong) && said.contains("200m/640Mi"), "{said}");
    }
}

#[test]
fn the_drawing_shows_both_styles_and_where_they_cross() {
    let svg = stdout(shop().run(&["footprint", "-f", "shop.yaml", "-o", "svg"]));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert_eq!(svg.matches("stroke-width").count(), 4, "two lines for CPU and two for memory");
    assert!(svg.contains("5 pods now") && svg.contains("memory: broker style requests less from"), "{svg}");
    let opened = svg.matches("<g ").count() + svg.matches("<text ").count() + svg.matches("<svg ").count() + svg.matches("<title>").count();
    assert_eq!(svg.matches("</").count(), opened, "every element is closed");
}
