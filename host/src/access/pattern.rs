//! Names that rules speak of: one name each, or all that begin alike.

use std::str::FromStr;

/// A worker's name, or the beginning of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerPattern(Pattern);

/// A name in a certificate, or the beginning of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Is(String),
    Begins(String),
}

impl Pattern {
    /// A `*` ends the beginning of names.
    fn read(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(beginning) => Self::Begins(beginning.to_owned()),
            None => Self::Is(text.to_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Is(text) | Self::Begins(text) => text,
        }
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Is(text) => text == name,
            Self::Begins(text) => name.starts_with(text.as_str()),
        }
    }
}

impl FromStr for WorkerPattern {
    type Err = String;

    /// A name, or the beginning of names with a `*` at its end.
    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = Pattern::read(text);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || pattern.text().len() > 64 || !pattern.text().chars().all(fits) {
            return Err(format!(
                "found {text:?}; accepted: a worker's name such as \"chat\", or the beginning of names such as \"chat-*\""
            ));
        }
        Ok(Self(pattern))
    }
}

impl WorkerPattern {
    /// The one worker that it names; `None`: it names all that begin alike.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.0 {
            Pattern::Is(name) => Some(name),
            Pattern::Begins(_) => None,
        }
    }

    pub(super) fn fits(&self, worker: &str) -> bool {
        self.0.fits(worker)
    }
}

impl FromStr for NamePattern {
    type Err = String;

    /// A DNS name or URI, or the beginning of names with a `*` at its end.
    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = Pattern::read(text);
        let fits = |c: char| c.is_ascii_graphic() && c != '*';
        let length = pattern.text().len();
        if !(1..=255).contains(&length) || !pattern.text().chars().all(fits) {
            return Err(format!(
                "found {text:?}; accepted: a name in a certificate, such as \"build.example.org\", or the beginning of \
                 some, such as \"spiffe://example.org/build/*\""
            ));
        }
        Ok(Self(pattern))
    }
}

impl NamePattern {
    pub(super) fn fits(&self, name: &str) -> bool {
        self.0.fits(name)
    }
}
