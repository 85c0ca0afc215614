//! `podwire webhook`: serves admission.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::server::{self, ServerError, ServerOpts, Shutdown, duration};
use crate::edge::certs::Files;
use crate::edge::watch;
use crate::edge::webhook::{self, Config, Limits};
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
    #[command(flatten)]
    server: ServerOpts,
}

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(opts: WebhookOpts) -> Result<(), ServerError> {
    server::run(&opts.server.clone(), |client, settings, shutdown| serve(opts, client, settings, shutdown))
}

async fn serve(opts: WebhookOpts, client: kube::Client, settings: Settings, shutdown: Shutdown) -> Result<(), ServerError> {
    let (snapshots, watching) = tokio::select! {
        kept = watch::keep(client, settings) => kept?,
        () = shutdown.clone() => return Ok(()),
    };
    let webhook = webhook::bind(opts.meant(), snapshots).await?;
    let watching = tokio::spawn(watching);
    let ended = webhook.serve(shutdown).await;
    watching.abort();
    Ok(ended?)
}

impl WebhookOpts {
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
        assert_eq!(opts.server.settings.meant(), Settings::default());
        let config = opts.meant();
        assert_eq!(config.limits, Limits::default());
        assert_eq!((config.listen.port(), config.metrics_listen.port(), config.shutdown_delay), (8443, 8080, Duration::from_secs(5)));

        let opts = check(&["--deadline", "1500ms", "--max-in-flight", "2", "--exclude-namespace", "a", "--exclude-namespace", "b"]);
        let opts = opts.unwrap();
        assert_eq!(opts.server.settings.meant().excluded_namespaces, ["a", "b"]);
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
