//! The loop that keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{SelectAll, StreamExt as _};
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::issuer::Issuer;
use super::policy::Policy;
use super::{Installation, Trouble};
use crate::edge::telemetry::chain;

/// How often the policy's file is read, and what failed is tried again.
const TICK: Duration = Duration::from_secs(5);

/// Keeps the installation while this process leads; it ends when `leading` does.
pub(crate) async fn keep(installation: Installation, client: Client, mut leading: watch::Receiver<bool>) {
    if installation.policy.is_none() && installation.certificates.is_none() {
        return;
    }
    loop {
        if *leading.borrow_and_update() {
            let keeper = Keeper::new(installation.clone(), &client);
            tokio::select! {
                () = keeper.run() => {}
                changed = leading.changed() => if changed.is_err() { return },
            }
        } else if leading.changed().await.is_err() {
            return;
        }
    }
}

struct Keeper {
    policy: Option<Policy>,
    issuer: Option<Issuer>,
    /// What is said to be wrong.
    troubles: BTreeMap<&'static str, String>,
}

impl Keeper {
    fn new(installation: Installation, client: &Client) -> Self {
        Keeper {
            policy: installation.policy.map(|file| Policy::new(file, client.clone())),
            issuer: installation.certificates.map(|certificates| Issuer::new(certificates, client.clone())),
            troubles: BTreeMap::new(),
        }
    }

    /// The policy comes first: no pod is to be admitted before it.
    async fn run(mut self) {
        let mut shown = self.issuer.as_ref().map_or_else(SelectAll::new, Issuer::watch);
        let mut look = Instant::now();
        loop {
            if let Some(policy) = &mut self.policy {
                let kept = policy.keep().await;
                self.tell("policy", kept);
            }
            if let Some(issuer) = self.issuer.as_mut().filter(|_| look <= Instant::now()) {
                let kept = issuer.keep().await;
                look = Instant::now() + *kept.as_ref().unwrap_or(&TICK);
                self.tell("certificates", kept);
            }
            tokio::select! {
                () = sleep_until(Instant::now() + TICK) => {}
                () = sleep_until(look), if self.issuer.is_some() => {}
                Some(one) = shown.next(), if !shown.is_empty() => {
                    if let Some(issuer) = &mut self.issuer {
                        issuer.hear(one);
                    }
                    look = Instant::now();
                }
            }
        }
    }

    /// Says what is wrong, once, and once that it is well again.
    fn tell<T>(&mut self, what: &'static str, outcome: Result<T, Trouble>) {
        match outcome {
            Ok(_) => {
                if self.troubles.remove(what).is_some() {
                    tracing::info!(what, "the installation is well again");
                }
            }
            Err(trouble) => {
                let why = chain(&trouble);
                if self.troubles.insert(what, why.clone()).as_ref() != Some(&why) {
                    tracing::error!(what, why, "the installation is not as it is to be; it is tried again");
                }
            }
        }
    }
}
