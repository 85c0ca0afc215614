//! Images of programs that this test run has compiled: each with the libraries that it is linked against, for a second build of everything would take longer than all tests.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;
use super::house::{House, succeeds};

/// The image of podwire, in parts as the chart's values name it.
pub(crate) const PODWIRE: (&str, &str) = ("localhost/podwire", "test");
/// The image of the application.
pub(crate) const APP: &str = "localhost/podwire-app:test";

const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/image");

/// Makes the images of podwire and of the application, which also has the names `more`, and imports them.
pub(crate) fn load(house: &House, podwire: &Path, more: &[&str]) -> Result<(), Failure> {
    let app = podwire.with_file_name("examples").join("app");
    if !app.exists() {
        return Err(Failure::new("there is no example `app`: cargo build --example app"));
    }
    // A pod that mounts nothing writes its ledger here, as the user that an image has.
    let ledger = house.folder().join("app/ledger");
    fs::create_dir_all(&ledger)?;
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o777))?;
    let names = [&[APP], more].concat().join(",");
    for (program, name) in [(podwire, format!("{}:{}", PODWIRE.0, PODWIRE.1)), (app.as_path(), names)] {
        house.import(&packed(program, &name, house.folder())?)?;
    }
    Ok(())
}

fn packed(program: &Path, name: &str, scratch: &Path) -> Result<PathBuf, Failure> {
    let title = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (root, tar) = (scratch.join(&title), scratch.join(format!("{title}.tar")));
    fs::create_dir_all(&root)?;
    fs::copy(program, root.join(&title))?;
    succeeds(Command::new("strip").arg(root.join(&title)))?;
    let linked = Command::new("ldd").arg(program).output()?;
    for library in String::from_utf8_lossy(&linked.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let to = root.join(library.trim_start_matches('/'));
        to.parent().map(fs::create_dir_all).transpose()?;
        fs::copy(fs::canonicalize(library)?, to)?;
    }
    succeeds(Command::new(IMAGE).arg(&root).arg(name).arg(&tar).arg(format!("/{title}")))?;
    Ok(tar)
}
