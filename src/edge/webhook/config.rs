//! What a webhook is meant to be.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::api::duration::parse_duration;
use crate::edge::certs::Files;

/// What a webhook is meant to be: flags that were read, with every default filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API server is answered, over TLS; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, in plain HTTP; port 0 takes a free one.
    pub metrics_listen: SocketAddr,
    /// The certificates.
    pub certificates: Files,
    /// How often the certificates are read again.
    pub reload_every: Duration,
    /// What one request, and all of them, may take.
    pub limits: Limits,
    /// For how long the webhook goes on as before after it was asked to stop, while `/readyz` says so.
    pub shutdown_delay: Duration,
}

/// What one request, and all of them, may take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// Requests that are decided about at the same time.
    pub max_in_flight: usize,
    /// From a request's head to its answer.
    pub deadline: Duration,
    /// For how long a request waits until it is its turn.
    pub queue: Duration,
    /// For how long a namespace that is not known yet is waited for.
    pub namespace: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// From the handshake to the end of the first request's head.
    pub first_request: Duration,
    /// From one answer to the end of the next request's head; an idle HTTP/1.1 connection ends with it.
    pub idle: Duration,
    /// From a request's head to the end of its body.
    pub body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body_bytes: 8 << 20,
            max_in_flight: 64,
            deadline: Duration::from_secs(8),
            queue: Duration::from_secs(2),
            namespace: Duration::from_secs(1),
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// A webhook with every default: admission on port 8443 and metrics on port 8080 of every address.
    pub fn new(certificates: Files) -> Self {
        Config {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8443)),
            metrics_listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            certificates,
            reload_every: Duration::from_secs(2),
            limits: Limits::default(),
            shutdown_delay: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The deadline of one request: ours, or what is left of the API server's own, which stands in the address.
    pub(super) fn deadline_of(&self, query: Option<&str>) -> Duration {
        let parameters = query.into_iter().flat_map(|query| query.split('&'));
        let theirs = parameters.filter_map(|one| one.strip_prefix("timeout=")).find_map(parse_duration);
        theirs.map_or(self.deadline, |theirs| self.deadline.min(theirs.saturating_sub(margin(theirs))))
    }
}

/// What is kept of the API server's patience for the way back.
fn margin(patience: Duration) -> Duration {
    (patience / 4).min(Duration::from_millis(500))
}
