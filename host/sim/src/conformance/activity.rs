//! The activity that the store keeps next to the record, and commits that depend on it.

use reeve_core::ports::Store;
use reeve_core::store::{Activity, Committed, IdleTest, Phase, Refresh, Refreshed};
use reeve_core::time::Instant;

use super::subject::{Outcome, Subject, expect, in_phase, running, version};
use super::{Check, join, list};

pub(super) const CHECKS: &[Check] = list![
    a_refresh_changes_its_attribute_and_no_other,
    a_report_refreshes_in_phase_running_only_and_a_hand_out_while_ending_too,
    a_refresh_creates_no_record,
    times_never_go_backwards_and_counts_add_up,
    concurrent_refreshes_all_count,
    a_refresh_changes_neither_version_nor_record,
    a_refresh_between_read_and_commit_does_not_make_the_commit_lost,
    a_commit_never_resets_activity,
    a_commit_if_idle_is_refused_to_a_worker_in_use_and_written_otherwise,
    a_commit_if_idle_with_a_stale_version_is_lost_even_if_the_worker_is_in_use,
    a_commit_if_idle_sent_again_is_written_even_if_the_worker_was_used_since,
    a_first_commit_if_idle_is_written,
];

const fn at(ms: u64) -> Instant {
    Instant::from_ms(ms)
}

/// One refresh of each kind, at this time.
fn refreshes(ms: u64) -> [Refresh; 5] {
    let at = at(ms);
    [
        Refresh::Delivered { at, count: 3 },
        Refresh::Processed { at, count: 2 },
        Refresh::Heartbeat { at },
        Refresh::Busy { until: at },
        Refresh::HandedOut { at },
    ]
}

async fn a_refresh_changes_its_attribute_and_no_other(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "refresh").await?;
    let mut expected = Activity::default();
    // Times of the size of present ones, and a busy lease without an end.
    let now_ms = 1_790_000_000_000;
    let forever = Refresh::Busy {
        until: at(i64::MAX as u64),
    };
    for refresh in refreshes(now_ms).into_iter().chain([forever]) {
        subject.refreshed(refresh).await?;
        expected.refresh(refresh);
        let found = subject.stored().await?.activity;
        expect(&format!("the activity after {refresh:?}"), found, expected)?;
    }
    Ok(())
}

async fn a_report_refreshes_in_phase_running_only_and_a_hand_out_while_ending_too(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "phases").await?;
    subject.refreshed(refreshes(10)[0]).await?;
    let mut activity = subject.stored().await?.activity;
    let others = [Phase::Ending, Phase::Absent, Phase::Provisioning];
    for (expected, phase) in (1..).zip(others) {
        subject.written(expected, &in_phase(phase, "a")).await?;
        for refresh in refreshes(20) {
            let what = format!("{refresh:?} in phase {}", phase.as_str());
            let is_hand_out = matches!(refresh, Refresh::HandedOut { .. });
            let outcome = match is_hand_out && phase == Phase::Ending {
                true => Refreshed::Written,
                false => Refreshed::NotRunning,
            };
            expect(&what, subject.refresh(refresh).await?, outcome)?;
            if outcome == Refreshed::Written {
                activity.refresh(refresh);
            }
        }
        let found = subject.stored().await?.activity;
        expect(
            &format!("the activity in phase {}", phase.as_str()),
            found,
            activity,
        )?;
    }
    subject.written(4, &running("a")).await?;
    subject.refreshed(refreshes(30)[0]).await?;
    let found = subject.stored().await?.activity;
    expect("the count, running again", found.delivered, 6)
}

async fn a_refresh_creates_no_record(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "absent").await?;
    for refresh in refreshes(10) {
        let found = subject.refresh(refresh).await?;
        expect(&format!("{refresh:?}"), found, Refreshed::NotRunning)?;
    }
    expect("the record", subject.read().await?, None)
}

async fn times_never_go_backwards_and_counts_add_up(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "backwards").await?;
    // The last time is 0, which a store must not take for "never".
    for ms in [50, 40, 60, 60, 0] {
        for refresh in refreshes(ms) {
            subject.refreshed(refresh).await?;
        }
    }
    let expected = Activity {
        handed_out_at: Some(at(60)),
        delivered_at: Some(at(60)),
        delivered: 15,
        processed_at: Some(at(60)),
        processed: 10,
        heartbeat_at: Some(at(60)),
        busy_until: Some(at(60)),
    };
    expect("the activity", subject.stored().await?.activity, expected)?;

    let subject = Subject::running(store, "backwards-zero").await?;
    subject.refreshed(Refresh::Heartbeat { at: at(0) }).await?;
    let found = subject.stored().await?.activity.heartbeat_at;
    expect("a heartbeat at 0", found, Some(at(0)))
}

async fn concurrent_refreshes_all_count(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "refreshes").await?;
    let delivered = (1..=10).map(|ms| Refresh::Delivered {
        at: at(ms),
        count: ms,
    });
    let processed = (1..=10).map(|ms| Refresh::Processed {
        at: at(ms),
        count: 1,
    });
    let calls = delivered
        .chain(processed)
        .map(|refresh| store.refresh(subject.worker.clone(), refresh));
    for result in join(calls.collect()).await {
        expect("a result", result?, Refreshed::Written)?;
    }
    let expected = Activity {
        delivered_at: Some(at(10)),
        delivered: 55,
        processed_at: Some(at(10)),
        processed: 10,
        ..Activity::default()
    };
    expect("the activity", subject.stored().await?.activity, expected)
}

async fn a_refresh_changes_neither_version_nor_record(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "refresh-version").await?;
    for refresh in refreshes(10) {
        subject.refreshed(refresh).await?;
    }
    let found = subject.stored().await?;
    expect("the version", found.version.get(), 1)?;
    expect("the record", found.record, running("a"))
}

async fn a_refresh_between_read_and_commit_does_not_make_the_commit_lost(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "refresh-between").await?;
    let read = subject.stored().await?;
    subject.refreshed(refreshes(10)[0]).await?;
    subject.written(read.version.get(), &running("b")).await
}

async fn a_commit_never_resets_activity(store: &dyn Store) -> Outcome {
    let subject = Subject::running(store, "kept").await?;
    for refresh in refreshes(10) {
        subject.refreshed(refresh).await?;
    }
    let before = subject.stored().await?.activity;
    let phases = [
        Phase::Running,
        Phase::Ending,
        Phase::Absent,
        Phase::Provisioning,
        Phase::Running,
    ];
    for (expected, phase) in (1..).zip(phases) {
        subject.written(expected, &in_phase(phase, "b")).await?;
        let found = subject.stored().await?.activity;
        expect(&format!("the activity after {phase:?}"), found, before)?;
    }
    Ok(())
}

async fn a_commit_if_idle_is_refused_to_a_worker_in_use_and_written_otherwise(
    store: &dyn Store,
) -> Outcome {
    let test = IdleTest {
        since: at(100),
        now: at(200),
    };
    let delivered = |ms| Refresh::Delivered {
        at: at(ms),
        count: 1,
    };
    let processed = |ms| Refresh::Processed {
        at: at(ms),
        count: 1,
    };
    let busy = |ms| Refresh::Busy { until: at(ms) };
    let handed_out = |ms| Refresh::HandedOut { at: at(ms) };
    let cases = [
        ("never-used", None, false),
        ("delivered-before", Some(delivered(99)), false),
        ("delivered-just-then", Some(delivered(100)), false),
        ("delivered-after", Some(delivered(101)), true),
        ("processed-just-then", Some(processed(100)), false),
        ("processed-after", Some(processed(101)), true),
        ("handed-out-just-then", Some(handed_out(100)), false),
        ("handed-out-after", Some(handed_out(101)), true),
        ("busy-until-now", Some(busy(200)), false),
        ("busy-beyond-now", Some(busy(201)), true),
        (
            "heartbeat-after",
            Some(Refresh::Heartbeat { at: at(300) }),
            false,
        ),
    ];
    let ending = in_phase(Phase::Ending, "a");
    for (case, refresh, in_use) in cases {
        let subject = Subject::running(store, &format!("idle-{case}")).await?;
        if let Some(refresh) = refresh {
            subject.refreshed(refresh).await?;
        }
        let before = subject.stored().await?;
        let found = subject.commit_if_idle(1, &ending, test).await?;
        if in_use {
            expect(case, found, Committed::InUse(before.activity))?;
            let what = format!("the record after the refusal, {case}");
            expect(&what, subject.stored().await?, before)?;
            subject.written(1, &ending).await?;
        } else {
            expect(case, found, version(2))?;
            let what = format!("the record, {case}");
            expect(&what, subject.stored().await?.record, ending.clone())?;
        }
    }
    Ok(())
}

/// A worker with a busy lease, and an idle test that it fails.
async fn busy<'store>(
    store: &'store dyn Store,
    name: &str,
) -> Outcome<(Subject<'store>, IdleTest)> {
    let subject = Subject::running(store, name).await?;
    subject.refreshed(Refresh::Busy { until: at(300) }).await?;
    let test = IdleTest {
        since: at(100),
        now: at(200),
    };
    Ok((subject, test))
}

async fn a_commit_if_idle_with_a_stale_version_is_lost_even_if_the_worker_is_in_use(
    store: &dyn Store,
) -> Outcome {
    let (subject, test) = busy(store, "idle-stale").await?;
    subject.written(1, &running("b")).await?;
    let lost = Committed::Lost(Some(subject.stored().await?));
    let found = subject.commit_if_idle(1, &running("c"), test).await?;
    expect("a commit that expects 1", found, lost)
}

async fn a_commit_if_idle_sent_again_is_written_even_if_the_worker_was_used_since(
    store: &dyn Store,
) -> Outcome {
    let subject = Subject::running(store, "idle-again").await?;
    let test = IdleTest {
        since: at(100),
        now: at(200),
    };
    let first = subject.commit_if_idle(1, &running("b"), test).await?;
    expect("the first sending", first, version(2))?;
    subject.refreshed(refreshes(150)[0]).await?;
    let second = subject.commit_if_idle(1, &running("b"), test).await?;
    expect("the second sending", second, version(2))
}

async fn a_first_commit_if_idle_is_written(store: &dyn Store) -> Outcome {
    let subject = Subject::absent(store, "idle-first").await?;
    let test = IdleTest {
        since: at(0),
        now: at(0),
    };
    let found = subject.commit_if_idle(0, &running("a"), test).await?;
    expect("the commit", found, version(1))
}
