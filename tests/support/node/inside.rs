//! The node, seen from inside: kubectl, Helm, and requests to pods by their addresses.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Caller, Failure, INSIDE};

/// The node in whose namespaces this process runs.
pub(crate) struct Node {
    dir: PathBuf,
    caller: Caller,
}

impl Node {
    pub(crate) fn inside() -> Result<Self, Failure> {
        let dir = std::env::var(INSIDE).map_err(|error| Failure::new(error.to_string()))?;
        let kubeconfig = std::env::var("KUBECONFIG").map_err(|error| Failure::new(format!("KUBECONFIG: {error}")))?;
        Ok(Node { dir: PathBuf::from(dir), caller: Caller::new(Path::new(&kubeconfig))? })
    }

    /// Where pods of any user may write, and this process reads.
    pub(crate) fn shared(&self, name: &str) -> Result<PathBuf, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = self.dir.join("ledgers").join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
        Ok(folder)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String, Failure> {
        succeeded("kubectl", arguments, self.run("kubectl", arguments)?)
    }

    pub(crate) fn helm(&self, arguments: &[&str]) -> Result<String, Failure> {
        succeeded("helm", arguments, self.run("helm", arguments)?)
    }

    pub(crate) fn apply(&self, object: &Value) -> Result<(), Failure> {
        self.caller.apply(object)
    }

    /// [`Caller::get`].
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value, Failure> {
        self.caller.get(arguments)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, Failure> {
        let mut command = Command::new(program);
        for (variable, folder) in
            [("HELM_CACHE_HOME", "helm"), ("HELM_CONFIG_HOME", "helm"), ("HELM_DATA_HOME", "helm"), ("KUBECACHEDIR", "kubectl-cache")]
        {
            command.env(variable, self.dir.join(folder));
        }
        Ok(command.args(arguments).stdin(Stdio::null()).output()?)
    }
}

fn succeeded(program: &str, arguments: &[&str], output: Output) -> Result<String, Failure> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{program} {}: {said}", arguments.join(" "))))
}

/// Whether a condition of an object is True.
pub(crate) fn holds(object: &Value, condition: &str) -> bool {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == condition && one["status"] == "True")
}

/// A request to a pod; status and body.
pub(crate) fn request(address: &str, method: &str, path: &str, body: &str) -> Result<(u16, String), Failure> {
    let mut stream = TcpStream::connect((address, 8080))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: app\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}
