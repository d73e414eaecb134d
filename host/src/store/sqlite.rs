//! The store in an SQLite file.
//!
//! A separate thread owns the one connection, so that a slow disk does not delay callers. Calls
//! reach it over a channel, each with a way to respond. Queued changes share one transaction,
//! because making it durable takes longer than the rest. Each change is still compared with the
//! record that the one before it wrote. No change gets a response before all are on disk.
//!
//! - [`file`]: opens the file and checks that it is a store. [`table`]: reads and writes records.
//! - [`ledger`]: facts that end. [`call`]: one call and its response. [`error`]: failures.

mod call;
mod error;
mod file;
mod ledger;
mod table;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::ports::{Ledger, LedgerEntry, Store, StoreFuture};
use reeve_core::store::{
    Committed, Records, Refresh, Refreshed, StoreError, StoreErrorKind, Stored, Write,
};
use reeve_core::time::Instant;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

pub use error::StoreOpenError;

use call::{Call, Pending, Read, ReadAll, RefreshOne, Reserve, Waiting};
use error::Refusal;
use ledger::{Enter, LookUp};

/// Calls queued for the thread. If the disk is slower than the calls, callers wait for a place.
const QUEUE: usize = 256;
/// The most changes in one transaction, so that later calls do not wait too long.
const GROUP: usize = 128;

/// The records of one host's workers in a file.
///
/// Two handles on one file, or two processes, do no harm. They do not coordinate, though:
/// [`is_shared`](Store::is_shared) is false. The file must be on a local disk, because SQLite's
/// write-ahead log does not work over a network file system.
///
/// Times and counts above 2^63-1 are stored as 2^63-1.
#[derive(Debug)]
pub struct SqliteStore {
    /// `None` only during the drop.
    calls: Option<mpsc::Sender<Box<dyn Pending>>>,
    /// `None` only during the drop.
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, creates it if missing, and starts the thread.
    ///
    /// Blocks while the file is checked: milliseconds for thousands of records.
    ///
    /// # Errors
    /// [`StoreOpenError`]: the file is not a store, is damaged, is of a newer reeve, or cannot be
    /// written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreOpenError> {
        let path = path.as_ref();
        let keeper = Keeper {
            connection: file::open(path)?,
            path: path.to_owned(),
        };
        let (calls, incoming) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || keeper.run(incoming))
            .map_err(StoreOpenError::io("start the thread for", path))?;
        Ok(Self {
            calls: Some(calls),
            thread: Some(thread),
            path: path.to_owned(),
        })
    }

    fn call<C: Call>(&self, call: C) -> StoreFuture<'_, C::Answer> {
        Box::pin(async move {
            let doing = call.doing();
            let (reply, answer) = oneshot::channel();
            let waiting = Box::new(Waiting::new(call, reply));
            let sent = match &self.calls {
                Some(calls) => calls.send(waiting).await.is_ok(),
                None => false,
            };
            let gone = StoreError {
                doing,
                kind: StoreErrorKind::Unavailable,
                message: "the store's thread has ended; restart the host".to_owned(),
            };
            if !sent {
                return Err(gone);
            }
            answer.await.unwrap_or(Err(gone))
        })
    }
}

impl Store for SqliteStore {
    fn is_shared(&self) -> bool {
        false
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        self.call(Read(worker))
    }

    fn read_all(&self) -> StoreFuture<'_, Records> {
        Box::pin(async move {
            let rows = self.call(ReadAll).await?.into_iter();
            let records = rows.map(|(worker, row)| {
                let doing = format!("read the record of {worker}");
                let record =
                    row.map_err(|error| Refusal::of_record(&self.path, &error).during(doing));
                (worker, record)
            });
            Ok(records.collect())
        })
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        self.call(write)
    }

    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId> {
        self.call(Reserve(above, count))
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        self.call(RefreshOne(worker, refresh))
    }
}

impl Ledger for SqliteStore {
    fn enter(&self, key: String, entry: LedgerEntry, now: Instant) -> StoreFuture<'_, LedgerEntry> {
        self.call(Enter { key, entry, now })
    }

    fn look_up(&self, key: String, now: Instant) -> StoreFuture<'_, Option<LedgerEntry>> {
        self.call(LookUp { key, now })
    }
}

impl Drop for SqliteStore {
    /// Waits until the file is closed, so that the next open finds it complete.
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has closed the file too.
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Keeper {
    connection: Connection,
    path: PathBuf,
}

/// Why a group of changes was not made.
enum Unmade {
    /// The transaction could not begin.
    Begin(Refusal),
    /// A change failed, or the commit did.
    Within(Refusal),
}

impl Keeper {
    fn run(mut self, mut incoming: mpsc::Receiver<Box<dyn Pending>>) {
        let mut waiting = Vec::new();
        while incoming.blocking_recv_many(&mut waiting, GROUP) > 0 {
            let (changes, reads): (Vec<_>, Vec<_>) =
                waiting.drain(..).partition(|call| call.changes());
            // Reads that are queued with a change need not wait for the disk.
            for mut read in reads {
                match read.attempt(&self.connection, &self.path) {
                    Ok(()) => read.answer(),
                    Err(refusal) => read.refuse(&refusal),
                }
            }
            if !changes.is_empty() {
                self.change(changes);
            }
        }
    }

    /// Makes the changes together. If that fails, makes each alone, so that only the bad ones fail.
    fn change(&mut self, mut changes: Vec<Box<dyn Pending>>) {
        match self.make(&mut changes) {
            Ok(()) => changes.into_iter().for_each(|change| change.answer()),
            Err(Unmade::Within(_)) if changes.len() > 1 => {
                for change in changes {
                    self.change(vec![change]);
                }
            }
            Err(Unmade::Begin(refusal) | Unmade::Within(refusal)) => {
                changes
                    .into_iter()
                    .for_each(|change| change.refuse(&refusal));
            }
        }
    }

    /// Makes the changes in one transaction, which is durable on return.
    fn make(&mut self, changes: &mut [Box<dyn Pending>]) -> Result<(), Unmade> {
        let path = &self.path;
        // A writer from the start, so that no other process can write between compare and set.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| Unmade::Begin(Refusal::of(path, &error)))?;
        for change in changes {
            change.attempt(&transaction, path).map_err(Unmade::Within)?;
        }
        transaction
            .commit()
            .map_err(|error| Unmade::Within(Refusal::of(path, &error)))
    }
}
