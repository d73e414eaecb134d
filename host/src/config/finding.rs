//! A mistake in the configuration, and its place in the file.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// A place in the file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

/// One mistake: its place, what was found, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where the mistake is. `None`: it is about the whole file.
    pub place: Option<Place>,
    /// What is wrong and what is accepted, in one line.
    pub text: String,
}

impl Place {
    /// The place of a byte offset.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Finding {
    /// A mistake at this span of the text.
    pub(super) fn at(text: &str, span: Range<usize>, finding: impl Into<String>) -> Self {
        Self {
            place: Some(Place::of(text, span.start)),
            text: finding.into(),
        }
    }

    /// What the TOML parser refused, without the names of Rust types.
    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map(|span| span.start);
        let table = start.and_then(|offset| table_at(text, offset));
        Self {
            place: start.map(|offset| Place::of(text, offset)),
            text: in_plain_words(error.message(), table),
        }
    }

    /// The mistake as one line, in a format that editors and terminals can link.
    pub fn line(&self, path: &Path) -> String {
        match self.place {
            Some(place) => format!("{}:{place}: {}", path.display(), self.text),
            None => format!("{}: {}", path.display(), self.text),
        }
    }
}

/// All mistakes, one per line.
pub(super) fn list(path: &Path, findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(|finding| finding.line(path)).collect();
    lines.join("\n")
}

/// The header of the table that holds this offset, brackets included.
fn table_at(text: &str, offset: usize) -> Option<&str> {
    let line_end = text[offset..]
        .find('\n')
        .map_or(text.len(), |length| offset + length);
    text[..line_end]
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with('['))
        .and_then(|line| Some(&line[..=line.find(']')?]))
}

fn in_plain_words(message: &str, table: Option<&str>) -> String {
    let within = table.map_or(String::new(), |table| format!(" in {table}"));
    if let Some((field, expected)) = split(message, "unknown field ", ", expected ") {
        let accepted = expected.strip_prefix("one of ").unwrap_or(expected);
        return format!("unknown field {field}{within}; accepted: {accepted}");
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("missing field {field}{within}");
    }
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = split(message, kind, ", expected ") {
            return format!(
                "found {found}{within}; accepted: {}",
                type_in_words(expected)
            );
        }
    }
    format!("{}{within}", message.lines().collect::<Vec<_>>().join(" "))
}

fn split<'a>(message: &'a str, prefix: &str, middle: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(prefix)?.split_once(middle)
}

/// serde names Rust types; an operator needs to know what to write.
fn type_in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number, 0 or more",
        "i16" => "a whole number from -32768 to 32767",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text in quotes",
        "a sequence" => "a list in brackets",
        other if other.starts_with("struct ") || other == "a map" => "a table",
        other => other,
    }
}
