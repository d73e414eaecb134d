//! What is checked of the tree's Markdown: links lead somewhere, words are plain, two pages stay short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::Refusal;
use crate::process;
use crate::workspace::Workspace;

/// What one screen and ten minutes of reading have room for.
const BYTES_MAX: [(&str, usize); 2] = [("README.md", 7_000), ("ARCHITECTURE.md", 12_000)];

/// Each leaves the sentence without a noun that can be looked up, or without a verb that says what is done.
const WORDS: [&str; 7] = [
    "whoever",
    "somebody",
    "nobody",
    "beside",
    "meanwhile",
    "goes on",
    "comes to",
];

/// The tree as it is tracked: every file's path, and the text of the Markdown files.
struct Tree {
    files: BTreeSet<String>,
    pages: BTreeMap<String, String>,
}

/// Everything that the tracked Markdown files get wrong.
///
/// # Errors
/// When git does not list the tree, or a tracked page cannot be read.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Refusal>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(workspace.root()).args(["ls-files", "-z"]);
    let listed = process::capture(&mut git)?;
    let files: BTreeSet<String> = listed
        .split('\0')
        .filter(|file| !file.is_empty() && workspace.root().join(file).exists())
        .map(str::to_owned)
        .collect();
    let pages = files.iter().filter(|file| file.ends_with(".md"));
    let pages = pages.map(|file| {
        let path = workspace.root().join(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok((file.clone(), text))
    });
    let pages = pages.collect::<Result<_>>()?;
    Ok(refusals(&Tree { files, pages }))
}

fn refusals(tree: &Tree) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (page, text) in &tree.pages {
        for (line, target) in links(text) {
            refusals.extend(broken(tree, page, line, &target));
        }
        refusals.extend(words(page, text));
        refusals.extend(length(page, text));
    }
    refusals
}

/// The refusal of a link that leads nowhere.
fn broken(tree: &Tree, page: &str, line: usize, target: &str) -> Option<Refusal> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let refuse = |rule: &str| {
        Some(Refusal {
            subject: format!("{page}:{line}"),
            found: format!("a link to {target:?}"),
            rule: rule.to_owned(),
            why: "a reader who follows it finds nothing",
        })
    };
    let Some(file) = resolved(page, path) else {
        return refuse("a link stays within the tree");
    };
    let folder = format!("{}/", file.trim_end_matches('/'));
    let is_there =
        tree.files.contains(&file) || tree.files.iter().any(|it| it.starts_with(&folder));
    if !is_there {
        return refuse("a link leads to a tracked file or folder");
    }
    let of_page = anchor.zip(tree.pages.get(&file));
    match of_page {
        Some((anchor, text)) if !anchors(text).contains(anchor) => {
            refuse("an anchor is a heading of the page it is in")
        }
        _ => None,
    }
}

/// The path from the root of what a page calls `path`; `None`: it is outside.
fn resolved(page: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(page.to_owned());
    }
    let folder = Path::new(page).parent().and_then(Path::to_str)?;
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The text with code left out: fenced blocks as empty lines, spans as nothing.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut is_fenced = false;
    let lines = text.lines().map(move |line| {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            return String::new();
        }
        match is_fenced {
            true => String::new(),
            false => line.split('`').step_by(2).collect(),
        }
    });
    lines.enumerate().map(|(index, line)| (index + 1, line))
}

/// Where links lead, with the line of each. A target has no spaces, so it is never wrapped.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let ends = line.match_indices("](");
        for (place, mark) in ends {
            let rest = &line[place + mark.len()..];
            if let Some(end) = rest.find(')') {
                found.push((number, rest[..end].to_owned()));
            }
        }
    }
    found
}

/// The anchors that a forge gives a page's headings: lower case, spaces as dashes, other marks left
/// out, and a number after one that was there before.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_fenced = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        let heading = line.trim_start_matches('#');
        let level = line.len() - heading.len();
        if is_fenced || !(1..=6).contains(&level) || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        });
        let anchor = kept.collect::<String>().to_lowercase();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let mut names = std::iter::once(anchor.clone()).chain(numbered);
        anchors.extend(names.find(|name| !anchors.contains(name)));
    }
    anchors
}

fn words(page: &str, text: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (number, line) in prose(text) {
        let spaced: String = line
            .chars()
            .map(|c| {
                if c.is_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    ' '
                }
            })
            .collect();
        let spaced = format!(
            " {} ",
            spaced.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        let found = WORDS
            .iter()
            .filter(|word| spaced.contains(&format!(" {word} ")));
        refusals.extend(found.map(|word| Refusal {
            subject: format!("{page}:{number}"),
            found: format!("the word {word:?}"),
            rule: "a sentence has a subject and a verb of docs/glossary.md".to_owned(),
            why: "a reader cannot look up who is meant, or what is done",
        }));
    }
    refusals
}

fn length(page: &str, text: &str) -> Option<Refusal> {
    let (_, most) = BYTES_MAX.iter().find(|(name, _)| *name == page)?;
    (text.len() > *most).then(|| Refusal {
        subject: page.to_owned(),
        found: format!("{} bytes", text.len()),
        rule: format!("at most {most} bytes"),
        why: "it is read before anything else; what teaches belongs into docs/",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is refused in a tree of these files; those that end in `.md` have texts.
    #[track_caller]
    fn check_tree(files: &[(&str, &str)], expected: &[&str]) {
        let tree = Tree {
            files: files.iter().map(|(file, _)| (*file).to_owned()).collect(),
            pages: files
                .iter()
                .filter(|(file, _)| file.ends_with(".md"))
                .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
                .collect(),
        };
        let found: Vec<_> = refusals(&tree)
            .iter()
            .map(|refusal| format!("{}: {}", refusal.subject, refusal.found))
            .collect();
        assert_eq!(found, expected);
    }

    const PAGE: &str = "# The Page\n\n## `code`: it's 2 things\n\n## Twice\n\n## Twice\n";

    #[test]
    fn links_to_files_folders_and_headings_are_good() {
        let text = "[a](docs/b.md) [b](docs/b.md#the-page) [c](docs) [d](src/x.rs) [e](#top)\n\
                    [f](docs/b.md#code-its-2-things) [g](docs/b.md#twice-1) [h](https://example.org/x)\n# Top\n";
        check_tree(
            &[("a.md", text), ("docs/b.md", PAGE), ("src/x.rs", "")],
            &[],
        );
        check_tree(
            &[("a.md", "# Top\n"), ("docs/b.md", "[up](../a.md#top)")],
            &[],
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_refused_with_its_line() {
        let text = "one\n[a](docs/c.md)\n[b](docs/b.md#no-such) [c](../a.md) [d](#top)\n";
        let expected = [
            "a.md:2: a link to \"docs/c.md\"",
            "a.md:3: a link to \"docs/b.md#no-such\"",
            "a.md:3: a link to \"../a.md\"",
            "a.md:3: a link to \"#top\"",
        ];
        check_tree(&[("a.md", text), ("docs/b.md", PAGE)], &expected);
    }

    #[test]
    fn code_is_not_looked_at() {
        let text =
            "```text\n[a](nowhere) whoever\n# no heading\n```\n`[b](nowhere)` and `whoever`\n";
        check_tree(&[("a.md", text)], &[]);
        check_tree(
            &[("a.md", "```\n# Top\n```\n[a](#top)")],
            &["a.md:4: a link to \"#top\""],
        );
    }

    #[test]
    fn words_without_a_subject_are_refused() {
        let text = "Whoever asks.\nIt goes\non. The work goes on, besides.\n";
        let expected = [
            "a.md:1: the word \"whoever\"",
            "a.md:3: the word \"goes on\"",
        ];
        check_tree(&[("a.md", text)], &expected);
    }

    #[test]
    fn the_two_pages_that_are_read_first_stay_short() {
        let long = "x\n".repeat(3_501);
        check_tree(
            &[("README.md", &long), ("docs/README.md", &long)],
            &["README.md: 7002 bytes"],
        );
    }
}
