//! Who may know whom: every `crate::` and `super::` path of the program, held against a table.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, text};

/// From a room to the rooms that it may know. `engine/plan/make.rs` is in `engine::plan`; what `crate::engine` shows counts as the room behind its door.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "api",
            "cli::certs",
            "cli::check",
            "cli::controller",
            "cli::footprint",
            "cli::live",
            "cli::migrate",
            "cli::server",
            "cli::webhook",
            "edge::telemetry",
            "engine",
        ],
    ),
    ("cli::certs", &["cli", "cli::server", "edge::certs", "edge::telemetry", "engine"]),
    ("cli::check", &["api", "cli", "cli::server", "edge::probe"]),
    ("cli::controller", &["api", "cli", "cli::certs", "cli::server", "edge::controller", "edge::install"]),
    ("cli::footprint", &["api", "cli", "cli::server", "edge::look", "engine"]),
    ("cli::live", &["cli", "cli::server", "edge::look", "edge::telemetry", "engine"]),
    ("cli::migrate", &["api", "cli", "cli::server", "edge::look", "engine"]),
    ("cli::server", &["api", "cli", "edge::controller", "edge::look", "edge::telemetry", "edge::watch", "edge::webhook", "engine"]),
    // The one verb that serves.
    ("cli::webhook", &["api", "cli", "cli::server", "edge::certs", "edge::watch", "edge::webhook", "engine"]),
    ("edge::certs", &["edge::clock", "edge::telemetry"]),
    ("edge::clock", &[]),
    ("edge::telemetry", &["api", "engine"]),
    ("edge::watch", &["api", "edge::telemetry", "engine"]),
    ("edge::install", &["api", "edge::certs", "edge::clock", "edge::telemetry"]),
    ("edge::probe", &[]),
    ("edge::controller", &["api", "edge::clock", "edge::http", "edge::install", "edge::telemetry", "edge::watch", "engine"]),
    ("edge::http", &["edge::telemetry"]),
    ("edge::look", &["api", "edge::watch", "engine"]),
    ("edge::webhook", &["api", "edge::certs", "edge::http", "edge::telemetry", "edge::watch", "engine"]),
    (
        "engine::admit",
        &[
            "api",
            "engine::findings",
            "engine::governing",
            "engine::inject",
            "engine::intent",
            "engine::laws",
            "engine::plan",
            "engine::reasons",
            "engine::request",
            "engine::snapshot",
        ],
    ),
    (
        "engine::app",
        &[
            "api",
            "engine::admit",
            "engine::findings",
            "engine::governing",
            "engine::inject",
            "engine::intent",
            "engine::plan",
            "engine::reasons",
            "engine::request",
            "engine::snapshot",
        ],
    ),
    ("engine::findings", &[]),
    (
        "engine::footprint",
        &[
            "api",
            "engine::admit",
            "engine::app",
            "engine::findings",
            "engine::inject",
            "engine::plan",
            "engine::request",
            "engine::snapshot",
        ],
    ),
    ("engine::generate", &["api", "engine::app", "engine::findings", "engine::governing", "engine::observed", "engine::snapshot"]),
    ("engine::governing", &["api", "engine::findings", "engine::reasons", "engine::snapshot"]),
    (
        "engine::inject",
        &["api", "engine::findings", "engine::governing", "engine::intent", "engine::plan", "engine::request", "engine::snapshot"],
    ),
    ("engine::intent", &["api", "engine::findings", "engine::governing", "engine::reasons", "engine::request", "engine::snapshot"]),
    ("engine::laws", &["api", "engine::request"]),
    (
        "engine::migration",
        &[
            "api",
            "engine::admit",
            "engine::app",
            "engine::findings",
            "engine::observed",
            "engine::request",
            "engine::snapshot",
            "engine::status",
            "engine::topology",
        ],
    ),
    ("engine::observed", &["engine::snapshot", "engine::topology"]),
    (
        "engine::plan",
        &["api", "engine::findings", "engine::governing", "engine::intent", "engine::reasons", "engine::request", "engine::snapshot"],
    ),
    ("engine::reasons", &[]),
    (
        "engine::reconcile",
        &["api", "engine::app", "engine::findings", "engine::generate", "engine::observed", "engine::snapshot", "engine::status"],
    ),
    ("engine::request", &[]),
    ("engine::snapshot", &["api"]),
    (
        "engine::review",
        &[
            "api",
            "engine::admit",
            "engine::app",
            "engine::findings",
            "engine::generate",
            "engine::governing",
            "engine::intent",
            "engine::observed",
            "engine::request",
            "engine::snapshot",
            "engine::status",
        ],
    ),
    (
        "engine::status",
        &["api", "engine::app", "engine::findings", "engine::generate", "engine::observed", "engine::snapshot", "engine::topology"],
    ),
    ("engine::survey", &["api", "engine::app", "engine::governing", "engine::snapshot", "engine::status"]),
    ("engine::topology", &["api", "engine::app"]),
    ("api", &[]),
];

/// Crates that a room does without, whatever the package depends on.
const ABSENT: &[(&str, &[&str])] = &[
    ("api", &["axum", "clap", "rustls", "tokio", "tracing"]),
    ("engine", &["axum", "clap", "kube", "rustls", "tokio", "tracing"]),
    // It answers from a snapshot: there is nobody whom it could ask.
    ("edge::http", &["kube"]),
    ("cli::live", &["kube", "rustls", "tokio"]),
    ("edge::webhook", &["kube"]),
    ("cli", &["kube", "rustls", "tokio"]),
];

/// A path in a file: its parts from the root of the crate.
type Path = Vec<String>;

#[test]
fn rooms_know_only_those_that_the_table_lets_them_know() {
    let shown = shown();
    let mut strangers = BTreeSet::new();
    for file in files("src").into_iter().filter(|file| is_program(file)) {
        let here = module(&file);
        let room = known_room(&here).unwrap_or_else(|| panic!("{file} is in no room of the table"));
        let allowed = ARROWS.iter().find(|(from, _)| *from == room).map(|(_, to)| *to).unwrap_or_default();
        for path in paths(&text(&file), &here) {
            let other = room_of(&path, &shown);
            if other != room && !allowed.contains(&other.as_str()) && !allowed.contains(&first(&other)) {
                strangers.insert(format!("{file}: {room} → {other} ({})", path.join("::")));
            }
        }
    }
    assert!(strangers.is_empty(), "an arrow that the table does not hold:\n{}", strangers.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn arrows_have_one_direction_between_the_four() {
    let order = ["main", "cli", "edge", "engine", "api"];
    let at = |room: &str| order.iter().position(|one| *one == first(room)).unwrap();
    for (from, allowed) in ARROWS {
        let back: Vec<_> = allowed.iter().filter(|to| at(to) < at(from)).collect();
        assert!(back.is_empty(), "{from} looks back at {back:?}");
    }
}

#[test]
fn rooms_do_without_the_crates_that_others_need() {
    let mut faults = Vec::new();
    for file in files("src").into_iter().filter(|file| is_program(file)) {
        let room = known_room(&module(&file)).unwrap_or_default();
        let absent = ABSENT.iter().find(|(from, _)| *from == room || *from == "engine" && first(room) == "engine");
        let code = code(&text(&file));
        let named = absent.iter().flat_map(|(_, crates)| *crates).filter(|name| !after(&code, &format!("{name}::")).is_empty());
        faults.extend(named.map(|name| format!("{file} names {name}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn first(room: &str) -> &str {
    room.split("::").next().unwrap_or_default()
}

/// Whether a file is part of the program and not of its tests.
pub(super) fn is_program(file: &str) -> bool {
    file.ends_with(".rs") && !file.ends_with("/tests.rs") && !file.contains("/tests/")
}

/// `src/engine/plan/make.rs` is `engine::plan::make`, a `mod.rs` its folder, `lib.rs` nothing.
fn module(file: &str) -> Path {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').filter(|part| !matches!(*part, "lib" | "mod")).map(str::to_owned).collect()
}

/// The longest beginning of a module that the table knows. Doors of several rooms belong to none of them.
fn known_room(module: &[String]) -> Option<&'static str> {
    let known = |length: usize| ARROWS.iter().map(|(from, _)| *from).find(|from| *from == module[..length].join("::"));
    let door = || ["", "edge", "engine"].into_iter().find(|door| *door == module.join("::"));
    (1..=module.len()).rev().find_map(known).or_else(door)
}

/// The room to which a path leads. What a door shows belongs to the room behind it.
fn room_of(path: &[String], shown: &BTreeMap<String, String>) -> String {
    let joined = path.join("::");
    let behind = path.iter().take(2).cloned().collect::<Vec<_>>().join("::");
    let resolved = shown.get(&behind).cloned().unwrap_or(joined);
    let parts: Path = resolved.split("::").map(str::to_owned).collect();
    known_room(&parts).map(str::to_owned).unwrap_or(resolved)
}

/// What the engine's door shows, and from which room: `engine::Style` is `engine::plan`.
fn shown() -> BTreeMap<String, String> {
    let door = text("src/engine/mod.rs");
    let uses = door.split(';').filter_map(|statement| statement.trim().strip_prefix("pub use "));
    let names = uses.flat_map(|statement| tree(statement, Vec::new()).0);
    names.map(|path| (format!("engine::{}", path.last().unwrap()), format!("engine::{}", path[0]))).collect()
}

/// Every path from the root of the crate in a file's program, `super::` resolved.
fn paths(text: &str, here: &[String]) -> Vec<Path> {
    let code = code(text);
    let parent = here[..here.len().saturating_sub(1)].to_vec();
    let mut found = Vec::new();
    for (word, base) in [("crate::", Vec::new()), ("super::", parent)] {
        found.extend(after(&code, word).into_iter().flat_map(|rest| tree(rest, base.clone()).0));
    }
    found
}

/// A file's program without its comments.
fn code(text: &str) -> String {
    program(text).lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What stands behind each place at which a path begins with the word.
fn after<'a>(code: &'a str, word: &str) -> Vec<&'a str> {
    let begins = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'));
    code.match_indices(word).filter(|(at, _)| begins(*at)).map(|(at, _)| &code[at + word.len()..]).collect()
}

/// A file without the tests at its end.
pub(super) fn program(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

/// Reads `a::b`, `a::{b, c::d}` or `*` and what is left behind it.
fn tree(text: &str, base: Path) -> (Vec<Path>, &str) {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('{') {
        let (mut all, mut rest) = (Vec::new(), inner);
        loop {
            let (found, after) = tree(rest, base.clone());
            all.extend(found);
            rest = after.trim_start().trim_start_matches(',').trim_start();
            if rest.is_empty() || rest.starts_with('}') {
                return (all, rest.strip_prefix('}').unwrap_or(rest));
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    // A path of `super::super` leads one room further out.
    let path: Path = match name {
        "super" => base[..base.len().saturating_sub(1)].to_vec(),
        "self" => base,
        _ => base.into_iter().chain([name.to_owned()]).collect(),
    };
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '{' | '*')) => tree(rest, path),
        _ => (vec![path], rest.trim_start_matches(|c: char| c != ',' && c != '}')),
    }
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let code =
        "use crate::api::{names as n, yaml::{self, Node}};\nuse super::Style;\npub(crate) fn f(x: crate::engine::Code) {} // crate::edge";
    let here = ["engine", "plan", "make"].map(str::to_owned);
    let read: Vec<String> = paths(code, &here).iter().map(|path| path.join("::")).collect();
    assert_eq!(read, ["api::names", "api::yaml", "api::yaml::Node", "engine::Code", "engine::plan::Style"]);
}
