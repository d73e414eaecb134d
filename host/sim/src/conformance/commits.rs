//! Versions, compare-and-set and repeated commits.

use reeve_core::id::Version;
use reeve_core::ports::Store;
use reeve_core::store::{Activity, Committed, Refresh, Stored};
use reeve_core::time::Instant;

use super::subject::{Outcome, Subject, expect, running, version};
use super::{Check, join, list};

/// The number of hosts that commit the same version at once.
const RACERS: u64 = 12;

pub(super) const CHECKS: &[Check] = list![
    the_first_commit_expects_version_0_and_gets_1,
    versions_rise_by_one_and_the_latest_record_is_read,
    a_stale_commit_is_lost_and_carries_the_record_and_its_activity,
    a_commit_ahead_of_the_record_is_lost,
    a_first_commit_is_lost_where_there_is_a_record,
    a_commit_that_expects_a_missing_record_is_lost_and_creates_nothing,
    a_commit_sent_again_is_written_once,
    a_commit_with_the_same_record_and_the_current_version_is_a_new_version,
    a_commit_sent_again_after_a_later_one_is_lost,
    of_concurrent_first_commits_one_is_written,
    of_concurrent_commits_one_is_written,
    of_concurrent_sendings_of_one_commit_all_are_written_with_one_version,
];

async fn the_first_commit_expects_version_0_and_gets_1(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "first").await?;
    subject.written(0, &running("a")).await?;
    let expected = Stored {
        version: Version::new(1),
        record: running("a"),
        activity: Activity::default(),
    };
    expect("the record", subject.stored().await?, expected)
}

async fn versions_rise_by_one_and_the_latest_record_is_read(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "versions").await?;
    for expected in 0..5 {
        let record = running(&format!("host {expected}"));
        subject.written(expected, &record).await?;
        let stored = subject.stored().await?;
        expect("the version", stored.version.get(), expected + 1)?;
        expect("the record", stored.record, record)?;
    }
    Ok(())
}

async fn a_stale_commit_is_lost_and_carries_the_record_and_its_activity(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "stale").await?;
    subject.written(1, &running("b")).await?;
    subject.written(2, &running("c")).await?;
    let at = Instant::from_ms(5);
    subject
        .refreshed(Refresh::Delivered { at, count: 2 })
        .await?;
    let current = Stored {
        version: Version::new(3),
        record: running("c"),
        activity: Activity {
            delivered_at: Some(at),
            delivered: 2,
            ..Activity::default()
        },
    };
    for stale in [1, 2] {
        let found = subject.commit(stale, &running("late")).await?;
        let lost = Committed::Lost(Some(current.clone()));
        expect(&format!("a commit that expects {stale}"), found, lost)?;
    }
    expect("the record afterwards", subject.stored().await?, current)
}

async fn a_commit_ahead_of_the_record_is_lost(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "ahead").await?;
    let current = subject.stored().await?;
    let found = subject.commit(2, &running("b")).await?;
    expect(
        "a commit that expects 2",
        found,
        Committed::Lost(Some(current.clone())),
    )?;
    expect("the record afterwards", subject.stored().await?, current)
}

async fn a_first_commit_is_lost_where_there_is_a_record(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "second-first").await?;
    let current = subject.stored().await?;
    let found = subject.commit(0, &running("b")).await?;
    expect(
        "a commit that expects 0",
        found,
        Committed::Lost(Some(current)),
    )
}

async fn a_commit_that_expects_a_missing_record_is_lost_and_creates_nothing(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::absent(store, "nothing-there").await?;
    let found = subject.commit(3, &running("a")).await?;
    expect("a commit that expects 3", found, Committed::Lost(None))?;
    expect("the record afterwards", subject.read().await?, None)
}

async fn a_commit_sent_again_is_written_once(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "again").await?;
    for expected in [0, 1] {
        let record = running(&format!("host {expected}"));
        for _ in 0..3 {
            subject.written(expected, &record).await?;
        }
        let found = subject.stored().await?.version.get();
        expect("the version after three sendings", found, expected + 1)?;
        let other = subject.commit(expected, &running("other")).await?;
        let lost = Committed::Lost(Some(subject.stored().await?));
        expect("another record with the same expected version", other, lost)?;
    }
    Ok(())
}

async fn a_commit_with_the_same_record_and_the_current_version_is_a_new_version(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "renewed").await?;
    subject.written(1, &running("a")).await?;
    expect("the version", subject.stored().await?.version.get(), 2)
}

async fn a_commit_sent_again_after_a_later_one_is_lost(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "overtaken").await?;
    subject.written(1, &running("b")).await?;
    let lost = Committed::Lost(Some(subject.stored().await?));
    expect(
        "the first commit again",
        subject.commit(0, &running("a")).await?,
        lost,
    )
}

async fn of_concurrent_first_commits_one_is_written(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "race-first").await?;
    race(store, &subject, 0).await
}

async fn of_concurrent_commits_one_is_written(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "race").await?;
    for expected in 1..4 {
        race(store, &subject, expected).await?;
    }
    Ok(())
}

/// Lets hosts commit different records at the same version. The store must write one of them, and
/// return that one to the others.
async fn race(store: &dyn Store, subject: &Subject<'_>, expected: u64) -> Outcome {
    let records: Vec<_> = (0..RACERS)
        .map(|racer| running(&format!("racer {expected}.{racer}")))
        .collect();
    let commits = records
        .iter()
        .map(|record| store.commit(subject.write(expected, record)));
    let results = join(commits.collect()).await;
    let winner = subject.stored().await?;
    expect(
        "the version after the race",
        winner.version.get(),
        expected + 1,
    )?;
    for (record, result) in records.iter().zip(results) {
        let due = if *record == winner.record {
            version(expected + 1)
        } else {
            Committed::Lost(Some(winner.clone()))
        };
        expect("a result of the race", result?, due)?;
    }
    let won = records.contains(&winner.record);
    expect("whether the record is one of the racers'", won, true)
}

async fn of_concurrent_sendings_of_one_commit_all_are_written_with_one_version(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "race-again").await?;
    let sendings = (0..RACERS).map(|_| store.commit(subject.write(1, &running("b"))));
    for result in join(sendings.collect()).await {
        expect("a result", result?, version(2))?;
    }
    expect("the version", subject.stored().await?.version.get(), 2)
}
