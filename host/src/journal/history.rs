//! The journal read from outside, by whoever wants to know what was decided and why. It takes no lock
//! and changes nothing, so it can be read while a host writes it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use reeve_core::journal::Record;

use super::{JournalError, disk};

/// Goes through all records in a state directory, oldest first. A line that is no record (torn, or of another
/// version) is passed over; the answer is how many.
///
/// # Errors
/// [`JournalError::Io`] when the directory or a journal cannot be read.
pub(crate) fn each(dir: &Path, mut look: impl FnMut(Record)) -> Result<usize, JournalError> {
    let mut passed_over = 0;
    for number in disk::numbers(dir)? {
        let path = disk::path(dir, number);
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(JournalError::io("read", &path))?;
            match serde_json::from_slice(&line) {
                Ok(record) => look(record),
                Err(_) => passed_over += 1,
            }
        }
    }
    Ok(passed_over)
}
