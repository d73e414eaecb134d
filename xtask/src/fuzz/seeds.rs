//! What a target begins with. Without a start, a fuzzer spends its minutes on finding the first bytes of
//! a format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The ways in which the target `identity` reads its input (`fuzz/targets/identity.rs`).
const AS_TEXT: u8 = 0;
const AS_PATCH: u8 = 1;
const AS_CONTENT: u8 = 2;

/// Content as AWS signs it.
const CONTENT: &str = r#"{"accountId":"123456789012","instanceId":"i-0123456789abcdef0","pendingTime":"2026-01-31T08:22:00Z","region":"us-east-1"}"#;

/// Writes the seeds of a target into an empty folder.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn write(workspace: &Workspace, target: &str, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (number, seed) in of(workspace, target)?.into_iter().enumerate() {
        let path = folder.join(format!("seed-{number:03}"));
        fs::write(&path, seed).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn of(workspace: &Workspace, target: &str) -> Result<Vec<Vec<u8>>> {
    let root = workspace.root();
    let texts = root.join("fuzz/seeds");
    match target {
        "component" => with_ending(&workspace.policies(), "wasm"),
        "config" => Ok(vec![read(&root.join("host/reeve.sample.toml"))?]),
        "identity" => documents(&root.join("host/identity/tests/aws")),
        "journal" => whole_and_lines(&texts.join("journal.jsonl")),
        _ => whole_and_lines(&texts.join("bodies.txt")),
    }
}

fn documents(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let with = |way: u8, rest: &[u8]| [&[way], rest].concat();
    let mut seeds = vec![
        with(AS_CONTENT, CONTENT.as_bytes()),
        with(AS_PATCH, &[0, 0, 0x30]),
    ];
    for ending in ["rsa2048", "pkcs7"] {
        let documents = with_ending(folder, ending)?;
        seeds.extend(documents.iter().map(|document| with(AS_TEXT, document)));
    }
    Ok(seeds)
}

/// The file, and each of its lines.
fn whole_and_lines(path: &Path) -> Result<Vec<Vec<u8>>> {
    let whole = read(path)?;
    let lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let mut seeds: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    seeds.push(whole);
    Ok(seeds)
}

/// The files of a folder whose names end so, in the order of their names.
fn with_ending(folder: &Path, ending: &str) -> Result<Vec<Vec<u8>>> {
    let listed = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_texts_begins_with_each_line_and_the_whole() {
        let workspace = Workspace::find().unwrap();
        for target in ["bodies", "journal", "identity", "config"] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join(target);
            for _ in 0..2 {
                write(&workspace, target, &folder).unwrap();
            }
            let seeds = folder.read_dir().unwrap().count();
            assert_eq!(seeds, of(&workspace, target).unwrap().len(), "{target}");
        }
        assert!(of(&workspace, "bodies").unwrap().len() > 5);
    }
}
