//! A health check does not end what is in use (docs/incidents.md#frozen-activity).

use crate::rig::boxes::*;
use crate::rig::prelude::*;
use reeve_core::boxes::Report;
use reeve_core::health::RestartRule;
use reeve_core::notice::Step;
use reeve_core::spec::FleetSpec;
use reeve_core::token::Token;
use reeve_sim::world::SoftwareFault;

use super::{asked, count, health, http, served, stops, well};

fn probed_boxes() -> FleetSpec {
    let mut fleet = fleet_with_boxes();
    for pool in fleet.pools.values_mut() {
        pool.health = Some(http(RestartRule::Any));
    }
    fleet
}

/// A minute in which the box speaks as it should.
fn minute(rig: &mut Rig, token: &Token) {
    for _ in 0..2 {
        rig.say(heartbeat(token));
        rig.run(Millis::from_secs(30));
    }
}

/// A worker whose box has registered, and which was found well.
fn at_work() -> (Rig, Token) {
    let (mut rig, id) = served(probed_boxes());
    let token = registered(rig.say_and_run(register(&id, "first"))).token;
    minute(&mut rig, &token);
    minute(&mut rig, &token);
    (rig, token)
}

#[test]
fn a_busy_lease_holds_a_restart_off_until_it_ends() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.say_and_run(said(Report::Busy(Millis::from_secs(600))));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Hangs));
    rig.run(Millis::from_secs(590));
    assert_eq!(count(&rig, Step::WorkerUnhealthy), 1, "people hear of it");
    assert_eq!(rig.status().condition, "unhealthy");
    let held_off = health(&rig).restart_held_off.unwrap();
    assert!(held_off.contains("held busy for 9"), "{held_off}");
    assert_eq!(asked(&rig), Vec::<String>::new());
    rig.run(Millis::from_secs(30));
    assert_eq!(asked(&rig), ["probe-failed"]);
    assert_eq!(stops(&rig), 1);
}

#[test]
fn work_holds_a_restart_off_only_while_the_box_processes_it() {
    let (mut rig, token) = at_work();
    let id = rig.up().remove(0);
    rig.say_and_run(said(Report::Delivered(100)));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Answers(500)));
    // In mid-conversation: one is done every minute.
    for _ in 0..20 {
        rig.say_and_run(report(&token, Report::Processed(1)));
        minute(&mut rig, &token);
    }
    assert_eq!(rig.status().condition, "unhealthy");
    assert!(health(&rig).restart_held_off.is_some());
    assert_eq!(asked(&rig), Vec::<String>::new());
    // It answers for a while, and then neither answers nor gets anything done.
    rig.world.set_software_fault(&id, None);
    minute(&mut rig, &token);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Answers(500)));
    for _ in 0..2 {
        minute(&mut rig, &token);
        assert_eq!(asked(&rig), Vec::<String>::new());
    }
    // Five minutes after the last that was done the worker is unresponsive, and what it holds is no
    // reason to keep it.
    for _ in 0..3 {
        minute(&mut rig, &token);
    }
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn unprocessed_deliveries_do_not_keep_a_dead_agent() {
    let (mut rig, token) = at_work();
    let id = rig.up().remove(0);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Answers(500)));
    for minutes in 0..8 {
        rig.say_and_run(said(Report::Delivered(1)));
        minute(&mut rig, &token);
        let expected = usize::from(minutes >= 5);
        assert!(asked(&rig).len() <= expected, "after {minutes} min");
    }
    assert_eq!(asked(&rig), ["probe-failed"]);
}

#[test]
fn a_delivery_since_the_first_failure_holds_a_restart_off() {
    let (mut rig, id) = well(http(RestartRule::Any));
    rig.say_and_run(said(Report::Delivered(1)));
    rig.run(MINUTE);
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    rig.run(Millis::from_secs(20));
    rig.say_and_run(said(Report::Delivered(1)));
    rig.run(Millis::from_secs(600));
    assert_eq!(asked(&rig), Vec::<String>::new());
    let held_off = health(&rig).restart_held_off.unwrap();
    assert!(held_off.contains("delivered to it since"), "{held_off}");
    // An answer in between begins the row anew, and no probe has reached it since then.
    rig.world.set_software_fault(&id, None);
    rig.run(Millis::from_secs(20));
    rig.world
        .set_software_fault(&id, Some(SoftwareFault::Refuses));
    rig.run(MINUTE);
    assert_eq!(asked(&rig), ["probe-failed"]);
}
