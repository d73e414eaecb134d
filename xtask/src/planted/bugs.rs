//! Reads the bugs of `tests/planted`: one file per subject, one table per bug. The folder's README
//! describes the keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::edit::Edit;

/// The folder of the files, relative to the root.
pub(super) const FOLDER: &str = "tests/planted";

/// A mistake that an engineer could make, and the edits that make it.
#[derive(Clone, Debug)]
pub(super) struct Bug {
    pub(super) name: String,
    /// The file with the bug's table, relative to the root.
    stated_in: PathBuf,
    mistake: String,
    harm: String,
    /// The incident in `tests/incidents` that the mistake leads to; `None`: it leads to none of
    /// them.
    incident: Option<String>,
    noticed_by: Vec<String>,
    edits: Vec<Edit>,
}

/// One table of a file. A single edit stands in the table itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    mistake: String,
    harm: String,
    incident: Option<String>,
    noticed_by: Vec<String>,
    file: Option<PathBuf>,
    find: Option<String>,
    replace: Option<String>,
    #[serde(default)]
    edits: Vec<Edit>,
}

/// All bugs, by name.
///
/// # Errors
/// When the folder or a file cannot be read, a table has other keys than a bug has, or two bugs
/// share a name.
pub(super) fn read(root: &Path) -> Result<Vec<Bug>> {
    let folder = root.join(FOLDER);
    let cannot_read = |path: &Path| format!("cannot read {}", path.display());
    let mut all: BTreeMap<String, Bug> = BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| cannot_read(&folder))? {
        let file = entry.with_context(|| cannot_read(&folder))?.path();
        if file.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| cannot_read(&file))?;
        let stated_in = file.strip_prefix(root).unwrap_or(&file);
        for bug in parse(stated_in, &text)? {
            if let Some(other) = all.get(&bug.name) {
                bail!(
                    "two planted bugs are called `{}`, in {} and in {}; rename one",
                    bug.name,
                    other.stated_in.display(),
                    stated_in.display()
                );
            }
            all.insert(bug.name.clone(), bug);
        }
    }
    Ok(all.into_values().collect())
}

/// The bugs of one file.
///
/// # Errors
/// When the text is not TOML, or a table is not a bug.
pub(super) fn parse(stated_in: &Path, text: &str) -> Result<Vec<Bug>> {
    let tables: BTreeMap<String, Stated> =
        toml::from_str(text).with_context(|| format!("cannot read {}", stated_in.display()))?;
    let bug = |(name, stated): (String, Stated)| {
        let edits = match (stated.file, stated.find, stated.replace) {
            (Some(file), Some(find), Some(replace)) if stated.edits.is_empty() => {
                vec![Edit::new(file, find, replace)]
            }
            (None, None, None) if !stated.edits.is_empty() => stated.edits,
            _ => bail!(
                "planted bug `{name}` ({}) needs either `file`, `find` and `replace`, or one \
                 `[[{name}.edits]]` with these three for each place",
                stated_in.display()
            ),
        };
        Ok(Bug {
            name,
            stated_in: stated_in.to_owned(),
            mistake: stated.mistake,
            harm: stated.harm,
            incident: stated.incident,
            noticed_by: stated.noticed_by,
            edits,
        })
    };
    tables.into_iter().map(bug).collect()
}

impl Bug {
    /// The texts of the changed files with the bug in them, by their paths relative to the root.
    /// `source` returns a file's text without the bug.
    ///
    /// # Errors
    /// When a text to replace does not occur exactly once. The message names the bug, the file and
    /// the text.
    pub(super) fn plant(
        &self,
        source: impl Fn(&Path) -> Result<String>,
    ) -> Result<BTreeMap<PathBuf, String>> {
        let mut planted = BTreeMap::new();
        for edit in &self.edits {
            let text = match planted.remove(&edit.file) {
                Some(text) => Ok(text),
                None => source(&edit.file),
            };
            let text = text
                .and_then(|text| edit.apply(&text))
                .with_context(|| self.cannot_plant())?;
            planted.insert(edit.file.clone(), text);
        }
        Ok(planted)
    }

    /// The files that the bug changes, relative to the root.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.edits.iter().map(|edit| edit.file.as_path())
    }

    fn cannot_plant(&self) -> String {
        format!(
            "cannot plant `{}` of {}",
            self.name,
            self.stated_in.display()
        )
    }
}

/// The report of a bug that the swarm missed.
impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.name, self.stated_in.display())?;
        writeln!(f, "  mistake:    {}", self.mistake)?;
        writeln!(f, "  harm:       {}", self.harm)?;
        if let Some(incident) = &self.incident {
            writeln!(f, "  incident:   {incident}")?;
        }
        write!(f, "  noticed by: {}", self.noticed_by.join(", "))
    }
}

#[cfg(test)]
mod tests;
