//! The command line as a script sees it: exit code, stdout, stderr.

mod certs;
mod documents;
mod explain;
mod footprint;
mod inject;
mod lint;
mod migrate;
mod places;
mod uninject;

use std::io::Write;
use std::process::{Output, Stdio};

use insta::assert_snapshot;

use super::{files, podwire, text};

/// Files in a folder of their own, where podwire runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        Folder(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.feed(arguments, "")
    }

    fn feed(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = podwire();
        command.args(arguments).current_dir(self.0.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that does not read its input is free to end before it was written.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        said(&self.run(arguments))
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let code = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

const BROKER: &str = r#"{apiVersion: eventing.knative.dev/v1, kind: Broker, metadata: {name: orders, namespace: shop},
 status: {conditions: [{type: Ready, status: "True"}], address: {url: "http://broker/shop/orders"}}}
"#;

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  annotations:
    podwire.io/style: broker
    podwire.io/app-id: web
    podwire.io/publish: orders
spec:
  containers:
  - name: app
    image: web:1
";

const BAD: &str = "\
# One mistake a line.
apiVersion: apps/v1
kind: Deployment
metadata: {name: billing, namespace: shop}
spec:
  template:
    metadata:
      annotations:
        podwire.io/stlye: broker
        podwire.io/app-port: \"80a\"
        podwire.io/publish: orders,,Pay ments
        podwire.io/subscribe: |
          - topic: orders
            path: http://elsewhere/
    spec:
      containers:
      - name: app
        image: billing:1
        ports: [{name: http, containerPort: 8080}]
";

/// Two documents that podwire has nothing to do with, written as nobody's printer would write them.
const UNTOUCHED: &str = "# head\n---\nkind:   ConfigMap\napiVersion: 'v1'\ndata: { a:  \"1\" ,b: yes}   # tail\n---\n\n# nothing\n---\n{\"kind\":\"Service\",\"apiVersion\":\"v1\"}";

fn shop() -> Folder {
    Folder::of(&[("pod.yaml", POD), ("broker.yaml", BROKER), ("bad.yaml", BAD)])
}

#[test]
fn help_says_what_there_is_and_what_exit_codes_mean() {
    assert_snapshot!(shop().says(&["--help"]), @r#"
    exit 0
    --- stdout
    Wires Kubernetes pods to an event runtime: a Dapr sidecar or a Knative Broker, from one vocabulary
    of annotations

    Usage: podwire <COMMAND>

    Commands:
      certs       Make the webhook's CA and certificate by hand, where neither podwire nor cert-manager
                  is to make them
      check       Say whether the podwire of a cluster wires pods of a namespace: a pod of each style is
                  tried out, and none is created
      controller  Keep what applications need beside their pods, and say whether it works: the server
                  that writes Triggers, Subscriptions and Wirings
      crds        Print the CustomResourceDefinitions of podwire's own kinds
      explain     Say why: a finding's page, or the decision about pods of files or of a cluster
      footprint   Say what applications request in each style, with what all of them share there, and
                  from how many pods on a Broker requests less than sidecars
      inject      Wire the manifests of files, as the webhook would wire their pods
      lint        Check the manifests of files in a CI job: findings and nothing else
      migrate     Say which application of a namespace gets which annotation next, and what must be true
                  before, so that it changes its style and no event is lost
      uninject    Take back what podwire added to the manifests of files
      webhook     Answer admission reviews: the server that the API server calls
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes:
      0   done; warnings may have been said
      1   the input has errors: all of them are said, and no document is printed
      2   the command line is wrong, or a file cannot be read
      3   a cluster, a socket or a certificate cannot be had
      70  a defect of podwire
    --- stderr
    "#);
}

#[test]
fn without_a_verb_it_is_a_wrong_command_line() {
    let output = shop().run(&[]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("Wires Kubernetes pods"));
}

#[test]
fn what_is_not_wired_keeps_every_byte() {
    let folder = Folder::of(&[("untouched.yaml", UNTOUCHED)]);
    for verb in ["inject", "uninject"] {
        assert_eq!(stdout(folder.run(&[verb, "-f", "untouched.yaml"])), UNTOUCHED);
    }
}

#[test]
fn uninject_gives_back_what_was_there() {
    let snapshot = text("manifests/examples/cluster.yaml");
    let examples: Vec<String> =
        files("manifests/examples").iter().map(|file| text(file)).filter(|text| text.contains("podwire.io/")).collect();
    assert!(!examples.is_empty());
    for (example, style) in examples.iter().flat_map(|example| ["sidecar", "broker"].map(|style| (example, style))) {
        let example = example.replace("podwire.io/style: sidecar", &format!("podwire.io/style: {style}"));
        let folder = Folder::of(&[("example.yaml", &example), ("cluster.yaml", &snapshot)]);
        let wired = stdout(folder.run(&["inject", "-q", "-f", "example.yaml", "--snapshot", "cluster.yaml"]));
        assert!(wired.contains("podwire.io/wired:"));
        std::fs::write(folder.0.path().join("wired.yaml"), wired).unwrap();
        let given_back = stdout(folder.run(&["uninject", "-f", "wired.yaml", "-o", "json"]));
        assert_eq!(given_back, stdout(folder.run(&["uninject", "-f", "example.yaml", "-o", "json"])), "{style}");
    }
}

#[test]
fn explain_prints_a_page_by_number_or_name() {
    let folder = shop();
    assert_snapshot!(folder.says(&["explain", "PW012"]), @r#"
    exit 0
    --- stdout
    PW012 invalid-port
    Severity: error

    The app port is neither a number of 1 to 65535 nor the name of a container port.

    A name is looked up in the ports of the application container, then in those of every other.
    --- stderr
    "#);
    assert_eq!(folder.says(&["explain", "invalid-port"]), folder.says(&["explain", "pw012"]));
    assert_eq!(stdout(folder.run(&["explain"])).lines().count(), podwire::engine::Code::ALL.len());
    assert_snapshot!(folder.says(&["explain", "PW999"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: podwire has no code "PW999"

    hint: podwire explain lists them
    "#);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::of(&[("long.yaml", &"kind: Service\n---\n".repeat(10_000))]);
    let mut command = podwire();
    command.args(["inject", "-f", "long.yaml"]).current_dir(folder.0.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_command_line() {
    let folder = shop();
    assert_snapshot!(folder.says(&["inject", "-f", "pod.yaml", "-f", "nothing.yaml"]), @r#"
    exit 2
    --- stdout
    --- stderr
    error: failed to read nothing.yaml: No such file or directory (os error 2)
    "#);
    assert_eq!(folder.run(&["uninject", "-f", "nothing.yaml"]).status.code(), Some(2));
    assert_eq!(folder.run(&["inject", "-f", "pod.yaml", "--snapshot", "nothing.yaml"]).status.code(), Some(2));
}
