//! What needs no cluster: the house, the generated pages, the command line, and the first page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arrows;
mod cli;
mod generated;
mod house;
mod pages;
mod readme;

use std::path::PathBuf;

/// A file or folder of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file under a folder of the repository, by its path from the root, in the order of their names. Folders that git and cargo made are left out.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(repository(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && !(name.starts_with(".git") || name == "target") => folders.push(path),
                kind if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The program, with an environment of which its words do not depend.
fn podwire() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_podwire"));
    plain(&mut command);
    command
}

/// No colours, and lines of one length.
fn plain(command: &mut std::process::Command) {
    command.current_dir(repository("")).env("NO_COLOR", "1").env("COLUMNS", "100");
    for variable in ["CLICOLOR_FORCE", "KUBECONFIG", "RUST_LOG"] {
        command.env_remove(variable);
    }
}
