//! A health check does not end what is in use (docs/incidents.md#frozen-activity).

use reeve_core::boxes::{Report, Reporter, Statement};
use reeve_core::health::RestartRule;
use reeve_core::notice::Step;
use reeve_core::spec::FleetSpec;
use reeve_core::time::Millis;
use reeve_core::token::Token;
use reeve_sim::world::Ailment;

use super::{MINUTE, asked, count, health, http, served, status, stops, well};
use crate::boxes::{fleet as fleet_with_boxes, heartbeat, register, registered, report};
use crate::support::Bench;

fn said(report: Report) -> Statement {
    Statement::Report {
        by: Reporter::Application(None),
        report,
    }
}

fn probed_boxes() -> FleetSpec {
    let mut fleet = fleet_with_boxes();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(http(RestartRule::Any));
    }
    fleet
}

/// A minute in which the box speaks as it should.
fn minute(bench: &mut Bench, token: &Token) {
    for _ in 0..2 {
        bench.say(heartbeat(token));
        bench.run(Millis::from_secs(30));
    }
}

/// A worker whose box has registered, and which was found well.
fn at_work() -> (Bench, Token) {
    let (mut bench, id) = served(probed_boxes());
    let token = registered(bench.say_and_run(register(&id, "first"))).token;
    minute(&mut bench, &token);
    minute(&mut bench, &token);
    (bench, token)
}

#[test]
fn a_busy_lease_holds_a_restart_off_until_it_ends() {
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.say_and_run(said(Report::Busy(Millis::from_secs(600))));
    bench.world.ail(&id, Some(Ailment::Hangs));
    bench.run(Millis::from_secs(590));
    assert_eq!(count(&bench, Step::WorkerUnhealthy), 1, "people hear of it");
    assert_eq!(status(&bench).condition, "unhealthy");
    let held_off = health(&bench).restart_held_off.unwrap();
    assert!(held_off.contains("held busy for 9"), "{held_off}");
    assert_eq!(asked(&bench), Vec::<String>::new());
    bench.run(Millis::from_secs(30));
    assert_eq!(asked(&bench), ["probe-failed"]);
    assert_eq!(stops(&bench), 1);
}

#[test]
fn work_that_is_being_processed_holds_a_restart_off_and_work_that_nobody_does_not() {
    let (mut bench, token) = at_work();
    let id = bench.up().remove(0);
    bench.say_and_run(said(Report::Delivered(100)));
    bench.world.ail(&id, Some(Ailment::Answers(500)));
    // In mid-conversation: one is done every minute.
    for _ in 0..20 {
        bench.say_and_run(report(&token, Report::Processed(1)));
        minute(&mut bench, &token);
    }
    assert_eq!(status(&bench).condition, "unhealthy");
    assert!(health(&bench).restart_held_off.is_some());
    assert_eq!(asked(&bench), Vec::<String>::new());
    // It answers for a while, and then neither answers nor gets anything done.
    bench.world.ail(&id, None);
    minute(&mut bench, &token);
    bench.world.ail(&id, Some(Ailment::Answers(500)));
    for _ in 0..2 {
        minute(&mut bench, &token);
        assert_eq!(asked(&bench), Vec::<String>::new());
    }
    // Five minutes after the last that was done the worker is unresponsive, and what it holds is no reason to keep it.
    for _ in 0..3 {
        minute(&mut bench, &token);
    }
    assert_eq!(asked(&bench), ["probe-failed"]);
}

#[test]
fn deliveries_that_nobody_processes_do_not_keep_a_dead_agent() {
    let (mut bench, token) = at_work();
    let id = bench.up().remove(0);
    bench.world.ail(&id, Some(Ailment::Answers(500)));
    for minutes in 0..8 {
        bench.say_and_run(said(Report::Delivered(1)));
        minute(&mut bench, &token);
        let expected = usize::from(minutes >= 5);
        assert!(asked(&bench).len() <= expected, "after {minutes} min");
    }
    assert_eq!(asked(&bench), ["probe-failed"]);
}

#[test]
fn where_nobody_says_what_is_processed_a_delivery_since_the_failures_began_shows_that_it_lives() {
    let (mut bench, id) = well(http(RestartRule::Any));
    bench.say_and_run(said(Report::Delivered(1)));
    bench.run(MINUTE);
    bench.world.ail(&id, Some(Ailment::Refuses));
    bench.run(Millis::from_secs(20));
    bench.say_and_run(said(Report::Delivered(1)));
    bench.run(Millis::from_secs(600));
    assert_eq!(asked(&bench), Vec::<String>::new());
    let held_off = health(&bench).restart_held_off.unwrap();
    assert!(held_off.contains("delivered to it since"), "{held_off}");
    // An answer in between begins the row anew, and nobody has reached it since then.
    bench.world.ail(&id, None);
    bench.run(Millis::from_secs(20));
    bench.world.ail(&id, Some(Ailment::Refuses));
    bench.run(MINUTE);
    assert_eq!(asked(&bench), ["probe-failed"]);
}
