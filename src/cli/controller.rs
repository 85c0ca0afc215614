//! `podwire controller`: keeps what applications need beside their pods.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as Text;

use super::certs::Lifetimes;
use super::server::{self, ServerError, ServerOpts, duration};
use crate::edge::controller::{self, Config};
use crate::edge::install::{Certificates, Installation};

/// Runs the controller.
#[derive(Args, Debug)]
pub(crate) struct ControllerOpts {
    /// Where /healthz, /readyz and /metrics are served, in plain HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080", env = "PODWIRE_METRICS_LISTEN", hide_env_values = true)]
    metrics_listen: SocketAddr,
    /// For how long the Triggers, Subscriptions and Services of an application that is gone are kept
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    grace: Duration,
    /// How many applications are worked on at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// podwire's own namespace: of the Lease podwire-controller, for which the replicas compete, and of the webhook's Service and Secret
    #[arg(long, value_name = "NAME", default_value = "podwire-system", env = "PODWIRE_NAMESPACE", hide_env_values = true, value_parser = Text::new())]
    namespace: String,
    /// Whom the Lease names, with a number behind it that is another one for every process
    #[arg(long, value_name = "NAME", default_value = "podwire-controller", env = "HOSTNAME", hide_env_values = true, value_parser = Text::new())]
    identity: String,
    /// File of an InjectionPolicy that is applied whenever this process begins to lead, and whenever the file changes
    #[arg(long, value_name = "FILE")]
    default_policy: Option<PathBuf>,
    /// Secret in which the webhook's CA and certificate are kept and renewed; it exists, and may be empty. Without it podwire makes none
    #[arg(long, value_name = "NAME", value_parser = Text::new())]
    webhook_secret: Option<String>,
    /// Service of the webhook, for which its certificate is made
    #[arg(long, value_name = "NAME", default_value = "podwire-webhook", value_parser = Text::new())]
    webhook_service: String,
    /// Name of the MutatingWebhookConfiguration and of the ValidatingWebhookConfiguration whose entries get the caBundle
    #[arg(long, value_name = "NAME", default_value = "podwire", value_parser = Text::new())]
    webhook_configuration: String,
    #[command(flatten)]
    lifetimes: Lifetimes,
    #[command(flatten)]
    server: ServerOpts,
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(opts: ControllerOpts) -> Result<(), ServerError> {
    server::run(&opts.server.clone(), |client, settings, shutdown| async move {
        let bound = controller::bind(client, opts.meant(), settings).await?;
        Ok(bound.run(shutdown).await?)
    })
}

impl ControllerOpts {
    fn meant(&self) -> Config {
        Config {
            metrics_listen: self.metrics_listen,
            grace: self.grace,
            namespace: self.namespace.clone(),
            workers: usize::from(self.workers),
            installation: self.installation(),
            ..Config::new(controller::unique(&self.identity))
        }
    }

    fn installation(&self) -> Installation {
        let cluster_domain = &self.server.settings.meant().cluster_domain;
        let certificates = self.webhook_secret.clone().map(|secret| Certificates {
            namespace: self.namespace.clone(),
            secret,
            configuration: self.webhook_configuration.clone(),
            wanted: self.lifetimes.wanted(&self.namespace, &self.webhook_service, cluster_domain),
        });
        Installation { policy: self.default_policy.clone(), certificates }
    }
}
