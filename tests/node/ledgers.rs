//! What applications wrote down. Tests ask often, so each line is read once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::node::Failure;

/// The ledgers of a shop: a file for each pod, of a line of JSON for each thing that happened.
pub(crate) struct Ledgers {
    pub(crate) folder: PathBuf,
    read: Mutex<BTreeMap<PathBuf, Ledger>>,
}

/// What was read of a file: to where, and its lines.
type Ledger = (u64, Vec<Arc<Value>>);

impl Ledgers {
    pub(crate) fn of(folder: PathBuf) -> Self {
        Ledgers { folder, read: Mutex::default() }
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Result<Vec<Arc<Value>>, Failure> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            go_on(&path, read.entry(path.clone()).or_default())?;
        }
        Ok(read.values().flat_map(|(_, lines)| lines).cloned().collect())
    }
}

fn go_on(path: &Path, (at, lines): &mut Ledger) -> Result<(), Failure> {
    let (mut file, mut text) = (File::open(path)?, String::new());
    file.seek(SeekFrom::Start(*at))?;
    file.read_to_string(&mut text)?;
    // The last line may not be written to its end.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        lines.push(Arc::new(serde_json::from_str(line)?));
        *at += line.len() as u64;
    }
    Ok(())
}

/// The time by which ledgers are written, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |at| at.as_millis() as u64)
}
