//! From a configuration to a running webhook, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Version;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum_server::Handle;
use axum_server::accept::{TcpConfigAcceptor, TcpKeepaliveConfig, TcpSocketConfig};
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::net::TcpListener;

use super::config::Config;
use super::decide::Doors;
use super::observe::Observed;
use super::{WebhookError, admission};
use crate::edge::certs::Certificates;
use crate::edge::http::{self, Patience, probes, server, until_stopped};
use crate::edge::telemetry::Metrics;
use crate::edge::watch::Snapshots;
use crate::engine::{admit, review};

/// Where a webhook listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The API server's door, TLS.
    pub admission: SocketAddr,
    /// `/healthz`, `/readyz` and `/metrics`, plain HTTP.
    pub metrics: SocketAddr,
}

/// A webhook whose sockets are bound and that answers nobody yet.
pub struct Bound {
    config: Config,
    doors: Doors,
    observed: Arc<Observed>,
    admission: TcpListener,
    metrics: TcpListener,
    addresses: Addresses,
}

/// Binds the sockets of a webhook. Certificates that are not there yet are no error: `/readyz` says so.
///
/// # Errors
/// [`WebhookError::Listen`] where an address is taken, [`WebhookError::Certificates`] where TLS cannot be set up.
pub async fn bind(config: Config, snapshots: Arc<Snapshots>) -> Result<Bound, WebhookError> {
    bind_deciding(config, snapshots, Doors { admit: Arc::new(admit), review: Arc::new(review) }).await
}

/// [`bind`], with something else in the engine's place.
pub(super) async fn bind_deciding(config: Config, snapshots: Arc<Snapshots>, doors: impl Into<Doors>) -> Result<Bound, WebhookError> {
    let (admission, at) = listen(config.listen).await?;
    let (metrics, metrics_at) = listen(config.metrics_listen).await?;
    let certificates = Certificates::of(config.certificates.clone())?;
    let observed = Observed { certificates, snapshots, metrics: Metrics::new(), stopping: AtomicBool::new(false) };
    let addresses = Addresses { admission: at, metrics: metrics_at };
    Ok(Bound { config, doors: doors.into(), observed: Arc::new(observed), admission, metrics, addresses })
}

impl Bound {
    /// Where it listens, the ports as the system gave them.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `shutdown` ends; then it says so on `/readyz`, goes on for the delay, and answers what it has taken in.
    ///
    /// # Errors
    /// [`WebhookError::Ended`] where a server ended by itself.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), WebhookError> {
        let Bound { config: Config { limits, reload_every, shutdown_delay, .. }, doors, observed, addresses, .. } = self;
        let certificates = Arc::clone(&observed.certificates);
        let (handle, metrics_handle) = (Handle::new(), Handle::new());

        let routes = admission::router(limits.clone(), Arc::clone(&observed.snapshots), Arc::clone(&observed.metrics), doors);
        let routes = routes.layer(middleware::from_fn_with_state(Arc::clone(&observed), ask_to_leave));
        let tls = RustlsAcceptor::new(certificates.tls()).handshake_timeout(limits.handshake).acceptor(sockets());
        let patience = Patience { first_request: limits.first_request, idle: limits.idle };
        let admission = server(self.admission, patience, &handle).acceptor(tls).serve(routes.into_make_service());

        let routes = probes(Arc::clone(&observed));
        let metrics = server(self.metrics, patience, &metrics_handle).serve(routes.into_make_service());

        let stop = async {
            shutdown.await;
            tracing::info!(delay = ?shutdown_delay, "shutting down");
            observed.stopping.store(true, Ordering::Relaxed);
            tokio::time::sleep(shutdown_delay).await;
            handle.graceful_shutdown(Some(limits.deadline + GRACE));
        };
        tracing::info!(admission = %addresses.admission, metrics = %addresses.metrics, "serving");
        let ended = tokio::select! {
            ended = until_stopped(admission, stop) => ended.map_err(|source| WebhookError::Ended { server: "admission", source }),
            ended = metrics => ended.map_err(|source| WebhookError::Ended { server: "metrics", source }),
            () = certificates.keep(reload_every) => Ok(()),
        };
        metrics_handle.shutdown();
        ended
    }
}

/// Clients that keep a connection are told to leave it once the end is near: one that sends a request while its connection is closed would lose it.
async fn ask_to_leave(State(observed): State<Arc<Observed>>, request: Request, next: Next) -> Response {
    let http1 = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if http1 && observed.stopping.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Beside the deadline, what an answer may take to be sent after the end was announced.
const GRACE: Duration = Duration::from_secs(2);

/// Small answers leave at once, and peers that are gone are noticed.
fn sockets() -> TcpConfigAcceptor {
    let keepalive = TcpKeepaliveConfig::new().time(Duration::from_secs(30)).interval(Duration::from_secs(10)).retries(3);
    TcpConfigAcceptor::new(TcpSocketConfig::new().nodelay(true).keepalive(keepalive))
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), WebhookError> {
    http::listen(address).await.map_err(|source| WebhookError::Listen { address, source })
}
