//! `cargo xtask docs`: the files that are made from other files.
//!
//! ```text
//! host/src/config/file.rs           ──▶ host/reeve.sample.toml
//! host/reeve.sample.toml            ──▶ docs/configuration.md
//! host/src/api/paths.rs             ──▶ docs/openapi.json
//! policies/*/src/settings.rs        ──▶ policies/*/settings.schema.json
//! policies/*/settings.schema.json   ──▶ docs/policies/reference.md, between two marks
//! ```
//!
//! Tests refuse a file that is not what its sources make.

mod sample;
mod settings;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{demo, process};

const CONFIGURATION: &str = "docs/configuration.md";
const SAMPLE: &str = "host/reeve.sample.toml";
const OPENAPI: &str = "docs/openapi.json";
const REFERENCE: &str = "docs/policies/reference.md";
/// The lines of [`REFERENCE`] before and after the settings.
const MARKS: [&str; 2] = [
    "<!-- Made by `cargo xtask docs` from policies/*/settings.schema.json. -->",
    "<!-- End of the generated part. -->",
];

/// The packages with settings, in addition to the standard policies.
const LEGACY_WITH_SETTINGS: &str = "legacy-stale-pointer";

/// Writes every schema and every page again.
///
/// # Errors
/// When a source cannot be read or understood, or a file cannot be written.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    derive_schemas(workspace)?;
    print(workspace, "sample", SAMPLE)?;
    print(workspace, "openapi", OPENAPI)?;
    for (page, text) in pages(workspace.root())? {
        let path = workspace.root().join(page);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        crate::print::line(page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each policy derives the schema of its settings in a test, which writes it on request: the
/// derivation must not become part of a component.
fn derive_schemas(workspace: &Workspace) -> Result<()> {
    let mut test = workspace.cargo("test");
    test.args(["--quiet", "--lib"]);
    for policy in settings::POLICIES.into_iter().chain([LEGACY_WITH_SETTINGS]) {
        test.args(["--package", &format!("reeve-{policy}")]);
    }
    test.arg("the_committed_schema").env("REEVE_BLESS", "1");
    process::run(&mut test).context("cannot derive the schemas of the policies' settings")
}

/// Writes what a command of `reeve` prints.
fn print(workspace: &Workspace, command: &str, file: &str) -> Result<()> {
    let mut reeve = workspace.cargo("run");
    let output = reeve.args(demo::REEVE).args(["--", command]).output();
    let output = output.with_context(|| format!("cannot run `reeve {command}`"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("`reeve {command}` failed: {error}");
    }
    let path = workspace.root().join(file);
    fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))
}

/// Each page with the text it should have.
fn pages(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let sample = read(root, SAMPLE)?;
    let configuration = sample::page(SAMPLE, &sample)?;
    let reference = between_marks(&read(root, REFERENCE)?, &settings::tables(root)?)?;
    Ok(vec![(CONFIGURATION, configuration), (REFERENCE, reference)])
}

fn read(root: &Path, file: &str) -> Result<String> {
    let path = root.join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Puts `made` between the page's marks.
fn between_marks(page: &str, made: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let parts = page.split_once(begin);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let Some((before, after)) = parts else {
        bail!("{REFERENCE} lacks a mark; accepted: the lines {begin:?} and {end:?}");
    };
    Ok(format!("{before}{begin}\n\n{made}\n{end}{after}"))
}

/// Escapes a text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_equals_its_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (page, text) in pages(root).unwrap() {
            let found = read(root, page).unwrap();
            assert!(
                found == text,
                "{page} differs from its sources; run `cargo xtask docs`"
            );
        }
    }

    #[test]
    fn the_generated_part_stands_between_the_marks() {
        let [begin, end] = MARKS;
        let page = format!("a\n{begin}\nold\n{end}\nz\n");
        let made = between_marks(&page, "new\n").unwrap();
        assert_eq!(made, format!("a\n{begin}\n\nnew\n\n{end}\nz\n"));
        assert!(between_marks("no marks", "new").is_err());
    }
}
