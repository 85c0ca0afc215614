//! What the plain port tells of a controller. A standby is ready too: it is no Service's backend, and a rollout waits for it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use tokio::net::TcpListener;

use crate::edge::http::{Patience, Probed, probes, server, until_stopped};
use crate::edge::telemetry::{ControllerFacts, ControllerMetrics, TelemetryError};
use crate::edge::watch::Snapshots;

const PATIENCE: Patience = Patience { first_request: Duration::from_secs(10), idle: Duration::from_secs(60) };
/// For an answer that is being sent when the end comes.
const GRACE: Duration = Duration::from_secs(2);

/// What the plain port tells about.
pub(super) struct Observed<F> {
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) metrics: Arc<ControllerMetrics>,
    /// What is asked for at each scrape.
    pub(super) facts: F,
}

impl<F: Fn() -> ControllerFacts + Send + Sync + 'static> Probed for Observed<F> {
    fn missing(&self) -> Vec<String> {
        self.snapshots.missing().into_iter().map(|part| format!("snapshot: {part}")).collect()
    }

    fn metrics(&self) -> Result<String, TelemetryError> {
        self.metrics.expose((self.facts)())
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop` ends.
pub(super) async fn serve(listener: TcpListener, observed: Arc<impl Probed>, stop: impl Future<Output = ()>) -> io::Result<()> {
    let handle = Handle::new();
    let serving = server(listener, PATIENCE, &handle).serve(probes(observed).into_make_service());
    let stop = async {
        stop.await;
        handle.graceful_shutdown(Some(GRACE));
    };
    until_stopped(serving, stop).await
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::StatusCode;
    use tokio::net::TcpStream;
    use tokio::sync::{oneshot, watch};

    use super::*;
    use crate::edge::http::listen;
    use crate::edge::http::tests::get;

    #[tokio::test]
    async fn a_standby_is_ready_once_it_knows_the_cluster_and_ends_when_asked() {
        let snapshots = Snapshots::waiting_for(&["namespaces", "wirings.podwire.io"]);
        let (lead, leading) = watch::channel(false);
        let facts = move || ControllerFacts { leading: *leading.borrow(), ..ControllerFacts::default() };
        let observed = Arc::new(Observed { snapshots: snapshots.clone(), metrics: ControllerMetrics::new(), facts });
        let (listener, at) = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, observed, async { drop(stopped.await) }));

        assert_eq!(get(at, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
        let missing = "snapshot: namespaces\nsnapshot: wirings.podwire.io\n".to_owned();
        assert_eq!(get(at, "/readyz").await, (StatusCode::SERVICE_UNAVAILABLE, missing));
        snapshots.complete();
        assert_eq!(get(at, "/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
        assert!(get(at, "/metrics").await.1.contains("\npodwire_leading 0\n"));
        lead.send_replace(true);
        assert!(get(at, "/metrics").await.1.contains("\npodwire_leading 1\n"));

        stop.send(()).unwrap();
        assert!(served.await.unwrap().is_ok());
        assert!(TcpStream::connect(at).await.is_err());
    }
}
