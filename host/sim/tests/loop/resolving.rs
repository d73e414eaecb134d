//! The loop, end to end on virtual time: what a caller gets and what the cloud was told to do.

use crate::rig::prelude::*;
use reeve_core::cloud::{CloudErrorKind, MutationKind};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::point::Input;
use reeve_core::point::resolve::Action;
use reeve_core::response::{NotYetCode, Resolution};
use reeve_sim::world::{Boot, Fault};

fn boot(pending_ms: u64, address_after_ms: u64) -> Boot {
    Boot {
        pending: Millis::new(pending_ms),
        address_after: Millis::new(address_after_ms),
    }
}

#[test]
fn a_running_instance_is_found_by_tag_and_the_stopped_one_is_not_started() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    assert_eq!(rig.pointer(), Some("i-bbbb"));
    assert_eq!(rig.count(MutationKind::Start), 0);
    let adopted = rig
        .notices(0)
        .iter()
        .find(|notice| notice.step == Step::InstanceAdoptedByTag);
    let fields = &adopted.unwrap().fields;
    assert!(fields.contains(&("old_instance_id".to_owned(), "i-aaaa".to_owned())));
    assert!(fields.contains(&("new_instance_id".to_owned(), "i-bbbb".to_owned())));
}

#[test]
fn a_pointer_to_a_terminated_or_unknown_instance_does_not_end_a_resolve() {
    for named in ["i-terminated", "i-never-seen"] {
        let mut world = World::new(1, BEGINS);
        let gone = world.launch_elsewhere("i-terminated", TAG, boot(0, 0));
        world.advance(BEGINS);
        let mut rig = Rig::with_world(world, Native::sensible());
        rig.world.stop_elsewhere(&gone).unwrap();
        rig.run(MINUTE);
        rig.place_pointer(named);
        rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
        assert_eq!(rig.expect_served().as_str(), "i-bbbb", "pointer to {named}");
        assert_eq!(rig.count(MutationKind::Start), 0);
    }
}

#[test]
fn an_address_that_comes_within_the_looks_is_served_in_the_same_call() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 1_500));
    assert_eq!(
        rig.expect_served_within(Millis::from_secs(3)).as_str(),
        "i-bbbb"
    );
    assert_eq!(rig.count(MutationKind::Start), 0);
}

#[test]
fn an_address_that_never_comes_is_pending_and_the_pointer_is_right() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world
        .launch_elsewhere("i-bbbb", TAG, boot(0, 999_999_000));
    assert_eq!(
        rig.expect_not_yet(Millis::from_secs(5)),
        NotYetCode::IpPending
    );
    assert_eq!(rig.pointer(), Some("i-bbbb"));
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.mutations().len(), 1, "the pointer, and nothing else");
    assert!(readings_of_address(&rig) > 5, "the host keeps reading it");
    assert_eq!(rig.told(Step::AddressPending).len(), 1, "people hear once");
}

/// How often `retry-ip` was asked, after a reading without an address each time.
fn readings_of_address(rig: &Rig) -> usize {
    let entries = rig.journal(0).iter();
    let asked = entries.filter(|entry| {
        matches!(&entry.content, Content::Decided(decision) if matches!(decision.input, Input::RetryIp(_)))
    });
    asked.count()
}

#[test]
fn the_first_call_is_told_to_come_back_and_the_second_is_served() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 4_500));
    let first = rig.ask_and_run(Millis::from_secs(4));
    let Resolution::NotYet(told) = first else {
        panic!("the address takes longer than five looks");
    };
    assert_eq!(told.code, NotYetCode::IpPending);
    rig.run(told.retry_after);
    assert_eq!(
        rig.expect_served_within(Millis::from_secs(3)).as_str(),
        "i-bbbb"
    );
}

#[test]
fn callers_who_ask_at_once_share_one_pass_and_one_launch() {
    let mut rig = Rig::alone();
    let requests: Vec<_> = (0..100).map(|_| rig.ask()).collect();
    rig.run(Millis::from_secs(6));
    for request in requests {
        assert_eq!(rig.expect_not_yet_to(request).code, NotYetCode::Launching);
    }
    rig.run(MINUTE);
    assert_eq!(rig.count(MutationKind::Launch), 1);
    assert_eq!(rig.up().len(), 1);
    let id = rig.expect_served();
    assert_eq!(rig.pointer(), Some(id.as_str()));
}

#[test]
fn an_empty_pointer_looks_for_an_instance_to_adopt_before_it_launches() {
    let mut rig = Rig::alone();
    rig.place_pointer("none");
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    assert_eq!(rig.count(MutationKind::Launch), 0);
}

#[test]
fn a_stopped_instance_is_started_when_nothing_runs_and_served_when_it_is_up() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Starting);
    rig.run(Millis::from_secs(40));
    assert_eq!(rig.expect_served().as_str(), "i-aaaa");
    assert_eq!(rig.count(MutationKind::Start), 1);
    assert_eq!(rig.count(MutationKind::Launch), 0);
}

#[test]
fn a_launch_whose_response_is_lost_is_replayed_and_makes_one_instance() {
    let mut rig = Rig::alone();
    for _ in 0..3 {
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out: true,
            error: CloudErrorKind::Transient,
            code: "RequestTimeout",
        });
    }
    assert_eq!(
        rig.expect_not_yet(Millis::from_secs(6)),
        NotYetCode::Launching
    );
    rig.run(Millis::from_secs(120));
    assert_eq!(
        rig.count(MutationKind::Launch),
        4,
        "one launch, sent four times"
    );
    let mutations = rig.mutations();
    let launches: Vec<_> = mutations
        .iter()
        .filter(|mutation| mutation.kind() == MutationKind::Launch)
        .collect();
    assert!(launches.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(rig.up().len(), 1);
    rig.expect_served();
}

#[test]
fn a_start_whose_response_is_lost_counts_as_done_and_nothing_is_launched() {
    let starts_then_launches = Native::new(|input| {
        let facts = input.instances.first();
        Ok(match (input.failures.first(), facts) {
            (None, Some(facts)) => Action::Start(facts.id.clone()),
            _ => Action::Launch(0),
        })
    });
    let mut rig = Rig::with_world(stopped_a(), starts_then_launches);
    rig.world.add_fault(Fault {
        kind: MutationKind::Start,
        carried_out: true,
        error: CloudErrorKind::Transient,
        code: "RequestTimeout",
    });
    for _ in 0..5 {
        rig.ask_and_run(SECOND);
    }
    assert_eq!(rig.count(MutationKind::Start), 1);
    assert_eq!(rig.count(MutationKind::Launch), 0);
    rig.run(Millis::from_secs(40));
    assert_eq!(rig.up(), ["i-aaaa".into()]);
}

#[test]
fn a_launch_that_is_refused_for_certain_ends_its_generation() {
    let mut rig = Rig::alone();
    rig.world.add_fault(Fault {
        kind: MutationKind::Launch,
        carried_out: false,
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
    });
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::NoCapacity);
    rig.run(Millis::from_secs(11));
    rig.ask_and_run(Millis::from_secs(6));
    let generations: Vec<_> = rig
        .core(0)
        .workers()
        .map(|worker| worker.generation.get())
        .collect();
    assert_eq!(generations, [2]);
    assert_eq!(rig.up().len(), 1);
}

#[test]
fn a_legacy_resolve_that_starts_the_old_instance_is_refused() {
    let policy = Native::new(|input| match &input.pointer {
        reeve_core::point::resolve::Pointer::Names(id) => Ok(Action::Start(id.clone())),
        _ => Ok(Action::Launch(0)),
    });
    let mut rig = Rig::with_world(stopped_a(), policy);
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Vetoed);
    assert!(rig.mutations().is_empty());
}

#[test]
fn a_policy_that_goes_round_in_circles_is_stopped_and_the_caller_is_answered() {
    let mut rig = Rig::with_world(stopped_a(), Native::new(|_| Ok(Action::Adopt)));
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Waiting);
    assert!(rig.mutations().is_empty());
}

#[test]
fn without_a_usable_verdict_the_last_known_address_is_served() {
    let policies = Native::new(|input| match input.memo.as_str() {
        _ if input
            .instances
            .iter()
            .any(|facts| facts.id.as_str() == "i-aaaa") =>
        {
            Ok(sensible(input))
        }
        _ => Err("broken".to_owned()),
    });
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    world.place_pointer(&reeve_sim::incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut rig = Rig::with_world(world, policies);
    assert_eq!(rig.expect_served().as_str(), "i-bbbb");
    assert!(rig.mutations().is_empty());
    let failed = rig
        .notices(0)
        .iter()
        .any(|notice| notice.step == Step::PolicyFailed);
    assert!(failed);
}

#[test]
fn without_a_usable_verdict_and_without_an_instance_nothing_is_launched() {
    let mut rig = Rig::new(Native::new(|_| Err("broken".to_owned())));
    assert_eq!(rig.expect_not_yet(SECOND), NotYetCode::Waiting);
    rig.run(MINUTE);
    assert!(rig.mutations().is_empty());
}

#[test]
fn a_pointer_that_another_system_rewrote_is_repaired() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    rig.expect_served();
    rig.place_pointer("i-aaaa");
    rig.run(MINUTE);
    rig.expect_served();
    assert_eq!(rig.pointer(), Some("i-bbbb"));
}

#[test]
fn an_instance_that_goes_down_is_no_longer_handed_out_after_the_next_scan() {
    let mut rig = Rig::alone();
    let id = rig.world.launch_elsewhere("i-bbbb", TAG, boot(0, 0));
    rig.expect_served();
    rig.world.stop_elsewhere(&id).unwrap();
    rig.run(Millis::from_secs(31));
    let worker = rig.core(0).workers().next().unwrap();
    assert_eq!(worker.route, None);
    let lost = rig
        .notices(0)
        .iter()
        .any(|notice| notice.step == Step::InstanceLost);
    assert!(lost);
}

#[test]
fn a_rate_limit_does_not_answer_the_try_before_it() {
    let mut rig = Rig::alone();
    for (carried_out, error, code) in [
        (true, CloudErrorKind::Transient, "RequestTimeout"),
        (false, CloudErrorKind::Throttled, "RequestLimitExceeded"),
    ] {
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out,
            error,
            code,
        });
    }
    rig.ask();
    rig.run(Millis::from_secs(120));
    assert_eq!(rig.up().len(), 1);
    let launches = rig.mutations().into_iter();
    let launches: Vec<_> = launches
        .filter(|it| it.kind() == MutationKind::Launch)
        .collect();
    assert_eq!(
        launches.len(),
        3,
        "the lost one, the refused one, and one that is answered"
    );
    assert!(
        launches.iter().all(|launch| *launch == launches[0]),
        "with one token"
    );
    let id = rig.expect_served();
    assert_eq!(rig.up()[0], id);
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    let journal = || {
        let mut rig = Rig::alone();
        rig.ask_and_run(MINUTE);
        format!("{:?}", rig.journal(0))
    };
    assert_eq!(journal(), journal());
}

#[test]
fn the_host_looks_for_an_address_at_a_steady_pace_however_often_it_is_asked() {
    let mut rig = Rig::with_world(stopped_a(), Native::sensible());
    rig.world
        .launch_elsewhere("i-bbbb", TAG, boot(0, 999_999_000));
    for _ in 0..20 {
        rig.ask();
        rig.run(Millis::new(700));
    }
    rig.run(MINUTE);
    let before = readings_of_address(&rig);
    rig.run(MINUTE);
    let in_a_minute = readings_of_address(&rig) - before;
    assert!(
        (20..=60).contains(&in_a_minute),
        "{in_a_minute} readings in a minute"
    );
}

#[test]
fn a_pointer_to_another_workers_instance_does_not_keep_callers_away_for_good() {
    let mut world = World::new(1, BEGINS);
    let foreign = world.launch_elsewhere("i-foreign", ("Name", "another"), Boot::instant());
    let mut rig = Rig::with_world(world, Native::sensible());
    rig.place_pointer(foreign.as_str());
    rig.ask();
    rig.run(MINUTE);
    let Resolution::Served(route) = rig.ask_and_run(Millis::from_secs(5)) else {
        panic!("an instance of its own serves by now");
    };
    assert_ne!(route.instance, foreign);
    assert_eq!(rig.pointer(), Some(route.instance.as_str()));
    let told = rig.notices(0).iter();
    let mut of_the_pointer = told.filter(|notice| notice.step == Step::InstanceUnusable);
    let text = &of_the_pointer.next().expect("the way past it is told").text;
    assert!(text.contains("cannot be adopted"), "{text}");
}
