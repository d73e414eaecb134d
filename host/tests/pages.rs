//! Tests what the pages show: commands that run verbatim, the demo's table, a policy's code.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop loudly"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::standard_policies;
use tempfile::TempDir;

/// What the test does with a command on a page.
enum Shown {
    /// Runs the command, which must exit with 0.
    Runs,
    /// Runs the command with these further arguments, because it would take minutes without them.
    RunsWith(&'static [&'static str]),
    /// Does not run the command, because it needs this.
    Needs(&'static str),
}

/// The commands on the pages below, by prefix. The first match applies.
const COMMANDS: [(&str, Shown); 15] = [
    ("cargo xtask", Shown::Needs("a build of the whole tree")),
    ("cargo build", Shown::Needs("a build of the whole tree")),
    ("export PATH", Shown::Needs("a build of the whole tree")),
    ("reeve check", Shown::Runs),
    ("reeve sim run", Shown::Runs),
    ("reeve serve", Shown::Needs("an AWS account")),
    ("curl", Shown::Needs("a host that serves")),
    (
        "reeve policy build",
        Shown::Needs("the compiler for policies"),
    ),
    ("reeve policy inspect", Shown::Runs),
    ("echo", Shown::Runs),
    ("reeve policy run", Shown::Runs),
    (
        "reeve policy test policies/",
        Shown::RunsWith(&["--worlds", "1"]),
    ),
    ("reeve policy test", Shown::Needs("an author's cases")),
    ("reeve journal", Shown::Needs("a host that has served")),
    ("reeve notify", Shown::Needs("a webhook")),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The fenced blocks in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = text.split(&fence).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The commands of a page, each with its continuation lines.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for block in blocks(text, "console") {
        let mut is_open = false;
        for line in block.lines() {
            let line = line.trim_start();
            if let Some(command) = line.strip_prefix("$ ") {
                found.push(command.to_owned());
            } else if is_open {
                let last = found.last_mut().unwrap();
                last.push('\n');
                last.push_str(line);
            }
            let quotes = found.last().map_or(0, |last| last.matches('\'').count());
            is_open = quotes % 2 == 1 || line.ends_with('\\');
        }
    }
    found
}

/// A directory like a reader's: the page's configuration, policies, and the repository's scripts.
fn desk(configuration: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("reeve.toml"), configuration).unwrap();
    symlink(root().join("tests"), at.join("tests")).unwrap();
    fs::create_dir(at.join("policies")).unwrap();
    for file in fs::read_dir(standard_policies()).unwrap() {
        let file = file.unwrap();
        symlink(file.path(), at.join("policies").join(file.file_name())).unwrap();
    }
    // Stands for the component of `reeve policy build`: it offers the same point.
    let built = standard_policies().join("debounce.wasm");
    symlink(&built, at.join("one-at-a-time.wasm")).unwrap();
    symlink(&built, at.join("policies/one-at-a-time.wasm")).unwrap();
    dir
}

fn run(command: &str, further: &[&str], at: &Path) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_reeve")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new("sh")
        .args(["-c", &format!("{command} {}", further.join(" "))])
        .current_dir(at)
        .env("PATH", format!("{}:{path}", binary.display()))
        .env("REEVE_POLICIES_DIR", standard_policies())
        .output()
        .unwrap()
}

/// Runs those commands of a page that can run, in a directory with this configuration.
fn check_commands(name: &str, configuration: &str) {
    let at = desk(configuration);
    let (mut ran, mut left_out) = (0, Vec::new());
    for command in commands(&page(name)) {
        let known = COMMANDS
            .iter()
            .find(|(begin, _)| command.starts_with(begin));
        let further: &[&str] = match known {
            Some((_, Shown::Runs)) => &[],
            Some((_, Shown::RunsWith(further))) => further,
            Some((_, Shown::Needs(what))) => {
                left_out.push(format!("{command}: needs {what}"));
                continue;
            }
            None => panic!("{name} shows {command:?}; add it to COMMANDS"),
        };
        // The original behavior must cause harm; the test checks that it plays as expected.
        let output = run(&command, further, at.path());
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {command}\n{text}");
        ran += 1;
    }
    assert!(ran > 0, "{name} shows nothing that runs here: {left_out:?}");
}

/// The first TOML block of a page.
fn configuration(name: &str) -> String {
    blocks(&page(name), "toml").first().unwrap().clone()
}

#[test]
fn the_commands_of_readme_run_as_they_stand() {
    check_commands("README.md", &configuration("README.md"));
}

#[test]
fn the_commands_of_getting_started_run_as_they_stand() {
    let name = "docs/getting-started.md";
    check_commands(name, &configuration(name));
}

#[test]
fn the_commands_of_the_first_policy_run_as_they_stand() {
    check_commands("docs/policies/first-policy.md", "");
}

#[test]
fn the_policy_that_pages_show_is_the_one_that_is_compiled() {
    let compiled = page("policies/sdk/examples/first_policy.rs");
    for name in ["README.md", "docs/policies/first-policy.md"] {
        let shown = blocks(&page(name), "rust");
        assert!(shown.contains(&compiled), "{name} shows another policy");
    }
}

/// The cells of a row, without the edges.
fn cells(row: &str, between: char) -> Vec<String> {
    let cells = row.trim().trim_matches(between).split(between);
    cells.map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn the_table_of_readme_is_what_the_demo_prints() {
    let output = run("reeve demo --once", &[], &root());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, table) = text.rsplit_once("as it was ").unwrap();
    let rows: Vec<_> = table
        .lines()
        .skip(1)
        .filter(|line| line.contains('│'))
        .collect();
    let printed = rows.chunks(2).map(|rows| {
        let (first, second) = (cells(rows[0], '│'), cells(rows[1], '│'));
        let both = first[1..].iter().zip(&second[second.len() - 3..]);
        let both = both.map(|(what, when)| {
            let what = what
                .trim_start_matches("FAILED: ")
                .trim_start_matches("contained: ");
            match what {
                "served: no harm proposed" => when.clone(),
                what => format!("{what}, {when}"),
            }
        });
        std::iter::once(first[0].clone())
            .chain(both)
            .collect::<Vec<_>>()
    });
    let readme = page("README.md");
    let shown = readme
        .lines()
        .skip_while(|line| !line.starts_with("| incident |"));
    let shown = shown.skip(2).take_while(|line| line.starts_with('|'));
    let shown: Vec<_> = shown.map(|row| cells(row, '|')).collect();
    assert_eq!(shown, printed.collect::<Vec<_>>(), "{text}");
}
