//! The house: sizes, doors, what the engine shows, and words that do not belong into a public tree.

use super::arrows::{is_program, program};
use super::{files, text};

/// why: a file that needs scrolling for more than a few screens holds two subjects.
const LONGEST: usize = 400;

/// Doors that do a little work themselves, and the work.
const WORKING_DOORS: &[(&str, &str)] = &[("src/cli/mod.rs", "pub fn main() -> std::process::ExitCode {")];

/// Everything that the engine shows: its door, and the values that the door takes and gives.
const SHOWN: &[&str] = &[
    "Advance",
    "Answers",
    "App",
    "Broker",
    "Change",
    "Channel",
    "Code",
    "Component",
    "Condition",
    "ControlPlane",
    "Copied",
    "Cost",
    "Crossing",
    "Decision",
    "Edit",
    "End",
    "Features",
    "Finding",
    "Flows",
    "Footprint",
    "Found",
    "Gate",
    "Kinds",
    "LimitRange",
    "Load",
    "Loaded",
    "Member",
    "Memory",
    "Migration",
    "Move",
    "Mover",
    "Namespace",
    "NotTaken",
    "Notice",
    "Observed",
    "Origin",
    "Owner",
    "Platform",
    "PodRequest",
    "Question",
    "Range",
    "Reading",
    "Reason",
    "Reconciliation",
    "ResourceQuota",
    "Role",
    "Running",
    "Said",
    "Scope",
    "Seen",
    "Settings",
    "Severity",
    "Snapshot",
    "Stage",
    "Step",
    "Subject",
    "Undone",
    "Unreadable",
    "Untouched",
    "Verdict",
    "Wiring",
    "Workload",
    "admit",
    "app_id",
    "check_policy",
    "copy_limits",
    "cost",
    "migrate",
    "page",
    "reconcile",
    "review",
    "summary",
    "survey",
    "undo",
    "warnings",
];

/// What a public tree does not say: places on one machine, and where packages come from. In two halves, so that this file does not say it either.
const UNSAID: &[(&str, &str)] =
    &[("/ro", "ot/"), ("/wo", "rk/"), ("/home/", "ubuntu"), ("index.crates", ".io"), ("proxy.go", "lang.org"), ("BEGIN PRIVATE", " KEY")];

/// Made by tools, and full of addresses.
const LOCKS: &[&str] = &["Cargo.lock", "go.sum"];

/// One list each, of which nobody reads more than an entry.
const LISTS: [&str; 1] = ["src/engine/findings/code.rs"];

#[test]
fn no_file_is_long() {
    let length = |file: &str| program(&text(file)).lines().count();
    let program = files("src").into_iter().filter(|file| is_program(file));
    let others = files("tests").into_iter().chain(files("benches")).filter(|file| file.ends_with(".rs"));
    let program = program.filter(|file| !LISTS.contains(&file.as_str()));
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
            let names = names.trim_matches(|c| matches!(c, '{' | '}')).split(',').map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect::<Vec<_>>()
        })
        .collect();
    shown.sort();
    assert_eq!(shown, SHOWN);
    assert!(!door.contains("pub mod ") && !door.contains("::*"), "rooms of the engine are entered through its door");
}

/// The rules of a server's roles, each as its verbs, resources and names.
fn rules(server: &str) -> Vec<[Vec<String>; 3]> {
    let manifest = text("manifests/podwire.yaml");
    let documents = manifest.split("\n---").map(|part| podwire::api::yaml::read(part).unwrap().value());
    let roles = documents
        .filter(|object| ["ClusterRole", "Role"].iter().any(|kind| object["kind"] == *kind) && object["metadata"]["name"] == server);
    let words = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let of = |role: serde_json::Value| role["rules"].as_array().cloned().unwrap_or_default();
    let rules: Vec<_> = roles.flat_map(of).map(|rule| ["verbs", "resources", "resourceNames"].map(|field| words(&rule[field]))).collect();
    assert!(!rules.is_empty(), "{server} has no role");
    rules
}

#[test]
fn the_webhook_may_change_nothing_and_read_no_secret() {
    for [verbs, resources, _] in rules("podwire-webhook") {
        assert!(verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str())), "{verbs:?} {resources:?}");
        assert!(!resources.iter().any(|resource| resource.starts_with("secrets") || resource == "*"), "{resources:?}");
    }
}

#[test]
fn the_controller_deletes_what_it_makes_and_has_one_secret() {
    const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
    const MADE: [&str; 5] = ["resiliencies", "services", "subscriptions", "triggers", "wirings"];
    const CONFIGURATIONS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
    const WRITTEN: [&str; 6] = ["brokers", "configmaps", "events", "injectionpolicies/status", "leases", "wirings/status"];
    for [verbs, resources, names] in rules("podwire-controller") {
        let rule = format!("{verbs:?} {resources:?} {names:?}");
        let only = |allowed: &[&str]| resources.iter().all(|resource| allowed.contains(&resource.as_str()));
        let has = |verb: &str| verbs.iter().any(|one| one == verb);
        // Nothing that gives more power than it takes: no wildcard, escalate, bind, impersonate, knsubscribe.
        assert!(verbs.iter().all(|verb| VERBS.contains(&verb.as_str())), "{rule}");
        assert!(!resources.iter().any(|resource| resource.contains('*')), "{rule}");
        // What belongs to podwire's own installation it has by name, and may not take away.
        let installed = [
            (["secrets"].as_slice(), ["get", "update"].as_slice(), ["podwire-webhook-tls"].as_slice()),
            (&CONFIGURATIONS, &["get", "list", "patch", "watch"], &["podwire"]),
            (&["injectionpolicies"], &["create", "patch"], &["default"]),
        ];
        let is = |allowed: &[&str], words: &[String]| words.iter().all(|word| allowed.contains(&word.as_str()));
        if installed.iter().any(|(what, how, which)| only(what) && is(how, &verbs) && names == *which) {
            continue;
        }
        assert!(!resources.iter().any(|resource| resource.starts_with("secrets") || CONFIGURATIONS.contains(&resource.as_str())), "{rule}");
        assert!(!has("delete") || only(&MADE), "{rule}");
        assert!(!has("update") || only(&["leases"]) && names == ["podwire-controller"], "{rule}");
        assert!(!(has("create") || has("patch")) || only(&MADE) || only(&WRITTEN), "{rule}");
        assert!(!has("patch") || !only(&["configmaps"]) || names == ["podwire-brokers"], "{rule}");
    }
}

/// The registration that ships and the program exclude the same namespaces, and the label.
#[test]
fn the_registration_asks_for_new_pods_outside_of_the_excluded_namespaces() {
    let registration = installed().into_iter().find(|object| object["kind"] == "MutatingWebhookConfiguration").unwrap();
    let webhooks = registration["webhooks"].as_array().unwrap();
    assert_eq!(webhooks.len(), 1);
    let rule = serde_json::json!([
        { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced" }
    ]);
    assert_eq!(webhooks[0]["rules"], rule);
    let excluded = podwire::engine::Settings::default().excluded_namespaces;
    let outside = |key: &str, values: &[String]| serde_json::json!({ "key": key, "operator": "NotIn", "values": values });
    let label = outside(podwire::api::annotations::INJECT_LABEL, &["disabled".to_owned()]);
    let expected = serde_json::json!({ "matchExpressions": [outside("kubernetes.io/metadata.name", &excluded), label] });
    assert_eq!(webhooks[0]["namespaceSelector"], expected);
}

/// Whoever upgrades finds each entry by its name, as the controller does, which sets the caBundle behind a test of it.
#[test]
fn entries_of_the_registration_keep_their_names() {
    let named = |kind: &str| -> Vec<String> {
        let object = installed().into_iter().find(|object| object["kind"] == *kind).unwrap();
        object["webhooks"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(named("MutatingWebhookConfiguration"), ["pods.podwire.io"]);
    assert_eq!(named("ValidatingWebhookConfiguration"), ["workloads.podwire.io", "cronjobs.podwire.io", "pods.podwire.io"]);
}

#[test]
fn the_webhooks_pods_hold_no_key_of_a_ca() {
    let deployments = installed().into_iter().filter(|object| object["kind"] == "Deployment");
    let mut items = Vec::new();
    for deployment in deployments {
        let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        let secrets = volumes.into_iter().filter(|volume| !volume["secret"].is_null());
        items.extend(secrets.map(|volume| (deployment["metadata"]["name"].clone(), volume["secret"]["items"].clone())));
    }
    let both = serde_json::json!([{ "key": "tls.crt", "path": "tls.crt" }, { "key": "tls.key", "path": "tls.key" }]);
    assert_eq!(items, [("podwire-webhook".into(), both)]);
}

fn installed() -> Vec<serde_json::Value> {
    let manifest = text("manifests/podwire.yaml");
    manifest.split("\n---").map(|part| podwire::api::yaml::read(part).unwrap().value()).collect()
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
