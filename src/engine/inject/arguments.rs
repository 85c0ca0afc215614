//! The sidecar's arguments, in the order in which Dapr's injector writes them.

use super::container::BLOCK_SHUTDOWN_SECONDS;
use super::volumes::SOCKETS_PATH;
use crate::engine::plan::{Place, Sidecar};
use crate::engine::snapshot::{PLACEMENT, SCHEDULER};

/// All of them, the program first.
pub(super) fn of(sidecar: &Sidecar) -> Vec<String> {
    let mut args = Arguments(program(sidecar));
    servers(sidecar, &mut args);
    control_plane(sidecar, &mut args);
    application(sidecar, &mut args);
    sizes(sidecar, &mut args);
    shutdown(sidecar, &mut args);
    args.0
}

struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, name: &str, stands: bool) {
        self.0.extend(stands.then(|| format!("--{name}")));
    }

    fn value(&mut self, name: &str, value: impl ToString) {
        self.0.extend([format!("--{name}"), value.to_string()]);
    }

    fn stated(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }
}

/// daprd, or the debugger that runs it.
fn program(sidecar: &Sidecar) -> Vec<String> {
    let debugger = sidecar.options.debugger().map(|port| format!(":{port}"));
    let words = match &debugger {
        None => vec!["/daprd"],
        Some(port) => {
            vec!["/dlv", "--listen", port, "--accept-multiclient", "--headless=true", "--log", "--api-version=2", "exec", "/daprd", "--"]
        }
    };
    words.into_iter().map(str::to_owned).collect()
}

fn service(sidecar: &Sidecar, name: &str, port: u16) -> String {
    format!("{name}.{}.svc.{}:{port}", sidecar.settings.dapr_namespace, sidecar.settings.cluster_domain)
}

fn servers(sidecar: &Sidecar, args: &mut Arguments) {
    let options = &sidecar.options;
    args.value("dapr-http-port", sidecar.ports.http);
    args.value("dapr-grpc-port", sidecar.ports.grpc);
    args.value("dapr-internal-grpc-port", sidecar.ports.internal);
    args.value("dapr-listen-addresses", &options.listen_addresses);
    args.value("dapr-public-port", sidecar.ports.public);
    args.value("app-id", &sidecar.app_id);
    args.value("app-protocol", &options.app_protocol);
    args.value("log-level", &options.log_level);
    args.value("dapr-graceful-shutdown-seconds", options.graceful_shutdown);
    args.value("mode", "kubernetes");
    args.value("control-plane-address", service(sidecar, "dapr-api", 443));
    args.value("sentry-address", service(sidecar, "dapr-sentry", 443));
    args.stated("app-port", sidecar.app_port);
    if options.metrics {
        args.flag("enable-metrics", true);
        args.value("metrics-port", sidecar.ports.metrics);
    }
    // Without the flag daprd serves metrics nevertheless.
    args.flag("enable-metrics=false", !options.metrics);
}

fn control_plane(sidecar: &Sidecar, args: &mut Arguments) {
    let options = &sidecar.options;
    args.stated("config", options.config.as_ref());
    args.stated("app-channel-address", options.app_channel.as_ref());
    let usual = || sidecar.control_plane.placement.then(|| service(sidecar, PLACEMENT, 50005));
    args.stated("placement-host-address", options.placement.clone().or_else(usual).filter(|address| !address.is_empty()));
    args.stated("sentry-request-jwt-audiences", options.jwt_audiences.as_ref());
}

fn application(sidecar: &Sidecar, args: &mut Arguments) {
    let options = &sidecar.options;
    if let Some(logging) = options.api_logging {
        args.flag(&format!("enable-api-logging={logging}"), true);
    }
    args.flag("disable-builtin-k8s-secret-store", sidecar.without_secret_store);
    if options.health.enabled {
        args.flag("enable-app-health-check", true);
        args.value("app-health-check-path", &options.health.path);
        args.value("app-health-probe-interval", options.health.interval);
        args.value("app-health-probe-timeout", options.health.timeout);
        args.value("app-health-threshold", options.health.threshold);
    }
    args.flag("log-as-json", options.log_as_json);
    args.flag("enable-profiling", options.profiling);
    args.flag("enable-mtls", sidecar.control_plane.mtls.unwrap_or(true));
    args.flag("app-ssl", options.app_ssl);
}

fn sizes(sidecar: &Sidecar, args: &mut Arguments) {
    let options = &sidecar.options;
    args.stated("app-max-concurrency", options.app_max_concurrency);
    args.stated("dapr-http-max-request-size", options.http_max_request_size);
    args.stated("max-body-size", options.max_body_size.as_ref());
    args.stated("dapr-http-read-buffer-size", options.http_read_buffer_size);
    args.stated("read-buffer-size", options.read_buffer_size.as_ref());
    args.stated("unix-domain-socket", options.socket_path.as_ref().map(|_| SOCKETS_PATH));
}

fn shutdown(sidecar: &Sidecar, args: &mut Arguments) {
    let options = &sidecar.options;
    let block = options.block_shutdown.as_ref().map(|block| block.text.clone());
    let usual = || (sidecar.place == Place::Container).then(|| format!("{BLOCK_SHUTDOWN_SECONDS}s"));
    args.stated("dapr-block-shutdown-duration", block.or_else(usual));
    args.stated("actors-disseminate-timeout", options.actors_timeout.as_ref().map(|timeout| &timeout.text));
    let usual = || sidecar.control_plane.scheduler.then(|| service(sidecar, SCHEDULER, 443));
    // Unlike that of the placement service, an empty address is written: it switches the scheduler off.
    args.stated("scheduler-host-address", options.scheduler.clone().or_else(usual));
    args.value("disable-init-endpoints", "subscribe,config");
}
