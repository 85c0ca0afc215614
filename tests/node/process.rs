//! Processes of the node's containers, which a test may kill.

use std::fs;
use std::process::Command;

use crate::node::Failure;

/// A process, as it was started.
pub(crate) struct Process {
    pub(crate) command: String,
    environment: String,
}

impl Process {
    pub(crate) fn is_sidecar_of(&self, app: &str, namespace: &str) -> bool {
        self.command.contains("/daprd")
            && self.environment.contains(&format!("NAMESPACE={namespace}"))
            && self.command.contains(&format!("--app-id {app} "))
    }
}

/// Kills those that fit, but no more than so many; how many there were.
pub(crate) fn kill(most: usize, fits: impl Fn(&Process) -> bool) -> Result<usize, Failure> {
    let mut killed = 0;
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        let read =
            |name: &str| fs::read(folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).unwrap_or_default();
        let Some(pid) = folder.file_name().and_then(|name| name.to_str()).filter(|name| name.parse::<u32>().is_ok()) else { continue };
        if killed < most && fits(&Process { command: read("cmdline"), environment: read("environ") }) {
            Command::new("kill").args(["-KILL", pid]).status()?;
            killed += 1;
        }
    }
    Ok(killed)
}
