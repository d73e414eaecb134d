//! Reads a component's file once and whole. The same bytes are then hashed, checked and compiled,
//! so a file that changes during a reload cannot bypass a check.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use reeve_core::id::Digest;
use reeve_core::text;
use rustix::fs::OFlags;

use crate::report::ReloadError;

/// The content of a regular file, following symbolic links, of at most `bytes_max` bytes.
///
/// # Errors
/// The file cannot be read, is not a regular file, or is too long.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ReloadError> {
    let mut bytes = Vec::new();
    let file = open(path, bytes_max)?;
    let failed = |source| cannot_read(path, source);
    let found = file.take(bytes_max + 1).read_to_end(&mut bytes);
    if found.map_err(failed)? as u64 > bytes_max {
        return Err(too_large(path, bytes_max));
    }
    Ok(bytes)
}

/// The digest of a file that [`read`] would return, without its bytes in memory.
///
/// # Errors
/// As for [`read`].
pub(crate) fn digest(path: &Path, bytes_max: u64) -> Result<Digest, ReloadError> {
    let file = open(path, bytes_max)?;
    let failed = |source| cannot_read(path, source);
    let (digest, found) = Digest::read(file.take(bytes_max + 1)).map_err(failed)?;
    if found > bytes_max {
        return Err(too_large(path, bytes_max));
    }
    Ok(digest)
}

/// Opens the file once, and checks the open file. A named pipe would keep an ordinary open waiting for
/// a writer. A file that says that it is too long is not read; one may still grow, or say too little.
fn open(path: &Path, bytes_max: u64) -> Result<File, ReloadError> {
    let failed = |source| cannot_read(path, source);
    let mut options = OpenOptions::new();
    let options = options.read(true);
    let options = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(ReloadError::NotAFile {
            path: path.to_owned(),
        });
    }
    if found.len() > bytes_max {
        return Err(too_large(path, bytes_max));
    }
    Ok(file)
}

/// A path in one line. A file's name may have a line break in it, and whatever follows would look like a
/// line of the host.
pub fn shown(path: &Path) -> String {
    text::escaped(&path.to_string_lossy()).into_owned()
}

fn cannot_read(path: &Path, source: io::Error) -> ReloadError {
    ReloadError::Read {
        path: path.to_owned(),
        source,
    }
}

fn too_large(path: &Path, max: u64) -> ReloadError {
    ReloadError::TooLarge {
        path: path.to_owned(),
        max,
    }
}
