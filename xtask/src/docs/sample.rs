//! The sample configuration as a page. A section becomes a heading, a key becomes a row.
//!
//! The comments right above a header or a key are its text. `key = v` is set in the sample,
//! `# key = v` shows a default, and `#key = v` an example.

use anyhow::{Result, bail};

use super::cell;

/// A line of the sample.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Header {
        name: &'a str,
        is_optional: bool,
    },
    Key {
        name: &'a str,
        value: &'a str,
        kind: Kind,
    },
    Text(&'a str),
    Empty,
}

/// How the sample shows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Set,
    Default,
    Example,
}

/// Makes the page.
///
/// # Errors
/// When a line is none of the accepted kinds.
pub(super) fn page(source: &str, sample: &str) -> Result<String> {
    let mut page = format!(
        "# Configuration\n\n<!-- Made by `cargo xtask docs` from {source}, which is made from host/src/config/file.rs. -->\n\n\
         This page mirrors [{source}](../{source}), key by key. Copy that file to begin.\n"
    );
    let mut text: Vec<&str> = Vec::new();
    let mut has_table = false;
    for (index, line) in sample.lines().enumerate() {
        let Some(line) = Line::read(line) else {
            bail!(
                "{source}:{}: found {line:?}; accepted: a header, a key, a comment, an empty line",
                index + 1
            );
        };
        match line {
            Line::Text(words) => text.push(words),
            Line::Empty => {
                if !text.is_empty() {
                    page += &format!("\n{}\n", paragraphs(&text));
                }
                text.clear();
            }
            Line::Header { name, is_optional } => {
                page += &format!("\n## `[{name}]`\n");
                if !text.is_empty() {
                    page += &format!("\n{}\n", paragraphs(&text));
                }
                if is_optional {
                    page += "\nThis section may be left out.\n";
                }
                text.clear();
                has_table = false;
            }
            Line::Key { name, value, kind } => {
                if !has_table {
                    page += "\n| key | default | meaning |\n|---|---|---|\n";
                }
                has_table = true;
                page += &row(name, value, kind, &text.join(" "));
                text.clear();
            }
        }
    }
    Ok(page)
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        if line.is_empty() {
            return Some(Self::Empty);
        }
        let bare = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = bare.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            let is_optional = line.starts_with('#');
            return Some(Self::Header { name, is_optional });
        }
        let kind = match (line.strip_prefix("# "), line.starts_with('#')) {
            (Some(_), _) => Kind::Default,
            (None, true) => Kind::Example,
            (None, false) => Kind::Set,
        };
        let is_key = |name: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
            !name.is_empty() && name.chars().all(fits)
        };
        let pair = bare.trim_start().split_once(" = ");
        if let Some((name, value)) = pair.filter(|(name, _)| is_key(name)) {
            return Some(Self::Key { name, value, kind });
        }
        let words = line.strip_prefix('#')?;
        Some(Self::Text(words.trim()))
    }
}

/// The key's row. Without a default, the meaning ends with an example.
fn row(name: &str, value: &str, kind: Kind, meaning: &str) -> String {
    let value = cell(value);
    let default = match kind {
        Kind::Default => format!("`{value}`"),
        Kind::Set if meaning.starts_with("Required") => "required".to_owned(),
        Kind::Example if meaning.starts_with("Required") => "required".to_owned(),
        Kind::Set | Kind::Example => String::new(),
    };
    let meaning = meaning.strip_prefix("Required.").unwrap_or(meaning).trim();
    let example = match kind {
        Kind::Default => String::new(),
        Kind::Set | Kind::Example => format!(" Example: `{value}`."),
    };
    let meaning = format!("{}{example}", cell(&named(meaning)));
    format!("| `{name}` | {default} | {} |\n", meaning.trim())
}

/// Escapes names in brackets, such as a section's, so that they are no links.
fn named(text: &str) -> String {
    text.replace('[', "\\[")
}

/// Turns comment lines into prose, wrapped like all Markdown. An empty comment line ends a
/// paragraph.
fn paragraphs(lines: &[&str]) -> String {
    let parts = lines.split(|line| line.is_empty());
    let wrapped = parts.map(|part| wrap(&named(&part.join(" "))));
    wrapped.collect::<Vec<_>>().join("\n\n")
}

fn wrap(text: &str) -> String {
    const COLUMNS: usize = 110;
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > COLUMNS {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped += word;
        width += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_recognised() {
        let key = |kind| Line::Key {
            name: "a_b",
            value: "1",
            kind,
        };
        let header = |is_optional| Line::Header {
            name: "x.y",
            is_optional,
        };
        let cases = [
            ("", Line::Empty),
            ("[x.y]", header(false)),
            ("#[x.y]", header(true)),
            ("a_b = 1", key(Kind::Set)),
            ("# a_b = 1", key(Kind::Default)),
            ("#a_b = 1", key(Kind::Example)),
            ("# Of `a = 1` and b.", Line::Text("Of `a = 1` and b.")),
            ("#", Line::Text("")),
        ];
        for (line, expected) in cases {
            assert_eq!(Line::read(line), Some(expected), "{line:?}");
        }
        assert_eq!(Line::read("a_b=1"), None);
    }

    #[test]
    fn a_section_becomes_a_heading_and_a_key_a_row() {
        let sample = "# All.\n\n# The thing.\n#[x]\n# Required. A | B.\n#a = 1\n# Wide. Range: 1 to 2.\n# b = 2\n";
        let page = page("s.toml", sample).unwrap();
        let expected = "\nAll.\n\n## `[x]`\n\nThe thing.\n\nThis section may be left out.\n\n\
                        | key | default | meaning |\n|---|---|---|\n\
                        | `a` | required | A \\| B. Example: `1`. |\n\
                        | `b` | `2` | Wide. Range: 1 to 2. |\n";
        assert!(page.ends_with(expected), "{page}");
    }

    #[test]
    fn a_line_of_no_kind_is_refused_with_its_place() {
        let error = page("s.toml", "[x]\na=1\n").unwrap_err();
        assert!(error.to_string().starts_with("s.toml:2: "), "{error}");
    }
}
