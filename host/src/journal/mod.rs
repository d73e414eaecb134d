//! The journal: JSON lines in the state directory that say what the host is about to do and what
//! followed.
//!
//! A separate thread writes, so that a slow disk does not delay timers and callers. The loop waits
//! only for entries that must be durable. While the disk refuses writes, the host makes no change
//! that needs an entry first: running instances stay, and known addresses are served.
//!
//! - [`file`]: appends, makes durable, rotates. [`disk`]: the files. [`lock`]: one host per
//!   directory.
//! - [`recover`]: reads the journal at start. [`history`]: reads it for people.

mod disk;
mod file;
pub(crate) mod history;
mod lock;
mod recover;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use reeve_core::fleet::Recovered;
use reeve_core::journal::Entry;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use file::{JournalFile, Opened};

const CHECKPOINT: &str = "checkpoint.json";
/// A journal of 64 MiB is read in a fraction of a second at start.
const BYTES_MAX: u64 = 64 << 20;
/// Entries queued for the thread. If the disk is slower than the decisions, the loop waits for a
/// place.
const QUEUE: usize = 256;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process holds the state directory.
    #[error(
        "the state directory {} is in use by another reeve; stop that one, or set another `state_dir`",
        dir.display()
    )]
    InUse {
        /// The state directory.
        dir: PathBuf,
    },
    /// The system refused an operation.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// The verb of the failed operation.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// An entry has no JSON form.
    #[error("an entry cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The writing thread panicked.
    #[error("the journal's thread has ended; restart the host")]
    Gone,
}

impl JournalError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// The error and its cause in one line.
    pub(crate) fn line(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

/// What a host recovers from a journal with these bytes. For fuzzing.
///
/// # Errors
/// None: bytes in memory can be read.
pub(crate) fn recovered_from(bytes: &[u8]) -> io::Result<Recovered> {
    recover::recover_bytes(bytes).map(Recovered::from)
}

/// Sends entries to the journal's thread.
#[derive(Debug)]
pub(crate) struct Journal {
    orders: mpsc::Sender<Order>,
    health: Health,
    thread: JoinHandle<()>,
}

/// Whether the journal can be written; shared by readers such as the readiness check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<Option<String>>>);

impl Health {
    /// Why the journal cannot be written at present. `None`: it can.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

enum Order {
    /// Write an entry, and confirm when it is durable if the sender waits.
    Append(
        Box<Entry>,
        Option<oneshot::Sender<Result<(), JournalError>>>,
    ),
    /// Retry unwritten lines, without a new entry.
    Retry,
    /// Make every write fail, or stop doing so.
    #[cfg(test)]
    Break(bool),
    /// Make everything durable, then end.
    Close(oneshot::Sender<Result<(), JournalError>>),
}

impl Journal {
    /// Opens the state directory, recovers, and starts the writing thread.
    ///
    /// # Errors
    /// [`JournalError`]: the directory is in use, or cannot be read and written.
    pub(crate) fn open(dir: &Path, metrics: Metrics) -> Result<(Self, Recovered), JournalError> {
        Self::open_sized(dir, metrics, BYTES_MAX)
    }

    fn open_sized(
        dir: &Path,
        metrics: Metrics,
        bytes_max: u64,
    ) -> Result<(Self, Recovered), JournalError> {
        let Opened {
            journal,
            recovered,
            torn_bytes,
            damage,
        } = JournalFile::open(dir, bytes_max)?;
        if torn_bytes > 0 {
            tracing::info!(
                torn_bytes,
                "the journal's last line was torn and has been cut off"
            );
        }
        for damage in damage {
            tracing::error!("journal: {damage}");
        }
        let health = Health::default();
        let (orders, incoming) = mpsc::channel(QUEUE);
        let writer = Writer {
            journal,
            health: health.clone(),
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(incoming))
            .map_err(JournalError::io("start the thread for", dir))?;
        let journal = Self {
            orders,
            health,
            thread,
        };
        Ok((journal, recovered))
    }

    /// A shared view of whether the journal can be written.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// Writes an entry. If its kind must be durable, it is durable on return; other entries follow
    /// in order.
    ///
    /// # Errors
    /// [`JournalError`] for an entry that must be durable and is not. Failures of other entries are
    /// logged, counted and shown by [`Health`].
    pub(crate) async fn append(&self, entry: Entry) -> Result<(), JournalError> {
        let durable = entry.content.must_be_durable();
        let (done, outcome) = oneshot::channel();
        let order = Order::Append(Box::new(entry), durable.then_some(done));
        let handed_in = self
            .orders
            .send(order)
            .await
            .map_err(|_| JournalError::Gone);
        if let Err(error) = handed_in {
            self.health.set(Some(error.line()));
            return Err(error);
        }
        if !durable {
            return Ok(());
        }
        outcome.await.unwrap_or_else(|_| {
            self.health.set(Some(JournalError::Gone.line()));
            Err(JournalError::Gone)
        })
    }

    /// Makes every write fail, or stops doing so.
    #[cfg(test)]
    pub(crate) fn switch_for_test(&self) -> impl Fn(bool) + use<> {
        let orders = self.orders.clone();
        move |broken| orders.try_send(Order::Break(broken)).unwrap()
    }

    /// Retries unwritten lines, if any, so that readiness does not depend on the next entry.
    pub(crate) fn retry(&self) {
        if self.health.trouble().is_some() {
            // A full queue holds entries, and each of them retries too.
            let _ = self.orders.try_send(Order::Retry);
        }
    }

    /// Makes everything durable and releases the directory.
    ///
    /// # Errors
    /// [`JournalError`]: some entries may not be on disk.
    pub(crate) async fn close(self) -> Result<(), JournalError> {
        let (done, outcome) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_err() {
            return Err(JournalError::Gone);
        }
        let closed = outcome.await.unwrap_or(Err(JournalError::Gone));
        // The thread has no more work. Joining it ensures that the lock is released.
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(())) => closed,
            _ => Err(JournalError::Gone),
        }
    }
}

/// The thread's state.
struct Writer {
    journal: JournalFile,
    health: Health,
    metrics: Metrics,
}

impl Writer {
    fn run(mut self, mut incoming: mpsc::Receiver<Order>) {
        while let Some(order) = incoming.blocking_recv() {
            match order {
                Order::Append(entry, done) => {
                    let outcome = self.journal.append(&entry);
                    self.tell(&outcome);
                    if let Some(done) = done {
                        // During teardown, no receiver may be left.
                        let _ = done.send(outcome);
                    }
                }
                Order::Retry => {
                    let outcome = self.journal.write_out().and_then(|()| self.journal.sync());
                    self.tell(&outcome);
                }
                #[cfg(test)]
                Order::Break(broken) => self.journal.break_for_test(broken),
                Order::Close(done) => {
                    let closed = self.journal.write_out().and_then(|()| self.journal.sync());
                    drop(self.journal);
                    let _ = done.send(closed);
                    return;
                }
            }
        }
    }

    /// Logs when writes begin to fail or succeed again, and updates the metrics.
    fn tell(&self, outcome: &Result<(), JournalError>) {
        self.metrics
            .journal_written(outcome.is_ok(), self.journal.bytes());
        let before = self.health.trouble();
        let now = outcome.as_ref().err().map(JournalError::line);
        match &now {
            None if before.is_some() => tracing::info!("the journal can be written again"),
            Some(trouble) if now != before => tracing::error!(
                "the journal cannot be written, so the host changes nothing in the cloud: {trouble}"
            ),
            _ => {}
        }
        self.health.set(now);
    }
}
