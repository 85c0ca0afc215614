//! The node, seen from outside: `tests/tools/cluster`, and somebody who ends it whatever becomes of this process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Failure;

/// Set to the node's folder where a process runs inside of it.
pub(crate) const INSIDE: &str = "PODWIRE_NODE_INSIDE";
const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/cluster");
/// What `tests/tools/cluster` says where a machine cannot have a node.
const CANNOT: i32 = 77;

/// A node. Dropping it ends it, and so does the end of this process, whatever the cause.
pub(crate) struct House {
    /// Of images and of the node.
    folder: PathBuf,
    dir: String,
    janitor: Child,
}

/// How a start can end well.
pub(crate) enum Begun {
    Up(House),
    /// This machine cannot have one: why.
    Cannot(String),
}

impl House {
    /// Starts a node, whose progress is told line by line. Its programs are built where they are missing, which takes about 20 minutes.
    pub(crate) fn start<E: From<Failure>>(mut tell: impl FnMut(&str) -> Result<(), E>) -> Result<Begun, E> {
        let mut house = House::found()?;
        let mut up = house.begin()?;
        let mut last = String::new();
        for line in up.stderr.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
            last = line.map_err(Failure::from)?;
            tell(&last)?;
        }
        let status = up.wait().map_err(Failure::from)?;
        house.say("")?;
        match status.code() {
            Some(0) => Ok(Begun::Up(house)),
            Some(CANNOT) => Ok(Begun::Cannot(last.trim_start_matches("tests/tools/cluster: ").to_owned())),
            _ => Err(Failure::new(format!("the node does not start ({status}): {last}")).into()),
        }
    }

    /// A folder, and who will remove it.
    fn found() -> Result<Self, Failure> {
        // Not where temporary files may be in memory. The node makes its own folder in it.
        let folder = tempfile::Builder::new().prefix("podwire-node-").tempdir_in("/var/tmp")?.keep();
        let dir = folder.join("node").display().to_string();
        let mut janitor = Command::new("sh");
        janitor.args(["-c", include_str!("../../tools/node/end.sh"), "podwire", CLUSTER, &dir]).arg(&folder);
        // A group of its own, which a Ctrl-C does not reach.
        janitor.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(House { janitor: janitor.spawn()?, folder, dir })
    }

    fn begin(&mut self) -> Result<Child, Failure> {
        let mut up = Command::new(CLUSTER);
        up.args(["up", &self.dir]).env("TMPDIR", &self.folder).process_group(0);
        let up = up.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        self.say(&up.id().to_string())?;
        Ok(up)
    }

    /// Where files for the node are made.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Imports an image.
    pub(crate) fn import(&self, tar: &Path) -> Result<(), Failure> {
        succeeds(Command::new(CLUSTER).args(["load", &self.dir]).arg(tar))
    }

    /// A program that will run inside.
    pub(crate) fn enter(&self, program: &Path) -> Command {
        let mut command = Command::new(CLUSTER);
        command.args(["enter", &self.dir]).arg(program).env(INSIDE, &self.dir);
        command
    }

    /// Leaves it running, and says how to look at it and how to end it.
    pub(crate) fn keep(mut self) -> Result<String, Failure> {
        self.say("keep")?;
        let dir = &self.dir;
        Ok(format!("the node stays: {CLUSTER} enter {dir} kubectl get pods -A; {CLUSTER} down {dir}"))
    }

    fn say(&mut self, word: &str) -> Result<(), Failure> {
        Ok(self.janitor.stdin.as_mut().map_or(Ok(()), |pipe| writeln!(pipe, "{word}"))?)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // To wait is first to close the pipe.
        let _ = self.janitor.wait();
    }
}

/// Runs a command that has nothing to say.
pub(super) fn succeeds(command: &mut Command) -> Result<(), Failure> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
