//! A configuration with every key, its text and its default, made from the sections of the file.

use super::file::Whole;
use super::section::{Below, Key, Section, Shown};

/// The comments are at most this wide.
const COLUMNS: usize = 100;

/// The sample. `reeve serve` takes it as it is.
pub fn sample() -> String {
    let mut text = comment(&Whole::TEXT.join("\n"), "");
    keys(&mut text, &Whole::keys(), "", true);
    text
}

/// Adds the keys of a section, and below them its sections.
fn keys(text: &mut String, keys: &[Key], path: &str, is_set: bool) {
    for key in keys {
        let (mark, value) = match &key.shown {
            Shown::Required(value) | Shown::Set(value) if is_set => ("", value),
            Shown::Required(value) | Shown::Set(value) | Shown::Example(value) => ("#", value),
            Shown::Default(value) => ("# ", value),
            Shown::Below(_) => continue,
        };
        let before = match key.shown {
            Shown::Required(_) => "Required. ",
            _ => "",
        };
        *text += &comment(&key.text(), before);
        *text += &format!("{mark}{} = {value}\n", key.name);
    }
    for key in keys {
        if let Shown::Below(below) = &key.shown {
            section(text, key.name, below, path, is_set);
        }
    }
}

fn section(text: &mut String, name: &str, below: &Below, path: &str, is_set: bool) {
    let is_set = is_set && below.is_set;
    let path = [path, name, below.name.unwrap_or_default()];
    let path: Vec<_> = path.into_iter().filter(|part| !part.is_empty()).collect();
    let path = path.join(".");
    let mark = if is_set { "" } else { "#" };
    *text += &format!("\n{}", comment(&below.text.join("\n"), ""));
    *text += &format!("{mark}[{path}]\n");
    keys(text, &below.keys, &path, is_set);
}

/// A text as comment lines. An empty line ends a paragraph; a range stays on one line.
fn comment(text: &str, before: &str) -> String {
    let mut lines = String::new();
    for (number, paragraph) in text.split("\n\n").enumerate() {
        if number > 0 {
            lines += "#\n";
        }
        let before = if number == 0 { before } else { "" };
        let mut line = "#".to_owned();
        let text = format!("{before}{paragraph}");
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let mut word = word.to_owned();
            if word == "Range:" {
                word += &words
                    .by_ref()
                    .fold(String::new(), |all, next| format!("{all} {next}"));
            }
            if line.chars().count() + 1 + word.chars().count() > COLUMNS {
                lines += &format!("{line}\n");
                line = "#".to_owned();
            }
            line = format!("{line} {word}");
        }
        lines += &format!("{line}\n");
    }
    lines
}
