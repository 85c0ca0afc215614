//! `podwire certs`: a CA and a certificate of the webhook, by hand.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as Text;

use super::server::lifetime;
use super::{Exit, print};
use crate::edge::certs::{FolderError, Wanted, keep_in};
use crate::edge::telemetry::chain;
use crate::engine::Settings;

/// Whose certificates, where, and for how long.
#[derive(Args, Debug)]
pub(super) struct CertsOpts {
    /// The folder: ca.crt, ca.key, tls.crt, tls.key
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Renew what is past two thirds of its life; what is in the folder is read first
    #[arg(long)]
    renew: bool,
    /// The webhook's namespace
    #[arg(short, long, value_name = "NAME", default_value = "podwire-system", value_parser = Text::new())]
    namespace: String,
    /// The webhook's Service
    #[arg(long, value_name = "NAME", default_value = "podwire-webhook", value_parser = Text::new())]
    service: String,
    /// Domain of the cluster's Services
    #[arg(long, value_name = "DOMAIN", default_value_t = Settings::default().cluster_domain, value_parser = Text::new())]
    cluster_domain: String,
    #[command(flatten)]
    lifetimes: Lifetimes,
}

/// For how long certificates are good.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// For how long a certificate of the webhook is good; it is renewed after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "2160h", value_parser = lifetime)]
    certificate_lifetime: Duration,
    /// For how long its CA is good; after two thirds of it a new one is trusted beside it, then it goes
    #[arg(long, value_name = "DURATION", default_value = "17520h", value_parser = lifetime)]
    ca_lifetime: Duration,
}

impl Lifetimes {
    /// What is wanted of the certificates of a Service.
    pub(super) fn wanted(self, namespace: &str, service: &str, cluster_domain: &str) -> Wanted {
        let names = Wanted::of_service(namespace, service, cluster_domain);
        Wanted { names, ca_lifetime: self.ca_lifetime, lifetime: self.certificate_lifetime }
    }
}

pub(super) fn run(opts: &CertsOpts) -> Exit {
    let wanted = opts.lifetimes.wanted(&opts.namespace, &opts.service, &opts.cluster_domain);
    match keep_in(&opts.dir, &wanted, opts.renew) {
        Ok(news) => {
            let news = if news.is_empty() { "nothing is due".to_owned() } else { news.join(", ") };
            print::talk(&format!("{}: {news}\n", opts.dir.display()));
            Exit::Clean
        }
        Err(error @ FolderError::Authority(_)) => print::internal(chain(&error)),
        Err(error) => print::usage(&error),
    }
}
