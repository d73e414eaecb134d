//! The rules for imports between the modules of a crate, as data with their reasons.
//!
//! `dependencies.rs` has the rules between crates.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::imports::{Import, Imports, OWN, src_of};
use super::refusal::Refusal;
use crate::source;

/// The path of this file, for messages.
const HERE: &str = "xtask/src/lint/modules.rs";

/// A folder whose modules must not import each other in a circle.
struct Acyclic {
    folder: &'static str,
    /// Whether the folder may be missing. It is `true` for a folder that is being built or emptied.
    may_be_missing: bool,
    why: &'static str,
}

const ACYCLIC: [Acyclic; 4] = [
    Acyclic {
        folder: "host/core/src",
        may_be_missing: false,
        why: "a reader reads a module after its imports; in a circle, no module can be read alone",
    },
    Acyclic {
        folder: "host/core/src/act",
        may_be_missing: false,
        why: "an outcome that sends again, in a circle, hides the order of announcements",
    },
    Acyclic {
        folder: "host/core/src/flow/resolve",
        may_be_missing: false,
        why: "a part that calls its parent hides the order of a resolve",
    },
    Acyclic {
        folder: "host/core/src/flow",
        may_be_missing: false,
        why: "the order of work stands in flow/mod.rs alone: a flow returns its result, and calls \
              nothing above it",
    },
];

/// A folder whose modules must not import each other at all.
struct Apart {
    folder: &'static str,
    may_be_missing: bool,
    /// The modules that all others may import. The folder's own file may import every module.
    shared: &'static [&'static str],
    why: &'static str,
}

const APART: [Apart; 1] = [Apart {
    folder: "host/core/src/flow",
    may_be_missing: false,
    shared: &["safe_default", "shape"],
    why: "a flow that calls another one cannot be read, tested or removed alone; flows hear of each \
          other through the facts and through flow/mod.rs",
}];

/// A circle that is still allowed. The list only shrinks.
struct Leftover {
    folder: &'static str,
    /// All modules of the circle, in any order.
    modules: &'static [&'static str],
}

const LEFTOVERS: [Leftover; 0] = [];

/// The rules. Tests use other ones.
struct Rules<'a> {
    acyclic: &'a [Acyclic],
    apart: &'a [Apart],
    leftovers: &'a [Leftover],
}

/// Refuses every import that breaks a rule. `files` are all files of the tree, relative to `root`.
///
/// # Errors
/// When a file cannot be read, or is not Rust.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<Refusal>> {
    let rules = Rules {
        acyclic: &ACYCLIC,
        apart: &APART,
        leftovers: &LEFTOVERS,
    };
    rules.check(root, files)
}

impl Rules<'_> {
    fn check(&self, root: &Path, files: &[PathBuf]) -> Result<Vec<Refusal>> {
        let mut refusals = Vec::new();
        let sources = source::read(root, self.files_of_crates(files)?)?;
        let read = |folder: &str| Imports::of(Path::new(folder), &sources);
        for rule in self.acyclic {
            let imports = read(rule.folder)?;
            refusals.extend(self.circles(rule, &imports));
            if imports.is_empty() && !rule.may_be_missing {
                refusals.push(missing(rule.folder));
            }
        }
        for rule in self.apart {
            let imports = read(rule.folder)?;
            refusals.extend(imports_between(rule, &imports));
            if imports.is_empty() && !rule.may_be_missing {
                refusals.push(missing(rule.folder));
            }
        }
        Ok(refusals)
    }

    /// The Rust files of all crates that have a rule.
    fn files_of_crates(&self, files: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let acyclic = self.acyclic.iter().map(|rule| rule.folder);
        let folders = acyclic.chain(self.apart.iter().map(|rule| rule.folder));
        let crates: BTreeSet<&Path> = folders
            .map(|folder| src_of(Path::new(folder)))
            .collect::<Result<_>>()?;
        let is_wanted = |file: &&PathBuf| {
            file.extension().is_some_and(|it| it == "rs")
                && crates.iter().any(|src| file.starts_with(src))
        };
        Ok(files.iter().filter(is_wanted).cloned().collect())
    }

    fn leftovers_of(&self, folder: &str) -> impl Iterator<Item = &Leftover> {
        self.leftovers.iter().filter(move |it| it.folder == folder)
    }

    /// Compares the circles with the leftovers. Refuses a circle that no leftover allows, and a
    /// leftover that is no longer a circle.
    fn circles(&self, rule: &Acyclic, imports: &Imports) -> Vec<Refusal> {
        let circles = imports.circles();
        let leftovers: Vec<(&Leftover, BTreeSet<&str>)> = self
            .leftovers_of(rule.folder)
            .map(|it| (it, it.modules.iter().copied().collect()))
            .collect();
        let mut refusals = Vec::new();
        for circle in &circles {
            if !leftovers.iter().any(|(_, listed)| circle.is_subset(listed)) {
                let listed = leftovers.iter().flat_map(|(_, listed)| listed);
                let listed = listed.copied().collect();
                refusals.push(refuse_circle(rule, circle, &listed, imports));
            }
        }
        for (leftover, listed) in &leftovers {
            // A leftover that has grown is refused as a circle.
            if !circles.iter().any(|circle| circle.is_superset(listed)) {
                let rest = circles.iter().filter(|circle| circle.is_subset(listed));
                refusals.push(shrunk(leftover, rest.map(names).collect()));
            }
        }
        refusals
    }
}

/// Refuses a circle that no leftover allows. If a module of the circle is not `listed` in a
/// leftover, the shown way leads through that module, which has the new import.
fn refuse_circle(
    rule: &Acyclic,
    circle: &BTreeSet<&str>,
    listed: &BTreeSet<&str>,
    imports: &Imports,
) -> Refusal {
    let new: BTreeSet<&str> = circle.difference(listed).copied().collect();
    let through = if new.is_empty() { circle } else { &new };
    let way = imports.way_round(through);
    let way: String = way
        .iter()
        .map(|import| format!("\n         {import}"))
        .collect();
    Refusal {
        subject: rule.folder.to_owned(),
        found: format!("a circle of {}; a way round:{way}", names(circle)),
        rule: format!(
            "modules directly in {} import each other in no circle",
            rule.folder
        ),
        why: rule.why,
    }
}

/// Refuses a leftover that differs from the circles in the code; `rest` are the circles inside it.
fn shrunk(leftover: &Leftover, rest: Vec<String>) -> Refusal {
    let listed = names(&leftover.modules.iter().copied().collect());
    let found = match rest[..] {
        [] => format!("no circle of {listed}; remove it from LEFTOVERS in {HERE}"),
        _ => format!(
            "no circle of {listed}, but of {}; write this into LEFTOVERS in {HERE}",
            rest.join(", and of ")
        ),
    };
    Refusal {
        subject: leftover.folder.to_owned(),
        found,
        rule: "each leftover in the list is a circle in the code".to_owned(),
        why: "the list shows the remaining work, and a removed circle must not return",
    }
}

fn imports_between(rule: &Apart, imports: &Imports) -> Vec<Refusal> {
    let is_refused = |import: &Import<'_>| {
        import.from != OWN && import.to != OWN && !rule.shared.contains(&import.to)
    };
    let refuse = |import: Import<'_>| Refusal {
        subject: rule.folder.to_owned(),
        found: import.to_string(),
        rule: format!(
            "the modules of {} import no other one of them than {}",
            rule.folder,
            rule.shared.join(", ")
        ),
        why: rule.why,
    };
    imports.all().filter(is_refused).map(refuse).collect()
}

fn missing(folder: &str) -> Refusal {
    Refusal {
        subject: folder.to_owned(),
        found: "no such folder".to_owned(),
        rule: format!("every rule in {HERE} is about a folder"),
        why: "a rule for a folder that was renamed guards nothing",
    }
}

fn names(circle: &BTreeSet<&str>) -> String {
    let names: Vec<&str> = circle.iter().copied().collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
