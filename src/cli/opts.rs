//! The command line as it is typed.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::Exit;
use super::webhook::WebhookOpts;

/// Wires Kubernetes pods to an event runtime: a Dapr sidecar or a Knative Broker, from the same annotations.
#[derive(Debug, Parser)]
#[command(name = "podwire", version, about, after_help = Exit::HELP, arg_required_else_help = true)]
pub struct Opts {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print the CustomResourceDefinitions of podwire's own kinds.
    #[command(after_help = "Example:\n  podwire crds | kubectl apply --server-side -f -")]
    Crds,
    /// Print a finding's page, or the list of all codes.
    #[command(after_help = "Example:\n  podwire explain PW012")]
    Explain(ExplainOpts),
    /// Wire the manifests of files, as the webhook would wire their pods.
    ///
    /// Documents without such pods are copied byte for byte. A wired document is written anew: comments before its first line are kept, those inside it are not.
    #[command(
        after_help = "Example:\n  podwire inject -f manifests/examples/shop.yaml --snapshot manifests/examples/cluster.yaml | kubectl apply -f -"
    )]
    Inject(InjectOpts),
    /// Take back what podwire added to the manifests of files.
    #[command(after_help = "Example:\n  podwire uninject -f wired.yaml")]
    Uninject(UninjectOpts),
    /// Answer admission reviews: the server that the API server calls.
    #[command(after_help = "Example:\n  podwire webhook --tls-cert /certs/tls.crt --tls-key /certs/tls.key")]
    Webhook(Box<WebhookOpts>),
}

#[derive(Args, Debug)]
pub(super) struct ExplainOpts {
    /// The code's number or name: PW012, invalid-port.
    pub(super) code: Option<String>,
}

/// Where manifests are read.
#[derive(Args, Debug)]
pub(super) struct InputOpts {
    /// A file, a folder (every .yaml, .yml and .json in it) or - for standard input; may be repeated.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub(super) filename: Vec<PathBuf>,
    /// The form of the documents that are printed.
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub(super) output: Output,
}

#[derive(Args, Debug)]
pub(super) struct InjectOpts {
    #[command(flatten)]
    pub(super) input: InputOpts,
    /// Print also the objects that the applications need: Services and Triggers, Resiliencies and Subscriptions.
    #[arg(long)]
    pub(super) with_objects: bool,
    /// Print what would change, as a unified diff, and no documents.
    #[arg(long)]
    pub(super) diff: bool,
    /// The namespace of documents that name none.
    #[arg(short, long, default_value = "default", value_parser = NonEmptyStringValueParser::new())]
    pub(super) namespace: String,
    /// What the cluster holds, as YAML objects: Namespaces, Brokers, Dapr's ConfigMap dapr-trust-bundle, Configuration daprsystem and Services, InjectionPolicies, Wirings; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(super) snapshot: Vec<PathBuf>,
    /// Say nothing on stderr but warnings and errors.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Args, Debug)]
pub(super) struct UninjectOpts {
    #[command(flatten)]
    pub(super) input: InputOpts,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Output {
    Json,
    Yaml,
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
