//! Watches the policy directory.
//!
//! Kubernetes replaces a symbolic link inside a mounted directory, deployments replace the
//! directory itself, and editors write in several steps. So this module watches the directory *and
//! its parent*, and waits until a burst of changes ends. It then sets the watch again, because a
//! watch stays with the old directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Cause, Reloads};

/// After this long without a change, a burst has ended.
const QUIET: Duration = Duration::from_millis(300);
/// A directory that never becomes quiet is read after this long.
const UNREST_MAX: Duration = Duration::from_secs(3);
/// How often files are read where changes cannot be watched.
pub(super) const POLL: Duration = Duration::from_secs(30);

/// A running watch: it misses no later change.
pub(super) struct Watching {
    watch: Watch,
    changes: mpsc::Receiver<()>,
}

impl Watching {
    /// Starts to watch. `None`: the system does not support it.
    pub(super) fn begin(directory: &Path) -> Option<Self> {
        // Events name the watched paths, and a relative path could not be compared with them.
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

    /// Orders a reload after each change. It does not wait for the reload: the next change may be
    /// another team's, and a file may take long.
    pub(super) async fn run(mut self, reloads: &Reloads) -> WatchEnd {
        while self.changes.recv().await.is_some() {
            let _ = timeout(UNREST_MAX, self.quiet()).await;
            self.watch.arm();
            if reloads.order(Cause::Change).is_err() {
                return WatchEnd::Reloads;
            }
        }
        WatchEnd::Watcher
    }

    async fn quiet(&mut self) {
        while matches!(timeout(QUIET, self.changes.recv()).await, Ok(Some(()))) {}
    }
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WatchEnd {
    /// No task reloads policies: the host has ended.
    Reloads,
    /// The system's watcher has ended, so changes would be missed.
    Watcher,
}

/// Orders a reload every [`POLL`] until reloads end.
pub(super) async fn poll(reloads: &Reloads) {
    loop {
        tokio::time::sleep(POLL).await;
        if reloads.order(Cause::Change).is_err() {
            return;
        }
    }
}

/// Logs that [`poll`] replaces the watch.
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
            // A full channel already holds an unhandled change.
            let _ = changed.try_send(());
        })?;
        Ok(Self { watcher, directory })
    }

    /// Watches the directory that the path currently leads to, and the parent, where a missing
    /// directory will appear.
    fn arm(&mut self) {
        let parent = self.directory.parent().map(Path::to_owned);
        for path in [Some(self.directory.clone()), parent].into_iter().flatten() {
            // An error means that the path was not watched, so it is ignored.
            let _ = self.watcher.unwatch(&path);
            if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                tracing::warn!(path = %path.display(), "cannot watch for changes of policies: {error}");
            }
        }
    }
}

/// Whether an event may change a policy. The parent may contain other files, and a read is no
/// change.
fn concerns(event: &notify::Event, directory: &Path) -> bool {
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| path.starts_with(directory)))
}
