//! Bringing changed policy files into force: on a change in the directory, on SIGHUP, on request. All of
//! them come together here, one reload at a time.

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

/// Orders that wait while a reload is under way; one reload then serves them all.
const QUEUE: usize = 64;

/// A reload has no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// The reloads cannot be reached.
    #[error("the host has ended; its policies cannot be reloaded")]
    Ended,
    /// The reload panicked. What was in force still is, and the next reload reads all files again.
    #[error(
        "the reload panicked, as the log shows; what was in force still is. Try again, and report it"
    )]
    Panicked,
}

/// One pass over all files.
type Pass = dyn Fn() -> ReloadReport + Send + Sync;

/// Where reloads are ordered; clones share it.
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
    /// The host starts.
    Start,
    /// Something changed in the directory.
    Change,
    /// SIGHUP.
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
    /// Has all files read again without waiting; what comes of it is in the log.
    pub(crate) fn order(&self, cause: Cause) {
        let (reply, _) = oneshot::channel();
        // A full queue holds orders that have not begun: they will read the same files.
        let _ = self.orders.try_send(Order { cause, reply });
    }

    /// Reads all files again and puts in force what is good.
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

/// What stands behind the front door.
pub(crate) struct Reloading {
    pass: Arc<Pass>,
    metrics: Metrics,
    incoming: mpsc::Receiver<Order>,
    watching: Option<Watching>,
    reloads: Reloads,
}

impl Reloading {
    /// Begins to watch the directory: no change from now on is missed. Nothing is read before
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

/// Orders a reload after each change, until reloads have ended. A watch that ends or panics is followed
/// by polling.
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
        // Whatever was ordered by now is served by files that are read from now on.
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
                    "the reload of the policies panicked; what was in force still is"
                );
                Err(NoReport::Panicked)
            }
        };
        for reply in waiting {
            let _ = reply.send(reloaded.clone());
        }
    }
}

/// A line per file that changed or was refused, and one for whoever asked.
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
                tracing::info!(policy, old, new, cause, "the policy is in force");
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
                        "the policy's file is refused, the last good one goes on serving: {text}"
                    ),
                    None => tracing::error!(
                        policy,
                        code,
                        cause,
                        "the policy's file is refused and no other was ever good; the safe defaults hold: {text}"
                    ),
                }
            }
        }
    }
}
