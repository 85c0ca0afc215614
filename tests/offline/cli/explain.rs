//! `podwire explain -f`: every rule that had a word, what changes, what is made.

use insta::assert_snapshot;

use super::{BAD, Folder};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot.yaml");

const POLICIES: &str = r#"
apiVersion: podwire.io/v1alpha1
kind: InjectionPolicy
metadata: {name: default}
spec: {preferredStyle: broker}
---
apiVersion: podwire.io/v1alpha1
kind: InjectionPolicy
metadata: {name: shop}
spec:
  priority: 10
  sidecar: {placement: Container, pubsub: events, image: "ghcr.io/dapr/daprd:1.18.0"}
  resources: {app: {default: {requests: {cpu: 200m}}, max: {limits: {memory: 1Gi}}}}
"#;

/// A namespace that says one thing, and a workload that says another.
const ORDERS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {podwire.io/style: broker}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  template:
    metadata:
      annotations:
        podwire.io/style: STYLE
        podwire.io/publish: orders
        podwire.io/subscribe: payments
        podwire.io/pubsub: redis
        podwire.io/app-port: http
        dapr.io/app-id: orders
        dapr.io/sidecar-memory-request: 64Mi
        kubernetes.io/limit-ranger: "LimitRanger plugin set: cpu request for container app"
    spec:
      containers:
      - name: app
        image: x
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: 50m}, limits: {memory: 2Gi}}
"#;

fn explained(style: &str) -> String {
    let folder = Folder::of(&[("orders.yaml", &ORDERS.replace("STYLE", style)), ("policies.yaml", POLICIES)]);
    folder.says(&["explain", "-f", "orders.yaml", "--policy", "policies.yaml", "--snapshot", SNAPSHOT])
}

#[test]
fn an_annotation_wins_over_all_and_what_lost_is_named() {
    assert_snapshot!(explained("sidecar"), @r#"
    exit 0
    --- stdout
    Deployment/orders in shop: wired, sidecar
      why
        policy     shop (priority 10), over default (priority 0)
        style      sidecar (annotation), over broker (namespace label), sidecar (dapr.io annotation), sidecar (built in)
        app-id     orders (dapr.io annotation), over orders (Deployment/orders)
        app port   8080 (annotation), over 8080 (the only container port)
        component  redis (annotation), over events (policy shop), pubsub (built in)
        daprd      first in containers (policy shop), over first in containers (built in)
        image      ghcr.io/dapr/daprd:1.18.0 (policy shop), over ghcr.io/dapr/daprd:1.18.1 (built in)
      resources
        daprd requests cpu     none  →  100m  built in
        daprd requests memory  none  →  64Mi  dapr.io annotation, over 250Mi (built in)
        app requests cpu       50m   →  200m  policy shop, over 100m (built in), 50m (LimitRange)
        app requests memory    2Gi   →  1Gi   policy shop, over 2Gi (limit (API server default)), 128Mi (built in)
        app limits memory      2Gi   →  1Gi   policy shop, over 2Gi (manifest)
      added
        volume dapr-identity-token
        preStop sleep of 5 s on app
        container daprd in containers
        env of app: PODWIRE_STYLE PODWIRE_APP_ID PODWIRE_PUBLISH_URL_ORDERS DAPR_HTTP_PORT DAPR_GRPC_PORT APP_PROTOCOL
        requests of app: cpu 200m, memory 1Gi
        limits of app: memory 1Gi
        labels: podwire.io/app-id, podwire.io/wired-style, dapr.io/app-id, dapr.io/metrics-enabled, dapr.io/sidecar-injected
        annotations: kubectl.kubernetes.io/default-container, podwire.io/wired
      generated
        Service/orders-dapr
        Resiliency/podwire-orders
        Subscription/orders-payments
      orders.yaml:26:60: warning[PW062]: resource-adjusted: container app limits memory is "2Gi": set to 1Gi, resources.app.max of policy shop
    --- stderr
    "#);
}

#[test]
fn auto_is_explained_by_its_steps() {
    assert_snapshot!(explained("auto"), @r#"
    exit 0
    --- stdout
    Deployment/orders in shop: wired, sidecar
      why
        policy       shop (priority 10), over default (priority 0)
        asked style  auto (annotation)
        style        sidecar (dapr.io annotation), over broker (namespace label), sidecar (built in)
        app-id       orders (dapr.io annotation), over orders (Deployment/orders)
        app port     8080 (annotation), over 8080 (the only container port)
        component    redis (annotation), over events (policy shop), pubsub (built in)
        daprd        first in containers (policy shop), over first in containers (built in)
        image        ghcr.io/dapr/daprd:1.18.0 (policy shop), over ghcr.io/dapr/daprd:1.18.1 (built in)
      resources
        daprd requests cpu     none  →  100m  built in
        daprd requests memory  none  →  64Mi  dapr.io annotation, over 250Mi (built in)
        app requests cpu       50m   →  200m  policy shop, over 100m (built in), 50m (LimitRange)
        app requests memory    2Gi   →  1Gi   policy shop, over 2Gi (limit (API server default)), 128Mi (built in)
        app limits memory      2Gi   →  1Gi   policy shop, over 2Gi (manifest)
      added
        volume dapr-identity-token
        preStop sleep of 5 s on app
        container daprd in containers
        env of app: PODWIRE_STYLE PODWIRE_APP_ID PODWIRE_PUBLISH_URL_ORDERS DAPR_HTTP_PORT DAPR_GRPC_PORT APP_PROTOCOL
        requests of app: cpu 200m, memory 1Gi
        limits of app: memory 1Gi
        labels: podwire.io/app-id, podwire.io/wired-style, dapr.io/app-id, dapr.io/metrics-enabled, dapr.io/sidecar-injected
        annotations: kubectl.kubernetes.io/default-container, podwire.io/wired
      generated
        Service/orders-dapr
        Resiliency/podwire-orders
        Subscription/orders-payments
      orders.yaml:26:60: warning[PW062]: resource-adjusted: container app limits memory is "2Gi": set to 1Gi, resources.app.max of policy shop
    --- stderr
    "#);
}

#[test]
fn what_the_pod_states_for_itself_grows() {
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, annotations: {podwire.io/style: sidecar, podwire.io/app-id: web, podwire.io/publish: orders}}
spec: {resources: {requests: {cpu: 1}, limits: {cpu: 2}}, containers: [{name: app}]}
";
    let folder = Folder::of(&[("web.yaml", pod)]);
    assert_snapshot!(folder.says(&["explain", "-f", "web.yaml", "--snapshot", SNAPSHOT]), @r#"
    exit 0
    --- stdout
    Pod/web in shop: wired, sidecar
      why
        policy     none (built in)
        style      sidecar (annotation), over sidecar (built in)
        app-id     web (annotation)
        component  pubsub (built in)
        daprd      native, in initContainers (built in)
        image      ghcr.io/dapr/daprd:1.18.1 (built in)
      resources
        daprd requests cpu     none  →  100m   built in
        daprd requests memory  none  →  250Mi  built in
        app requests memory    none  →  128Mi  built in
        the pod requests cpu   1     →  1100m  grows by what its containers gain
        the pod limits cpu     2     →  2100m  grows by what its containers gain
      added
        volume dapr-identity-token
        container daprd in initContainers
        env of app: PODWIRE_STYLE PODWIRE_APP_ID PODWIRE_PUBLISH_URL_ORDERS DAPR_HTTP_PORT DAPR_GRPC_PORT APP_PROTOCOL
        requests of app: memory 128Mi
        requests of the pod: cpu 1100m
        limits of the pod: cpu 2100m
        labels: podwire.io/app-id, podwire.io/wired-style, dapr.io/app-id, dapr.io/metrics-enabled, dapr.io/sidecar-injected
        annotations: dapr.io/app-id, podwire.io/wired
      generated
        Service/web-dapr
    --- stderr
    "#);
}

#[test]
fn a_denial_and_every_way_to_be_left_alone_are_answers() {
    let pod = |name: &str, namespace: &str, annotations: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, annotations: {{{annotations}}}}}\nspec: {{containers: [{{name: app}}]}}\n"
        )
    };
    let asks = "podwire.io/style: sidecar";
    let all = [
        pod("silent", "shop", ""),
        pod("out", "shop", "podwire.io/style: none"),
        pod("excluded", "kube-system", asks),
        pod("mirror", "shop", &format!("{asks}, kubernetes.io/config.mirror: x")),
    ];
    let folder = Folder::of(&[("all.yaml", &all.concat()), ("bad.yaml", BAD)]);
    assert_snapshot!(folder.says(&["explain", "-f", "all.yaml", "-f", "bad.yaml"]), @r#"
    exit 0
    --- stdout
    Pod/silent in shop: untouched
      why
        it carries no annotation for podwire
    Pod/out in shop: untouched
      why
        podwire.io/style: none stands on it, or as a label on its namespace
    Pod/excluded in kube-system: untouched
      why
        the namespace is excluded: by its name, or by its label podwire.io/inject: disabled
    Pod/mirror in shop: untouched
      why
        it is the shadow of a static pod, which runs already
    Deployment/billing in shop: denied, sidecar
      why
        policy     none (built in)
        style      sidecar (built in)
        app-id     billing (Deployment/billing)
        component  pubsub (built in)
      resources
        daprd requests cpu     none  →  100m   built in
        daprd requests memory  none  →  250Mi  built in
        app requests cpu       none  →  100m   built in
        app requests memory    none  →  128Mi  built in
      bad.yaml:10:30: error[PW012]: invalid-port: podwire.io/app-port is "80a": allowed: 1..65535 or a container port's name (http)
      bad.yaml:11:29: error[PW014]: invalid-topic: podwire.io/publish is "": allowed: a DNS-1123 label of at most 50 characters
      bad.yaml:11:37: error[PW014]: invalid-topic: podwire.io/publish is "Pay ments": allowed: a DNS-1123 label of at most 50 characters
      bad.yaml:14:19: error[PW019]: invalid-path: podwire.io/subscribe is "http://elsewhere/": allowed: a path with exactly one leading slash, without host, query, fragment, spaces or ..
      bad.yaml:4:18: error[PW034]: dapr-not-found: pod: ConfigMap dapr-trust-bundle of namespace dapr-system is not there; install Dapr, or choose the broker style
      bad.yaml:9:27: warning[PW002]: unknown-annotation: podwire.io/stlye is "broker": podwire knows no such annotation; did you mean podwire.io/style?
    --- stderr
    "#);
}

#[test]
fn a_cluster_is_asked_only_for_kinds_whose_pods_are_wired() {
    let folder = Folder::of(&[(
        "k",
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n",
    )]);
    assert_snapshot!(folder.says(&["explain", "service/web", "--kubeconfig", "k"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: "service" is none of pod, deployment, statefulset, daemonset, replicaset, replicationcontroller, job, cronjob
    "#);
    let away = folder.says(&["explain", "pod/web", "--kubeconfig", "k"]);
    assert!(away.starts_with("exit 3") && away.contains("error: the object cannot be read"), "{away}");
    assert!(folder.says(&["explain", "pod/web", "--kubeconfig", "nowhere"]).starts_with("exit 2"));
    // A cluster says itself what it holds.
    for flag in ["--policy", "--snapshot"] {
        let said = folder.says(&["explain", "pod/web", flag, "k"]);
        assert!(said.starts_with("exit 2") && said.contains("cannot be used with") && said.contains(flag), "{said}");
    }
}
