//! Reports on their way to the store: what comes while one is under way goes together with the next, and nobody is
//! answered before a write that holds what they have reported. Here the test is the store.

use crate::rig::desk::embodied_by;
use crate::rig::prelude::*;
use reeve_core::boxes::{Receipt, Report, ReportOutcome, Reporter, Statement};
use reeve_core::effect::Effect;
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{HostId, InstanceId, RequestId};
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::store::{Activity, StoreError, StoreErrorKind, Stored, Touch, Touched};
use reeve_core::token::Secret;

/// A host, and what it was asked to write and has answered.
struct Desk {
    fleet: Fleet,
    now: Instant,
    asked: u64,
    touches: Vec<(RequestId, Touch)>,
    answered: Vec<(u64, ReportOutcome)>,
}

impl Desk {
    fn new() -> Self {
        Self::with_store(false)
    }

    fn with_store(store_is_shared: bool) -> Self {
        let identity = Identity {
            host: HostId::from("host"),
            store_is_shared,
        };
        let records = [(incidents::worker(), embodied_by("i-one", 1))].into();
        let recovered = Recovered {
            records: Some(records),
            ..Recovered::default()
        };
        Self {
            fleet: Fleet::new(incidents::fleet(), identity, recovered),
            now: BEGINS,
            asked: 0,
            touches: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// Somebody reports, a millisecond after whoever reported before.
    fn say(&mut self, by: Reporter, report: Report) -> u64 {
        self.now += Millis::new(1);
        self.asked += 1;
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Asked {
                request: RequestId::new(self.asked),
                what: Request::Statement {
                    statement: Statement::Report { by, report },
                    fresh: Secret::new([0; 32]),
                },
            },
        ));
        self.asked
    }

    fn delivered(&mut self, count: u64) -> u64 {
        self.say(Reporter::Application(None), Report::Delivered(count))
    }

    /// The store answers the oldest of what it was asked.
    fn touched(&mut self, result: Result<Touched, StoreError>) {
        let (request, touch) = self.touches.remove(0);
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Touched {
                request,
                touch,
                result,
            },
        ));
    }

    /// The store shows this activity to whoever asked for it at `asked_at`.
    fn read(&mut self, asked_at: Instant, activity: Activity) {
        let stored = Stored {
            activity,
            ..embodied_by("i-one", 1)
        };
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::RecordRead {
                asked_at,
                result: Ok(Some(stored)),
            },
        ));
    }

    fn activity(&self) -> Activity {
        let worker = self.fleet.worker(&incidents::worker()).unwrap();
        worker.record.activity()
    }

    fn step(&mut self, event: Event) {
        for effect in self.fleet.step(self.now, event) {
            match effect {
                Effect::Touch { request, touch, .. } => self.touches.push((request, touch)),
                Effect::Respond {
                    request,
                    response: Response::Statement(Receipt::Accepted(noted)),
                    ..
                } => self.answered.push((request.get(), noted.outcome)),
                _ => {}
            }
        }
    }

    fn under_way(&self) -> Vec<Touch> {
        self.touches.iter().map(|(_, touch)| *touch).collect()
    }
}

fn after(ms: u64) -> Instant {
    BEGINS + Millis::new(ms)
}

fn deliveries(ms: u64, count: u64) -> Touch {
    Touch::Delivered {
        at: after(ms),
        count,
    }
}

#[test]
fn what_is_reported_while_a_refresh_is_under_way_goes_as_one_with_the_next_and_is_answered_after_it()
 {
    let mut desk = Desk::new();
    for count in 1..=4 {
        desk.delivered(count);
    }
    assert_eq!(desk.under_way(), [deliveries(1, 1)]);
    assert_eq!(desk.answered, []);

    desk.touched(Ok(Touched::Refreshed));
    assert_eq!(
        desk.answered,
        [(1, ReportOutcome::Stored)],
        "only what was written"
    );
    assert_eq!(desk.under_way(), [deliveries(4, 2 + 3 + 4)]);

    desk.answered.clear();
    desk.delivered(5);
    desk.touched(Ok(Touched::Refreshed));
    let stored = |request| (request, ReportOutcome::Stored);
    assert_eq!(desk.answered, [stored(2), stored(3), stored(4)]);
    assert_eq!(desk.under_way(), [deliveries(5, 5)]);

    desk.touched(Ok(Touched::Refreshed));
    assert_eq!(desk.under_way(), [], "nothing is written twice");
    desk.delivered(6);
    assert_eq!(desk.under_way(), [deliveries(6, 6)]);
}

#[test]
fn a_refresh_that_fails_answers_those_it_was_for_and_the_next_one_is_tried_all_the_same() {
    let mut desk = Desk::new();
    let requests = [(); 3].map(|()| desk.delivered(1));
    desk.touched(Err(StoreError {
        doing: "refresh".to_owned(),
        kind: StoreErrorKind::Unavailable,
        message: "the test says so".to_owned(),
    }));
    assert_eq!(desk.answered, [(requests[0], ReportOutcome::NotStored)]);
    desk.touched(Ok(Touched::NotRunning));
    let not_running = |request| (request, ReportOutcome::NotRunning);
    assert_eq!(
        desk.answered[1..],
        [not_running(requests[1]), not_running(requests[2])]
    );
}

#[test]
fn reports_of_different_kinds_do_not_wait_for_each_other() {
    let mut desk = Desk::new();
    desk.delivered(1);
    desk.say(Reporter::Application(None), Report::Processed(1));
    desk.say(Reporter::Application(None), Report::Busy(Millis::new(500)));
    desk.say(Reporter::Application(None), Report::Busy(Millis::new(100)));
    desk.say(Reporter::Application(None), Report::Busy(Millis::new(900)));
    desk.say(Reporter::Application(None), Report::Busy(Millis::new(200)));
    let processed = Touch::Processed {
        at: after(2),
        count: 1,
    };
    let busy = |ms| Touch::Busy { until: after(ms) };
    assert_eq!(desk.under_way(), [deliveries(1, 1), processed, busy(503)]);
    for _ in 0..3 {
        desk.touched(Ok(Touched::Refreshed));
    }
    assert_eq!(desk.under_way(), [busy(905)], "the longest hold of all");
}

#[test]
fn who_reports_and_goes_away_without_an_answer_has_reported() {
    let mut desk = Desk::new();
    desk.delivered(1);
    let in_line = desk.delivered(7);
    for request in [in_line - 1, in_line] {
        desk.step(Event::of(
            incidents::worker(),
            WorkerEvent::Gone(RequestId::new(request)),
        ));
    }
    desk.touched(Ok(Touched::Refreshed));
    assert_eq!(desk.under_way(), [deliveries(2, 7)]);
}

#[test]
fn a_report_of_another_instance_is_not_written_nor_one_whose_instance_was_replaced_while_it_waited()
{
    let mut desk = Desk::new();
    let to = |id: &str| Reporter::Application(Some(InstanceId::from(id)));
    let request = desk.say(to("i-another"), Report::Delivered(1));
    assert_eq!(desk.answered, [(request, ReportOutcome::NotRunning)]);
    assert_eq!(desk.under_way(), []);

    desk.say(to("i-one"), Report::Delivered(1));
    let waits = desk.say(to("i-one"), Report::Delivered(1));
    desk.step(Event::of(
        incidents::worker(),
        WorkerEvent::RecordRead {
            asked_at: desk.now,
            result: Ok(Some(embodied_by("i-two", 2))),
        },
    ));
    desk.touched(Ok(Touched::Refreshed));
    assert_eq!(
        desk.answered.last(),
        Some(&(waits, ReportOutcome::NotRunning))
    );
    assert_eq!(desk.under_way(), []);
}

#[test]
fn an_answer_of_the_store_that_a_refresh_has_overtaken_takes_nothing_of_it_back() {
    for store_is_shared in [false, true] {
        let mut desk = Desk::with_store(store_is_shared);
        let asked_at = desk.now;
        desk.delivered(3);
        desk.touched(Ok(Touched::Refreshed));
        desk.say(
            Reporter::Application(None),
            Report::Busy(Millis::from_secs(600)),
        );
        desk.touched(Ok(Touched::Refreshed));
        let known = desk.activity();
        assert_eq!(
            (known.delivered, known.busy_until),
            (3, Some(after(600_002)))
        );
        desk.read(asked_at, Activity::default());
        assert_eq!(desk.activity(), known, "shared: {store_is_shared}");
        // Another host has counted in between.
        let newer = Activity {
            delivered: 9,
            processed: 8,
            ..known
        };
        desk.read(desk.now + Millis::new(1), newer);
        assert_eq!(desk.activity(), newer, "shared: {store_is_shared}");
    }
}

#[test]
fn what_the_store_shows_while_a_refresh_is_under_way_is_not_counted_twice() {
    let mut desk = Desk::new();
    desk.delivered(3);
    let with_it = Activity {
        delivered_at: Some(desk.now),
        delivered: 3,
        ..Activity::default()
    };
    desk.read(desk.now, with_it);
    desk.touched(Ok(Touched::Refreshed));
    assert_eq!(desk.activity().delivered, 3);
}
