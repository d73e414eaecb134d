//! Hostile policy files: what each tries, and how it must end. `docs/policies/hostile-files.md` is made
//! of this list. A new kind of attack is a new entry here; the tests of this crate, of a serving host
//! and of the command line put every entry to theirs.

// Each test uses only some of these items.
#![allow(dead_code, unreachable_pub)]

mod abi;
mod answers;
mod bombs;
mod calls;
mod composed;
mod files;
mod form;
mod service;

use std::fmt;
use std::fs;
use std::path::Path;

use reeve_core::point::Point;
use reeve_policy::Bound;

use crate::support::Fixture;

/// Clears a terminal, begins a line of its own and turns the direction of writing.
pub const ESCAPES: &str = "a\u{1b}[2J\n2026 INFO all is well\u{202e}";

/// One hostile file.
pub struct Hostile {
    /// Names the file, its pool and its worker in tests. It has not six letters as `worker` has: see
    /// [`Fixture::doing_in_service`].
    pub name: &'static str,
    pub tries: &'static str,
    pub ends: Ends,
    pub binding: Accepts,
    content: Content,
}

/// How a file must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It is refused with this code, and nothing of it has run.
    Refused(&'static str),
    /// It is refused before it is compiled, because it has so many of these.
    Exceeds(Bound, u64),
    /// It is refused, because it fails with this code when it is instantiated or describes itself.
    Breaks(&'static str),
    /// It is refused, because it fails with this code at a question of the trial.
    Crashes(&'static str),
    /// It comes into force, and each decision fails with this code: the safe default holds.
    Fails(&'static str),
    /// It answers the trial and fails with this code in service. It gives way after ten failures.
    GivesWay(&'static str),
    /// It comes into force and answers within the contract's bounds.
    Harmless,
}

/// What the file's binding accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    Anything,
    /// Another digest only.
    Pinned,
    /// Files with a signature only.
    Signed,
}

/// What stands at the file's path.
pub enum Content {
    Bytes(Vec<u8>),
    Component(Box<Fixture>),
    /// No regular file of bytes: this makes it.
    Made(fn(&Path)),
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Fixture> for Content {
    fn from(fixture: Fixture) -> Self {
        Self::Component(Box::new(fixture))
    }
}

impl From<fn(&Path)> for Content {
    fn from(make: fn(&Path)) -> Self {
        Self::Made(make)
    }
}

impl Hostile {
    fn new(
        name: &'static str,
        tries: &'static str,
        ends: Ends,
        content: impl Into<Content>,
    ) -> Self {
        Self {
            name,
            tries,
            ends,
            binding: Accepts::Anything,
            content: content.into(),
        }
    }

    /// The point that it is bound to.
    pub fn point(&self) -> Point {
        match &self.content {
            Content::Component(fixture) => fixture.point,
            Content::Bytes(_) | Content::Made(_) => Point::RetryIp,
        }
    }

    /// Puts it at this path, where nothing stands yet.
    pub fn place(&self, path: &Path) {
        match &self.content {
            Content::Bytes(bytes) => fs::write(path, bytes).expect("written"),
            Content::Component(fixture) => fs::write(path, fixture.bytes()).expect("written"),
            Content::Made(make) => make(path),
        }
    }
}

impl Ends {
    /// Whether the file comes into force.
    pub fn in_force(self) -> bool {
        matches!(self, Self::Fails(_) | Self::GivesWay(_) | Self::Harmless)
    }

    /// Whether it can be loaded, and asked at least.
    pub fn loads(self) -> bool {
        self.in_force() || matches!(self, Self::Crashes(_))
    }

    /// The code of its refusal.
    pub fn refused(self) -> Option<&'static str> {
        match self {
            Self::Refused(code) => Some(code),
            Self::Exceeds(..) => Some("too-complex"),
            Self::Breaks(_) | Self::Crashes(_) => Some("trial-failed"),
            Self::Fails(_) | Self::GivesWay(_) | Self::Harmless => None,
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "refused: `{code}`"),
            Self::Exceeds(bound, found) => write!(f, "refused: `too-complex`, {found} {bound}"),
            Self::Breaks(code) => write!(f, "refused: `trial-failed` at its load, `{code}`"),
            Self::Crashes(code) => write!(f, "refused: `trial-failed` at a question, `{code}`"),
            Self::Fails(code) => write!(f, "in force; each decision fails: `{code}`"),
            Self::GivesWay(code) => write!(f, "in force; fails in service: `{code}`; gives way"),
            Self::Harmless => f.write_str("in force; answers within bounds"),
        }
    }
}

/// A kind of hostile files.
pub struct Kind {
    pub title: &'static str,
    pub files: Vec<Hostile>,
}

/// All kinds.
pub fn kinds() -> Vec<Kind> {
    let kind = |title, files| Kind { title, files };
    vec![
        kind("What is no component", files::all()),
        kind(
            "What would cost the compiler or a parser much",
            bombs::all(),
        ),
        kind("Imports, exports, features of Wasm", form::all()),
        kind("Components made of components", composed::all()),
        kind("Time, memory, stack, traps", calls::all()),
        kind("Lies in the canonical ABI", abi::all()),
        kind("Answers and descriptions", answers::all()),
        kind("Well-behaved at the trial only", service::all()),
    ]
}

/// Every hostile file.
pub fn all() -> Vec<Hostile> {
    kinds().into_iter().flat_map(|kind| kind.files).collect()
}

/// The tables of the page.
pub fn tables() -> String {
    let row = |one: &Hostile| format!("| `{}` | {} | {} |\n", one.name, one.tries, one.ends);
    let table = |kind: &Kind| {
        let rows: String = kind.files.iter().map(row).collect();
        let head = "| class | what it tries | how it ends |\n|---|---|---|\n";
        format!("\n## {}\n\n{head}{rows}", kind.title)
    };
    kinds().iter().map(table).collect()
}
