//! What a person reads: plain text within 100 columns, and commands that are shown as they are run.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io};

use crate::Error;
use crate::support::lab::Lab;

const WIDTH: usize = 100;

/// The terminal, and the time since the first word on it.
pub(crate) struct Screen {
    start: Instant,
    step: usize,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Screen::after(0)
    }

    /// Goes on after so many steps.
    pub(crate) fn after(step: usize) -> Self {
        Screen { start: Instant::now(), step }
    }

    /// How many steps there were.
    pub(crate) fn steps(&self) -> usize {
        self.step
    }

    /// A heading with its number.
    pub(crate) fn step(&mut self, title: &str) -> Result<(), Error> {
        self.step += 1;
        let title = format!("\n== {}. {title} ", self.step);
        self.line(&format!("{title:=<width$}", width = WIDTH + 1))
    }

    /// Another process has shown so many steps.
    pub(crate) fn skip(&mut self, steps: usize) {
        self.step += steps;
    }

    /// Sentences of the demo.
    pub(crate) fn say(&self, text: &str) -> Result<(), Error> {
        text.split('\n').try_for_each(|line| fold(line, 0).iter().try_for_each(|line| self.line(line)))
    }

    /// What a program said, indented.
    pub(crate) fn show(&self, text: &str) -> Result<(), Error> {
        text.trim_end().lines().try_for_each(|line| fold(&format!("  {line}"), 4).iter().try_for_each(|line| self.line(line.trim_end())))
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn line(&self, line: &str) -> Result<(), Error> {
        writeln!(io::stdout(), "{line}").map_err(Error::Terminal)
    }
}

/// A time as people say it.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        whole @ 10..120 => format!("{whole} s"),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

/// Breaks a line between words; what follows is indented by `hang` more than the line itself.
fn fold(line: &str, hang: usize) -> Vec<String> {
    let mut rest: Vec<char> = line.chars().collect();
    let mut indent = rest.iter().take_while(|c| **c == ' ').count();
    let next = " ".repeat(indent + hang);
    let mut lines = Vec::new();
    while rest.len() > WIDTH {
        let fits = (indent..=WIDTH).rev().find(|place| rest[*place] == ' ' && *place > indent);
        let Some(end) = fits.or_else(|| (WIDTH..rest.len()).find(|place| rest[*place] == ' ')) else { break };
        lines.push(rest[..end].iter().collect::<String>().trim_end().to_owned());
        let words = rest[end..].iter().collect::<String>();
        rest = format!("{next}{}", words.trim_start()).chars().collect();
        indent = next.len();
    }
    lines.push(rest.into_iter().collect());
    lines
}

/// A shell in which `podwire`, and `kubectl` where there is an API server, are found by their names.
pub(crate) struct Shell {
    variables: Vec<(&'static str, OsString)>,
}

/// How a command is expected to end.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ends {
    Well,
    Badly,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    /// Finds podwire.
    pub(crate) fn offline(podwire: &Path) -> Result<Self, Error> {
        Ok(Shell { variables: vec![("PATH", path_with(podwire.parent().unwrap_or(podwire))?)] })
    }

    /// Finds podwire and kubectl in `programs`, and the lab's API server, whatever the settings of the person at the keyboard.
    pub(crate) fn of(lab: &Lab, programs: &Path) -> Result<Self, Error> {
        let variables = vec![
            ("PATH", path_with(programs)?),
            ("KUBECONFIG", lab.plane.kubeconfig().into()),
            ("KUBERC", "off".into()),
            ("KUBECACHEDIR", lab.plane.dir().join("kubectl-cache").into()),
        ];
        Ok(Shell { variables })
    }

    /// Shows a command line and runs it at the top of the repository.
    pub(crate) fn run(&self, screen: &Screen, command: &str, ends: Ends) -> Result<Said, Error> {
        screen.say("")?;
        screen.show(&format!("$ {}", command.replace('\n', "\n  ")))?;
        let said = self.quietly(command, ends);
        said.map_err(|(error, said)| match screen.show(&said) {
            Ok(()) => error,
            Err(error) => error,
        })
    }

    /// Shows a command line, runs it and shows what it says.
    pub(crate) fn show(&self, screen: &Screen, command: &str) -> Result<Said, Error> {
        let said = self.run(screen, command, Ends::Well)?;
        screen.show(&said.err)?;
        screen.show(&said.out)?;
        Ok(said)
    }

    fn quietly(&self, command: &str, ends: Ends) -> Result<Said, (Error, String)> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        let output = shell.envs(self.variables.iter().map(|(name, value)| (name, value))).output();
        let output = output.map_err(|error| (Error::System(command.to_owned(), error), String::new()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Said { out: text(&output.stdout), err: text(&output.stderr) };
        let expected = output.status.success() == (ends == Ends::Well);
        if expected { Ok(said) } else { Err((Error::Command(format!("{command} ({})", output.status)), said.err + &said.out)) }
    }
}

fn path_with(folder: &Path) -> Result<OsString, Error> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
    env::join_paths(folders).map_err(|error| Error::System("PATH".to_owned(), io::Error::other(error)))
}
