//! Activates changed policy files: on a change in the directory, on SIGHUP, or on request. All
//! reloads pass through here: those of one file one at a time, those of two files side by side.

#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use reeve_policy::{FileReport, Outcome, PANICKED, Registry, ReloadReport};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::panics::caught;

use watch::{POLL, WatchEnd, Watching, poll};

/// Orders for one file that wait while it is tried. One later trial serves them all.
const QUEUE: usize = 64;

/// The order of a trial for itself, after one that panicked.
const AGAIN: Order = Order {
    cause: Cause::Change,
    reply: None,
};

/// Why a reload has no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// The host has ended, so no reload runs.
    #[error("the host has ended; its policies cannot be reloaded")]
    Ended,
    /// The reload panicked. The active policies stay, and the next reload reads all files again.
    #[error(
        "the reload panicked, as the log shows; the active policies stay. Try again, and report it"
    )]
    Panicked,
}

/// Reads one file, by its name, and activates it if it is good.
type Try = dyn Fn(&str) -> Option<FileReport> + Send + Sync;

/// Orders reloads. Clones share the queues.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    files: Arc<BTreeMap<String, mpsc::Sender<Order>>>,
}

#[derive(Debug)]
struct Order {
    cause: Cause,
    /// Who waits for the result; `None`: the log is enough.
    reply: Option<oneshot::Sender<Result<Arc<FileReport>, NoReport>>>,
}

/// Why policies are read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The start of the host.
    Start,
    /// A change in the directory.
    Change,
    /// The SIGHUP signal.
    Signal,
    /// `POST /v1/policies/reload`.
    Request,
    /// An active version that fails each time.
    Failures,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Change => "change",
            Self::Signal => "signal",
            Self::Request => "request",
            Self::Failures => "failures",
        }
    }
}

impl Reloads {
    /// Orders a reload without waiting for it. The log shows the result.
    ///
    /// # Errors
    /// [`NoReport::Ended`].
    pub(crate) fn order(&self, cause: Cause) -> Result<(), NoReport> {
        self.files.values().try_for_each(|file| send(file, cause))
    }

    /// Like [`Reloads::order`], for one file.
    fn order_file(&self, name: &str, cause: Cause) -> Result<(), NoReport> {
        self.files
            .get(name)
            .map_or(Ok(()), |file| send(file, cause))
    }

    /// Reads all files again and activates the good ones, each as soon as it is known to be good.
    ///
    /// # Errors
    /// [`NoReport`].
    pub(crate) async fn reload(&self, cause: Cause) -> Result<ReloadReport, NoReport> {
        let mut replies = Vec::new();
        for file in self.files.values() {
            let (reply, report) = oneshot::channel();
            let order = Order {
                cause,
                reply: Some(reply),
            };
            file.send(order).await.map_err(|_| NoReport::Ended)?;
            replies.push(report);
        }
        let mut report = ReloadReport { files: Vec::new() };
        for reply in replies {
            report
                .files
                .push(reply.await.unwrap_or(Err(NoReport::Ended))?);
        }
        if matches!(cause, Cause::Signal | Cause::Request) {
            let (files, refused) = (report.files.len(), report.refused().count());
            let cause = cause.as_str();
            tracing::info!(files, refused, cause, "the policies were read again");
        }
        Ok(report)
    }
}

fn send(file: &mpsc::Sender<Order>, cause: Cause) -> Result<(), NoReport> {
    // A full queue holds orders that have not begun and will read the same file.
    match file.try_send(Order { cause, reply: None }) {
        Err(TrySendError::Closed(_)) => Err(NoReport::Ended),
        Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
    }
}

/// Carries out the orders: one task for each file.
pub(crate) struct Reloading {
    tasks: Vec<FileTask>,
    watching: Option<Watching>,
    reloads: Reloads,
    metrics: Metrics,
}

/// Tries one file again for each order. Files do not wait for each other.
struct FileTask {
    name: String,
    try_file: Arc<Try>,
    incoming: mpsc::Receiver<Order>,
    metrics: Metrics,
}

impl Reloading {
    /// Starts to watch the directory, so that no later change is missed. No file is read before
    /// [`Reloading::run`].
    pub(crate) fn begin(
        registry: Arc<Registry>,
        directory: &Path,
        metrics: Metrics,
    ) -> (Self, Reloads) {
        let names = registry.files().map(str::to_owned).collect();
        let to_try = Arc::clone(&registry);
        let try_file = move |name: &str| to_try.reload_file(name);
        let (reloading, reloads) = Self::with(names, Arc::new(try_file), directory, metrics);
        let orders = reloads.clone();
        registry.on_broken(move |name| {
            // A host that has ended reloads nothing.
            let _ = orders.order_file(name, Cause::Failures);
        });
        (reloading, reloads)
    }

    fn with(
        names: Vec<String>,
        try_file: Arc<Try>,
        directory: &Path,
        metrics: Metrics,
    ) -> (Self, Reloads) {
        let (mut queues, mut tasks) = (BTreeMap::new(), Vec::new());
        for name in names {
            let (orders, incoming) = mpsc::channel(QUEUE);
            queues.insert(name.clone(), orders);
            tasks.push(FileTask {
                name,
                try_file: Arc::clone(&try_file),
                incoming,
                metrics: metrics.clone(),
            });
        }
        let reloads = Reloads {
            files: Arc::new(queues),
        };
        let reloading = Self {
            tasks,
            watching: Watching::begin(directory),
            reloads: reloads.clone(),
            metrics,
        };
        (reloading, reloads)
    }

    /// Watches and reloads until it is dropped.
    pub(crate) async fn run(self) {
        let mut files: JoinSet<()> = self.tasks.into_iter().map(FileTask::run).collect();
        follow(self.watching, &self.reloads, &self.metrics).await;
        while files.join_next().await.is_some() {}
    }
}

/// Orders a reload after each change until reloads end. If the watch ends or panics, polling
/// replaces it.
async fn follow(watching: Option<Watching>, reloads: &Reloads, metrics: &Metrics) {
    if let Some(watching) = watching {
        match caught(watching.run(reloads)).await {
            Ok(WatchEnd::Reloads) => return,
            Ok(WatchEnd::Watcher) => watch::tell_polling("the watcher has ended"),
            Err(panic) => {
                metrics.panicked("policy-watch");
                watch::tell_polling(&format!("the watcher {panic}"));
            }
        }
    }
    poll(reloads).await;
}

impl FileTask {
    async fn run(mut self) {
        // A trial that panicked did not activate its change, so another follows by itself.
        let mut failed = false;
        loop {
            let order = self.incoming.recv();
            let order = match failed {
                true => timeout(POLL, order).await.unwrap_or(Some(AGAIN)),
                false => order.await,
            };
            let Some(first) = order else { return };
            let cause = first.cause;
            let mut waiting = vec![first];
            // The file is read after this point, so this trial serves all queued orders.
            while let Ok(order) = self.incoming.try_recv() {
                waiting.push(order);
            }
            let result = self.try_once(cause).await;
            failed = result.is_err();
            for reply in waiting.into_iter().filter_map(|order| order.reply) {
                let _ = reply.send(result.clone());
            }
        }
    }

    async fn try_once(&self, cause: Cause) -> Result<Arc<FileReport>, NoReport> {
        let (name, try_file) = (self.name.clone(), Arc::clone(&self.try_file));
        match tokio::task::spawn_blocking(move || try_file(&name)).await {
            Ok(Some(report)) => {
                tell(&report, cause, &self.metrics);
                Ok(Arc::new(report))
            }
            Ok(None) => Err(NoReport::Ended),
            Err(_) => {
                self.metrics.panicked("reload");
                tracing::error!(
                    policy = self.name,
                    cause = cause.as_str(),
                    "the reload of the policy panicked; the active version stays"
                );
                Err(NoReport::Panicked)
            }
        }
    }
}

/// Logs a file that changed or was refused.
fn tell(file: &FileReport, cause: Cause, metrics: &Metrics) {
    let (policy, cause) = (file.file.as_str(), cause.as_str());
    match &file.outcome {
        Outcome::Unchanged { .. } => metrics.reloaded("unchanged"),
        Outcome::Activated { old, new } => {
            metrics.reloaded("activated");
            let old = old.map(|digest| digest.short());
            let (old, new) = (old.as_deref().unwrap_or("none"), new.short());
            tracing::info!(policy, old, new, cause, "the policy is active");
        }
        Outcome::Refused { error, serving } => {
            metrics.reloaded("refused");
            let text = error.text();
            let code = error.code();
            if code == PANICKED {
                metrics.panicked("policy");
            }
            match serving.map(|digest| digest.short()) {
                Some(serving) => tracing::error!(
                    policy,
                    code,
                    serving,
                    cause,
                    "the policy's file is refused, and the last good version is active: {text}"
                ),
                None => tracing::error!(
                    policy,
                    code,
                    cause,
                    "the policy's file is refused and there is no last good version, so the safe defaults apply: {text}"
                ),
            }
        }
    }
}
