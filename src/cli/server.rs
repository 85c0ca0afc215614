//! What both servers have in common on the command line: the log, the way to the cluster, what was decided at installation, and the end.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as Text;
use clap::{Args, ValueEnum};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, print};
use crate::api::duration::parse_duration;
use crate::edge::controller::ControllerError;
use crate::edge::look::LookError;
use crate::edge::telemetry::{self, LogFormat, TelemetryError, chain};
use crate::edge::watch::WatchError;
use crate::edge::webhook::WebhookError;
use crate::engine::Settings;

/// The log, and the way to the cluster.
#[derive(Args, Clone, Debug)]
pub(super) struct ServerOpts {
    /// How a line of the log is written
    #[arg(long, value_enum, default_value_t, env = "PODWIRE_LOG_FORMAT", hide_env_values = true)]
    log_format: Format,
    /// What is logged: a level, or `podwire=debug,kube=warn`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "RUST_LOG", hide_env_values = true)]
    log_level: String,
    /// How the cluster is reached; without it KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: SettingsOpts,
}

/// What was decided when podwire was installed.
#[derive(Args, Clone, Debug)]
pub(super) struct SettingsOpts {
    /// Namespace of Dapr's control plane
    #[arg(long, value_name = "NAME", default_value_t = Settings::default().dapr_namespace, value_parser = Text::new())]
    dapr_namespace: String,
    /// Namespace of Knative Eventing
    #[arg(long, value_name = "NAME", default_value_t = Settings::default().knative_namespace, value_parser = Text::new())]
    knative_namespace: String,
    /// Domain of the cluster's Services
    #[arg(long, value_name = "DOMAIN", default_value_t = Settings::default().cluster_domain, value_parser = Text::new())]
    cluster_domain: String,
    /// Trust domain of Dapr's control plane
    #[arg(long, value_name = "DOMAIN", default_value_t = Settings::default().trust_domain, value_parser = Text::new())]
    trust_domain: String,
    /// Image of the sidecar where the policy names none
    #[arg(long, value_name = "IMAGE", default_value_t = Settings::default().sidecar_image, value_parser = Text::new())]
    sidecar_image: String,
    /// A namespace that is never touched; repeated for more, in place of those below
    #[arg(long = "exclude-namespace", value_name = "NAME", default_values_t = Settings::default().excluded_namespaces)]
    excluded_namespaces: Vec<String>,
}

/// The cluster of a verb that reads files in place of one.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterOpts {
    /// How the cluster is reached; without it KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE", conflicts_with = "filename")]
    pub(super) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(super) settings: SettingsOpts,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Why a server does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// How the cluster is reached cannot be found out.
    #[error("no way to the cluster is known")]
    Infer(#[from] kube::config::InferConfigError),
    /// The file that says how the cluster is reached cannot be used.
    #[error("{} cannot be used", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
    /// A client of the cluster cannot be made.
    #[error("the cluster cannot be spoken to")]
    Client(#[from] kube::Error),
    /// The runtime or its signals cannot be had.
    #[error("the system does not let podwire serve")]
    System(#[from] std::io::Error),
    /// The log cannot be started.
    #[error("no log")]
    Log(#[from] TelemetryError),
    /// The cluster cannot be watched.
    #[error("the cluster cannot be watched")]
    Watch(#[from] WatchError),
    /// The webhook does not serve.
    #[error("the webhook does not serve")]
    Webhook(#[from] WebhookError),
    /// The controller does not run.
    #[error("the controller does not run")]
    Controller(#[from] ControllerError),
    /// An object of the cluster cannot be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
}

impl ServerError {
    /// Says it, and what it means to a script.
    pub(super) fn told(&self) -> Exit {
        print::talk(&format!("error: {}\n", chain(self)));
        match self {
            ServerError::Kubeconfig { .. } | ServerError::Log(_) | ServerError::Look(LookError::Kind { .. } | LookError::Absent { .. }) => {
                Exit::Usage
            }
            _ => Exit::Unreachable,
        }
    }
}

/// Ends with the first SIGTERM or SIGINT.
pub(super) type Shutdown = Shared<BoxFuture<'static, ()>>;

/// Runs a server until SIGTERM or SIGINT.
pub(super) fn run<S, Fut>(opts: &ServerOpts, serve: S) -> Result<(), ServerError>
where
    S: FnOnce(kube::Client, Settings, Shutdown) -> Fut,
    Fut: Future<Output = Result<(), ServerError>>,
{
    telemetry::log(opts.log_format.meant(), &opts.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = end_asked()?;
        let client = client(opts.kubeconfig.as_deref()).await?;
        serve(client, opts.settings.meant(), shutdown).await
    });
    // why: work that went past its deadline does not hold the process.
    runtime.shutdown_background();
    ended
}

/// Asks the cluster something and waits for the answer.
pub(super) fn ask<T>(
    kubeconfig: Option<&std::path::Path>,
    question: impl AsyncFnOnce(kube::Client) -> Result<T, ServerError>,
) -> Result<T, ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { question(client(kubeconfig).await?).await })
}

fn end_asked() -> Result<Shutdown, std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ended = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(ended.boxed().shared())
}

async fn client(kubeconfig: Option<&std::path::Path>) -> Result<kube::Client, ServerError> {
    let config = match kubeconfig {
        None => kube::Config::infer().await?,
        Some(path) => {
            let unusable = |source| ServerError::Kubeconfig { path: path.to_owned(), source };
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)?
        }
    };
    Ok(kube::Client::try_from(config)?)
}

impl Format {
    fn meant(self) -> LogFormat {
        match self {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        }
    }
}

impl SettingsOpts {
    pub(super) fn meant(&self) -> Settings {
        Settings {
            dapr_namespace: self.dapr_namespace.clone(),
            knative_namespace: self.knative_namespace.clone(),
            cluster_domain: self.cluster_domain.clone(),
            trust_domain: self.trust_domain.clone(),
            sidecar_image: self.sidecar_image.clone(),
            excluded_namespaces: self.excluded_namespaces.clone(),
        }
    }
}

/// Reads for how long a certificate is good.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    if read < Duration::from_secs(10) { Err("a certificate is good for at least 10s".to_owned()) } else { Ok(read) }
}

/// Reads a duration of a flag.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration is a number and its unit: 500ms, 8s, 1m30s".to_owned())
}
