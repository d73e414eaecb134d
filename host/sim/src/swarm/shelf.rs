//! The store as hosts see it: a call may fail, lose its response or take long.

use std::collections::BTreeSet;

use reeve_core::id::{DecisionId, WorkerId};
use reeve_core::numbers::{BLOCK, Block};
use reeve_core::store::{
    Committed, Records, Refresh, Refreshed, StoreError, StoreErrorKind, Stored, Write,
};
use reeve_core::time::Instant;

use super::chance::Chance;
use super::fault::Fault;
use crate::store::MemoryStore;

/// The records, and the faults between the records and the hosts.
pub(super) struct Shelf {
    /// The true records.
    pub(super) store: MemoryStore,
    down_until: Instant,
    /// The workers whose records are damaged.
    damaged: BTreeSet<WorkerId>,
}

impl Shelf {
    pub(super) fn new(is_shared: bool) -> Self {
        Self {
            store: MemoryStore::new(is_shared),
            down_until: Instant::default(),
            damaged: BTreeSet::new(),
        }
    }

    /// Lets every call fail until `until`.
    pub(super) fn take_down(&mut self, until: Instant) {
        self.down_until = until;
    }

    /// Damages the record of a worker: no host can read or write it.
    pub(super) fn damage(&mut self, worker: WorkerId) {
        self.damaged.insert(worker);
    }

    /// The true record of a worker.
    pub(super) fn truth(&self, worker: &WorkerId) -> Stored {
        let read = self.store.read_now(worker).ok().flatten();
        read.unwrap_or_default()
    }

    /// Whether a host that starts at `now` can read the store.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        now >= self.down_until
    }

    /// The records that a host that starts at `now` reads; `None`: the store is down.
    pub(super) fn read_all(&self, now: Instant) -> Option<Records> {
        let mut records = self.store.read_all_now().ok().filter(|_| self.is_up(now))?;
        for worker in &self.damaged {
            if let Some(read) = records.get_mut(worker) {
                *read = Err(unreadable(worker));
            }
        }
        Some(records)
    }

    pub(super) fn read(
        &self,
        now: Instant,
        worker: &WorkerId,
        chance: &mut Chance,
    ) -> Result<Option<Stored>, StoreError> {
        self.answers(now, "read", worker, chance)?;
        self.store.read_now(worker)
    }

    /// Writes a record. Returns the response that the host gets, and whether the store wrote.
    pub(super) fn commit(
        &self,
        now: Instant,
        write: &Write,
        chance: &mut Chance,
    ) -> (Result<Committed, StoreError>, bool) {
        if let Err(error) = self.answers(now, "write", &write.worker, chance) {
            return (Err(error), false);
        }
        let result = self.store.commit_now(write);
        let written = matches!(result, Ok(Committed::Written(_)));
        if written && chance.happens(Fault::StoreReplyLost) {
            return (Err(unavailable("write", &write.worker)), true);
        }
        (result, written)
    }

    pub(super) fn refresh(
        &self,
        now: Instant,
        worker: &WorkerId,
        refresh: Refresh,
        chance: &mut Chance,
    ) -> Result<Refreshed, StoreError> {
        self.answers(now, "refresh", worker, chance)?;
        let result = self.store.refresh_now(worker, refresh);
        if chance.happens(Fault::StoreReplyLost) {
            return Err(unavailable("refresh", worker));
        }
        result
    }

    /// Reserves decision ids. Only a store that is down refuses: a lost reservation changes nothing.
    pub(super) fn reserve(&self, now: Instant, above: DecisionId) -> Result<Block, StoreError> {
        if !self.is_up(now) {
            return Err(unavailable("reserve ids in", &WorkerId::from("")));
        }
        self.store.reserve_now(above, BLOCK).map(Block::after)
    }

    fn answers(
        &self,
        now: Instant,
        doing: &str,
        worker: &WorkerId,
        chance: &mut Chance,
    ) -> Result<(), StoreError> {
        if !self.is_up(now) || chance.happens(Fault::StoreFails) {
            return Err(unavailable(doing, worker));
        }
        match self.damaged.contains(worker) {
            true => Err(unreadable(worker)),
            false => Ok(()),
        }
    }
}

fn unreadable(worker: &WorkerId) -> StoreError {
    StoreError {
        kind: StoreErrorKind::Unreadable,
        ..unavailable("read", worker)
    }
}

fn unavailable(doing: &str, worker: &WorkerId) -> StoreError {
    StoreError {
        doing: format!("{doing} the record of {worker}"),
        kind: StoreErrorKind::Unavailable,
        message: "the random world says so".to_owned(),
    }
}
