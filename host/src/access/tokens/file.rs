//! The file of the tokens. `reeve token` changes it, hosts read it again when it has changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Token;
use crate::secret_file::{self, SecretFileError};

/// More than any team keeps. Each request with a token compares it with a single hash.
const TOKENS_MAX: usize = 1_000;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    tokens: Vec<Token>,
}

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// Its content is not what `reeve token` writes.
    #[error("{} does not have the tokens of `reeve token`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// There are too many tokens.
    #[error("{} has {TOKENS_MAX} tokens, which is the most; revoke some first", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
}

/// All tokens. A missing file has none.
///
/// # Errors
/// [`TokenFileError`].
pub(crate) fn read(path: &Path) -> Result<Vec<Token>, TokenFileError> {
    let text = match secret_file::read(path) {
        Ok(text) => text,
        Err(SecretFileError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let tokens: Tokens = serde_json::from_str(&text).map_err(|source| TokenFileError::Content {
        path: path.to_owned(),
        source,
    })?;
    Ok(tokens.tokens)
}

/// Changes the tokens. Two changes at once happen one after the other, and a reader sees the tokens
/// before or after a change.
///
/// # Errors
/// [`TokenFileError`]; the file is then as before.
pub(crate) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Token>) -> T,
) -> Result<T, TokenFileError> {
    let unwritable = |source| TokenFileError::Unwritable {
        path: path.to_owned(),
        source,
    };
    // The lock is a file of its own, because a change replaces the file of the tokens.
    let lock = private(&with_suffix(path, "lock")).map_err(unwritable)?;
    lock.lock().map_err(unwritable)?;
    let mut tokens = read(path)?;
    let changed = change(&mut tokens);
    if tokens.len() > TOKENS_MAX {
        return Err(TokenFileError::Full {
            path: path.to_owned(),
        });
    }
    let text = serde_json::to_string_pretty(&Tokens { tokens });
    let text = text.map_err(|error| unwritable(error.into()))? + "\n";
    replace(path, text.as_bytes()).map_err(unwritable)?;
    Ok(changed)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = with_suffix(path, "unfinished");
    let mut file = private(&unfinished)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a file that only its owner may use, and creates it if it is missing.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread;

    use jiff::Timestamp;

    use super::*;

    fn add(path: &Path, name: &str) -> Result<(), TokenFileError> {
        let (token, _) = Token::make(name, Timestamp::UNIX_EPOCH, None).unwrap();
        change(path, |tokens| tokens.push(token))
    }

    #[test]
    fn changes_at_once_all_take_place_in_a_file_of_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        assert_eq!(read(&path).unwrap(), []);
        thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || add(path, &format!("t{number}")).unwrap());
            }
        });
        assert_eq!(read(&path).unwrap().len(), 8);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.json");
        for broken in [
            "{",
            "{\"tokens\": [{\"name\": \"a\"}]}",
            "[]",
            "{\"tokens\": [], \"more\": 1}",
        ] {
            fs::write(&path, broken).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(
                add(&path, "a"),
                Err(TokenFileError::Content { .. })
            ));
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        }
    }
}
