//! Runs the `console` blocks of README.md: what the first page shows is what the program says.

use std::process::Command;

use super::{plain, repository, text};

/// A line that begins with `$ `, and what it is said to print.
struct Step {
    line: usize,
    command: String,
    output: Vec<String>,
}

#[test]
fn the_readme_shows_what_podwire_says() {
    let steps = steps(&text("README.md"));
    assert!(steps.len() >= 5, "README.md shows only {} commands", steps.len());
    let wrong: Vec<String> = steps.iter().filter_map(fault).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (index, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(kind) => inside = !inside && kind == "console",
            None if !inside => {}
            None => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { line: index + 1, command: command.to_owned(), output: Vec::new() }),
                (None, Some(step)) => step.output.push(line.to_owned()),
                (None, None) => panic!("README.md:{}: output of no command", index + 1),
            },
        }
    }
    steps
}

/// What a step prints instead of what it should; `None` where it is right.
fn fault(step: &Step) -> Option<String> {
    let mut shell = Command::new("sh");
    plain(&mut shell);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_podwire")).parent().unwrap();
    let path =
        std::env::join_paths([bin.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())));
    let ran = shell.arg("-c").arg(format!("{{ {}\n}} 2>&1", step.command)).env("PATH", path.unwrap()).current_dir(repository("")).output();
    let said = String::from_utf8(ran.unwrap().stdout).unwrap();
    let said: Vec<&str> = said.trim_end().lines().map(str::trim_end).collect();
    let shown: Vec<&str> = step.output.iter().map(|line| line.trim_end()).collect();
    let shown = &shown[..shown.len() - shown.iter().rev().take_while(|line| line.is_empty()).count()];
    (!fits(shown, &said)).then(|| format!("README.md:{}: $ {}\n{}", step.line, step.command, said.join("\n")))
}

/// Whether lines are as shown, where a line of three dots stands for any number of them.
fn fits(shown: &[&str], said: &[&str]) -> bool {
    match shown {
        [] => said.is_empty(),
        ["...", rest @ ..] => (0..=said.len()).any(|skipped| fits(rest, &said[skipped..])),
        [first, rest @ ..] => said.first().is_some_and(|line| line == first) && fits(rest, &said[1..]),
    }
}
