//! The command line as it is typed.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::certs::CertsOpts;
use super::check::CheckOpts;
use super::controller::ControllerOpts;
use super::footprint::FootprintOpts;
use super::migrate::MigrateOpts;
use super::server::SettingsOpts;
use super::webhook::WebhookOpts;
use super::{Exit, print};

/// Wires Kubernetes pods to an event runtime: a Dapr sidecar or a Knative Broker, from the same annotations.
#[derive(Debug, Parser)]
#[command(name = "podwire", version, about, after_help = Exit::HELP, arg_required_else_help = true)]
pub struct Opts {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make the webhook's CA and certificate by hand, where neither podwire nor cert-manager is to make them.
    #[command(after_help = "Example:\n  podwire certs --dir certs")]
    Certs(CertsOpts),
    /// Say whether the podwire of a cluster wires pods of a namespace: a pod of each style is tried out, and none is created.
    #[command(after_help = "Example:\n  podwire check -n shop")]
    Check(CheckOpts),
    /// Keep what applications need beside their pods, and say whether it works: the server that writes Triggers, Subscriptions and Wirings.
    #[command(after_help = "Example:\n  podwire controller --grace 10m")]
    Controller(Box<ControllerOpts>),
    /// Print the CustomResourceDefinitions of podwire's own kinds.
    #[command(after_help = "Example:\n  podwire crds | kubectl apply --server-side -f -")]
    Crds,
    /// Say why: a finding's page, or the decision about pods of files or of a cluster.
    ///
    /// Without an argument all codes are listed. Of pods it says each rule that had a word, the one that won and those that lost; requests and limits before and after; and the objects that are made beside the pods.
    #[command(
        after_help = "Examples:\n  podwire explain PW012\n  podwire explain -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml\n  podwire explain deployment/orders -n shop"
    )]
    Explain(Box<ExplainOpts>),
    /// Say what applications request in each style, with what all of them share there, and from how many pods on a Broker requests less than sidecars.
    ///
    /// Of a cluster what is shared is read from its namespaces; of files it is what the release states, or --platform.
    #[command(
        after_help = "Examples:\n  podwire footprint -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml\n  podwire footprint -A\n  podwire footprint -n shop --platform 200m/640Mi -o svg"
    )]
    Footprint(Box<FootprintOpts>),
    /// Wire the manifests of files, as the webhook would wire their pods.
    ///
    /// Documents without such pods are copied byte for byte. A wired document is written anew: comments before its first line are kept, those inside it are not.
    #[command(
        after_help = "Example:\n  podwire inject -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml | kubectl apply -f -"
    )]
    Inject(InjectOpts),
    /// Check the manifests of files in a CI job: findings and nothing else.
    ///
    /// What inject --with-objects would say is printed on stdout, whatever the policy makes of it.
    #[command(after_help = "Example:\n  podwire lint -f manifests/examples --snapshot manifests/examples/cluster.yaml --fail-on warning")]
    Lint(LintOpts),
    /// Say which application of a namespace gets which annotation next, and what must be true before, so that it changes its style and no event is lost.
    ///
    /// Nothing is changed. Consumers listen on both sides first; publishers move; when the old side is drained, consumers leave it. The gates are conditions of Wirings: of a cluster it is said whether they are open. A flow that could not be kept is refused, and exit code 1 says so.
    #[command(
        after_help = "Examples:\n  podwire migrate -n shop --to broker\n  podwire migrate -n shop --to broker --wait 10m -o json\n  podwire migrate -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml -n shop --to sidecar --replay-ok"
    )]
    Migrate(Box<MigrateOpts>),
    /// Take back what podwire added to the manifests of files.
    #[command(after_help = "Example:\n  podwire uninject -f wired.yaml")]
    Uninject(UninjectOpts),
    /// Answer admission reviews: the server that the API server calls.
    #[command(after_help = "Example:\n  podwire webhook --tls-cert /certs/tls.crt --tls-key /certs/tls.key")]
    Webhook(Box<WebhookOpts>),
}

#[derive(Args, Debug)]
pub(super) struct ExplainOpts {
    /// The code of a finding, by number or name: PW012, invalid-port. Or an object of a cluster: pod/orders-6d5f-x, deployment/orders.
    #[arg(value_name = "CODE|KIND/NAME", conflicts_with_all = ["filename", "policy", "snapshot"])]
    pub(super) what: Option<String>,
    /// A file, a folder (every .yaml, .yml and .json in it) or - for standard input; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE")]
    pub(super) filename: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) known: KnownOpts,
    /// How the cluster is reached; without it KUBECONFIG, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: SettingsOpts,
}

/// Where manifests are read.
#[derive(Args, Debug)]
pub(super) struct InputOpts {
    /// A file, a folder (every .yaml, .yml and .json in it) or - for standard input; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub(super) filename: Vec<PathBuf>,
}

/// What is known of the cluster without asking it.
#[derive(Args, Debug)]
pub(super) struct KnownOpts {
    /// The namespace of documents that name none.
    #[arg(short, long, default_value = "default", value_parser = NonEmptyStringValueParser::new())]
    pub(super) namespace: String,
    /// InjectionPolicies, beside those of --snapshot, and in place of those of the same name; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Vec<PathBuf>,
    /// What the cluster holds, as YAML objects: Namespaces, Brokers, Dapr's ConfigMap dapr-trust-bundle, Configuration daprsystem and Services, InjectionPolicies, Wirings, LimitRanges, ResourceQuotas; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) snapshot: Vec<PathBuf>,
}

impl KnownOpts {
    /// Refuses what is stated of a cluster beside the cluster itself.
    pub(super) fn go_with_files(&self) -> Result<(), Exit> {
        if self.policy.is_empty() && self.snapshot.is_empty() {
            return Ok(());
        }
        print::talk("error: --policy and --snapshot go with --filename: a cluster has its own\n");
        Err(Exit::Usage)
    }
}

#[derive(Args, Debug)]
pub(super) struct LintOpts {
    #[command(flatten)]
    pub(super) input: InputOpts,
    #[command(flatten)]
    pub(super) known: KnownOpts,
    /// The form in which findings are printed.
    #[arg(short, long, value_enum, default_value_t = Report::Text)]
    pub(super) output: Report,
    /// What ends with exit code 1: a finding of this weight or a heavier one.
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
}

#[derive(Args, Debug)]
pub(super) struct InjectOpts {
    #[command(flatten)]
    pub(super) input: InputOpts,
    /// The form of the documents that are printed.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub(super) output: Output,
    /// Print also the objects that the applications need: Services and Triggers, Resiliencies and Subscriptions.
    #[arg(long)]
    pub(super) with_objects: bool,
    /// Print what would change, as a unified diff, and no documents.
    #[arg(long)]
    pub(super) diff: bool,
    #[command(flatten)]
    pub(super) known: KnownOpts,
    /// Say nothing on stderr but warnings and errors.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Args, Debug)]
pub(super) struct UninjectOpts {
    #[command(flatten)]
    pub(super) input: InputOpts,
    /// The form of the documents that are printed.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Report {
    /// A line each: FILE:LINE:COLUMN: error[PW012]: message.
    Text,
    /// A list of objects.
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Never,
}

/// The reference of the command line as a page: the help of podwire and of each verb.
pub fn reference() -> String {
    let mut page = "# The command line\n\nMade from the program itself: `UPDATE=1 cargo test --test offline` writes it.\n".to_owned();
    let mut command = Opts::command().term_width(100).disable_version_flag(true);
    command.build();
    let mut add = |heading: String, help: String| {
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        page.push_str(&format!("\n## {heading}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    };
    add("podwire".to_owned(), command.render_long_help().to_string());
    for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        add(format!("podwire {}", verb.get_name()), verb.render_long_help().to_string());
    }
    page
}
