//! On a real node: an order travels through Dapr, the style is flipped, and the same order travels through Knative.

use std::env;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Error;
use crate::screen::{Screen, Shell, seconds};
use crate::support::node::{Begun, Failure, House, Node, holds, install, load, request, wait_for};

const SHOP: &str = "manifests/examples/shop.yaml";
/// The images that the shop names; one program plays all of their parts.
const IMAGES: [&str; 5] = ["web", "billing", "shipping", "complaints", "static"];
const WORKLOADS: [&str; 5] = ["deployment/web", "deployment/billing", "deployment/complaints", "deployment/static", "statefulset/shipping"];
const FLIP: &str = "sed 's/style: sidecar/style: broker/' manifests/examples/shop.yaml | kubectl apply -f -";
const GET_PODS: &str = "kubectl get pods -n shop -L podwire.io/app-id,podwire.io/wired-style";

/// Starts a node and shows both ways on it, or says why this machine cannot.
pub(crate) fn show(screen: &mut Screen, podwire: &Path) -> Result<(), Error> {
    screen.step("A real node: an order travels through Dapr")?;
    let begun = Instant::now();
    let mut building = false;
    let house = House::start(|line| {
        if line.contains(": building (") && !building {
            building = true;
            screen.say(
                "Its programs (a kubelet, CoreDNS, Dapr, Knative) are being built from pinned sources: about 20 minutes on 2 cores, once. \
                 This is the last part, and Ctrl-C loses only the program that is named last.",
            )?;
        }
        // Why there is no node is said below, by whichever way it ends.
        if line.starts_with("tests/tools/cluster: ") { Ok(()) } else { screen.show(line) }
    })?;
    let house = match house {
        Begun::Up(house) => house,
        Begun::Cannot(why) => {
            return screen
                .say(&format!("Not shown, since this machine cannot have a node: {why}. docs/portability.md says what was seen on one."));
        }
    };
    let images = IMAGES.map(|name| format!("ghcr.io/podwire/examples/{name}:1"));
    load(&house, podwire, &images.each_ref().map(String::as_str))?;
    screen.say(&format!(
        "A node in namespaces of its own, with kubelet and containerd, Dapr on Redis, and Knative Eventing: ready after {}.",
        seconds(begun.elapsed())
    ))?;
    let demo = env::current_exe().map_err(|error| Error::System("this program's own path".to_owned(), error))?;
    let inside = house.enter(&demo).args(["--on-node", &screen.steps().to_string()]).status();
    let inside = inside.map_err(|error| Error::System(demo.display().to_string(), error))?;
    screen.skip(1);
    if inside.success() { Ok(()) } else { Err(Error::Node) }
}

/// What is shown by the process that runs inside of the node.
pub(crate) fn inside(screen: &mut Screen, podwire: &Path) -> Result<(), Error> {
    let node = Node::inside()?;
    let begun = Instant::now();
    install(&node)?;
    node.kubectl(&["create", "namespace", "shop", "--save-config"])?;
    node.apply(&json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": { "name": "pubsub", "namespace": "shop" },
        "spec": { "type": "pubsub.redis", "version": "v1", "metadata": [{ "name": "redisHost", "value": "redis.redis.svc.cluster.local:6379" }] },
    }))?;
    screen.say(&format!("podwire is installed on it by its chart, and ready after {}.", seconds(begun.elapsed())))?;
    let shell = Shell::offline(podwire)?;
    shell.show(screen, &format!("kubectl apply -f {SHOP}"))?;
    working(&node, "sidecar")?;
    shell.show(screen, GET_PODS)?;
    order(screen, &node)?;

    screen.step("The annotation flipped: the same order travels through Knative")?;
    screen.say(
        "Nothing is in flight here, so all may move at once, whatever podwire warns of. On a system under load `podwire migrate -n shop \
         --to broker` says in which order and when: docs/portability.md.",
    )?;
    shell.show(screen, FLIP)?;
    working(&node, "broker")?;
    shell.show(screen, GET_PODS)?;
    order(screen, &node)
}

/// Waits until every application runs in this style, and podwire says that it works.
fn working(node: &Node, style: &str) -> Result<(), Failure> {
    for workload in WORKLOADS {
        let rolled = node.kubectl(&["rollout", "status", workload, "-n", "shop", "--timeout=120s"]);
        rolled.map_err(|failure| {
            Failure::new(format!("{failure}{}", node.kubectl(&["get", "pods,events", "-n", "shop"]).unwrap_or_default()))
        })?;
    }
    let mut last = Value::Null;
    let ready = wait_for(format!("all applications work in style {style}"), 120, || {
        let others = node.get(&["pods", "-n", "shop", "-l", &format!("podwire.io/app-id,podwire.io/wired-style!={style}")]).ok()?;
        last = node.get(&["wirings", "-n", "shop"]).ok()?["items"].clone();
        let all = last.as_array()?;
        (all.len() == 4 && all.iter().all(|one| holds(one, "Ready")) && others["items"].as_array()?.is_empty()).then_some(())
    });
    ready.map_err(|failure| Failure::new(format!("{failure}: {last}")))
}

/// An application's pod, seen from inside of the node.
struct Part {
    pod: Value,
    address: String,
}

impl Part {
    fn of(node: &Node, app: &str) -> Result<Self, Failure> {
        let pods = node.get(&["pods", "-n", "shop", "-l", &format!("app={app}")])?;
        let pod = pods["items"].as_array().into_iter().flatten().find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let pod = pod.cloned().ok_or_else(|| Failure::new(format!("{app} has no pod")))?;
        Ok(Part { address: pod["status"]["podIP"].as_str().unwrap_or_default().to_owned(), pod })
    }

    /// The first line of its ledger of this kind.
    fn wrote(&self, what: &str) -> Result<Value, Failure> {
        wait_for(format!("{} has {what} an event", self.pod["metadata"]["name"]), 60, || {
            let (_, text) = request(&self.address, "GET", "/_ledger", "").ok()?;
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["what"] == what)
        })
    }

    fn containers(&self) -> String {
        let members = |list: &str| self.pod["spec"][list].as_array().cloned().unwrap_or_default();
        let running = members("initContainers").into_iter().filter(|container| container["restartPolicy"] == "Always");
        let names = running.chain(members("containers")).map(|container| container["name"].as_str().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>().join(" and ")
    }
}

/// Lets the web shop publish an order, and shows what became of it.
fn order(screen: &Screen, node: &Node) -> Result<(), Error> {
    let web = Part::of(node, "web")?;
    let environment = request(&web.address, "GET", "/_environment", "")?.1;
    let environment: Value = serde_json::from_str(&environment).map_err(Failure::from)?;
    let publish = json!({
        "topic": "orders", "count": 1, "prefix": "order-of-", "type": "com.shop.order.created", "attributes": { "region": "eu" },
    });
    request(&web.address, "POST", "/_publish", &publish.to_string())?;
    let published = web.wrote("published")?;
    let url = environment["PODWIRE_PUBLISH_URL_ORDERS"].as_str().unwrap_or_default();
    screen.say("\nweb publishes an order to $PODWIRE_PUBLISH_URL_ORDERS:")?;
    screen.show(&format!("POST {url}  application/cloudevents+json"))?;
    screen.show(&spaced(&published["event"]))?;
    screen.show(&format!("answer: {}", published["status"]))?;
    for app in ["billing", "shipping"] {
        let part = Part::of(node, app)?;
        let received = part.wrote("received")?;
        let style = part.pod["metadata"]["labels"]["podwire.io/wired-style"].as_str().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        screen.say(&format!("\n{app} received it, in style {style}, in a pod of {}:", part.containers()))?;
        let (method, path, form) = (text(&received["method"]), text(&received["path"]), text(&received["headers"]["content-type"]));
        screen.show(&format!("{method} {path}  {form}"))?;
        screen.show(&compared(&published["event"], &received["event"]))?;
    }
    Ok(())
}

/// An event that can be broken between its members.
fn spaced(event: &Value) -> String {
    let members = event.as_object().into_iter().flatten();
    let members: Vec<String> = members.map(|(name, value)| format!("{name:?}: {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// What differs between an event that was published and one that arrived.
fn compared(published: &Value, received: &Value) -> String {
    let (before, after) = (published.as_object().cloned().unwrap_or_default(), received.as_object().cloned().unwrap_or_default());
    let changed: Vec<&str> = before.iter().filter(|(name, value)| after.get(*name) != Some(value)).map(|(name, _)| name.as_str()).collect();
    let added: Vec<&str> = after.keys().filter(|name| !before.contains_key(*name)).map(String::as_str).collect();
    let same = if changed.is_empty() { "as it was published".to_owned() } else { format!("changed: {}", changed.join(", ")) };
    format!("{} {same}; added on the way: {}", received["id"].as_str().unwrap_or_default(), added.join(", "))
}
