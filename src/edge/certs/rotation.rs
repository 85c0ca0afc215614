//! The certificates that are served now, and how they are replaced.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum_server::tls_rustls::RustlsConfig;
use tokio::time::MissedTickBehavior;

use super::files::{Contents, Files};
use super::{CertificatesError, tls};
use crate::edge::telemetry::chain;

/// The certificates that are served: those of the files, as they last fitted together.
pub struct Certificates {
    files: Files,
    tls: RustlsConfig,
    loaded: ArcSwapOption<Loaded>,
    /// Why the files are not what is served.
    problem: ArcSwap<Option<String>>,
}

struct Loaded {
    contents: Contents,
    expires_at: i64,
}

/// What reading the files again led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// The files hold what is served already.
    Same,
    /// New connections are served what the files hold now.
    Replaced,
}

impl Certificates {
    /// The certificates of `files`.
    ///
    /// What cannot be used yet is no error: [`Certificates::problem`] tells, and [`Certificates::keep`] tries again.
    ///
    /// # Errors
    /// [`CertificatesError::Tls`] where TLS itself cannot be set up.
    pub fn of(files: Files) -> Result<Arc<Self>, CertificatesError> {
        let tls = RustlsConfig::from_config(tls::nothing()?);
        let certificates = Certificates { files, tls, loaded: ArcSwapOption::empty(), problem: ArcSwap::default() };
        certificates.reload_and_tell();
        Ok(Arc::new(certificates))
    }

    /// Reads the files again; it blocks. What is served stays as it is until all of the files fit together.
    ///
    /// # Errors
    /// [`CertificatesError`] says why the files are not served.
    pub fn reload(&self) -> Result<Change, CertificatesError> {
        let contents = self.files.read()?;
        if self.loaded.load().as_ref().is_some_and(|loaded| loaded.contents == contents) {
            return Ok(Change::Same);
        }
        let served = tls::serve(&self.files, &contents)?;
        self.tls.reload_from_config(served.config);
        self.loaded.store(Some(Arc::new(Loaded { contents, expires_at: served.expires_at })));
        Ok(Change::Replaced)
    }

    /// Reads the files again every `every`; it never ends.
    pub async fn keep(self: Arc<Self>, every: Duration) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let this = Arc::clone(&self);
            // A failed join is a panic, which the log has already; the next tick tries again.
            let _ = tokio::task::spawn_blocking(move || this.reload_and_tell()).await;
        }
    }

    /// The configuration that new connections are served with; it changes with every replacement.
    pub fn tls(&self) -> RustlsConfig {
        self.tls.clone()
    }

    /// When the served certificate ends, in seconds since 1970; `None` while none is served.
    pub fn expires_at(&self) -> Option<i64> {
        self.loaded.load().as_ref().map(|loaded| loaded.expires_at)
    }

    /// Why no certificate is served; `None` while one is, be it an older one than the files'.
    pub fn problem(&self) -> Option<String> {
        if self.loaded.load().is_some() {
            return None;
        }
        Some(self.problem.load().as_ref().clone().unwrap_or_else(|| "not read yet".to_owned()))
    }

    /// [`Certificates::reload`], with a line in the log for each news.
    fn reload_and_tell(&self) {
        let problem = match self.reload() {
            Ok(Change::Same) => None,
            Ok(Change::Replaced) => {
                tracing::info!(certificate = %self.files.certificate.display(), expires_at = self.expires_at(), "certificates taken");
                None
            }
            Err(error) => Some(chain(&error)),
        };
        if let Some(problem) = problem.as_ref().filter(|problem| self.problem.load().as_ref().as_ref() != Some(problem)) {
            tracing::warn!(problem, serving = self.expires_at().is_some(), "certificates not taken");
        }
        self.problem.store(Arc::new(problem));
    }
}
