//! The journal: what is written down before it is done, as JSON lines in the state directory.
//!
//! A thread of its own writes, so that a slow disk does not hold up timers and callers; only a record that
//! must be durable is waited for. While the disk refuses, nothing is done that would have to be written
//! down first: what runs keeps running, known addresses keep being served.
//!
//! - [`file`]: appending, durability, going on in the next file.
//! - [`recover`]: what the next life reads. [`history`]: what people read. [`disk`]: the files themselves. [`lock`]: one host per directory.

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
use reeve_core::journal::Record;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use file::{JournalFile, Opened};

const CHECKPOINT: &str = "checkpoint.json";
/// A journal of 64 MiB is read in a fraction of a second when the host starts.
const BYTES_MAX: u64 = 64 << 20;
/// Records on their way to the thread. When the disk is slower than decisions, the loop waits here.
const QUEUE: usize = 256;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process holds the directory.
    #[error(
        "the state directory {} is in use by another reeve; stop that one, or give this one a \
         `state_dir` of its own", dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A record has no JSON form.
    #[error("a record cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
    /// The writing thread is gone: it panicked.
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

/// Where records are handed in.
#[derive(Debug)]
pub(crate) struct Journal {
    orders: mpsc::Sender<Order>,
    health: Health,
    thread: JoinHandle<()>,
}

/// Whether the journal can be written, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<Mutex<Option<String>>>);

impl Health {
    /// Why it cannot be written now; `None`: it can.
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
    /// Write it; tell when it is durable, if someone waits.
    Append(
        Box<Record>,
        Option<oneshot::Sender<Result<(), JournalError>>>,
    ),
    /// Try again what could not be written, without a new record.
    Retry,
    /// Let every write fail, or no longer.
    #[cfg(test)]
    Break(bool),
    /// Make everything durable and end.
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
                "the journal's last line was unfinished and is cut off"
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

    /// Whether it can be written.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    /// Writes a record. One that must be durable is on return; others follow in order.
    ///
    /// # Errors
    /// [`JournalError`] for a record that must be durable and is not. Trouble with others is logged,
    /// counted and shown by [`Health`].
    pub(crate) async fn append(&self, record: Record) -> Result<(), JournalError> {
        let durable = record.entry.must_be_durable();
        let (done, outcome) = oneshot::channel();
        let order = Order::Append(Box::new(record), durable.then_some(done));
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

    /// Lets every write fail, or no longer.
    #[cfg(test)]
    pub(crate) fn switch_for_test(&self) -> impl Fn(bool) + use<> {
        let orders = self.orders.clone();
        move |broken| orders.try_send(Order::Break(broken)).unwrap()
    }

    /// Tries again what could not be written, if anything: readiness must not depend on the next record.
    pub(crate) fn retry(&self) {
        if self.health.trouble().is_some() {
            // A full queue holds records, which try as well.
            let _ = self.orders.try_send(Order::Retry);
        }
    }

    /// Makes everything durable and lets go of the directory.
    ///
    /// # Errors
    /// [`JournalError`]: some records may not be on disk.
    pub(crate) async fn close(self) -> Result<(), JournalError> {
        let (done, outcome) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_err() {
            return Err(JournalError::Gone);
        }
        let closed = outcome.await.unwrap_or(Err(JournalError::Gone));
        // The thread has nothing left to do; joining it means that the lock is free.
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(())) => closed,
            _ => Err(JournalError::Gone),
        }
    }
}

/// The thread's side.
struct Writer {
    journal: JournalFile,
    health: Health,
    metrics: Metrics,
}

impl Writer {
    fn run(mut self, mut incoming: mpsc::Receiver<Order>) {
        while let Some(order) = incoming.blocking_recv() {
            match order {
                Order::Append(record, done) => {
                    let outcome = self.journal.append(&record);
                    self.tell(&outcome);
                    if let Some(done) = done {
                        // Nobody waits any more when the host is being torn down.
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

    /// Logs a change for the worse or the better, and keeps the metrics.
    fn tell(&self, outcome: &Result<(), JournalError>) {
        self.metrics
            .journal_written(outcome.is_ok(), self.journal.bytes());
        let before = self.health.trouble();
        let now = outcome.as_ref().err().map(JournalError::line);
        match &now {
            None if before.is_some() => tracing::info!("the journal can be written again"),
            Some(trouble) if now != before => tracing::error!(
                "the journal cannot be written, so nothing is changed in the cloud until it can: {trouble}"
            ),
            _ => {}
        }
        self.health.set(now);
    }
}
