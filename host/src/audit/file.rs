//! The files of the audit log. They are appended to only; when one is long, the next one begins, and
//! the oldest ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file has about a hundred thousand lines.
const BYTES_MAX: u64 = 16 << 20;
/// Files that are kept, the current one among them.
const KEPT: usize = 8;
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// The file that lines go to.
#[derive(Debug)]
pub(super) struct AuditFile {
    dir: PathBuf,
    number: u64,
    file: File,
    bytes: u64,
    /// Whether the last line may be there in part, after a full disk.
    is_torn: bool,
}

impl AuditFile {
    /// Opens the last file of the folder, or the first.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let number = numbers(dir)?.pop().unwrap_or(1);
        let file = open(dir, number)?;
        let bytes = file.metadata()?.len();
        Ok(Self {
            dir: dir.to_owned(),
            number,
            file,
            bytes,
            is_torn: bytes > 0,
        })
    }

    /// Appends a line, in the next file if this one is full.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.bytes >= BYTES_MAX {
            self.begin_next()?;
        }
        // A reader passes over what is left of a torn line.
        let line = match self.is_torn {
            true => format!("\n{line}\n"),
            false => format!("{line}\n"),
        };
        self.is_torn = true;
        self.file.write_all(line.as_bytes())?;
        self.is_torn = false;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn begin_next(&mut self) -> io::Result<()> {
        self.file = open(&self.dir, self.number + 1)?;
        self.number += 1;
        self.bytes = 0;
        self.is_torn = false;
        let numbers = numbers(&self.dir)?;
        let surplus = numbers.len().saturating_sub(KEPT);
        for number in &numbers[..surplus] {
            fs::remove_file(path(&self.dir, *number))?;
        }
        Ok(())
    }
}

/// Only the host's user may read it: it tells what callers do.
fn open(dir: &Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.open(path(dir, number))
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{number:08}{SUFFIX}"))
}

/// The numbers of all files, lowest first.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let digits = name.and_then(|name| name.strip_suffix(SUFFIX));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_the_oldest_file_ends_when_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AuditFile::open(dir.path()).unwrap();
        file.append("{}").unwrap();
        drop(file);
        let mut file = AuditFile::open(dir.path()).unwrap();
        file.append("{\"a\":1}").unwrap();
        let first = fs::read_to_string(path(dir.path(), 1)).unwrap();
        let lines: Vec<_> = first.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, ["{}", "{\"a\":1}"]);
        for _ in 0..KEPT + 2 {
            file.bytes = BYTES_MAX;
            file.append("{}").unwrap();
        }
        let numbers = numbers(dir.path()).unwrap();
        assert_eq!(numbers.len(), KEPT);
        assert_eq!(numbers.last(), Some(&(KEPT as u64 + 3)));
    }
}
