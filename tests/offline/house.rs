//! The house: sizes, doors, what the engine shows, and words that do not belong into a public tree.

use super::arrows::{is_program, program};
use super::{files, text};

/// why: a file that needs scrolling for more than a few screens holds two subjects.
const LONGEST: usize = 400;

/// Doors that do a little work themselves, and the work.
const WORKING_DOORS: &[(&str, &str)] = &[("src/cli/mod.rs", "pub fn main() -> std::process::ExitCode {")];

/// Everything that the engine shows: its door, and the values that the door takes and gives.
const SHOWN: &[&str] = &[
    "App",
    "Broker",
    "Code",
    "ControlPlane",
    "Copied",
    "Decision",
    "Finding",
    "Member",
    "Namespace",
    "NotTaken",
    "Origin",
    "Owner",
    "PodRequest",
    "Reason",
    "Reconciliation",
    "Settings",
    "Severity",
    "Snapshot",
    "Subject",
    "Undone",
    "Unreadable",
    "Untouched",
    "Verdict",
    "admit",
    "copy_limits",
    "page",
    "reconcile",
    "summary",
    "undo",
    "warnings",
];

/// What a public tree does not say: places on one machine, and where packages come from. In two halves, so that this file does not say it either.
const UNSAID: &[(&str, &str)] =
    &[("/ro", "ot/"), ("/wo", "rk/"), ("/home/", "ubuntu"), ("index.crates", ".io"), ("proxy.go", "lang.org"), ("BEGIN PRIVATE", " KEY")];

/// Made by tools, and full of addresses.
const LOCKS: &[&str] = &["Cargo.lock", "go.sum"];

#[test]
fn no_file_is_long() {
    let length = |file: &str| program(&text(file)).lines().count();
    let program = files("src").into_iter().filter(|file| is_program(file));
    let others = files("tests").into_iter().chain(files("benches")).filter(|file| file.ends_with(".rs"));
    let long = program.chain(others).map(|file| (length(&file), file)).filter(|(lines, _)| *lines > LONGEST);
    let long: Vec<String> = long.map(|(lines, file)| format!("{file}: {lines}")).collect();
    assert!(long.is_empty(), "more than {LONGEST} lines without tests:\n{}", long.join("\n"));
}

#[test]
fn a_mod_file_is_a_door() {
    let mut faults = Vec::new();
    for file in files("src").into_iter().filter(|file| file.ends_with("/mod.rs") && is_program(file)) {
        let work = WORKING_DOORS.iter().find(|(door, _)| *door == file).map(|(_, work)| *work);
        let door = text(&file);
        if !door.starts_with("//! ") {
            faults.push(format!("{file} does not say what the room is"));
        }
        let code: Vec<&str> = door.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for statement in statements(&code.join("\n")) {
            let open = ["mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
            let works = work.is_some_and(|work| statement.starts_with(work));
            if !works && !open.iter().any(|word| statement.starts_with(word)) {
                faults.push(format!("{file}: {statement}"));
            }
        }
    }
    assert!(faults.is_empty(), "a mod.rs is docs, mod lines and use lines:\n{}", faults.join("\n"));
}

/// The items of a door without their attributes: `mod plan`, `pub use plan::Style`, or a function with its body.
fn statements(code: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut depth = 0;
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("#")) {
        let last = found.last_mut().unwrap();
        last.push_str(line);
        last.push('\n');
        depth += line.matches('{').count();
        depth -= line.matches('}').count();
        if depth == 0 && line.ends_with([';', '}']) {
            found.push(String::new());
        }
    }
    found.into_iter().filter(|statement| !statement.is_empty()).collect()
}

#[test]
fn the_engine_shows_its_door_and_the_values_it_takes() {
    let door = text("src/engine/mod.rs");
    let uses = door.split(';').filter_map(|statement| statement.trim().strip_prefix("pub use "));
    let mut shown: Vec<String> = uses
        .flat_map(|statement| {
            let names = statement.rsplit("::").next().unwrap_or_default();
            names.trim_matches(|c| matches!(c, '{' | '}')).split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    shown.sort();
    assert_eq!(shown, SHOWN);
    assert!(!door.contains("pub mod ") && !door.contains("::*"), "rooms of the engine are entered through its door");
}

#[test]
fn the_webhook_may_change_nothing_and_read_no_secret() {
    let manifest = text("manifests/podwire.yaml");
    let lines = |field: &str| manifest.lines().filter_map(|line| line.trim().strip_prefix(field)).map(str::trim).collect::<Vec<_>>();
    let reads =
        |verbs: &str| verbs.trim_matches(|c| matches!(c, '[' | ']')).split(", ").all(|verb| ["get", "list", "watch"].contains(&verb));
    let verbs = lines("verbs:");
    assert!(!verbs.is_empty() && verbs.iter().all(|verbs| reads(verbs)), "{verbs:?}");
    assert!(!lines("resources:").iter().any(|resources| resources.contains("secrets")));
}

#[test]
fn every_golden_folder_has_a_pod() {
    let golden = files("tests/golden");
    let folders: std::collections::BTreeSet<&str> =
        golden.iter().filter_map(|file| file.strip_prefix("tests/golden/")?.split_once('/')).map(|(folder, _)| folder).collect();
    let lacking: Vec<_> = folders.iter().filter(|folder| !golden.contains(&format!("tests/golden/{folder}/pod.in.yaml"))).collect();
    assert!(folders.len() >= 40 && lacking.is_empty(), "{} folders, without pod.in.yaml: {lacking:?}", folders.len());
}

#[test]
fn the_tree_speaks_of_no_machine() {
    let mut faults = Vec::new();
    for file in files("").into_iter().filter(|file| !LOCKS.iter().any(|lock| file.ends_with(lock))) {
        let bytes = std::fs::read(super::repository(&file)).unwrap();
        let Ok(text) = String::from_utf8(bytes) else { continue };
        for (line, words) in text.lines().enumerate() {
            let said = UNSAID.iter().map(|(one, two)| format!("{one}{two}")).find(|unsaid| words.contains(unsaid.as_str()));
            faults.extend(said.map(|said| format!("{file}:{}: {said}", line + 1)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
