//! Reads files that hold a secret. A file that other users may read is refused, because a secret that
//! others know proves nothing.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// A key, or a thousand tokens' hashes, fits several times over.
const BYTES_MAX: u64 = 1 << 20;
/// The bits of a mode that let others than the owner in.
const OTHERS: u32 = 0o077;

/// Why the file of a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The system refuses.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "others than its owner may use {} (its mode is {mode:04o}); accepted: 0600 or narrower; mend it with `chmod 600 {}`",
        path.display(), path.display()
    )]
    TooWide {
        /// The file.
        path: PathBuf,
        /// The bits of its mode.
        mode: u32,
    },
    /// It is no file.
    #[error("{} is no file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// It is too long.
    #[error("{} has more than {BYTES_MAX} bytes, which no secret of this host has", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the text of such a file. It is opened once, and never waited for.
///
/// # Errors
/// [`SecretFileError`].
pub(crate) fn read(path: &Path) -> Result<String, SecretFileError> {
    let failed = |source| SecretFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // A pipe without a writer would be waited for; its kind is found out below.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(SecretFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SecretFileError::TooWide {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    let mut bounded = file.take(BYTES_MAX + 1);
    bounded.read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(SecretFileError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_others_may_read_is_refused_with_what_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "hush").unwrap();
        for (mode, is_narrow) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(text) => assert!(is_narrow && text == "hush", "{mode:o}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!is_narrow && text.contains("chmod 600"), "{mode:o}: {text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        for path in [dir.path(), &pipe] {
            assert!(matches!(read(path), Err(SecretFileError::NotAFile { .. })));
        }
        let missing = read(&dir.path().join("none"));
        assert!(matches!(missing, Err(SecretFileError::Unreadable { .. })));
    }
}
