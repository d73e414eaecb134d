//! Tells when files have changed. They are looked at every other second, which sees every way to
//! replace a file: a write, a rename, a link of an orchestrator's that is moved.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

/// A changed file waits for this long at most.
const EVERY: Duration = Duration::from_secs(2);

/// What tells one version of a file from another. `None`: the file is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Files that are watched.
#[derive(Debug)]
pub(crate) struct FileWatch {
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
}

impl FileWatch {
    /// Watches these files from here on. Made before they are read, so that no change is missed.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let seen = stamps(&files);
        Self { files, seen }
    }

    /// Returns when one of the files has changed.
    pub(crate) async fn changed(&mut self) {
        loop {
            sleep(EVERY).await;
            let found = stamps(&self.files);
            if found != self.seen {
                self.seen = found;
                return;
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|file| stamp(file)).collect()
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
