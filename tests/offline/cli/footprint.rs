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
