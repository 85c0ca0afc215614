//! What an application says about its sidecar in Dapr's own words, and what Dapr takes where it says nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::names::Port;
use crate::api::quantity::Quantity;

/// The values of all rows of the table.
#[derive(Clone, Debug)]
pub(crate) struct SidecarOptions {
    pub(crate) actors_timeout: Option<GoDuration>,
    pub(crate) api_logging: Option<bool>,
    pub(crate) api_token_secret: Option<String>,
    pub(crate) app_channel: Option<String>,
    pub(crate) app_max_concurrency: Option<i64>,
    pub(crate) app_protocol: String,
    pub(crate) app_ssl: bool,
    pub(crate) app_token_secret: Option<String>,
    pub(crate) block_shutdown: Option<GoDuration>,
    /// Containers of the pod that are pluggable components.
    pub(crate) components: Vec<String>,
    /// Where component and sidecar share their sockets.
    pub(crate) components_folder: String,
    pub(crate) config: Option<String>,
    pub(crate) debug: bool,
    pub(crate) debug_port: Option<Port>,
    pub(crate) disable_secret_store: bool,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) env_from_secret: Vec<(String, SecretKey)>,
    pub(crate) graceful_shutdown: i64,
    pub(crate) grpc_port: Option<Port>,
    pub(crate) health: HealthCheck,
    pub(crate) http_max_request_size: Option<i64>,
    pub(crate) http_read_buffer_size: Option<i64>,
    pub(crate) image: Option<String>,
    pub(crate) internal_grpc_port: Option<Port>,
    pub(crate) jwt_audiences: Option<String>,
    pub(crate) limits: BTreeMap<&'static str, Quantity>,
    pub(crate) listen_addresses: String,
    pub(crate) liveness: Timing,
    pub(crate) log_as_json: bool,
    pub(crate) log_level: String,
    pub(crate) max_body_size: Option<String>,
    pub(crate) metrics: bool,
    pub(crate) metrics_port: Option<Port>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) mounts_rw: Vec<Mount>,
    /// Whether it is a native sidecar; where this is absent the policy decides.
    pub(crate) native: Option<bool>,
    /// Addresses of the placement service; empty is none.
    pub(crate) placement: Option<String>,
    pub(crate) profiling: bool,
    pub(crate) read_buffer_size: Option<String>,
    pub(crate) readiness: Timing,
    pub(crate) requests: BTreeMap<&'static str, Quantity>,
    /// Addresses of the scheduler; empty is none.
    pub(crate) scheduler: Option<String>,
    pub(crate) seccomp: String,
    pub(crate) service_annotations: BTreeMap<String, String>,
    /// Where the application finds the sidecar's sockets, in place of its ports.
    pub(crate) socket_path: Option<String>,
    /// The keys that stand on the pod and that Dapr's injector knows.
    pub(crate) stated: Vec<String>,
}

/// A duration, in Go's words.
#[derive(Clone, Debug)]
pub(crate) struct GoDuration {
    pub(crate) text: String,
    pub(crate) length: Duration,
}

/// How daprd asks the application for its health.
#[derive(Clone, Debug)]
pub(crate) struct HealthCheck {
    pub(crate) enabled: bool,
    pub(crate) path: String,
    /// In seconds.
    pub(crate) interval: i32,
    /// In milliseconds.
    pub(crate) timeout: i32,
    pub(crate) threshold: i32,
}

/// A mount of one of the pod's volumes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mount {
    pub(crate) volume: String,
    pub(crate) path: String,
}

/// A key of a Secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretKey {
    pub(crate) secret: String,
    pub(crate) key: String,
}

/// When a probe is made, and how often it may fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) delay: i32,
    pub(crate) timeout: i32,
    pub(crate) period: i32,
    pub(crate) threshold: i32,
}

impl Default for SidecarOptions {
    fn default() -> Self {
        SidecarOptions {
            actors_timeout: None,
            api_logging: None,
            api_token_secret: None,
            app_channel: None,
            app_max_concurrency: None,
            app_protocol: "http".to_owned(),
            app_ssl: false,
            app_token_secret: None,
            block_shutdown: None,
            components: Vec::new(),
            components_folder: "/tmp/dapr-components-sockets".to_owned(),
            config: None,
            debug: false,
            debug_port: None,
            disable_secret_store: false,
            env: Vec::new(),
            env_from_secret: Vec::new(),
            graceful_shutdown: -1,
            grpc_port: None,
            health: HealthCheck { enabled: false, path: "/healthz".to_owned(), interval: 5, timeout: 500, threshold: 3 },
            http_max_request_size: None,
            http_read_buffer_size: None,
            image: None,
            internal_grpc_port: None,
            jwt_audiences: None,
            limits: BTreeMap::new(),
            listen_addresses: "[::1],127.0.0.1".to_owned(),
            liveness: Timing { delay: 180, timeout: 3, period: 10, threshold: 5 },
            log_as_json: false,
            log_level: "info".to_owned(),
            max_body_size: None,
            metrics: true,
            metrics_port: None,
            mounts: Vec::new(),
            mounts_rw: Vec::new(),
            native: None,
            placement: None,
            profiling: false,
            read_buffer_size: None,
            readiness: Timing { delay: 1, timeout: 1, period: 1, threshold: 5 },
            requests: BTreeMap::new(),
            scheduler: None,
            seccomp: "RuntimeDefault".to_owned(),
            service_annotations: BTreeMap::new(),
            socket_path: None,
            stated: Vec::new(),
        }
    }
}

impl SidecarOptions {
    /// The protocol that the application speaks, with the deprecated `app-ssl` in it.
    pub(crate) fn protocol(&self) -> &str {
        match self.app_protocol.as_str() {
            "http" if self.app_ssl => "https",
            "grpc" if self.app_ssl => "grpcs",
            protocol => protocol,
        }
    }

    /// Where its debugger listens, where there is one.
    pub(crate) fn debugger(&self) -> Option<u16> {
        // why 40000: Dapr's injector lets dlv listen there.
        self.debug.then(|| self.debug_port.map_or(40_000, Port::number))
    }
}
