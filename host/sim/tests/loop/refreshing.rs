//! Reports on their way to the store: what comes while one is under way goes together with the
//! next, and no report is answered before a write that holds what they have reported. Here the test
//! is the store.

use crate::rig::desk::{Desk, with_adopted};
use crate::rig::prelude::*;
use reeve_core::boxes::{Receipt, Report, ReportOutcome, Reporter, Statement};
use reeve_core::event::WorkerEvent;
use reeve_core::id::{InstanceId, RequestId};
use reeve_core::store::{Activity, Refresh, Refreshed, StoreError, StoreErrorKind, Stored};

/// A core whose worker has an adopted instance.
fn desk(store_is_shared: bool) -> Desk {
    let records = [(incidents::worker(), with_adopted("i-one", 1))];
    Desk::new(incidents::fleet(), store_is_shared, records.into())
}

/// A reporter reports, a millisecond after the last report.
fn say(desk: &mut Desk, by: Reporter, report: Report) -> RequestId {
    desk.now += Millis::new(1);
    desk.say(Statement::Report { by, report })
}

fn deliver(desk: &mut Desk, count: u64) -> RequestId {
    say(desk, Reporter::Application(None), Report::Delivered(count))
}

/// The store answers the oldest refresh.
fn refreshed(desk: &mut Desk, result: Result<Refreshed, StoreError>) {
    let (request, refresh) = desk.refreshes.remove(0);
    desk.tell(WorkerEvent::Refreshed {
        request,
        refresh,
        result,
    });
}

/// The store shows this activity to a host that asked at `asked_at`.
fn read(desk: &mut Desk, asked_at: Instant, activity: Activity) {
    let stored = Stored {
        activity,
        ..with_adopted("i-one", 1)
    };
    desk.read_as(asked_at, stored);
}

fn activity(desk: &Desk) -> Activity {
    let worker = desk.fleet.worker(&incidents::worker()).unwrap();
    worker.record.activity()
}

/// The outcomes of the reports that have a receipt.
fn outcomes(desk: &Desk) -> Vec<(RequestId, ReportOutcome)> {
    let receipts = desk.receipts.iter();
    let outcomes = receipts.map(|(request, receipt)| match receipt {
        Receipt::Accepted(accepted) => (*request, accepted.outcome),
        other => panic!("not accepted: {other:?}"),
    });
    outcomes.collect()
}

fn under_way(desk: &Desk) -> Vec<Refresh> {
    desk.refreshes.iter().map(|(_, refresh)| *refresh).collect()
}

fn after(ms: u64) -> Instant {
    BEGINS + Millis::new(ms)
}

fn deliveries(ms: u64, count: u64) -> Refresh {
    Refresh::Delivered {
        at: after(ms),
        count,
    }
}

#[test]
fn reports_during_a_refresh_go_together_with_the_next_one() {
    let mut desk = desk(false);
    for count in 1..=4 {
        deliver(&mut desk, count);
    }
    assert_eq!(under_way(&desk), [deliveries(1, 1)]);
    assert_eq!(outcomes(&desk), []);

    refreshed(&mut desk, Ok(Refreshed::Written));
    let stored = |request| (RequestId::new(request), ReportOutcome::Stored);
    assert_eq!(outcomes(&desk), [stored(1)], "only what was written");
    assert_eq!(under_way(&desk), [deliveries(4, 2 + 3 + 4)]);

    desk.receipts.clear();
    deliver(&mut desk, 5);
    refreshed(&mut desk, Ok(Refreshed::Written));
    assert_eq!(outcomes(&desk), [stored(2), stored(3), stored(4)]);
    assert_eq!(under_way(&desk), [deliveries(5, 5)]);

    refreshed(&mut desk, Ok(Refreshed::Written));
    assert_eq!(under_way(&desk), [], "nothing is written twice");
    deliver(&mut desk, 6);
    assert_eq!(under_way(&desk), [deliveries(6, 6)]);
}

#[test]
fn a_failed_refresh_answers_its_reports_and_the_next_one_is_tried() {
    let mut desk = desk(false);
    let requests = [(); 3].map(|()| deliver(&mut desk, 1));
    refreshed(
        &mut desk,
        Err(StoreError {
            doing: "refresh".to_owned(),
            kind: StoreErrorKind::Unavailable,
            message: "the test says so".to_owned(),
        }),
    );
    assert_eq!(outcomes(&desk), [(requests[0], ReportOutcome::NotStored)]);
    refreshed(&mut desk, Ok(Refreshed::NotRunning));
    let not_running = |request| (request, ReportOutcome::NotRunning);
    assert_eq!(
        outcomes(&desk)[1..],
        [not_running(requests[1]), not_running(requests[2])]
    );
}

#[test]
fn reports_of_different_kinds_do_not_wait_for_each_other() {
    let mut desk = desk(false);
    deliver(&mut desk, 1);
    say(&mut desk, Reporter::Application(None), Report::Processed(1));
    say(
        &mut desk,
        Reporter::Application(None),
        Report::Busy(Millis::new(500)),
    );
    say(
        &mut desk,
        Reporter::Application(None),
        Report::Busy(Millis::new(100)),
    );
    say(
        &mut desk,
        Reporter::Application(None),
        Report::Busy(Millis::new(900)),
    );
    say(
        &mut desk,
        Reporter::Application(None),
        Report::Busy(Millis::new(200)),
    );
    let processed = Refresh::Processed {
        at: after(2),
        count: 1,
    };
    let busy = |ms| Refresh::Busy { until: after(ms) };
    assert_eq!(under_way(&desk), [deliveries(1, 1), processed, busy(503)]);
    for _ in 0..3 {
        refreshed(&mut desk, Ok(Refreshed::Written));
    }
    assert_eq!(under_way(&desk), [busy(905)], "the longest hold of all");
}

#[test]
fn who_reports_and_goes_away_without_an_answer_has_reported() {
    let mut desk = desk(false);
    for request in [deliver(&mut desk, 1), deliver(&mut desk, 7)] {
        desk.tell(WorkerEvent::Gone(request));
    }
    refreshed(&mut desk, Ok(Refreshed::Written));
    assert_eq!(under_way(&desk), [deliveries(2, 7)]);
}

#[test]
fn a_report_of_another_or_a_replaced_instance_is_not_written() {
    let mut desk = desk(false);
    let to = |id: &str| Reporter::Application(Some(InstanceId::from(id)));
    let request = say(&mut desk, to("i-another"), Report::Delivered(1));
    assert_eq!(outcomes(&desk), [(request, ReportOutcome::NotRunning)]);
    assert_eq!(under_way(&desk), []);

    say(&mut desk, to("i-one"), Report::Delivered(1));
    let waits = say(&mut desk, to("i-one"), Report::Delivered(1));
    desk.read_as(desk.now, with_adopted("i-two", 2));
    refreshed(&mut desk, Ok(Refreshed::Written));
    assert_eq!(
        outcomes(&desk).last(),
        Some(&(waits, ReportOutcome::NotRunning))
    );
    assert_eq!(under_way(&desk), []);
}

#[test]
fn a_store_reading_that_a_refresh_overtook_takes_nothing_back() {
    for store_is_shared in [false, true] {
        let mut desk = desk(store_is_shared);
        let asked_at = desk.now;
        deliver(&mut desk, 3);
        refreshed(&mut desk, Ok(Refreshed::Written));
        say(
            &mut desk,
            Reporter::Application(None),
            Report::Busy(Millis::from_secs(600)),
        );
        refreshed(&mut desk, Ok(Refreshed::Written));
        let known = activity(&desk);
        assert_eq!(
            (known.delivered, known.busy_until),
            (3, Some(after(600_002)))
        );
        read(&mut desk, asked_at, Activity::default());
        assert_eq!(activity(&desk), known, "shared: {store_is_shared}");
        // Another host has counted in between.
        let newer = Activity {
            delivered: 9,
            processed: 8,
            ..known
        };
        let later = desk.now + Millis::new(1);
        read(&mut desk, later, newer);
        assert_eq!(activity(&desk), newer, "shared: {store_is_shared}");
    }
}

#[test]
fn what_the_store_shows_while_a_refresh_is_under_way_is_not_counted_twice() {
    let mut desk = desk(false);
    deliver(&mut desk, 3);
    let with_it = Activity {
        delivered_at: Some(desk.now),
        delivered: 3,
        ..Activity::default()
    };
    let now = desk.now;
    read(&mut desk, now, with_it);
    refreshed(&mut desk, Ok(Refreshed::Written));
    assert_eq!(activity(&desk).delivered, 3);
}
