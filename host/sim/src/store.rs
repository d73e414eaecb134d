//! A store in memory, for the simulator's hosts and for tests without a disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::ports::{Ledger, LedgerEntry, Store, StoreFuture};
use reeve_core::store::{
    Committed, Records, Refresh, Refreshed, StoreError, StoreErrorKind, Stored, Unknown,
    WorkerRecord, Write,
};
use reeve_core::time::Instant;

/// Records in memory. A clone is another handle to the same records, for a second host.
///
/// Every call has two forms: the [`Store`]'s future, which is always ready, and `…_now` for a loop
/// on a virtual clock.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    is_shared: bool,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    records: BTreeMap<WorkerId, Stored>,
    /// The last decision id that is reserved.
    reserved: u64,
    /// Why the records of these workers cannot be read.
    unreadable: BTreeMap<WorkerId, StoreError>,
    /// The error that every call returns while it is set.
    failing: Option<StoreError>,
    /// The error that every successful write returns while it is set.
    losing: Option<StoreError>,
}

impl MemoryStore {
    /// Makes an empty store. `is_shared` says whether other hosts may write to it.
    pub fn new(is_shared: bool) -> Self {
        Self {
            is_shared,
            shelf: Arc::default(),
        }
    }

    /// Makes every call through any handle fail with this error and change nothing; `None` ends
    /// that.
    pub fn fail(&self, error: Option<StoreError>) {
        self.lock().failing = error;
    }

    /// Makes every successful write through any handle return this error; `None` ends that.
    pub fn lose_replies(&self, error: Option<StoreError>) {
        self.lock().losing = error;
    }

    /// [`Store::read`], at once.
    ///
    /// # Errors
    /// The error that [`fail`](Self::fail) set.
    pub fn read_now(&self, worker: &WorkerId) -> Result<Option<Stored>, StoreError> {
        let shelf = self.open()?;
        shelf.check(worker)?;
        Ok(shelf.records.get(worker).cloned())
    }

    /// [`Store::read_all`], at once.
    ///
    /// # Errors
    /// As for [`read_now`](Self::read_now).
    pub fn read_all_now(&self) -> Result<Records, StoreError> {
        let shelf = self.open()?;
        let records = shelf.records.iter();
        let read = records.map(|(worker, stored)| {
            let found = shelf.check(worker).map(|()| stored.clone());
            (worker.clone(), found)
        });
        Ok(read.collect())
    }

    /// [`Store::commit`], at once.
    ///
    /// # Errors
    /// As for [`read_now`](Self::read_now).
    pub fn commit_now(&self, write: &Write) -> Result<Committed, StoreError> {
        let mut shelf = self.open()?;
        let current = shelf.records.get(&write.worker);
        if let Some(refused) = write.refused_by(current) {
            shelf.check(&write.worker)?;
            return Ok(refused);
        }
        let version = write.expected.next();
        shelf.unreadable.remove(&write.worker);
        if let Some(error) = unreadable(write) {
            shelf.unreadable.insert(write.worker.clone(), error);
        }
        let stored = shelf.records.entry(write.worker.clone()).or_default();
        stored.version = version;
        stored.record = write.record.clone();
        match shelf.losing.clone() {
            Some(error) => Err(error),
            None => Ok(Committed::Written(version)),
        }
    }

    /// [`Store::reserve`], at once.
    ///
    /// # Errors
    /// As for [`read_now`](Self::read_now).
    pub fn reserve_now(&self, above: DecisionId, count: u64) -> Result<DecisionId, StoreError> {
        let mut shelf = self.open()?;
        let after = shelf.reserved.max(above.get());
        shelf.reserved = after + count;
        match shelf.losing.clone() {
            Some(error) => Err(error),
            None => Ok(DecisionId::new(after)),
        }
    }

    /// [`Store::refresh`], at once.
    ///
    /// # Errors
    /// As for [`read_now`](Self::read_now).
    pub fn refresh_now(
        &self,
        worker: &WorkerId,
        refresh: Refresh,
    ) -> Result<Refreshed, StoreError> {
        let mut shelf = self.open()?;
        let takes_it_in = |stored: &&mut Stored| refresh.phases().contains(&stored.record.phase);
        let Some(stored) = shelf.records.get_mut(worker).filter(takes_it_in) else {
            return Ok(Refreshed::NotRunning);
        };
        stored.activity.refresh(refresh);
        Ok(Refreshed::Written)
    }

    fn open(&self) -> Result<MutexGuard<'_, Shelf>, StoreError> {
        let shelf = self.lock();
        match &shelf.failing {
            Some(error) => Err(error.clone()),
            None => Ok(shelf),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // The records stay whole even if a caller panicked: each call leaves them consistent.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Whether the record of this worker can be read.
    fn check(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.unreadable.get(worker).cloned().map_or(Ok(()), Err)
    }
}

/// Why the written record cannot be read again. Only a record with fields of a newer version may not
/// be: one of them may have to be understood.
fn unreadable(write: &Write) -> Option<StoreError> {
    if write.record.unknown == Unknown::default() {
        return None;
    }
    let text = serde_json::to_value(&write.record);
    let read = text.and_then(serde_json::from_value::<WorkerRecord>);
    read.err().map(|error| StoreError {
        doing: format!("read the record of {}", write.worker),
        kind: StoreErrorKind::Unreadable,
        message: error.to_string(),
    })
}

/// A ledger in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger(Arc<Mutex<BTreeMap<String, LedgerEntry>>>);

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LedgerEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn enter(&self, key: String, entry: LedgerEntry, now: Instant) -> StoreFuture<'_, LedgerEntry> {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.until > now);
        let in_force = entries.entry(key).or_insert(entry).clone();
        Box::pin(async { Ok(in_force) })
    }

    fn look_up(&self, key: String, now: Instant) -> StoreFuture<'_, Option<LedgerEntry>> {
        let found = self.lock().get(&key).cloned();
        Box::pin(async move { Ok(found.filter(|entry| entry.until > now)) })
    }
}

impl Store for MemoryStore {
    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn read(&self, worker: WorkerId) -> StoreFuture<'_, Option<Stored>> {
        Box::pin(async move { self.read_now(&worker) })
    }

    fn read_all(&self) -> StoreFuture<'_, Records> {
        Box::pin(async move { self.read_all_now() })
    }

    fn commit(&self, write: Write) -> StoreFuture<'_, Committed> {
        Box::pin(async move { self.commit_now(&write) })
    }

    fn reserve(&self, above: DecisionId, count: u64) -> StoreFuture<'_, DecisionId> {
        Box::pin(async move { self.reserve_now(above, count) })
    }

    fn refresh(&self, worker: WorkerId, refresh: Refresh) -> StoreFuture<'_, Refreshed> {
        Box::pin(async move { self.refresh_now(&worker, refresh) })
    }
}
