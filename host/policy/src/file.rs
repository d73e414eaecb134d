//! Reads a component's file once and whole. The same bytes are then hashed, checked and compiled,
//! so a file that changes during a reload cannot bypass a check.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::report::ReloadError;

/// The content of a regular file, following symbolic links, of at most `bytes_max` bytes.
///
/// # Errors
/// The file cannot be read, is not a regular file, or is too long.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReloadError> {
    let failed = |source| ReloadError::Read {
        path: path.to_owned(),
        source,
    };
    // To open a named pipe would block until a writer opens it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReloadError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let found = File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if found as u64 > bytes_max {
        return Err(ReloadError::TooLarge {
            path: path.to_owned(),
            max: bytes_max,
        });
    }
    Ok(bytes)
}
