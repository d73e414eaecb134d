//! The store as hosts meet it: calls that fail, that are carried out and not answered, and that
//! take long.

use reeve_core::id::WorkerId;
use reeve_core::store::{Committed, StoreError, StoreErrorKind, Stored, Touch, Touched, Write};
use reeve_core::time::Instant;

use super::chance::Chance;
use super::fault::Fault;
use crate::store::MemoryStore;

/// The records, and what stands between them and the hosts.
pub(super) struct Shelf {
    /// What is true of the records.
    pub(super) store: MemoryStore,
    down_until: Instant,
}

impl Shelf {
    pub(super) fn new(is_shared: bool) -> Self {
        Self {
            store: MemoryStore::new(is_shared),
            down_until: Instant::default(),
        }
    }

    /// No call is answered until then.
    pub(super) fn take_down(&mut self, until: Instant) {
        self.down_until = until;
    }

    /// The record as it is.
    pub(super) fn truth(&self, worker: &WorkerId) -> Stored {
        let read = self.store.read_now(worker).ok().flatten();
        read.unwrap_or_default()
    }

    /// Whether a host that starts now can read it.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        now >= self.down_until
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

    /// What the caller hears of a write, and whether it was carried out.
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

    pub(super) fn touch(
        &self,
        now: Instant,
        worker: &WorkerId,
        touch: Touch,
        chance: &mut Chance,
    ) -> Result<Touched, StoreError> {
        self.answers(now, "refresh", worker, chance)?;
        let result = self.store.touch_now(worker, touch);
        if chance.happens(Fault::StoreReplyLost) {
            return Err(unavailable("refresh", worker));
        }
        result
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
        Ok(())
    }
}

fn unavailable(doing: &str, worker: &WorkerId) -> StoreError {
    StoreError {
        doing: format!("{doing} the record of {worker}"),
        kind: StoreErrorKind::Unavailable,
        message: "the random world says so".to_owned(),
    }
}
