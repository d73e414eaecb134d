//! Mistakes in the configuration, and their places in the file.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::section::At;

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

/// The mistakes that were found in a text so far.
pub(super) struct Findings<'f> {
    text: &'f str,
    all: Vec<Finding>,
}

impl Place {
    /// The place of a byte offset.
    fn of(text: &str, offset: usize) -> Self {
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
    /// The mistake as one line, in a format that editors and terminals can link.
    pub fn line(&self, path: &Path) -> String {
        match self.place {
            Some(place) => format!("{}:{place}: {}", path.display(), self.text),
            None => format!("{}: {}", path.display(), self.text),
        }
    }
}

impl<'f> Findings<'f> {
    pub(super) fn new(text: &'f str) -> Self {
        Self {
            text,
            all: Vec::new(),
        }
    }

    /// The text that is read.
    pub(super) fn text(&self) -> &'f str {
        self.text
    }

    /// The place of a span.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        Place::of(self.text, span.start)
    }

    /// Adds a mistake.
    pub(super) fn refuse(&mut self, span: Range<usize>, finding: impl Into<String>) {
        self.all.push(Finding {
            place: Some(self.place(&span)),
            text: finding.into(),
        });
    }

    /// Checks a value and adds a mistake at its place. Returns the value in both cases.
    pub(super) fn check<T: Clone>(
        &mut self,
        at: &At<T>,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> T {
        if let Err(finding) = check(&at.value) {
            self.refuse(at.span.clone(), finding);
        }
        at.value.clone()
    }

    /// Adds what the TOML parser refused.
    pub(super) fn not_toml(&mut self, error: &toml::de::Error) {
        let text = error.message().lines().collect::<Vec<_>>().join(" ");
        self.refuse(error.span().unwrap_or_default(), text);
    }

    /// The mistakes by place; those that were found twice, once.
    pub(super) fn into_all(mut self) -> Vec<Finding> {
        self.all.sort();
        self.all.dedup();
        self.all
    }
}

/// All mistakes, one per line.
pub(super) fn list(path: &Path, findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(|finding| finding.line(path)).collect();
    lines.join("\n")
}
