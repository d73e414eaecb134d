//! The texts of the tree that the checks of links and words read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The endings of the files whose texts are read.
const ENDINGS: [&str; 5] = ["md", "rs", "toml", "wit", "reeve"];

/// The files of the tree, by their paths relative to its root.
pub(super) struct Tree {
    /// Every file.
    pub(super) files: BTreeSet<String>,
    /// The texts of the files with one of [`ENDINGS`].
    texts: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the texts. `files` are all files of the tree, relative to `root`.
    ///
    /// # Errors
    /// When a file cannot be read, or is not UTF-8.
    pub(super) fn read(root: &Path, files: &[PathBuf]) -> Result<Self> {
        let mut texts = BTreeMap::new();
        for file in files.iter().filter(|file| is_read(file)) {
            let path = root.join(file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            texts.insert(name(file), text);
        }
        let files = files.iter().map(|file| name(file)).collect();
        Ok(Self { files, texts })
    }

    /// The Markdown pages, each with its text.
    pub(super) fn pages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(|(file, _)| is_page(file))
    }

    /// The source files, each with its text.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(|(file, _)| !is_page(file))
    }

    /// The text of a page; `None`: there is no such page.
    pub(super) fn page(&self, file: &str) -> Option<&str> {
        let text = self.texts.get(file).filter(|_| is_page(file));
        text.map(String::as_str)
    }

    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.texts.iter();
        all.map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// A tree of these files.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files.iter().filter(|(file, _)| is_read(Path::new(file)));
        let texts = texts.map(|(file, text)| ((*file).to_owned(), (*text).to_owned()));
        Self {
            files: files.iter().map(|(file, _)| (*file).to_owned()).collect(),
            texts: texts.collect(),
        }
    }
}

fn is_read(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

fn is_page(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|ending| ending == "md")
}

fn name(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

/// The lines of a page with their numbers and without code: a fenced block is empty lines, and a
/// code span is nothing.
pub(super) fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
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
