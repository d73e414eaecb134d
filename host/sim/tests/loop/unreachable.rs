//! Callers that do not reach the instance they were given.

use crate::health::{http, signal, until_read, well};
use crate::rig::prelude::*;
use reeve_core::cloud::MutationKind;
use reeve_core::health::RestartRule;
use reeve_core::id::InstanceId;
use reeve_core::notice::Step;
use reeve_core::request::Request;
use reeve_core::response::{LookOutcome, NotYetCode};
use reeve_sim::world::{Asked, Boot, Trouble};

/// A worker whose instance was handed out.
fn in_service() -> (Rig, InstanceId) {
    let mut rig = Rig::with_world(running_b(), Native::sensible());
    let id = rig.expect_served();
    (rig, id)
}

/// A caller says that it does not reach the instance.
fn report(rig: &mut Rig, id: &InstanceId) -> LookOutcome {
    let instance = id.clone();
    let request = rig.request(0, Request::Unreachable { instance });
    rig.looked(request)
}

fn has_route(rig: &Rig) -> bool {
    rig.worker().route.is_some()
}

#[test]
fn a_healthy_instance_is_back_in_service_when_it_was_read() {
    let (mut rig, id) = in_service();
    assert_eq!(report(&mut rig, &id), LookOutcome::Looking);
    assert!(!has_route(&rig), "withdrawn");
    rig.run(SECOND);
    assert!(has_route(&rig), "no caller was needed");
    assert_eq!(report(&mut rig, &id), LookOutcome::Runs);
    assert!(has_route(&rig));
    assert_eq!(rig.expect_served(), id);
}

#[test]
fn a_report_leaves_the_round_of_probes_as_it_is() {
    let (mut rig, id) = well(http(RestartRule::Any));
    let due = |rig: &Rig| {
        let waits = rig.status().waits.into_iter();
        let mut probes = waits.filter(|wait| wait.what.contains("health"));
        probes.next().unwrap().until
    };
    until_read(&mut rig, "http", 1);
    rig.expect_served();
    let (read_at, due_at) = (signal(&rig, "http").at, due(&rig));
    assert_eq!(report(&mut rig, &id), LookOutcome::Looking);
    rig.run(SECOND);
    assert!(has_route(&rig), "the look has ended");
    assert_eq!((signal(&rig, "http").at, due(&rig)), (read_at, due_at));
}

#[test]
fn an_instance_that_went_down_is_not_handed_out_again() {
    let (mut rig, id) = in_service();
    rig.world.reclaim(&id);
    assert_eq!(rig.expect_served(), id, "the host cannot know yet");
    assert_eq!(report(&mut rig, &id), LookOutcome::Looking);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Launching);
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(report(&mut rig, &id), LookOutcome::Stale, "replaced");
}

#[test]
fn an_instance_that_boots_is_not_called_down() {
    let mut rig = Rig::alone();
    rig.world.set_next_boot(Boot {
        pending: MINUTE,
        address_after: SECOND,
    });
    rig.ask();
    rig.run(SECOND);
    let id = rig.up().remove(0);
    assert_eq!(report(&mut rig, &id), LookOutcome::Looking);
    rig.run(SECOND);
    assert_eq!(report(&mut rig, &id), LookOutcome::Looking, "it boots");
}

#[test]
fn a_flood_of_reports_costs_one_look_in_half_a_minute() {
    let (mut rig, id) = in_service();
    for _ in 0..100 {
        report(&mut rig, &id);
        rig.run(SECOND);
        assert!(has_route(&rig) || rig.expect_served() == id);
    }
    assert_eq!(rig.told(Step::AddressDoubted).len(), 4);
    assert_eq!(rig.count(MutationKind::Stop), 0);
}

#[test]
fn a_report_about_another_instance_changes_nothing() {
    let (mut rig, _) = in_service();
    let other = InstanceId::from("i-other");
    assert_eq!(report(&mut rig, &other), LookOutcome::Stale);
    assert!(has_route(&rig));
    assert!(rig.told(Step::AddressDoubted).is_empty());
}

#[test]
fn reports_keep_no_instance_out_of_service_that_cannot_be_read() {
    let (mut rig, id) = in_service();
    rig.world.set_trouble(Trouble {
        unanswered: [Asked::Instance].into(),
        ..Trouble::default()
    });
    report(&mut rig, &id);
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::CloudUnreachable);
    assert_eq!(report(&mut rig, &id), LookOutcome::NotRead);
    rig.run(MINUTE);
    for _ in 0..60 {
        report(&mut rig, &id);
        assert_eq!(rig.expect_served(), id);
    }
}

#[test]
fn the_look_brings_no_instance_back_that_restarts() {
    let (mut rig, id) = in_service();
    report(&mut rig, &id);
    let restart = rig.give(by_person());
    rig.run(SECOND);
    assert!(rig.has_response(restart));
    assert!(!has_route(&rig));
}
