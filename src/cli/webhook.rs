//! `podwire webhook`: serves admission.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser as Text;
use clap::{Args, ValueEnum};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::edge::certs::Files;
use crate::edge::telemetry::{self, LogFormat, TelemetryError};
use crate::edge::watch::{self, WatchError};
use crate::edge::webhook::{self, Config, Limits, WebhookError};
use crate::engine::Settings;

/// Serves the admission webhook.
#[derive(Args, Debug)]
pub(crate) struct WebhookOpts {
    /// Where the API server is answered, over TLS; without IPv6, `[::]` is every address of IPv4
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8443", env = "PODWIRE_LISTEN", hide_env_values = true)]
    listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served, in plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080", env = "PODWIRE_METRICS_LISTEN", hide_env_values = true)]
    metrics_listen: SocketAddr,
    /// The server's certificate and its chain (PEM); replaced while serving
    #[arg(long, value_name = "FILE", default_value = "/etc/podwire/tls/tls.crt", env = "PODWIRE_TLS_CERT", hide_env_values = true)]
    tls_cert: PathBuf,
    /// The key of the server's certificate (PEM); replaced while serving
    #[arg(long, value_name = "FILE", default_value = "/etc/podwire/tls/tls.key", env = "PODWIRE_TLS_KEY", hide_env_values = true)]
    tls_key: PathBuf,
    /// Lets only clients in whose certificate is of this CA (PEM); replaced while serving
    #[arg(long, value_name = "FILE", env = "PODWIRE_CLIENT_CA", hide_env_values = true)]
    client_ca: Option<PathBuf>,
    /// The largest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_body_bytes)]
    max_body_bytes: usize,
    /// How many pods are decided about at the same time; others wait their turn
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    max_in_flight: u32,
    /// The time for one answer; below the timeout of the webhook's configuration
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = duration)]
    deadline: Duration,
    /// For how long requests are taken in after SIGTERM, while /readyz says that it ends
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    shutdown_delay: Duration,
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
    settings: SettingsOpts,
}

/// What was decided when podwire was installed.
#[derive(Args, Debug)]
pub(crate) struct SettingsOpts {
    /// Namespace of Dapr's control plane
    #[arg(long, value_name = "NAME", default_value_t = Settings::default().dapr_namespace, value_parser = Text::new())]
    dapr_namespace: String,
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

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Why the webhook does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookCommandError {
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
}

impl WebhookCommandError {
    /// What the failure means to a script.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            WebhookCommandError::Kubeconfig { .. } | WebhookCommandError::Log(_) => Exit::Usage,
            _ => Exit::Unreachable,
        }
    }
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(opts: WebhookOpts) -> Result<(), WebhookCommandError> {
    telemetry::log(opts.log_format(), &opts.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(opts));
    // why: work that went past its deadline does not hold the process.
    runtime.shutdown_background();
    ended
}

async fn serve(opts: WebhookOpts) -> Result<(), WebhookCommandError> {
    let mut shutdown = std::pin::pin!(end_asked()?);
    let client = client(opts.kubeconfig.as_deref()).await?;
    let (snapshots, watching) = tokio::select! {
        kept = watch::keep(client, opts.settings.meant()) => kept?,
        () = &mut shutdown => return Ok(()),
    };
    let webhook = webhook::bind(opts.meant(), snapshots).await?;
    let watching = tokio::spawn(watching);
    let ended = webhook.serve(shutdown).await;
    watching.abort();
    Ok(ended?)
}

/// Ends with the first SIGTERM or SIGINT.
fn end_asked() -> Result<impl Future<Output = ()>, std::io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn client(kubeconfig: Option<&std::path::Path>) -> Result<kube::Client, WebhookCommandError> {
    let config = match kubeconfig {
        None => kube::Config::infer().await?,
        Some(path) => {
            let unusable = |source| WebhookCommandError::Kubeconfig { path: path.to_owned(), source };
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)?
        }
    };
    Ok(kube::Client::try_from(config)?)
}

impl WebhookOpts {
    fn log_format(&self) -> LogFormat {
        match self.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        }
    }

    fn meant(self) -> Config {
        let files = Files { certificate: self.tls_cert, key: self.tls_key, client_ca: self.client_ca };
        let limits = Limits {
            max_body_bytes: self.max_body_bytes,
            max_in_flight: usize::try_from(self.max_in_flight).unwrap_or(usize::MAX),
            deadline: self.deadline,
            ..Limits::default()
        };
        Config {
            listen: self.listen,
            metrics_listen: self.metrics_listen,
            limits,
            shutdown_delay: self.shutdown_delay,
            ..Config::new(files)
        }
    }
}

impl SettingsOpts {
    fn meant(&self) -> Settings {
        Settings {
            dapr_namespace: self.dapr_namespace.clone(),
            cluster_domain: self.cluster_domain.clone(),
            trust_domain: self.trust_domain.clone(),
            sidecar_image: self.sidecar_image.clone(),
            excluded_namespaces: self.excluded_namespaces.clone(),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    webhook::parse_duration(text).ok_or_else(|| "a duration is a number and its unit: 500ms, 8s, 1m30s".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        opts: WebhookOpts,
    }

    fn check(arguments: &[&str]) -> Result<WebhookOpts, String> {
        let all = ["webhook"].iter().chain(arguments);
        Command::try_parse_from(all).map(|command| command.opts).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_what_is_meant() {
        let opts = check(&[]).unwrap();
        assert_eq!(opts.settings.meant(), Settings::default());
        let config = opts.meant();
        assert_eq!(config.limits, Limits::default());
        assert_eq!((config.listen.port(), config.metrics_listen.port(), config.shutdown_delay), (8443, 8080, Duration::from_secs(5)));

        let opts = check(&["--deadline", "1500ms", "--max-in-flight", "2", "--exclude-namespace", "a", "--exclude-namespace", "b"]);
        let opts = opts.unwrap();
        assert_eq!(opts.settings.meant().excluded_namespaces, ["a", "b"]);
        let limits = opts.meant().limits;
        assert_eq!((limits.deadline, limits.max_in_flight), (Duration::from_millis(1500), 2));
    }

    #[test]
    fn flags_that_mean_nothing_are_refused() {
        for arguments in [["--deadline", "8"], ["--max-in-flight", "0"], ["--listen", "8443"], ["--log-format", "xml"]] {
            assert!(check(&arguments).is_err(), "{arguments:?}");
        }
    }

    /// The client finds its cryptography without one being installed for the whole process.
    #[tokio::test]
    async fn a_client_speaks_tls() {
        let config = kube::Config::new("https://localhost".parse().unwrap());
        assert!(kube::Client::try_from(config).is_ok());
    }
}
