//! A program under its supervisor.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::{Error, Result, failed};

/// A program under its supervisor. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a program whose output goes to `log`, after what is there already.
    pub(crate) fn start(name: &'static str, program: &Path, arguments: impl IntoIterator<Item = String>, log: PathBuf) -> Result<Self> {
        let mut command = watching(include_str!("../../tools/control-plane/supervise.sh"));
        command.arg(program).args(arguments);
        let mut start = || {
            let output = File::options().create(true).append(true).open(&log)?;
            command.stderr(output.try_clone()?).stdout(output).spawn()
        };
        let child = start().map_err(failed(name))?;
        Ok(Process { name, log, child })
    }

    /// Its name, and where its output goes.
    pub(crate) fn log(&self) -> (&'static str, PathBuf) {
        (self.name, self.log.clone())
    }

    /// The program's own number, below its supervisor's.
    pub(crate) fn number(&self) -> io::Result<u32> {
        let of = self.child.id();
        let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
        children.split_whitespace().next().and_then(|first| first.parse().ok()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks the program to end, which it may take 10 s for, and waits: how it ended.
    pub(crate) fn terminate(self) -> io::Result<ExitStatus> {
        self.end("term\n")
    }

    /// Ends the program at once, as the kernel does, and waits.
    pub(crate) fn kill(self) -> io::Result<ExitStatus> {
        self.end("kill\n")
    }

    fn end(mut self, word: &str) -> io::Result<ExitStatus> {
        if let Some(pipe) = self.child.stdin.as_mut() {
            pipe.write_all(word.as_bytes())?;
        }
        // To wait is first to close the pipe.
        self.child.wait()
    }

    /// An error that says what is wrong and how the log ends.
    pub(crate) fn error(&self, problem: String) -> Error {
        let text = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<_> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        Error::Program(self.name, problem, self.log.clone(), end)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // To wait is first to close the pipe.
        let _ = self.child.wait();
    }
}

/// A script in a process group of its own, which a Ctrl-C does not reach. Its standard input is a pipe whose other end no program inherits.
pub(super) fn watching(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "podwire"]).process_group(0).stdin(Stdio::piped());
    command
}
