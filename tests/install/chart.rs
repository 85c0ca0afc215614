//! The chart itself: what it refuses, what the API server says of all that it writes, and what was made from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use podwire::api::yaml;
use serde_json::Value;
use similar::TextDiff;
use tempfile::TempDir;

use crate::helm::{CHART, NAMESPACE, helm};
use crate::support::control_plane::Options;
use crate::support::failure::require;
use crate::support::lab::{Failure, Lab};
use crate::{Test, World};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("chart::every_object_of_every_kind_of_values_is_taken_by_the_api_server", matrix),
    ("chart::values_that_mean_nothing_are_refused", refused),
    ("chart::the_manifests_are_rendered_from_it", rendered),
    ("chart::its_readme_is_made_from_its_values", readme),
    ("chart::workflows_and_the_dockerfile_are_linted", linted),
];

/// Kinds of values: a name, and what Helm is told.
const VALUES: [(&str, &str); 8] = [
    ("default", ""),
    ("everything", "tests/install/values/everything.yaml"),
    ("nothing", "tests/install/values/nothing.yaml"),
    ("host network", "tests/install/values/host-network.yaml"),
    ("cert-manager", "tests/install/values/cert-manager.yaml"),
    ("an issuer", "tests/install/values/issuer.yaml"),
    ("provided", "tests/install/values/provided.yaml"),
    ("a policy", "tests/install/values/policy.yaml"),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs Helm on the chart, which needs no cluster.
fn run(program: &Path, verb: &[&str], values: &str, more: &[&str]) -> Result<Output, Failure> {
    let folder = TempDir::new()?;
    let mut command = helm(program, folder.path());
    command.args(verb).arg(CHART).args(["--namespace", NAMESPACE]).args(more);
    if !values.is_empty() {
        command.arg("--values").arg(repository(values));
    }
    Ok(command.output()?)
}

fn template(program: &Path, values: &str) -> Result<String, Failure> {
    let output = run(program, &["template", "podwire"], values, &[])?;
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(Failure::new(format!("{values}: {}", text(&output.stderr)))) }
}

/// The objects of a text, by kind, namespace and name: both Helms print the same ones, in an order of their own.
fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").filter_map(|part| Some(yaml::read(part).ok()?.value()));
    let mut all: Vec<Value> = documents.filter(Value::is_object).collect();
    let key = |one: &Value| format!("{} {} {}", one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]);
    all.sort_by_key(key);
    all
}

fn matrix(world: &World) -> Result<(), Failure> {
    let ours = repository("manifests/crds");
    let lab = Lab::with_kinds(&world.tools, &Options::default(), &[&world.chart.crds, &ours])?;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    lab.kubectl(&["create", "namespace", NAMESPACE])?;
    lab.kubectl(&["label", "namespace", NAMESPACE, label])?;
    // Helm creates it before the test's pod.
    lab.kubectl(&["create", "serviceaccount", "podwire-check", "-n", NAMESPACE])?;
    let mut kinds = BTreeSet::new();
    for (name, values) in VALUES {
        let [four, three] = &world.chart.helms;
        let text = template(four, values)?;
        require(&format!("{name}: rendered twice it is the same"), template(four, values)? == text)?;
        require(&format!("{name}: both Helms write the same objects"), objects(&template(three, values)?) == objects(&text))?;
        let output = lab.try_kubectl(&["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"], Some(&text))?;
        let (out, said) = (self::text(&output.stdout), self::text(&output.stderr));
        // A pod of the host's network is no restricted one, and whoever asks for it is told.
        let warned = said.lines().filter(|line| name != "host network" || !line.contains("host"));
        let warned: Vec<&str> = warned.collect();
        require(&format!("{name}: every object is taken without a word: {said}"), output.status.success() && warned.is_empty())?;
        require(
            &format!("{name}: {} objects, of which {} were taken", objects(&text).len(), out.lines().count()),
            objects(&text).len() == out.lines().count(),
        )?;
        kinds.extend(objects(&text).iter().filter_map(|object| object["kind"].as_str().map(str::to_owned)));
    }
    let by_hand = repository("certs/cert-manager.yaml").display().to_string();
    lab.kubectl(&["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", &by_hand])?;
    let untried: Vec<String> = written()?.difference(&kinds).cloned().collect();
    println!("{} kinds of objects in {} kinds of values", kinds.len(), VALUES.len());
    require(&format!("all that the chart can write was tried, but {untried:?}"), untried.is_empty() && kinds.len() > 15)
}

/// The kinds that stand in the templates.
fn written() -> Result<BTreeSet<String>, Failure> {
    let mut kinds = BTreeSet::new();
    for folder in ["charts/podwire/templates", "charts/podwire/templates/tests"] {
        for file in std::fs::read_dir(repository(folder))? {
            let text = std::fs::read_to_string(file?.path()).unwrap_or_default();
            kinds.extend(text.lines().filter_map(|line| line.strip_prefix("kind: ")).map(str::to_owned));
        }
    }
    Ok(kinds)
}

/// Values, and what the refusal names.
const REFUSED: [(&str, &str); 10] = [
    ("webhook.replica=3", "replica"),
    ("webhook.replicas=-1", "replicas"),
    ("webhook.timeoutSeconds=10", "timeoutSeconds"),
    ("webhook.failurePolicy=Maybe", "failurePolicy"),
    ("certificates.mode=selfsigned", "mode"),
    ("certificates.lifetime=90 days", "lifetime"),
    ("policy.spec.allowedStyle=broker", "allowedStyle"),
    ("policy.spec.sidecar.placement=Somewhere", "placement"),
    ("image.digest=latest", "digest"),
    ("logFormat=xml", "logFormat"),
];

fn refused(world: &World) -> Result<(), Failure> {
    for program in &world.chart.helms {
        let linted = run(program, &["lint", "--strict"], "", &[])?;
        require(&format!("the chart is sound: {}", text(&linted.stdout)), linted.status.success())?;
        for (value, field) in REFUSED {
            let output = run(program, &["template", "podwire"], "", &["--set", value])?;
            let said = text(&output.stderr);
            require(&format!("{value} is refused, and named: {said}"), !output.status.success() && said.contains(field))?;
        }
        let output = run(program, &["template", "podwire"], "", &["--set", "certificates.mode=provided"])?;
        require("a certificate that is provided is named", !output.status.success() && text(&output.stderr).contains("secretName"))?;
    }
    Ok(())
}

/// Fails where a file is not what it should be; `UPDATE=1` writes it.
fn fresh(file: &str, made: &str) -> Result<(), Failure> {
    let committed = std::fs::read_to_string(repository(file)).unwrap_or_default();
    if committed == made {
        return Ok(());
    }
    if std::env::var_os("UPDATE").is_some() && std::env::var_os("CI").is_none() {
        return Ok(std::fs::write(repository(file), made)?);
    }
    let diff = TextDiff::from_lines(committed.as_str(), made).unified_diff().header(&format!("{file} as committed"), "now").to_string();
    Err(Failure::new(format!("{diff}\nUPDATE=1 cargo test --test install -- chart writes it")))
}

fn rendered(world: &World) -> Result<(), Failure> {
    for program in &world.chart.helms {
        let folder = TempDir::new()?;
        let mut command = Command::new(repository("charts/render"));
        for (variable, name) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")] {
            command.env(variable, folder.path().join(name));
        }
        let output = command.env("PODWIRE_HELM", program).output()?;
        require(&text(&output.stderr), output.status.success())?;
        fresh("manifests/podwire.yaml", &text(&output.stdout))?;
    }
    // What kubectl makes of the kustomization is the same, and the CRDs.
    let output = Command::new(&world.tools.kubectl).arg("kustomize").arg(repository("manifests")).output()?;
    let all = [std::fs::read_to_string(repository("manifests/podwire.yaml"))?, definitions()?].join("\n---\n");
    // Kustomize writes a whole number where a definition has `0.0`: of those the names are enough.
    let named = |one: Value| if one["kind"] == "CustomResourceDefinition" { one["metadata"]["name"].clone() } else { one };
    let [built, all] = [text(&output.stdout), all].map(|text| objects(&text).into_iter().map(named).collect::<Vec<_>>());
    require(&format!("kustomize builds all of it: {}", text(&output.stderr)), built == all)
}

fn definitions() -> Result<String, Failure> {
    let files = ["injectionpolicies", "wirings"].map(|name| std::fs::read_to_string(repository(&format!("manifests/crds/{name}.yaml"))));
    Ok(files.into_iter().collect::<Result<Vec<_>, _>>()?.join("\n---\n"))
}

fn readme(world: &World) -> Result<(), Failure> {
    let mut command = Command::new(&world.chart.helm_docs);
    command.args(["--dry-run", "--chart-search-root", CHART, "--template-files", "README.md.gotmpl", "--sort-values-order", "file"]);
    let output = command.output()?;
    require(&text(&output.stderr), output.status.success())?;
    // It ends what it prints with a line of its own.
    fresh("charts/podwire/README.md", &format!("{}\n", text(&output.stdout).trim_end()))
}

fn linted(world: &World) -> Result<(), Failure> {
    let run = |program: &Path, files: &[&str]| -> Result<(), Failure> {
        let output = Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).args(files).output()?;
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        require(&format!("nothing is to be said of {files:?}:\n{said}"), output.status.success() && said.is_empty())
    };
    run(&world.chart.actionlint, &["-shellcheck=", "-pyflakes=", ".github/workflows/ci.yaml", ".github/workflows/release.yaml"])?;
    run(&world.chart.dockerfile_lint, &["Dockerfile"])
}
