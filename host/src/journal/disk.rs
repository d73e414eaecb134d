//! Files in the state directory: numbered journals, and a checkpoint that is always whole.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::JournalError;

/// Journals kept, including the current one. With files of 64 MiB, that is about two million
/// decisions to inspect or replay.
const KEPT: usize = 8;
const PREFIX: &str = "journal-";
const SUFFIX: &str = ".jsonl";

/// The path of the journal with this number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{number:08}{SUFFIX}"))
}

/// The numbers of all journals, lowest first.
pub(super) fn numbers(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let entries = fs::read_dir(dir).map_err(JournalError::io("list", dir))?;
    let mut numbers: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            let digits = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            digits.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Opens a journal for writing and creates it if missing. Only the host's user may read it, because
/// it contains settings and addresses.
pub(super) fn open(path: &Path) -> Result<File, JournalError> {
    let file = private().truncate(false).open(path);
    file.map_err(JournalError::io("open", path))
}

/// Removes the oldest journals beyond [`KEPT`].
pub(super) fn prune(dir: &Path) -> Result<(), JournalError> {
    let numbers = numbers(dir)?;
    let surplus = numbers.len().saturating_sub(KEPT);
    for number in &numbers[..surplus] {
        let path = path(dir, *number);
        fs::remove_file(&path).map_err(JournalError::io("remove", &path))?;
    }
    Ok(())
}

/// Replaces a file atomically: a later start sees the old file or the new one, never a part.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
    let unfinished = dir.join(format!("{name}.unfinished"));
    let write = || -> std::io::Result<()> {
        let mut file = private().truncate(true).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(JournalError::io("write", &unfinished))?;
    fs::rename(&unfinished, dir.join(name)).map_err(JournalError::io("rename", &unfinished))?;
    sync_dir(dir)
}

/// Makes new file names in the directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(JournalError::io("sync", dir))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}
