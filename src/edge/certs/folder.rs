//! A CA and a certificate in the files of a folder, for those who keep them by hand.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{AuthorityError, Held, Next, PARTS, Wanted};
use crate::edge::clock::now;

/// Why a folder is as it was, or half written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is one already, and it was not asked to renew it.
    #[error("{} is there already: --renew makes what is due anew, from the CA that is there", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No key or certificate can be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Makes what the folder lacks, with `renew` also what is due; answers what is new, in words.
///
/// # Errors
/// [`FolderError`] where the folder holds something already, or cannot be written.
pub fn keep_in(folder: &Path, wanted: &Wanted, renew: bool) -> Result<Vec<&'static str>, FolderError> {
    let failed = |file: &Path| {
        let file = file.to_owned();
        move |source| FolderError::File { file, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let read = |name: &str| {
        let file = folder.join(name);
        match fs::read_to_string(&file) {
            Ok(_) if !renew => Err(FolderError::Exists { file }),
            Ok(text) => Ok(text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(failed(&file)(error)),
        }
    };
    let [ca, ca_key, certificate, key] = PARTS.map(read);
    let before = Held::of([ca?, ca_key?, certificate?, key?]);
    // Whoever keeps them by hand has told whom they must trust.
    let Next { held, news, .. } = before.next(wanted, now(), true)?;
    for ((name, text), (_, before)) in held.parts().zip(before.parts()) {
        let file = folder.join(name);
        if text != before {
            let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
            let open = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&file);
            open.and_then(|mut open| open.write_all(text.as_bytes())).map_err(failed(&file))?;
        }
    }
    Ok(news)
}
