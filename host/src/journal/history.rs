//! Reads the journal for display. It takes no lock and changes nothing, so it works while a host
//! writes.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use reeve_core::journal::Entry;

use super::{JournalError, disk};

/// Calls `show` with every entry in a state directory, oldest first. Lines that cannot be parsed
/// (torn, or of another version) are skipped; returns how many.
///
/// # Errors
/// [`JournalError::Io`] if the directory or a journal cannot be read.
pub(crate) fn each(dir: &Path, mut show: impl FnMut(Entry)) -> Result<usize, JournalError> {
    let mut passed_over = 0;
    for number in disk::numbers(dir)? {
        let path = disk::path(dir, number);
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(JournalError::io("read", &path))?;
            match serde_json::from_slice(&line) {
                Ok(entry) => show(entry),
                Err(_) => passed_over += 1,
            }
        }
    }
    Ok(passed_over)
}
