//! The numbers of decisions. A host takes them in blocks that its store remembers, so that no two
//! lives of any host of a fleet give the same number to two decisions.

use crate::model::id::DecisionId;

/// The length of a block: a scan of thousands of workers may take a decision for each of them, and
/// the next block takes a write of the store.
pub const BLOCK: u64 = 10_000;

/// Numbers that one life of one host may use: those after `after`, so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The last number before the block.
    pub after: DecisionId,
    /// The length of the block.
    pub count: u64,
}

impl Block {
    /// The block of the usual length after this number.
    pub fn after(after: DecisionId) -> Self {
        Self {
            after,
            count: BLOCK,
        }
    }

    fn last(self) -> u64 {
        self.after.get().saturating_add(self.count)
    }
}

/// The numbers of this life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The last number that was used.
    last: DecisionId,
    /// The last number of the present block.
    end: u64,
    /// The block that follows; `None` if it is not reserved yet.
    following: Option<Block>,
}

impl Numbers {
    /// The numbers after `last`, the highest one in the journal, or of the block. Without a block,
    /// because the store did not answer, they count on until one arrives.
    pub(crate) fn new(last: DecisionId, block: Option<Block>) -> Self {
        let mut numbers = Self {
            last,
            end: last.get(),
            following: None,
        };
        if let Some(block) = block {
            numbers.add(block);
        }
        numbers
    }

    /// The number of the next decision.
    pub(crate) fn next(&self) -> DecisionId {
        match self.following {
            Some(block) if self.last.get() >= self.end => block.after.max(self.last).next(),
            _ => self.last.next(),
        }
    }

    /// Takes the number of the next decision.
    pub(crate) fn take(&mut self) -> DecisionId {
        let next = self.next();
        if let Some(block) = self.following.take_if(|_| self.last.get() >= self.end) {
            self.end = block.last();
        }
        self.last = next;
        next
    }

    /// Adds a block that the store has reserved.
    pub(crate) fn add(&mut self, block: Block) {
        self.following = Some(block);
    }

    /// The last number that was used.
    pub(crate) fn last(&self) -> DecisionId {
        self.last
    }

    /// Whether the next block is to be reserved: half of the present one is used.
    pub(crate) fn are_short(&self) -> bool {
        let left = self.end.saturating_sub(self.last.get());
        self.following.is_none() && left <= BLOCK / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(numbers: &mut Numbers, count: usize) -> Vec<u64> {
        let taken = (0..count).map(|_| {
            let next = numbers.next();
            assert_eq!(numbers.take(), next);
            next.get()
        });
        taken.collect()
    }

    fn block(after: u64, count: u64) -> Block {
        let after = DecisionId::new(after);
        Block { after, count }
    }

    #[test]
    fn a_block_is_used_up_before_the_next_one() {
        let mut numbers = Numbers::new(DecisionId::new(7), Some(block(10, 3)));
        assert_eq!(take(&mut numbers, 2), [11, 12]);
        numbers.add(block(40, 2));
        assert_eq!(take(&mut numbers, 3), [13, 41, 42]);
    }

    #[test]
    fn numbers_count_on_while_the_store_gives_none() {
        let mut numbers = Numbers::new(DecisionId::new(7), None);
        assert!(numbers.are_short());
        assert_eq!(take(&mut numbers, 2), [8, 9]);
        numbers.add(block(20, 1));
        assert_eq!(take(&mut numbers, 3), [21, 22, 23]);
    }

    #[test]
    fn the_next_block_is_asked_for_when_half_of_one_is_used() {
        let mut numbers = Numbers::new(DecisionId::default(), Some(block(0, BLOCK)));
        take(&mut numbers, usize::try_from(BLOCK / 2).unwrap() - 1);
        assert!(!numbers.are_short());
        take(&mut numbers, 1);
        assert!(numbers.are_short());
        numbers.add(block(BLOCK, BLOCK));
        assert!(!numbers.are_short());
    }
}
