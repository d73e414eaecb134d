//! The check of the tree's pages: links and mentions lead to a page, two pages stay short.

use std::collections::BTreeSet;
use std::path::Path;

use super::Refusal;
use super::tree::{Tree, prose};

/// The most bytes of the pages that are read first: one screen, and ten minutes of reading.
const BYTES_MAX: [(&str, usize); 2] = [("README.md", 7_000), ("ARCHITECTURE.md", 12_000)];

/// The folder whose pages the sources mention, by paths relative to the root.
const DOCS: &str = "docs/";

/// Refuses links and mentions that lead nowhere, and pages that are too long.
pub(super) fn check(tree: &Tree) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (page, text) in tree.pages() {
        for (line, target) in links(text) {
            refusals.extend(broken_link(tree, page, line, &target));
        }
        refusals.extend(length(page, text));
    }
    for (file, text) in tree.sources() {
        for (line, target) in mentions(text) {
            refusals.extend(broken_mention(tree, file, line, target));
        }
    }
    refusals
}

/// The refusal of a page's link that leads nowhere.
fn broken_link(tree: &Tree, page: &str, line: usize, target: &str) -> Option<Refusal> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = split_anchor(target);
    let rule = match resolved(page, path) {
        None => Some("a link stays within the tree"),
        Some(file) => broken_rule(tree, &file, anchor),
    };
    rule.map(|rule| Refusal {
        subject: format!("{page}:{line}"),
        found: format!("a link to {target:?}"),
        rule: rule.to_owned(),
        why: "a reader who follows it finds nothing",
    })
}

/// The refusal of a source's mention of a page, if there is no such page or anchor.
fn broken_mention(tree: &Tree, file: &str, line: usize, target: &str) -> Option<Refusal> {
    let (path, anchor) = split_anchor(target);
    broken_rule(tree, path, anchor).map(|rule| Refusal {
        subject: format!("{file}:{line}"),
        found: format!("a mention of {target:?}"),
        rule: rule.to_owned(),
        why: "a reader who looks it up finds nothing",
    })
}

/// The rule that a target breaks; `None`: the target is there.
fn broken_rule(tree: &Tree, file: &str, anchor: Option<&str>) -> Option<&'static str> {
    let folder = format!("{}/", file.trim_end_matches('/'));
    let is_there = tree.files.contains(file) || tree.files.iter().any(|it| it.starts_with(&folder));
    if !is_there {
        return Some("a link leads to a file or folder of the tree");
    }
    let (anchor, text) = anchor.zip(tree.page(file))?;
    let is_heading = anchors(text).contains(anchor);
    (!is_heading).then_some("an anchor is a heading of the page it is in")
}

fn split_anchor(target: &str) -> (&str, Option<&str>) {
    match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    }
}

/// The path from the root of a page's relative `path`; `None`: the path leads out of the tree.
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

/// The targets of a page's links, with the line of each. A target has no spaces, so it is never
/// wrapped.
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

/// The anchors that a forge gives a page's headings: lower case, spaces as dashes, no other marks,
/// and a number after an anchor that exists already.
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

/// The pages of [`DOCS`] that a source mentions, each with its anchor and its line.
fn mentions(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (place, _) in line.match_indices(DOCS) {
            let before = line[..place].chars().next_back();
            // Within a longer path, such as an address, it is another folder.
            if before.is_none_or(|c| !is_of_path(c)) {
                found.extend(page_at(&line[place..]).map(|target| (index + 1, target)));
            }
        }
    }
    found
}

/// The page, with its anchor, at the beginning of a text; `None`: the text names no page.
fn page_at(text: &str) -> Option<&str> {
    const ENDING: &str = ".md";
    let path = text.find(|c| !is_of_path(c)).unwrap_or(text.len());
    let page = text[..path].rfind(ENDING)? + ENDING.len();
    let Some(anchor) = text[page..].strip_prefix('#') else {
        return Some(&text[..page]);
    };
    let is_of_anchor = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let length = anchor.find(|c| !is_of_anchor(c)).unwrap_or(anchor.len());
    Some(&text[..page + 1 + length])
}

fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

fn length(page: &str, text: &str) -> Option<Refusal> {
    let (_, most) = BYTES_MAX.iter().find(|(name, _)| *name == page)?;
    (text.len() > *most).then(|| Refusal {
        subject: page.to_owned(),
        found: format!("{} bytes", text.len()),
        rule: format!("at most {most} bytes"),
        why: "newcomers read it first; pages that teach belong into docs/",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the refusals in a tree of these files.
    #[track_caller]
    fn check_tree(files: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<_> = check(&Tree::of(files))
            .iter()
            .map(|refusal| format!("{}: {}", refusal.subject, refusal.found))
            .collect();
        assert_eq!(found, expected);
    }

    const PAGE: &str = "# The Page\n\n## `code`: it's 2 things\n\n## Twice\n\n## Twice\n";

    #[test]
    fn links_to_files_folders_and_headings_are_good() {
        let text = "[a](pages/b.md) [b](pages/b.md#the-page) [c](pages) [d](src/x.rs) [e](#top)\n\
                    [f](pages/b.md#code-its-2-things) [g](pages/b.md#twice-1) \
                    [h](https://example.org/x)\n# Top\n";
        check_tree(
            &[("a.md", text), ("pages/b.md", PAGE), ("src/x.rs", "")],
            &[],
        );
        check_tree(
            &[("a.md", "# Top\n"), ("pages/b.md", "[up](../a.md#top)")],
            &[],
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_refused_with_its_line() {
        let text = "one\n[a](pages/c.md)\n[b](pages/b.md#no-such) [c](../a.md) [d](#top)\n";
        let expected = [
            "a.md:2: a link to \"pages/c.md\"",
            "a.md:3: a link to \"pages/b.md#no-such\"",
            "a.md:3: a link to \"../a.md\"",
            "a.md:3: a link to \"#top\"",
        ];
        check_tree(&[("a.md", text), ("pages/b.md", PAGE)], &expected);
    }

    #[test]
    fn links_in_code_are_ignored() {
        let text = "```text\n[a](nowhere)\n# no heading\n```\n`[b](nowhere)`\n";
        check_tree(&[("a.md", text)], &[]);
        check_tree(
            &[("a.md", "```\n# Top\n```\n[a](#top)")],
            &["a.md:4: a link to \"#top\""],
        );
    }

    #[test]
    fn a_mention_of_a_page_in_a_source_must_lead_there() {
        let good = "/// See DOCS/b.md#the-page, DOCS/b.md. Or `DOCS/b.md#twice`.\n\
                    // DOCS/ has pages; https://example.org/DOCS/x.md; DOCS/*.md\n";
        let bad = "x\n# DOCS/c.md\nfail(\"see DOCS/b.md#no-such.\")\n";
        let with_folder = |text: &str| text.replace("DOCS/", DOCS);
        for source in ["src/x.rs", "x.toml", "x.wit", "x.reeve"] {
            let page = format!("{DOCS}b.md");
            let tree = |text: &str| Tree::of(&[(source, &with_folder(text)), (&page, PAGE)]);
            assert_eq!(check(&tree(good)), []);
            let found: Vec<_> = check(&tree(bad))
                .iter()
                .map(|refusal| format!("{}: {}", refusal.subject, refusal.found))
                .collect();
            let expected = [
                format!("{source}:2: a mention of \"{DOCS}c.md\""),
                format!("{source}:3: a mention of \"{DOCS}b.md#no-such\""),
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_two_pages_that_are_read_first_stay_short() {
        let long = "x\n".repeat(3_501);
        check_tree(
            &[("README.md", &long), ("pages/README.md", &long)],
            &["README.md: 7002 bytes"],
        );
    }
}
