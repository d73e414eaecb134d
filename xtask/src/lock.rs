//! A lock for builds: two `cargo xtask` may run at once, in two terminals or two checkouts.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

/// A lock that is held during the build of something shared. The operating system releases it when
/// the process ends, even by a crash.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until this process holds the lock. `what` names the thing being built, in the message
    /// to the person who waits.
    ///
    /// # Errors
    /// When the file cannot be created or locked.
    pub(crate) fn take(path: &Path, what: &str) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        let file = File::create(path)
            .with_context(|| format!("cannot create the lock file {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another xtask that is building {what}");
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(Self { _file: file })
    }
}
