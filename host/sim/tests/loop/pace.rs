//! The pace of reaps: a valid verdict about every instance of a pool ends a few of them, and never
//! one that is not this fleet's.

use crate::rig::prelude::*;
use std::sync::Arc;

use reeve_core::cloud::MutationKind;
use reeve_core::guard::Rule;
use reeve_core::id::{PointerName, WorkerId};
use reeve_core::instance::TAG_FLEET;
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::point::reap::Choice;
use reeve_core::spec::FleetSpec;
use reeve_sim::store::MemoryStore;

const WORKERS: usize = 100;
/// The default window.
const WINDOW: Millis = Millis::from_secs(600);
/// What the default pace allows of a hundred.
const ALLOWED: usize = 10;

/// Who launched the instances of a story.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Ours,
    Unclaimed,
    Foreign,
}

fn name(number: usize) -> String {
    format!("w{number:03}")
}

/// A pool of a hundred workers.
fn hundred() -> FleetSpec {
    let mut spec = incidents::fleet();
    let worker = spec.workers.values().next().unwrap().clone();
    spec.workers.clear();
    for number in 0..WORKERS {
        let mut worker = worker.clone();
        worker.tag_value = name(number);
        worker.pointer = PointerName::new(format!("/{}", name(number)));
        spec.workers.insert(WorkerId::new(name(number)), worker);
    }
    spec
}

/// A world in which each worker's instance runs, and has done so for longer than a boot takes.
fn running(whose: Whose) -> World {
    let mut world = World::new(1, BEGINS);
    for number in 0..WORKERS {
        let name = name(number);
        let fleet: &[(&str, &str)] = match whose {
            Whose::Ours => &[OURS],
            Whose::Unclaimed => &[],
            Whose::Foreign => &[(TAG_FLEET, "blue")],
        };
        world.launch_tagged(&format!("i-{name}"), (TAG.0, &name), fleet);
    }
    world
}

/// Ends every instance it is asked about.
fn ends_all(drain_ms: u32) -> Arc<Native> {
    Arc::new(Native {
        reap: Some((Choice::End, drain_ms)),
        ..Native::plain()
    })
}

fn up(rig: &Rig) -> usize {
    rig.up().len()
}

fn paced(rig: &Rig, host: usize) -> usize {
    let vetoes = rig.journal(host).iter().filter(
        |entry| matches!(&entry.content, Content::Vetoed(veto) if veto.rule == Rule::ReapPace),
    );
    vetoes.count()
}

/// Runs for the longest boot, in which nothing is ended.
fn boot(rig: &mut Rig) {
    rig.run(Millis::from_secs(599));
    assert_eq!(up(rig), WORKERS, "they may boot");
}

#[test]
fn a_verdict_about_every_instance_of_a_pool_ends_them_at_the_pace() {
    let mut rig = Rig::with_fleet(hundred(), running(Whose::Ours), ends_all(0));
    boot(&mut rig);
    for windows in 1..=3 {
        rig.run(WINDOW);
        let ended = WORKERS - up(&rig);
        assert!(
            ended <= windows * ALLOWED && ended > (windows - 1) * ALLOWED,
            "{ended} in {windows} windows"
        );
    }
    // Each of the others is refused about once in a window, not once in a scan.
    assert!(paced(&rig, 0) < 6 * WORKERS, "{} vetoes", paced(&rig, 0));
    let vetoed = rig.told(Step::ProposalVetoed);
    let text = &vetoed.last().unwrap().text;
    assert!(text.contains("the next may follow in"), "{text}");
}

#[test]
fn a_restart_of_the_host_does_not_begin_the_pace_anew() {
    let mut rig = Rig::with_fleet(hundred(), running(Whose::Ours), ends_all(0));
    boot(&mut rig);
    for _ in 0..5 {
        rig.run(MINUTE);
        rig.restart();
    }
    assert_eq!(WORKERS - up(&rig), ALLOWED);
}

#[test]
fn hosts_that_share_a_pool_share_its_pace() {
    let mut rig = Rig::over(MemoryStore::new(true), running(Whose::Ours), ends_all(0));
    rig.add_host(hundred());
    rig.add_host(hundred());
    boot(&mut rig);
    rig.run(WINDOW);
    let ended = WORKERS - up(&rig);
    assert!((ALLOWED..=2 * ALLOWED).contains(&ended), "{ended}");
}

#[test]
fn as_many_adopted_instances_drain_as_may_be_ended() {
    let mut rig = Rig::with_fleet(hundred(), running(Whose::Ours), ends_all(60_000));
    for number in 0..WORKERS {
        rig.ask_for(&WorkerId::new(name(number)));
    }
    rig.run(Millis::from_secs(640));
    let drains = rig.told(Step::InstanceDraining).len();
    assert_eq!(drains, ALLOWED);
    assert_eq!(up(&rig), WORKERS, "they drain");
    rig.run(Millis::from_secs(120));
    assert_eq!(WORKERS - up(&rig), ALLOWED);
    // The others are in service.
    let request = rig.ask_for(&WorkerId::new(name(WORKERS - 1)));
    rig.run(SECOND);
    rig.expect_served_to(request);
}

#[test]
fn nothing_that_others_launched_is_ended_by_a_verdict() {
    for whose in [Whose::Unclaimed, Whose::Foreign] {
        let mut rig = Rig::with_fleet(hundred(), running(whose), ends_all(0));
        rig.run(HOUR);
        assert_eq!(up(&rig), WORKERS, "{whose:?}");
        assert_eq!(rig.count(MutationKind::Stop), 0, "{whose:?}");
        assert_eq!(rig.count(MutationKind::Terminate), 0, "{whose:?}");
    }
}
