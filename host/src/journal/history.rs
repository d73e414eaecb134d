//! Reads the journal for display. It takes no lock and changes nothing, so it works while a host
//! writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
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
        let skipped = each_of(BufReader::new(file), &mut show);
        passed_over += skipped.map_err(JournalError::io("read", &path))?;
    }
    Ok(passed_over)
}

/// Calls `show` with every entry of one journal; returns how many lines are none.
///
/// # Errors
/// The reader's.
pub(crate) fn each_of(reader: impl BufRead, show: &mut impl FnMut(Entry)) -> io::Result<usize> {
    let mut passed_over = 0;
    for line in reader.split(b'\n') {
        match serde_json::from_slice(&line?) {
            Ok(entry) => show(entry),
            Err(_) => passed_over += 1,
        }
    }
    Ok(passed_over)
}
