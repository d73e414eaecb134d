//! The check of the words in the tree's pages: the English is plain.

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

/// Refuses the words in pages.
pub(super) fn check(tree: &Tree) -> Vec<Refusal> {
    let pages = tree.pages();
    pages.flat_map(|(page, text)| in_page(page, text)).collect()
}

fn in_page(page: &str, text: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (number, line) in prose(text) {
        let found = WORDS.iter().filter(|word| count(word, &line) > 0);
        refusals.extend(found.map(|word| Refusal {
            subject: format!("{page}:{number}"),
            found: format!("the word {word:?}"),
            rule: "a sentence has a subject and a verb of docs/glossary.md".to_owned(),
            why: "a reader cannot look up who is meant, or what is done",
        }));
    }
    refusals
}

/// How often a word, or a pair of words, is in a line. Case does not matter.
fn count(word: &str, line: &str) -> usize {
    let wanted: Vec<&str> = word.split(' ').collect();
    let words: Vec<String> = split(line);
    let is_wanted = |found: &&[String]| found.iter().eq(&wanted);
    words.windows(wanted.len()).filter(is_wanted).count()
}

/// The words of a line, in lower case.
fn split(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
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
}
