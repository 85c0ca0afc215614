//! From a configuration to a running controller, and to its end.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::lease::Election;
use super::listener::Ear;
use super::observe::{self, Observed};
use super::queue::{self, Queue};
use super::reconciler::Reconciler;
use super::world::World;
use crate::edge::http::listen;
use crate::edge::install::{self, Installation};
use crate::edge::telemetry::{ControllerFacts, ControllerMetrics};
use crate::edge::watch::{Snapshots, WatchError, keep_listening};
use crate::engine::Settings;

/// What a controller is meant to be: flags that were read, with every default filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where `/healthz`, `/readyz` and `/metrics` are served, in plain HTTP; port 0 takes a free one.
    pub metrics_listen: SocketAddr,
    /// For how long the objects of an application that is gone are kept.
    pub grace: Duration,
    /// podwire's own namespace, that of the Lease that the replicas compete for.
    pub namespace: String,
    /// Name of that Lease.
    pub lease_name: String,
    /// Whom the Lease and the Events name; no two processes may share it.
    pub identity: String,
    /// How many applications are reconciled at the same time.
    pub workers: usize,
    /// What of podwire's own installation is kept.
    pub installation: Installation,
}

impl Config {
    /// A controller with every default, of this identity.
    pub fn new(identity: String) -> Self {
        Config {
            metrics_listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            grace: Duration::from_secs(300),
            namespace: "podwire-system".to_owned(),
            lease_name: "podwire-controller".to_owned(),
            identity,
            workers: 8,
            installation: Installation::default(),
        }
    }
}

/// Why a controller does not run.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The plain port cannot be had.
    #[error("no port on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The cluster cannot be watched.
    #[error("the cluster cannot be watched")]
    Watch(#[from] WatchError),
    /// The plain port ended by itself.
    #[error("the plain port ended")]
    Ended(#[source] io::Error),
}

/// A controller whose port is bound and that does nothing yet.
pub struct Bound {
    config: Config,
    client: Client,
    settings: Settings,
    listener: TcpListener,
    /// Where it listens, the port as the system gave it.
    pub address: SocketAddr,
}

/// Binds the port of a controller.
///
/// # Errors
/// [`ControllerError::Listen`] where the address is taken.
pub async fn bind(client: Client, config: Config, settings: Settings) -> Result<Bound, ControllerError> {
    let address = config.metrics_listen;
    let (listener, address) = listen(address).await.map_err(|source| ControllerError::Listen { address, source })?;
    Ok(Bound { config, client, settings, listener, address })
}

impl Bound {
    /// Watches, and works while it holds the Lease, until `shutdown` ends; then it ends what it has begun and gives the Lease back.
    ///
    /// # Errors
    /// [`ControllerError`] where the API server never answers, or where the plain port ends by itself.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ControllerError> {
        let Bound { config, client, settings, listener, address } = self;
        let shutdown = shutdown.shared();
        let queue = Queue::new();
        let world = Arc::new(Mutex::new(World::default()));
        let ear = Ear { world: Arc::clone(&world), queue: queue.clone(), lists: BTreeMap::new() };
        let kept = tokio::select! {
            kept = keep_listening(client.clone(), settings, ear) => kept?,
            () = shutdown.clone() => return Ok(()),
        };
        let (snapshots, watching) = kept;
        let watching = tokio::spawn(watching);
        let metrics = ControllerMetrics::new();
        let reconciler = Arc::new(Reconciler::new(&client, Arc::clone(&world), Arc::clone(&snapshots), &metrics, queue.clone(), &config));
        let (leads, leading) = watch::channel(false);
        let (works, working) = watch::channel(false);
        let facts = facts(leading.clone(), queue.clone(), world, Arc::clone(&snapshots));
        let observed = Arc::new(Observed { snapshots: Arc::clone(&snapshots), metrics: Arc::clone(&metrics), facts });
        let plain = observe::serve(listener, observed, shutdown.clone());
        let election = Election { namespace: config.namespace, name: config.lease_name, identity: config.identity };
        let idle = queue.clone();
        let install = install::keep(config.installation, client.clone(), leading.clone());
        let election = election.run(client, leads, shutdown, async move { idle.idle().await });
        let run = {
            let reconciler = Arc::clone(&reconciler);
            move |key| {
                let reconciler = Arc::clone(&reconciler);
                async move { reconciler.run(key).await }
            }
        };
        let work = queue::work(queue, config.workers, working, run, |_, outcome, took| metrics.record(outcome, took));
        let prepare = prepare(leading, works, &snapshots, &reconciler);
        tracing::info!(metrics = %address, "watching");
        let all = async {
            tokio::join!(election, prepare, work, install);
            Ok(())
        };
        // Without the plain port nobody could tell whether it lives.
        let ended = tokio::try_join!(plain, all);
        watching.abort();
        ended.map(drop).map_err(ControllerError::Ended)
    }
}

/// A leader works once it knows everything: who publishes and who listens is asked of all applications before the first is reconciled.
async fn prepare(mut leading: watch::Receiver<bool>, works: watch::Sender<bool>, snapshots: &Snapshots, reconciler: &Arc<Reconciler>) {
    loop {
        if *leading.borrow_and_update() {
            while !snapshots.missing().is_empty() && *leading.borrow() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let reconciler = Arc::clone(reconciler);
            // The Lease is renewed meanwhile.
            if let Err(panic) = tokio::task::spawn_blocking(move || reconciler.prime()).await {
                std::panic::resume_unwind(panic.into_panic());
            }
        }
        let leads = *leading.borrow();
        works.send_replace(leads);
        if leading.changed().await.is_err() {
            return;
        }
        works.send_replace(false);
    }
}

/// What a scrape asks for.
fn facts(
    leading: watch::Receiver<bool>,
    queue: Queue<super::key::Key>,
    world: Arc<Mutex<World>>,
    snapshots: Arc<Snapshots>,
) -> impl Fn() -> ControllerFacts + Send + Sync + 'static {
    move || ControllerFacts {
        queue_waiting: queue.due(),
        leading: *leading.borrow(),
        wirings: world.lock().unwrap_or_else(PoisonError::into_inner).wirings(),
        snapshot_age: snapshots.age(),
    }
}

/// The name with a number behind it that no other process has: a container that starts again has its old name.
pub fn unique(name: &str) -> String {
    format!("{name}_{:08x}", fastrand::u32(..))
}
