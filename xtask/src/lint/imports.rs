//! The imports between the modules of a folder, read from the source.
//!
//! A module is a file or a folder directly in the folder. The folder's own file (`mod.rs`,
//! `lib.rs`) is a module too, named [`OWN`]. Tests are left out.

mod paths;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::paths::{Named, module_of, named};
use crate::source::Source;

/// The name of a folder's own file among its modules.
pub(super) const OWN: &str = "mod";

/// The imports between the modules of one folder.
#[derive(Debug, Default)]
pub(super) struct Imports {
    modules: BTreeSet<String>,
    /// Each pair of importing and imported module, with the first place of the import.
    edges: BTreeMap<(String, String), Place>,
}

/// The place of an import in the source.
#[derive(Debug)]
pub(super) struct Place {
    file: PathBuf,
    named: Named,
}

/// An import of one module by another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Import<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    place: &'a Place,
}

impl Imports {
    /// Collects the imports in `folder`, which is the `src` of a crate or a folder below it.
    /// `sources` must have all files of that crate.
    ///
    /// # Errors
    /// When the folder is not below a `src`.
    pub(super) fn of(folder: &Path, sources: &BTreeMap<PathBuf, Source>) -> Result<Self> {
        let src = src_of(folder)?;
        let base = module_of(src, folder);
        let of_folder: Vec<_> = sources
            .iter()
            .filter(|(file, source)| file.starts_with(src) && !source.without_tests().is_empty())
            .map(|(file, source)| (file, module_of(src, file), source))
            .filter(|(_, module, _)| module.starts_with(&base))
            .collect();
        let child = |path: &[String]| path.get(base.len()).map_or(OWN, String::as_str).to_owned();
        let mut imports = Self {
            modules: of_folder
                .iter()
                .map(|(_, module, _)| child(module))
                .collect(),
            ..Self::default()
        };
        for (file, module, source) in of_folder {
            for named in named(source.without_tests(), &module) {
                if named.path.starts_with(&base) {
                    imports.add(&child(&module), &child(&named.path), file, named);
                }
            }
        }
        Ok(imports)
    }

    fn add(&mut self, from: &str, to: &str, file: &Path, named: Named) {
        // A path that names no module names an item of the folder's own file.
        let to = if self.modules.contains(to) { to } else { OWN };
        if from != to {
            let place = || Place {
                file: file.to_owned(),
                named,
            };
            let edge = (from.to_owned(), to.to_owned());
            self.edges.entry(edge).or_insert_with(place);
        }
    }

    /// Whether the folder has no module, and so does not exist.
    pub(super) fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Every import.
    pub(super) fn all(&self) -> impl Iterator<Item = Import<'_>> {
        self.edges
            .iter()
            .map(|((from, to), place)| Import { from, to, place })
    }

    /// The circles. A circle is a largest set of modules in which each module reaches each other
    /// one.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .modules
            .iter()
            .map(|module| (module.as_str(), self.reach(module)))
            .collect();
        let circles: BTreeSet<BTreeSet<&str>> = reached
            .iter()
            .filter(|(module, reach)| reach.contains(*module))
            .map(|(module, reach)| {
                let back = |it: &&&str| reached[**it].contains(module);
                reach.iter().filter(back).copied().collect()
            })
            .collect();
        circles.into_iter().collect()
    }

    fn from(&self, module: &str) -> impl Iterator<Item = Import<'_>> {
        self.all().filter(move |import| import.from == module)
    }

    fn reach(&self, module: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.from(module).map(|it| it.to).collect();
        while let Some(module) = open.pop() {
            if reached.insert(module) {
                open.extend(self.from(module).map(|it| it.to));
            }
        }
        reached
    }

    /// The imports of a shortest way from one of these modules back to itself, in order.
    pub(super) fn way_round(&self, modules: &BTreeSet<&str>) -> Vec<Import<'_>> {
        let rounds = modules.iter().map(|module| self.way_back_to(module));
        rounds.min_by_key(Vec::len).unwrap_or_default()
    }

    fn way_back_to(&self, module: &str) -> Vec<Import<'_>> {
        let mut seen = BTreeSet::new();
        let mut open: VecDeque<Vec<Import<'_>>> = self.from(module).map(|it| vec![it]).collect();
        while let Some(way) = open.pop_front() {
            let Some(last) = way.last().map(|it| it.to) else {
                continue;
            };
            if last == module {
                return way;
            }
            if seen.insert(last) {
                let longer = |next| way.iter().copied().chain([next]).collect();
                open.extend(self.from(last).map(longer));
            }
        }
        Vec::new()
    }
}

/// The `src` of the crate that a folder belongs to.
///
/// # Errors
/// When the folder is not below a `src`.
pub(super) fn src_of(folder: &Path) -> Result<&Path> {
    folder
        .ancestors()
        .find(|it| it.ends_with("src"))
        .with_context(|| format!("{} is not below a `src`", folder.display()))
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {} ({}:{} names {})",
            self.from,
            self.to,
            self.place.file.display(),
            self.place.named.line,
            self.place.named
        )
    }
}

#[cfg(test)]
mod tests;
