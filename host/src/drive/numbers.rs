//! Decision ids: reserved in the store in blocks, before the present block is used up.

use reeve_core::id::DecisionId;
use reeve_core::numbers::{BLOCK, Block};
use reeve_core::store::StoreError;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::Drive;
use super::calls::Calls;

/// The answer of the store to a reservation.
pub(super) type Reserving = oneshot::Receiver<Result<Block, StoreError>>;

impl Drive {
    /// Takes in a reserved block, or reserves the next one. While the store does not answer, the ids
    /// count on, and the block that follows lies above them.
    pub(super) fn reserve_ids(&mut self) {
        let Some(reserving) = &mut self.reserving else {
            let above = self.fleet.wants_decision_ids();
            self.reserving = above.map(|above| self.calls.reserve(above));
            return;
        };
        match reserving.try_recv() {
            Err(TryRecvError::Empty) => return,
            Ok(Ok(block)) => self.fleet.add_decision_ids(block),
            Ok(Err(error)) => tracing::warn!("no decision ids were reserved: {error}"),
            Err(TryRecvError::Closed) => {}
        }
        self.reserving = None;
    }
}

impl Calls {
    /// Reserves decision ids above this one.
    fn reserve(&self, above: DecisionId) -> Reserving {
        let calls = self.clone();
        let (answer, reserving) = oneshot::channel();
        tokio::spawn(async move {
            let call = calls.store.reserve(above, BLOCK);
            let reserved = calls
                .ask_store("reserve decision ids".to_owned(), call)
                .await;
            // The loop may have ended.
            let _ = answer.send(reserved.map(Block::after));
        });
        reserving
    }
}
