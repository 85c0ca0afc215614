//! Pages that people wrote: what they name is there, and what is there is named.

use podwire::api::annotations::VOCABULARY;

use super::{files, repository, text};

/// The pages of the repository.
fn pages() -> Vec<String> {
    let top = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md"].map(str::to_owned);
    top.into_iter().chain(files("docs").into_iter().filter(|file| file.ends_with(".md"))).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut lost = Vec::new();
    for page in pages() {
        let text = text(&page);
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap_or_default();
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = match (link.contains("://"), path) {
                (true, _) => continue,
                (false, "") => repository(&page),
                (false, path) => repository(&page).parent().unwrap().join(path),
            };
            let found = std::fs::read_to_string(&target).is_ok_and(|target| place.is_empty() || places(&target).any(|one| one == place));
            if !found {
                lost.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// Where a link into a page can lead: its anchors, and its headings as they are shown on the web.
fn places(page: &str) -> impl Iterator<Item = String> {
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    page.lines().filter_map(move |line| match line.strip_prefix("<a id=\"") {
        Some(anchor) => anchor.split('"').next().map(str::to_owned),
        None if line.starts_with('#') => Some(line.trim_start_matches('#').trim().chars().filter_map(letter).collect()),
        None => None,
    })
}

#[test]
fn the_tests_that_hold_an_invariant_are_there() {
    let page = text("ARCHITECTURE.md");
    let part = page.split("\n## ").find(|part| part.starts_with("What never happens")).unwrap().replace('\n', " ");
    let quoted = part.split('`').skip(1).step_by(2).map(|quoted| quoted.rsplit([' ', ':']).next().unwrap_or_default());
    let sentences: Vec<&str> = quoted.filter(|word| word.matches('_').count() > 2 && *word != "iter_over_hash_type").collect();
    let there = tests();
    let lost: Vec<_> = sentences.iter().filter(|name| !there(name)).collect();
    assert!(sentences.len() > 15 && lost.is_empty(), "{} tests are named, of which are not there: {lost:?}", sentences.len());
}

/// Whether a test of this name is there.
fn tests() -> impl Fn(&str) -> bool {
    let code: String = files("src").iter().chain(&files("tests")).filter(|file| file.ends_with(".rs")).map(|file| text(file)).collect();
    move |name| code.contains(&format!("fn {name}(")) || code.contains(&format!("::{name}\""))
}

/// Each line of the tables of threats ends with tests: functions by their paths, or folders of tests/golden.
#[test]
fn the_tests_that_hold_a_threat_are_there() {
    let page = text("docs/security.md");
    let (_, part) = page.split_once("\n## Threats").unwrap();
    let rows: Vec<&str> = part.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| held by |")).collect();
    let there = tests();
    let mut faults = Vec::new();
    for row in &rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            faults.push(format!("no test: {row}"));
        }
        for name in named {
            let found = match name.strip_prefix("golden ") {
                Some(folder) => repository(&format!("tests/golden/{folder}/pod.in.yaml")).exists(),
                None => there(name.rsplit("::").next().unwrap()),
            };
            if !found {
                faults.push(format!("there is no {name}"));
            }
        }
    }
    assert!(rows.len() > 35 && faults.is_empty(), "{} threats\n{}", rows.len(), faults.join("\n"));
}

#[test]
fn the_readme_names_every_annotation() {
    let readme = text("README.md");
    let lacking: Vec<_> = VOCABULARY.iter().filter(|one| !readme.contains(&format!("| `{}` |", one.key))).map(|one| one.key).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn the_page_of_the_webhook_names_every_metric() {
    let (code, page) = (text("src/edge/telemetry/metrics.rs"), text("docs/webhook.md"));
    let names = code.split("registry.register(").skip(1).filter_map(|call| call.split('"').nth(1));
    let lacking: Vec<_> = names.clone().filter(|name| !page.contains(&format!("`podwire_{name}"))).collect();
    assert!(names.count() >= 6 && lacking.is_empty(), "{lacking:?}");
}

#[test]
fn the_page_of_dapr_names_every_annotation_of_the_table() {
    let (code, page) = (text("src/engine/intent/dapr/rows.rs"), text("docs/dapr.md"));
    let keys = code.split('"').skip(1).step_by(2).filter(|text| text.starts_with("dapr.io/") && text.len() > "dapr.io/".len());
    let lacking: Vec<_> = keys.clone().filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert!(keys.count() > 40 && lacking.is_empty(), "{lacking:?}");
}

#[test]
fn the_guide_names_every_target_of_make() {
    let (makefile, guide) = (text("Makefile"), text("CONTRIBUTING.md"));
    let targets =
        makefile.lines().filter(|line| line.contains("## ") || line.starts_with("tools:")).filter_map(|line| line.split_once(':'));
    let targets: Vec<&str> = targets.map(|(target, _)| target).filter(|target| !target.contains([' ', '\t', '#'])).collect();
    let lacking: Vec<_> = targets.iter().filter(|target| !guide.contains(&format!("`make {target}`"))).collect();
    assert!(targets.len() >= 8 && lacking.is_empty(), "{targets:?}, of which are not named: {lacking:?}");
}
