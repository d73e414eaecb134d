//! Activates changed policy files: on a change in the directory, on SIGHUP, or on request. All
//! reloads pass through here, one at a time.

#[cfg(test)]
mod tests;
mod watch;

use std::path::Path;
use std::sync::Arc;

use reeve_policy::{Outcome, PANICKED, Registry, ReloadReport};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::panics::caught;

use watch::{WatchEnd, Watching, poll};

/// Reload orders queued during a reload. One later reload serves them all.
const QUEUE: usize = 64;

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

/// Reads all files once.
type Pass = dyn Fn() -> ReloadReport + Send + Sync;

/// Orders reloads. Clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
struct Order {
    cause: Cause,
    reply: oneshot::Sender<Result<Arc<ReloadReport>, NoReport>>,
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
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Change => "change",
            Self::Signal => "signal",
            Self::Request => "request",
        }
    }
}

impl Reloads {
    /// Orders a reload without waiting for it. The log shows the result.
    pub(crate) fn order(&self, cause: Cause) {
        let (reply, _) = oneshot::channel();
        // A full queue holds orders that have not begun and will read the same files.
        let _ = self.orders.try_send(Order { cause, reply });
    }

    /// Reads all files again and activates the good ones.
    ///
    /// # Errors
    /// [`NoReport`].
    pub(crate) async fn reload(&self, cause: Cause) -> Result<Arc<ReloadReport>, NoReport> {
        let (reply, report) = oneshot::channel();
        let order = Order { cause, reply };
        self.orders.send(order).await.map_err(|_| NoReport::Ended)?;
        report.await.unwrap_or(Err(NoReport::Ended))
    }
}

/// Carries out the orders.
pub(crate) struct Reloading {
    pass: Arc<Pass>,
    metrics: Metrics,
    incoming: mpsc::Receiver<Order>,
    watching: Option<Watching>,
    reloads: Reloads,
}

impl Reloading {
    /// Starts to watch the directory, so that no later change is missed. No file is read before
    /// [`Reloading::run`].
    pub(crate) fn begin(
        registry: Arc<Registry>,
        directory: &Path,
        metrics: Metrics,
    ) -> (Self, Reloads) {
        Self::with_pass(Arc::new(move || registry.reload()), directory, metrics)
    }

    fn with_pass(pass: Arc<Pass>, directory: &Path, metrics: Metrics) -> (Self, Reloads) {
        let (orders, incoming) = mpsc::channel(QUEUE);
        let reloads = Reloads { orders };
        let reloading = Self {
            pass,
            metrics,
            incoming,
            watching: Watching::begin(directory),
            reloads: reloads.clone(),
        };
        (reloading, reloads)
    }

    /// Watches and reloads until it is dropped.
    pub(crate) async fn run(self) {
        let changes = follow(self.watching, self.reloads, self.metrics.clone());
        tokio::join!(changes, work(self.pass, self.metrics, self.incoming));
    }
}

/// Orders a reload after each change until reloads end. If the watch ends or panics, polling
/// replaces it.
async fn follow(watching: Option<Watching>, reloads: Reloads, metrics: Metrics) {
    if let Some(watching) = watching {
        match caught(watching.run(&reloads)).await {
            Ok(WatchEnd::Reloads) => return,
            Ok(WatchEnd::Watcher) => watch::tell_polling("the watcher has ended"),
            Err(panic) => {
                metrics.panicked("policy-watch");
                watch::tell_polling(&format!("the watcher {panic}"));
            }
        }
    }
    poll(&reloads).await;
}

async fn work(pass: Arc<Pass>, metrics: Metrics, mut incoming: mpsc::Receiver<Order>) {
    while let Some(first) = incoming.recv().await {
        let cause = first.cause;
        let mut waiting = vec![first.reply];
        // The files are read after this point, so this reload serves all queued orders.
        while let Ok(order) = incoming.try_recv() {
            waiting.push(order.reply);
        }
        let pass = Arc::clone(&pass);
        let reloaded = match tokio::task::spawn_blocking(move || pass()).await {
            Ok(report) => {
                tell(&report, cause, &metrics);
                Ok(Arc::new(report))
            }
            Err(_) => {
                metrics.panicked("reload");
                tracing::error!(
                    cause = cause.as_str(),
                    "the reload of the policies panicked; the active policies stay"
                );
                Err(NoReport::Panicked)
            }
        };
        for reply in waiting {
            let _ = reply.send(reloaded.clone());
        }
    }
}

/// Logs a line per file that changed or was refused, and a summary if the reload was requested.
fn tell(report: &ReloadReport, cause: Cause, metrics: &Metrics) {
    if matches!(cause, Cause::Signal | Cause::Request) {
        let (files, refused) = (report.files.len(), report.refused().count());
        tracing::info!(
            files,
            refused,
            cause = cause.as_str(),
            "the policies were read again"
        );
    }
    let cause = cause.as_str();
    for file in &report.files {
        let policy = file.file.as_str();
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
                        "the policy's file is refused, and the last good version stays active: {text}"
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
}
