//! Without a cluster: the order system in both styles, what it costs, and a mistake.

use serde_json::Value;

use crate::Error;
use crate::pods::requests;
use crate::screen::{Ends, Screen, Shell};
use crate::support::podwire::documents;

const INJECT: &str = "podwire inject -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml";
const FLIPPED: &str = "sed 's/style: sidecar/style: broker/' manifests/examples/shop.yaml |
  podwire inject -f - --snapshot manifests/examples/cluster.yaml";
const MISTAKEN: &str = "sed 's/app-port: http/app-port: htpp/' manifests/examples/shop.yaml |
  podwire inject --quiet -f - --snapshot manifests/examples/cluster.yaml";

pub(crate) fn show(screen: &mut Screen, shell: &Shell) -> Result<(), Error> {
    screen.step("Offline: an order system gets Dapr sidecars")?;
    screen.say(
        "manifests/examples/shop.yaml has four annotated workloads, and one that asks for nothing. The annotations say what each \
         publishes and consumes. `podwire inject` wires the manifests as the webhook would wire their pods; what the webhook would \
         know of the cluster stands in cluster.yaml: Dapr's trust anchors, and the Brokers with their addresses.",
    )?;
    let sidecar = inject(screen, shell, INJECT)?;

    screen.step("Offline: the same order system on Knative Brokers")?;
    screen.say("One word changes, podwire.io/style. No container and no volume is added now, only environment and labels.")?;
    let broker = inject(screen, shell, FLIPPED)?;
    costs(screen, &sidecar, &broker)?;

    screen.step("Offline: a mistake is found before it is applied")?;
    screen.say("A letter is wrong in a port's name. Nothing goes to standard output, and the exit code is 1.")?;
    let said = shell.run(screen, MISTAKEN, Ends::Badly)?;
    screen.show(&said.err)
}

/// Shows what podwire says about the manifests; they themselves are long.
fn inject(screen: &Screen, shell: &Shell, command: &str) -> Result<Vec<Value>, Error> {
    let said = shell.run(screen, command, Ends::Well)?;
    screen.show(&said.err)?;
    screen.show(&format!("(standard output, not shown: the wired manifests, {} lines for kubectl apply)", said.out.lines().count()))?;
    Ok(documents(&said.out))
}

/// What each pod requests in either style, summed up from the wired manifests.
fn costs(screen: &Screen, sidecar: &[Value], broker: &[Value]) -> Result<(), Error> {
    let mut table = format!("{:<14}{:>18}{:>18}\n", "", "sidecar", "broker");
    let wired = |object: &&Value| !template(object)["metadata"]["annotations"]["podwire.io/wired"].is_null();
    for (with, without) in sidecar.iter().zip(broker).filter(|(object, _)| wired(object)) {
        let cell =
            |object: &Value| format!("{} / {}", requests(&template(object)["spec"], "cpu"), requests(&template(object)["spec"], "memory"));
        let name = with["metadata"]["name"].as_str().unwrap_or_default();
        table.push_str(&format!("{name:<14}{:>18}{:>18}\n", cell(with), cell(without)));
    }
    screen.say("\nWhat one pod of each requests (CPU / memory), summed up over its containers:")?;
    screen.show(&table)?;
    screen.say("billing states requests of its own, and they are kept. Who states none gets podwire's.")
}

fn template(object: &Value) -> &Value {
    &object["spec"]["template"]
}
