//! Bringing changed policy files into force: on a change in the directory, on SIGHUP, on request. All of
//! them come together here, one reload at a time.

mod watch;

use std::path::Path;
use std::sync::Arc;

use reeve_policy::{Outcome, Registry, ReloadReport};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;

use watch::{Watching, poll};

/// Orders that wait while a reload is under way; one reload then serves them all.
const QUEUE: usize = 64;

/// The reloads cannot be reached: the host has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has ended; its policies cannot be reloaded")]
pub struct ReloadsEnded;

/// Where reloads are ordered; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
struct Order {
    cause: Cause,
    reply: oneshot::Sender<Arc<ReloadReport>>,
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
    /// [`ReloadsEnded`].
    pub(crate) async fn reload(&self, cause: Cause) -> Result<Arc<ReloadReport>, ReloadsEnded> {
        let (reply, report) = oneshot::channel();
        let order = Order { cause, reply };
        self.orders.send(order).await.map_err(|_| ReloadsEnded)?;
        report.await.map_err(|_| ReloadsEnded)
    }
}

/// What stands behind the front door.
pub(crate) struct Reloading {
    registry: Arc<Registry>,
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
        let (orders, incoming) = mpsc::channel(QUEUE);
        let reloads = Reloads { orders };
        let reloading = Self {
            registry,
            metrics,
            incoming,
            watching: Watching::begin(directory),
            reloads: reloads.clone(),
        };
        (reloading, reloads)
    }

    /// Watches and reloads until it is dropped.
    pub(crate) async fn run(self) {
        let changes = async {
            match self.watching {
                Some(watching) => watching.run(self.reloads).await,
                None => poll(self.reloads).await,
            }
        };
        tokio::join!(changes, work(self.registry, self.metrics, self.incoming));
    }
}

async fn work(registry: Arc<Registry>, metrics: Metrics, mut incoming: mpsc::Receiver<Order>) {
    while let Some(first) = incoming.recv().await {
        let cause = first.cause;
        let mut waiting = vec![first.reply];
        // Whatever was ordered by now is served by files that are read from now on.
        while let Ok(order) = incoming.try_recv() {
            waiting.push(order.reply);
        }
        let registry = Arc::clone(&registry);
        let reloaded = tokio::task::spawn_blocking(move || registry.reload()).await;
        let Ok(report) = reloaded else {
            // The panic is in the log; who waits is told that no report came.
            metrics.panicked("reload");
            continue;
        };
        tell(&report, cause, &metrics);
        let report = Arc::new(report);
        for reply in waiting {
            let _ = reply.send(Arc::clone(&report));
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
