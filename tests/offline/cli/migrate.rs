//! `podwire migrate`: what is next, and when.

use insta::assert_snapshot;
use serde_json::Value;

use super::{Folder, stdout};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot.yaml");

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {annotations: {podwire.io/style: sidecar, podwire.io/publish: orders}}
    spec: {containers: [{name: app, image: x}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop LISTEN}
spec:
  template:
    metadata: {annotations: {podwire.io/style: sidecar, podwire.io/subscribe: orders}}
    spec: {containers: [{name: app, image: x, ports: [{containerPort: 80}]}]}
"#;

/// What the controller says of the consumer.
const WIRING: &str = r#"
apiVersion: podwire.io/v1alpha1
kind: Wiring
metadata: {name: cart, namespace: shop}
status:
  style: sidecar
  listensOn: sidecar,broker
  subscriptions: [{topic: orders}]
  workloads: [{kind: Deployment, name: cart}]
  conditions: [{type: TriggersReady, status: "STATUS", reason: REASON, message: "no pod is ready"}]
"#;

fn shop(listen: &str, wiring: &str) -> Folder {
    let shop = SHOP.replace(" LISTEN", listen);
    Folder::of(&[("shop.yaml", &shop), ("wiring.yaml", wiring)])
}

const BOTH: &str = ", annotations: {podwire.io/listen: both}";

fn asked<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [["migrate", "-n", "shop", "--to", "broker", "-f", "shop.yaml", "--snapshot", SNAPSHOT].as_slice(), more].concat()
}

#[test]
fn the_whole_way_is_said_before_anything_is_done() {
    assert_snapshot!(shop("", "").says(&asked(&[])), @r#"
    exit 0
    --- stdout
    namespace shop, to broker style: 3 steps

    1. cart listens in broker style too
       now
       kubectl annotate deployment/cart -n shop --overwrite podwire.io/listen=both

    2. web publishes in broker style; its pods are replaced
       when TriggersReady of cart is True
       kubectl patch deployment/web -n shop --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'

    3. cart listens in broker style only; its pods are replaced
       when PodsWired of web is True
       when Drained of cart is True, SidecarDrained
       kubectl patch deployment/cart -n shop --type=merge -p '{"metadata":{"annotations":{"podwire.io/listen":null}},"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'
    --- stderr
    "#);
}

#[test]
fn a_gate_that_is_shut_says_why() {
    let wiring = WIRING.replace("STATUS", "False").replace("REASON", "NoEndpoints");
    assert_snapshot!(shop(BOTH, &wiring).says(&asked(&["--snapshot", "wiring.yaml"])), @r#"
    exit 0
    --- stdout
    namespace shop, to broker style: 2 steps

    1. web publishes in broker style; its pods are replaced
       not yet: TriggersReady of cart: False: NoEndpoints: no pod is ready
       kubectl patch deployment/web -n shop --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'

    2. cart listens in broker style only; its pods are replaced
       when PodsWired of web is True
       when Drained of cart is True, SidecarDrained
       kubectl patch deployment/cart -n shop --type=merge -p '{"metadata":{"annotations":{"podwire.io/listen":null}},"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'
    --- stderr
    "#);
}

#[test]
fn a_step_whose_gates_are_open_is_to_be_done_now() {
    let wiring = WIRING.replace("STATUS", "True").replace("REASON", "Ready");
    let folder = shop(BOTH, &wiring);
    let steps: Value = serde_json::from_str(&stdout(folder.run(&asked(&["--snapshot", "wiring.yaml", "-o", "json"])))).unwrap();
    let first = &steps["turns"][0][0];
    assert_eq!((&first["appId"], &first["step"], &first["open"]), (&"web".into(), &"publish".into(), &true.into()), "{steps:#}");
    let patch = &first["edits"][0]["patch"];
    assert_eq!(patch["spec"]["template"]["metadata"]["annotations"]["podwire.io/style"], "broker", "{steps:#}");
    assert_eq!((&steps["turns"][1][0]["step"], &steps["turns"][1][0]["open"]), (&"leave".into(), &false.into()));
}

#[test]
fn an_end_that_is_not_known_is_refused_until_somebody_says_where_it_is() {
    let shop = SHOP.replace(" LISTEN", "").replace("subscribe: orders", "subscribe: news");
    let folder = Folder::of(&[("shop.yaml", &shop)]);
    assert_snapshot!(folder.says(&asked(&[])), @r#"
    exit 1
    --- stdout
    namespace shop: no step to broker style can be made
    --- stderr
    error: cart: PW116 unknown-end: podwire.io/subscribe is "news": nobody whom podwire wires publishes it; say where it is published: --external-publisher news=sidecar, broker, both or none
    error: web: PW116 unknown-end: podwire.io/publish is "orders": nobody whom podwire wires consumes it; say where it is consumed: --external-consumer orders=sidecar, broker, both or none
    "#);
    let said = asked(&["--external-publisher", "news=broker", "--external-consumer", "orders=none"]);
    assert_snapshot!(folder.says(&said), @r#"
    exit 0
    --- stdout
    namespace shop, to broker style: 3 steps

    1. cart listens in broker style too
       now
       kubectl annotate deployment/cart -n shop --overwrite podwire.io/listen=both

    1. web publishes in broker style; its pods are replaced
       now
       kubectl patch deployment/web -n shop --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'

    2. cart listens in broker style only; its pods are replaced
       when nobody outside has published to cart in sidecar style for 112 s
       kubectl patch deployment/cart -n shop --type=merge -p '{"metadata":{"annotations":{"podwire.io/listen":null}},"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'
    --- stderr
    "#);
}

#[test]
fn an_application_without_a_consumer_group_says_so_before_it_goes_back() {
    let shop = SHOP.replace(" LISTEN", "").replace("style: sidecar", "style: broker");
    let folder = Folder::of(&[("shop.yaml", &shop)]);
    let back = ["migrate", "-n", "shop", "--to", "sidecar", "-f", "shop.yaml", "--snapshot", SNAPSHOT];
    assert_snapshot!(folder.says(&back), @r#"
    exit 1
    --- stdout
    namespace shop: no step to sidecar style can be made
    --- stderr
    error: cart: PW117 replay-expected: podwire.io/subscribe is "pubsub/orders": no sidecar of the application is known to have consumed it: Redis delivers again all that it retains, Kafka begins at its end; --replay-ok where that may be
    warning: web: PW118 stays-behind: podwire.io/publish: cart does not listen in sidecar style, and would not get what it publishes
    "#);
    let known =
        "apiVersion: podwire.io/v1alpha1\nkind: Wiring\nmetadata: {name: cart, namespace: shop}\nstatus: {groups: [pubsub/orders]}\n";
    let folder = Folder::of(&[("shop.yaml", &shop), ("wiring.yaml", known)]);
    assert_eq!(folder.run(&[back.as_slice(), &["--snapshot", "wiring.yaml"]].concat()).status.code(), Some(0));
    assert_eq!(folder.run(&[back.as_slice(), &["--replay-ok"]].concat()).status.code(), Some(0));
}

#[test]
fn what_is_wrong_with_the_command_line_is_said() {
    let folder = shop("", "");
    let wrong = |more: &[&str]| folder.run(&asked(more)).status.code();
    assert_eq!(wrong(&["--external-publisher", "orders"]), Some(2));
    assert_eq!(wrong(&["--external-publisher", "orders=kafka"]), Some(2));
    assert_eq!(wrong(&["--wait", "1m"]), Some(2));
    assert_eq!(folder.run(&["migrate", "-n", "shop", "--to", "broker", "--snapshot", SNAPSHOT]).status.code(), Some(2));
    assert_eq!(folder.run(&["migrate", "-n", "shop", "--to", "mesh", "-f", "shop.yaml"]).status.code(), Some(2));
}
