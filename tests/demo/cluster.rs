//! With a real API server: pods before and after, a changed style, a mistake in a cluster.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Error;
use crate::pods::rows;
use crate::screen::{Screen, Shell, seconds};
use crate::support::control_plane::{Options, Tools};
use crate::support::controller::Controller;
use crate::support::lab::{Lab, wait_for};
use crate::support::podwire::{Podwire, documents};

const SHOP: &str = include_str!("../../manifests/examples/shop.yaml");
const GET_PODS: &str = "kubectl get pods -n shop -L podwire.io/app-id,podwire.io/wired-style";
const BROKERS: &str = "kubectl get brokers -n shop -o custom-columns=NAME:.metadata.name,ADDRESS:.status.address.url";
const FLIP: &str = r#"kubectl patch deployment web -n shop -p \
  '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'"#;
const MISTAKE: &str = r#"kubectl patch deployment complaints -n shop -p \
  '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"brokr"}}}}}'"#;
const WIRINGS: &str = "kubectl get wirings -n shop";
const MADE: &str = "kubectl get subscriptions.dapr.io,resiliencies,triggers -n shop";
const CONNECTED: &str = r#"kubectl get wiring billing -n shop \
  -o jsonpath='{.status.conditions[?(@.type=="Connected")].message}{"\n"}'"#;
const LISTEN: &str = "kubectl annotate deployment billing complaints -n shop podwire.io/listen=both";
const EVENTS: &str = "kubectl get events -n shop --field-selector reason=FailedCreate \\
  -o custom-columns=OBJECT:.involvedObject.kind,NAME:.involvedObject.name,MESSAGE:.message";

const TRY: &str = r#"# the whole pod of an application that consumes and publishes
kubectl get pod -n shop -l app=billing -o yaml
# the mistake is mended
kubectl patch deployment complaints -n shop -p \
  '{"spec":{"template":{"metadata":{"annotations":{"podwire.io/style":"broker"}}}}}'
# a bare pod is denied, with what is missing
kubectl run hello -n shop --image=hello --annotations=podwire.io/style=broker
# and wired when nothing is missing
kubectl run hello -n shop --image=hello --annotations=podwire.io/style=broker \
  --annotations=podwire.io/app-id=hello --annotations=podwire.io/publish=orders"#;

/// A running API server with podwire behind it. The fields end in this order.
struct Stage {
    _controller: Controller,
    podwire: Podwire,
    lab: Lab,
    shell: Shell,
    programs: PathBuf,
}

pub(crate) fn show(screen: &mut Screen, tools: &Tools, podwire: &Path, keep: bool) -> Result<(), Error> {
    let stage = Stage::start(screen, tools, podwire)?;
    screen.step("Deployments become wired pods")?;
    stage.applied(screen)?;
    screen.step("One annotation moves an application to the Broker")?;
    stage.flipped(screen)?;
    screen.step("What is kept beside the pods")?;
    stage.beside(screen)?;
    screen.step("A mistake in a cluster")?;
    stage.mistaken(screen)?;
    if keep {
        screen.step("Your turn")?;
        stage.kept(screen)
    } else {
        Ok(())
    }
}

impl Stage {
    fn start(screen: &Screen, tools: &Tools, program: &Path) -> Result<Self, Error> {
        screen.say(
            "Starting, on this machine and reachable from it alone: etcd, kube-apiserver and kube-controller-manager, with the CRDs of Dapr and \
             Knative; and podwire's webhook and controller, with the permissions and the registration of manifests/podwire.yaml.",
        )?;
        let start = Instant::now();
        let lab = Lab::start(tools, &Options::default())?;
        let plane = start.elapsed();
        lab.namespace("shop", &json!({}))?;
        lab.apply_file("tests/demo/dapr.yaml")?;
        lab.apply_snapshot(include_str!("../../manifests/examples/cluster.yaml"))?;
        let podwire = Podwire::start(&lab, program)?;
        lab.register(&podwire)?;
        let controller = Controller::start(&lab, program, &[])?;
        screen.say(&format!(
            "Ready: the API server after {}, and podwire behind it after {}.",
            seconds(plane),
            seconds(start.elapsed())
        ))?;
        screen.say(
            "\nWhat is not here: Dapr, Knative, and a node. So the demo itself wrote what Dapr and Knative would have written (Dapr's trust \
             anchors; that the Brokers are ready, and their addresses). No container runs: every pod stays Pending.",
        )?;
        let programs = lab.plane.dir().join("bin");
        let linked = fs::create_dir(&programs).and_then(|()| symlink(program, programs.join("podwire")));
        linked
            .and_then(|()| symlink(&tools.kubectl, programs.join("kubectl")))
            .map_err(|error| Error::System(programs.display().to_string(), error))?;
        let shell = Shell::of(&lab, &programs)?;
        shell.show(screen, "kubectl version")?;
        shell.show(screen, BROKERS)?;
        Ok(Stage { _controller: controller, podwire, lab, shell, programs })
    }

    fn applied(&self, screen: &Screen) -> Result<(), Error> {
        let before = self.podwire.requests()?;
        self.shell.show(screen, "kubectl apply -f manifests/examples/shop.yaml")?;
        for app in ["web", "billing", "shipping", "complaints", "static"] {
            self.lab.pods("shop", &format!("app={app}"), 1)?;
        }
        self.shell.show(screen, GET_PODS)?;
        let asked = self.podwire.requests()? - before;
        screen.say(&format!(
            "\nThe API server asked podwire {asked} times: about annotated pods only, and once more where Kubernetes itself changed a pod after \
             podwire. It never asks about the pod of `static`, which carries no annotation."
        ))?;
        screen.say("\nThe pod of `web`, as its Deployment describes it:")?;
        let template = template("web");
        screen.show(&rows(&template, &template))?;
        screen.say("\nand as the API server stored it, + at what podwire added (what Kubernetes itself adds is left out):")?;
        let pods = self.lab.pods("shop", "app=web", 1)?;
        screen.show(&rows(&pods[0], &template))?;
        screen.say(
            "\nA native sidecar is an init container that keeps running: it starts before the application and ends after it. \
             podwire.io/wired records what was added, so that `podwire uninject` can take it back.",
        )
    }

    fn flipped(&self, screen: &Screen) -> Result<(), Error> {
        self.shell.show(screen, FLIP)?;
        screen.say("\nThe Deployment makes a new pod:")?;
        let pods = self.lab.pods("shop", "app=web,podwire.io/wired-style=broker", 1)?;
        let mut template = template("web");
        template["metadata"]["annotations"]["podwire.io/style"] = "broker".into();
        screen.show(&rows(&pods[0], &template))?;
        screen.say(
            "\nThe old pod would go as soon as the new one is ready, which takes a node. And where events flow already, mind the order: \
             the two styles keep events in two stores, so the old one has to be drained first.",
        )
    }

    fn beside(&self, screen: &Screen) -> Result<(), Error> {
        screen.say("The controller made what the applications need, and keeps it:\n")?;
        self.connected("Missed")?;
        self.shell.show(screen, MADE)?;
        screen.say("\nIts Wirings say whether it works, and if not, why:\n")?;
        self.shell.show(screen, WIRINGS)?;
        screen.say("\nNo pod runs here, so none is ready. And one application moved, those that it talks to did not:\n")?;
        self.shell.show(screen, CONNECTED)?;
        screen.say(
            "\nThat is mended on the workloads, where it restarts nothing: complaints gets what billing cannot take, so it must hear both \
             sides too.\n",
        )?;
        self.shell.show(screen, LISTEN)?;
        wait_for("billing has a Trigger", 30, || self.lab.get(&["trigger", "billing-orders", "-n", "shop"]).ok())?;
        self.connected("Connected")?;
        self.shell.show(screen, "kubectl get triggers,wirings -n shop").map(drop)
    }

    /// Waits until the Wiring of billing says so.
    fn connected(&self, reason: &str) -> Result<(), Error> {
        let said = wait_for(format!("billing is connected: {reason}"), 10, || {
            let wiring = self.lab.get(&["wiring", "billing", "-n", "shop"]).ok()?;
            let conditions = wiring["status"]["conditions"].as_array()?;
            conditions.iter().any(|one| one["type"] == "Connected" && one["reason"] == reason).then_some(())
        });
        Ok(said?)
    }

    fn mistaken(&self, screen: &Screen) -> Result<(), Error> {
        self.shell.show(screen, MISTAKE)?;
        screen
            .say("\nThe API server takes the Deployment; its new pods are denied, and an Event says why. The old ones are not touched.")?;
        wait_for("an Event tells of the denied pod", 30, || {
            let events = self.lab.get(&["events", "-n", "shop", "--field-selector", "reason=FailedCreate"]).ok()?;
            events["items"].as_array().is_some_and(|events| !events.is_empty()).then_some(())
        })?;
        self.shell.show(screen, EVENTS)?;
        self.shell.show(screen, "podwire explain PW003").map(drop)
    }

    /// Keeps everything until Ctrl-C.
    fn kept(&self, screen: &Screen) -> Result<(), Error> {
        let (kubeconfig, programs) = (self.lab.plane.kubeconfig().display(), self.programs.display());
        screen.say("All of this keeps running until you press Ctrl-C here. In another terminal:\n")?;
        screen.show(&format!("export KUBECONFIG={kubeconfig} PATH={programs}:$PATH"))?;
        screen.say("\nand then, for instance:\n")?;
        screen.show(&format!("{GET_PODS}\n{TRY}"))?;
        let dir = self.lab.plane.dir().display();
        screen.say(&format!("\nThe logs are in {dir}; podwire's has a line for each time it was asked:\n"))?;
        screen.show(&format!("tail -f {dir}/podwire/podwire.log"))?;
        until_interrupted()?;
        screen.say("\nStopping…")
    }
}

/// Waits for Ctrl-C, which then no longer ends this process.
fn until_interrupted() -> Result<(), Error> {
    let failed = |error| Error::System("waiting for Ctrl-C".to_owned(), error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(tokio::signal::ctrl_c()).map_err(failed)
}

/// The pod template of a workload of the shop.
fn template(name: &str) -> Value {
    let workload = documents(SHOP).into_iter().find(|object| object["kind"] != "Namespace" && object["metadata"]["name"] == name);
    workload.map(|workload| workload["spec"]["template"].clone()).unwrap_or_default()
}
