//! Watching the policies' directory.
//!
//! Kubernetes exchanges a symbolic link inside a mounted directory, deployments exchange the directory
//! itself, editors write in several steps. So the directory *and its parent* are watched, changes are waited
//! out, and the watch is set anew each time, because it clings to the directory that was there before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Cause, NoReport, Reloads};

/// Quiet for this long, a burst of changes has ended.
const QUIET: Duration = Duration::from_millis(300);
/// A directory that never comes to rest is read all the same.
const UNREST_MAX: Duration = Duration::from_secs(3);
/// How often to read where changes cannot be watched.
const POLL: Duration = Duration::from_secs(30);

/// A watch that has begun: no change from now on is missed.
pub(super) struct Watching {
    watch: Watch,
    changes: mpsc::Receiver<()>,
}

impl Watching {
    /// Begins to watch; `None` where the system cannot.
    pub(super) fn begin(directory: &Path) -> Option<Self> {
        // The paths of changes are those that were watched; a relative one could not be compared.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let (changed, changes) = mpsc::channel(1);
        match Watch::new(directory, changed) {
            Ok(mut watch) => {
                watch.arm();
                Some(Self { watch, changes })
            }
            Err(error) => {
                tell_polling(&error.to_string());
                None
            }
        }
    }

    /// Orders a reload after each change. A reload that failed is followed by another one after the next
    /// change, or after [`POLL`] without one: its change is not in force yet.
    pub(super) async fn run(mut self, reloads: &Reloads) -> WatchEnd {
        let mut failed = false;
        loop {
            let changed = self.changes.recv();
            let changed = if failed {
                timeout(POLL, changed).await.unwrap_or(Some(()))
            } else {
                changed.await
            };
            if changed.is_none() {
                return WatchEnd::Watcher;
            }
            let _ = timeout(UNREST_MAX, self.quiet()).await;
            self.watch.arm();
            failed = match reloads.reload(Cause::Change).await {
                Ok(_) => false,
                Err(NoReport::Panicked) => true,
                Err(NoReport::Ended) => return WatchEnd::Reloads,
            };
        }
    }

    async fn quiet(&mut self) {
        while matches!(timeout(QUIET, self.changes.recv()).await, Ok(Some(()))) {}
    }
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchEnd {
    /// Nothing reloads policies any more: the host has ended.
    Reloads,
    /// The system's watcher is gone, so changes would be missed.
    Watcher,
}

/// Orders a reload every [`POLL`], until reloads have ended.
pub(super) async fn poll(reloads: &Reloads) {
    loop {
        tokio::time::sleep(POLL).await;
        if let Err(NoReport::Ended) = reloads.reload(Cause::Change).await {
            return;
        }
    }
}

/// Tells that [`poll`] takes the place of a watch.
pub(super) fn tell_polling(reason: &str) {
    let seconds = POLL.as_secs();
    tracing::warn!(
        "changes of policies cannot be watched ({reason}); reading them every {seconds} s"
    );
}

struct Watch {
    watcher: RecommendedWatcher,
    directory: PathBuf,
}

impl Watch {
    fn new(directory: PathBuf, changed: mpsc::Sender<()>) -> notify::Result<Self> {
        let watched = directory.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error (such as lost events) may hide a change, so it counts as one.
            if event.is_ok_and(|event| !concerns(&event, &watched)) {
                return;
            }
            // A full channel already holds a change that was not looked at.
            let _ = changed.try_send(());
        })?;
        Ok(Self { watcher, directory })
    }

    /// Watches what the path leads to now. A directory that is not there is awaited through its parent.
    fn arm(&mut self) {
        let parent = self.directory.parent().map(Path::to_owned);
        for path in [Some(self.directory.clone()), parent].into_iter().flatten() {
            // Not watched so far, or the directory is gone: either way there is nothing to undo.
            let _ = self.watcher.unwatch(&path);
            if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                tracing::warn!(path = %path.display(), "cannot watch for changes of policies: {error}");
            }
        }
    }
}

/// Whether a change may be one of the policies: the parent may hold much else, and reading is no change.
fn concerns(event: &notify::Event, directory: &Path) -> bool {
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| path.starts_with(directory)))
}
