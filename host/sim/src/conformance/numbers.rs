//! Reservations of decision ids.

use reeve_core::id::DecisionId;
use reeve_core::ports::Store;

use super::subject::{Outcome, expect};
use super::{Check, join, list};

/// The number of hosts that reserve at once.
const RACERS: usize = 12;

pub(super) const CHECKS: &[Check] = list![
    a_reservation_begins_after_the_one_before,
    a_reservation_begins_above_what_the_caller_has_used,
    concurrent_reservations_share_no_id,
    a_reservation_is_no_record,
];

async fn a_reservation_begins_after_the_one_before(store: &dyn Store) -> Outcome {
    let first = store.reserve(DecisionId::default(), 1_000).await?;
    let second = store.reserve(DecisionId::default(), 10).await?;
    let third = store.reserve(DecisionId::default(), 1).await?;
    expect("the second", second.get(), first.get() + 1_000)?;
    expect("the third", third.get(), second.get() + 10)
}

async fn a_reservation_begins_above_what_the_caller_has_used(store: &dyn Store) -> Outcome {
    let first = store.reserve(DecisionId::default(), 1).await?;
    let used = DecisionId::new(first.get() + 70_000);
    let above = store.reserve(used, 5).await?;
    expect("at least the numbers in use", above >= used, true)?;
    let next = store.reserve(DecisionId::default(), 1).await?;
    expect("the next", next.get(), above.get() + 5)
}

async fn concurrent_reservations_share_no_id(store: &dyn Store) -> Outcome {
    let racers = (0..RACERS).map(|_| store.reserve(DecisionId::default(), 100));
    let mut firsts = Vec::new();
    for reserved in join(racers.collect()).await {
        firsts.push(reserved?.get());
    }
    firsts.sort_unstable();
    let apart = firsts.windows(2).all(|two| two[1] - two[0] >= 100);
    expect("all apart", apart, true)
}

async fn a_reservation_is_no_record(store: &dyn Store) -> Outcome {
    let before = store.read_all().await?.len();
    store.reserve(DecisionId::default(), 1).await?;
    expect("the records", store.read_all().await?.len(), before)
}
