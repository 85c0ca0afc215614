//! podwire's controller as a process beside the control plane, with the permissions that `manifests/podwire.yaml` ships.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;

use serde_json::Value;

use super::control_plane::Process;
use super::http;
use super::lab::{Failure, Lab, wait_for};
use super::podwire::free_port;

/// The user that a pod of the controller's ServiceAccount is.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:podwire-system:podwire-controller";

/// A running controller. Dropping it ends it.
pub(crate) struct Controller {
    process: Process,
    metrics: u16,
    /// How its name in the Lease begins.
    pub(crate) identity: String,
}

impl Controller {
    /// Starts a controller with what the lab's API server grants it, and waits until it is ready; whether it leads is another question.
    /// Of the arguments that a test does not state, the grace time is the shortest that lets a workload be replaced.
    pub(crate) fn start(lab: &Lab, program: &Path, more: &[&str]) -> Result<Self, Failure> {
        let dir = lab.plane.dir().join("podwire");
        fs::create_dir_all(&dir)?;
        let kubeconfig = lab.plane.kubeconfig_for(ACCOUNT, None)?;
        let metrics = free_port()?;
        let stated = |flag: &str| more.iter().find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('=')).map(str::to_owned);
        let identity = stated("--identity").unwrap_or_else(|| format!("controller-{metrics}"));
        let mut arguments = vec![
            "controller".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--metrics-listen=127.0.0.1:{metrics}"),
        ];
        let defaults = [("--namespace", "podwire-system"), ("--identity", identity.as_str()), ("--grace", "3s")];
        let defaults = defaults.into_iter().filter(|(flag, _)| stated(flag).is_none());
        arguments.extend(defaults.map(|(flag, value)| format!("{flag}={value}")));
        arguments.extend(more.iter().map(ToString::to_string));
        let process = Process::start("podwire controller", program, arguments, dir.join(format!("{identity}.log")))?;
        let controller = Controller { process, metrics, identity };
        let ready = wait_for("the controller is ready", 30, || controller.get("/readyz").ok().filter(|(status, _)| *status == 200));
        ready.map_err(|failure| Failure::from(controller.process.error(failure.to_string())))?;
        Ok(controller)
    }

    /// Answers of its port: status and body.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), std::io::Error> {
        http::request(("127.0.0.1", self.metrics), "GET", path, "")
    }

    /// The sum of a metric's series that have these labels; 0 where there are none: `podwire_leading`, `podwire_writes_total{kind="Trigger"}`.
    pub(crate) fn metric(&self, asked: &str) -> Result<f64, Failure> {
        let (_, text) = self.get("/metrics")?;
        let parts = |series: &str| -> (String, Vec<String>) {
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            (name.to_owned(), labels.map(str::to_owned).collect())
        };
        let (name, labels) = parts(asked);
        let series = text.lines().filter_map(|line| line.rsplit_once(' '));
        let fitting = series.filter(|(series, _)| {
            let (one, has) = parts(series);
            one == name && labels.iter().all(|label| has.contains(label))
        });
        Ok(fitting.filter_map(|(_, value)| value.parse::<f64>().ok()).fold(0.0, |sum, value| sum + value))
    }

    /// Whether it leads.
    pub(crate) fn leads(&self) -> bool {
        self.metric("podwire_leading").is_ok_and(|value| value == 1.0)
    }

    /// The memory that it holds, and the most that it ever held, in KiB.
    pub(crate) fn memory(&self) -> Result<[u64; 2], Failure> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process.number()?))?;
        let of = |field: &str| text.lines().find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.trim().parse().ok());
        match (of("VmRSS:"), of("VmHWM:")) {
            (Some(now), Some(most)) => Ok([now, most]),
            _ => Err(Failure::new("its memory is not known")),
        }
    }

    /// Ends it as a kubelet does: SIGTERM, then patience; how it ended.
    pub(crate) fn terminate(self) -> Result<ExitStatus, Failure> {
        Ok(self.process.terminate()?)
    }

    /// Ends it as a machine that dies does.
    pub(crate) fn kill(self) -> Result<ExitStatus, Failure> {
        Ok(self.process.kill()?)
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.log().1).unwrap_or_default()
    }
}

/// Whom the Lease names; an empty text where it is free.
pub(crate) fn leader(lab: &Lab) -> Result<String, Failure> {
    let lease: Value = lab.get(&["lease", "podwire-controller", "-n", "podwire-system"])?;
    Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
}
