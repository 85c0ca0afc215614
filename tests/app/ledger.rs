//! The file: a line of JSON for everything that happened.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// A file of this process.
pub(crate) struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    pod: String,
}

impl Ledger {
    /// Opens the file of a pod; one that starts again goes on where it ended.
    pub(crate) fn open(folder: &str, pod: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = Path::new(folder).join(format!("{pod}.jsonl"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Ledger { path, file: Mutex::new(file), pod: pod.to_owned() })
    }

    /// All lines.
    pub(crate) fn read(&self) -> io::Result<String> {
        std::fs::read_to_string(&self.path)
    }

    /// Writes a line. It is with the kernel when this returns, so no end of the process loses it.
    pub(crate) fn write(&self, what: &str, mut facts: Value) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |at| at.as_millis());
        facts["at"] = json!(at);
        facts["pod"] = json!(self.pod);
        facts["what"] = json!(what);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{facts}\n").as_bytes()) {
            // What is not in the ledger must not be answered.
            eprintln!("ledger: {error}");
            std::process::abort();
        }
    }
}
