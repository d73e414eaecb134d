//! Facts that end.

use std::sync::atomic::{AtomicU64, Ordering};

use reeve_core::ports::{Ledger, LedgerEntry};
use reeve_core::time::{Instant, Millis};

use super::subject::{Found, Outcome, expect};
use super::{Unmet, join};

/// The number of hosts that enter a value at once.
const RACERS: u64 = 12;

/// Checks that a ledger has the behaviours that every one must have. `now` is the real time, because a
/// store may remove what is over by its own clock. Each call uses keys of its own.
///
/// # Errors
/// [`Unmet`]: the ledger lacks a behaviour, or a call failed.
pub async fn check_ledger(ledger: &dyn Ledger, now: Instant) -> Result<(), Unmet> {
    let unmet = |check| {
        move |found: Found| Unmet {
            check,
            why: found.to_string(),
        }
    };
    let check = "the_first_value_stays_in_force_until_its_end";
    first_stays(ledger, now).await.map_err(unmet(check))?;
    let check = "of_values_entered_at_once_every_host_sees_the_same";
    one_of_many(ledger, now).await.map_err(unmet(check))
}

async fn first_stays(ledger: &dyn Ledger, now: Instant) -> Outcome {
    let key = key(now);
    let later = |seconds| now + Millis::from_secs(seconds);
    expect(
        "nothing at first",
        ledger.look_up(key.clone(), now).await?,
        None,
    )?;
    let first = entry("the first \u{e9}", later(60));
    let second = entry("the second", later(120));
    let entered = ledger.enter(key.clone(), first.clone(), now).await?;
    expect("the first", &entered, &first)?;
    let entered = ledger.enter(key.clone(), second.clone(), later(59)).await?;
    expect("still the first", &entered, &first)?;
    let found = ledger.look_up(key.clone(), later(59)).await?;
    expect("found", found.as_ref(), Some(&first))?;
    let found = ledger.look_up(key.clone(), later(60)).await?;
    expect("over", found, None)?;
    let entered = ledger.enter(key, second.clone(), later(60)).await?;
    expect("the second", &entered, &second)
}

async fn one_of_many(ledger: &dyn Ledger, now: Instant) -> Outcome {
    let key = key(now);
    let until = now + Millis::from_secs(60);
    let racers = (0..RACERS).map(|number| {
        let mine = entry(&number.to_string(), until);
        ledger.enter(key.clone(), mine, now)
    });
    let entered: Result<Vec<_>, _> = join(racers.collect()).await.into_iter().collect();
    let entered = entered?;
    let found = ledger.look_up(key, now).await?;
    let is_same = entered.iter().all(|it| Some(it) == found.as_ref());
    expect("one value", is_same, true)
}

fn entry(value: &str, until: Instant) -> LedgerEntry {
    LedgerEntry {
        value: value.to_owned(),
        until,
    }
}

/// A key that no other check has used.
fn key(now: Instant) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("check-{}-{}-{number}", std::process::id(), now.as_ms())
}
