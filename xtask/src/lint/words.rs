//! The check of the tree's words: the English is plain.
//!
//! A page has none of [`WORDS`]. The sources, comments and names included, have at most a few of
//! each.

use super::Refusal;
use super::tree::{Tree, prose};

/// Words with which a sentence has no noun to look up, or no verb for the act.
const WORDS: [&str; 7] = [
    "whoever",
    "somebody",
    "nobody",
    "beside",
    "meanwhile",
    "goes on",
    "comes to",
];

/// The most times that each word may be in all sources together. A few are needed, in quoted texts
/// and in names of published formats.
const IN_SOURCES_MAX: usize = 10;

/// This file, which has to name the words.
const HERE: &str = "xtask/src/lint/words.rs";

const WHY: &str = "a reader cannot look up who is meant, or what is done";

/// Refuses the words in pages, and a word that is too often in sources.
pub(super) fn check(tree: &Tree) -> Vec<Refusal> {
    let pages = tree.pages();
    let in_pages = pages.flat_map(|(page, text)| in_page(page, text));
    let in_sources = WORDS.iter().filter_map(|word| in_sources(tree, word));
    in_pages.chain(in_sources).collect()
}

fn in_page(page: &str, text: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (number, line) in prose(text) {
        let found = WORDS.iter().filter(|word| count(word, &line) > 0);
        refusals.extend(found.map(|word| Refusal {
            subject: format!("{page}:{number}"),
            found: format!("the word {word:?}"),
            rule: "a sentence has a subject and a verb of docs/glossary.md".to_owned(),
            why: WHY,
        }));
    }
    refusals
}

/// Refuses a word that is in the sources more than [`IN_SOURCES_MAX`] times, with every place.
fn in_sources(tree: &Tree, word: &str) -> Option<Refusal> {
    let mut places = Vec::new();
    for (file, text) in tree.sources().filter(|(file, _)| *file != HERE) {
        for (index, line) in text.lines().enumerate() {
            let place = format!("\n         {file}:{}", index + 1);
            places.extend(std::iter::repeat_n(place, count(word, line)));
        }
    }
    (places.len() > IN_SOURCES_MAX).then(|| Refusal {
        subject: "the sources".to_owned(),
        found: format!(
            "the word {word:?} {} times:{}",
            places.len(),
            places.concat()
        ),
        rule: format!("each of {WORDS:?} at most {IN_SOURCES_MAX} times, names included"),
        why: WHY,
    })
}

/// How often a word, or a pair of words, is in a line. Case does not matter.
fn count(word: &str, line: &str) -> usize {
    let wanted: Vec<&str> = word.split(' ').collect();
    let words: Vec<String> = split(line);
    let is_wanted = |found: &&[String]| found.iter().eq(&wanted);
    words.windows(wanted.len()).filter(is_wanted).count()
}

/// The words of a line, in lower case. Names are split: `goes_on` and `goesOn` are two words each.
fn split(line: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut was_lower = false;
    for c in line.chars() {
        if was_lower && c.is_uppercase() {
            spaced.push(' ');
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        spaced.push(if c.is_alphanumeric() { c } else { ' ' });
    }
    let words = spaced.split_whitespace();
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_page(text: &str, expected: &[&str]) {
        let found: Vec<_> = check(&Tree::of(&[("a.md", text)]))
            .iter()
            .map(|refusal| format!("{}: {}", refusal.subject, refusal.found))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn words_without_a_subject_are_refused_in_pages() {
        let text = "Whoever asks.\nIt goes\non. The work goes on, besides.\n";
        let expected = [
            "a.md:1: the word \"whoever\"",
            "a.md:3: the word \"goes on\"",
        ];
        check_page(text, &expected);
    }

    #[test]
    fn code_in_pages_is_ignored() {
        check_page("```text\nwhoever\n```\nA `whoever` in code.\n", &[]);
    }

    #[test]
    fn a_word_counts_in_comments_texts_and_names() {
        let lines = [
            ("// Whoever asks, whoever reads.", "whoever", 2),
            ("fn is_beside(beside: &str) -> IsBeside {", "beside", 3),
            ("# It goes on. GOES_ON, goesOn, goes-on", "goes on", 4),
            ("besides, everybody, comes_too", "beside", 0),
            ("it comes\tto nothing", "comes to", 1),
        ];
        for (line, word, expected) in lines {
            assert_eq!(count(word, line), expected, "{line}");
        }
    }

    #[test]
    fn a_word_that_is_too_often_in_sources_is_refused_with_its_places() {
        let few = "// nobody\n".repeat(IN_SOURCES_MAX - 1);
        let mut files = vec![
            ("a.rs", few.as_str()),
            ("b.toml", "# Nobody.\n"),
            ("c.sh", "nobody"),
        ];
        assert_eq!(check(&Tree::of(&files)), []);
        files.push(("d.reeve", "x\n# nobody\n"));
        files.push((HERE, "nobody"));
        let refusals = check(&Tree::of(&files));
        let [refusal] = &refusals[..] else {
            panic!("{refusals:?}")
        };
        let found = &refusal.found;
        assert!(
            found.starts_with("the word \"nobody\" 11 times:\n         a.rs:1\n"),
            "{found}"
        );
        assert!(found.ends_with("b.toml:1\n         d.reeve:2"), "{found}");
    }
}
