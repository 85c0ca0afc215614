//! `tests/tools/build`, which runs while the offline part is read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::screen::{Screen, seconds};
use crate::support::control_plane::{GROUPS, Tools};

/// A build in a process group of its own. It ends with the pipe that only we hold, so it never outlives us.
pub(crate) struct Build {
    child: Child,
    /// Without a name, so that nothing stays on the disk.
    log: File,
    read: u64,
}

impl Build {
    /// Starts it; what it says goes into a log.
    pub(crate) fn start() -> Result<Self, Error> {
        let failed = |error| Error::System("tests/tools/build".to_owned(), error);
        let log = tempfile::tempfile().map_err(failed)?;
        let output = log.try_clone().map_err(failed)?;
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("background.sh"), "demo", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/build")]);
        command.args(GROUPS);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(output);
        Ok(Build { child: command.spawn().map_err(failed)?, log, read: 0 })
    }

    /// Waits for the end, and shows what is being done meanwhile.
    pub(crate) fn finish(mut self, screen: &Screen) -> Result<Tools, Error> {
        let start = Instant::now();
        let mut announced = false;
        loop {
            let status = self.status()?;
            let news = self.news()?;
            if status == Some(false) {
                screen.show(&news)?;
                return Err(Error::Build);
            }
            if status.is_none() && !news.is_empty() && !announced {
                announced = true;
                screen.say(
                    "Its programs are being built from pinned sources: about 7 minutes on 2 cores, once. Later runs find them, and Ctrl-C \
                     now loses only the one that is named last.",
                )?;
            }
            if announced {
                screen.show(&news)?;
            }
            if status == Some(true) {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        if announced {
            screen.say(&format!("All are there, after {} of waiting.\n", seconds(start.elapsed())))?;
        }
        Tools::locate().map_err(|error| Error::Lab(error.to_string()))
    }

    /// Whether it succeeded, once it has ended.
    fn status(&mut self) -> Result<Option<bool>, Error> {
        let status = self.child.try_wait().map_err(|error| Error::System("tests/tools/build".to_owned(), error))?;
        Ok(status.map(|status| status.success()))
    }

    /// The lines that are new in the log.
    fn news(&mut self) -> Result<String, Error> {
        let mut bytes = vec![0; 64 * 1024];
        // By position: the build writes at the offset that both of us share.
        let length = self.log.read_at(&mut bytes, self.read).map_err(|error| Error::System("the build's log".to_owned(), error))?;
        let end = bytes[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.read += end as u64;
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // To wait is first to close the pipe.
        let _ = self.child.wait();
    }
}
