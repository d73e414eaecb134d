//! Ending instances: what is stopped, what is kept, and what the pointer says afterwards.

use crate::support::{BEGINS, Bench, Native};
use reeve_core::cloud::MutationKind;
use reeve_core::notice::Step;
use reeve_core::time::{Instant, Millis};
use reeve_core::worker::DemandReading;
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::world::{Boot, World};

fn no_demand(until: Instant) -> DemandReading {
    DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until,
    }
}

/// A bench on which B runs and was handed out once, and the metric says that nobody wants it.
fn unwanted_b() -> Bench {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    bench.ask_and_run(Millis::from_secs(1));
    let demand = no_demand(bench.now);
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    bench
}

#[test]
fn stopping_what_the_pointer_names_clears_it_in_the_same_action() {
    let mut bench = unwanted_b();
    bench.run(Millis::from_secs(700));
    assert_eq!(bench.count(MutationKind::Stop), 1);
    assert_eq!(bench.pointer(), Some("none"));
    let told = bench
        .host
        .notices()
        .iter()
        .find(|notice| notice.step == Step::InstanceReaped);
    let text = &told.unwrap().text;
    assert!(text.contains("last handed out"), "{text}");
}

#[test]
fn an_instance_in_use_is_kept_whatever_the_policy_says() {
    let mut bench = unwanted_b();
    for _ in 0..20 {
        bench.ask_and_run(Millis::from_secs(60));
    }
    assert_eq!(bench.count(MutationKind::Stop), 0);
    let vetoed = bench
        .host
        .notices()
        .iter()
        .any(|notice| notice.step == Step::ProposalVetoed);
    assert!(vetoed);
}

#[test]
fn a_worker_whose_instances_come_and_go_unserved_is_told_to_be_cycling() {
    let mut bench = Bench::new(Native::sensible());
    let demand = no_demand(bench.now);
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    for number in 0..3 {
        let id = format!("i-{number}");
        bench.world.launch_elsewhere(&id, TAG, Boot::instant());
        bench.run(Millis::from_secs(120));
    }
    assert_eq!(bench.count(MutationKind::Stop), 3);
    let cycling = bench
        .host
        .notices()
        .iter()
        .filter(|notice| notice.step == Step::WorkerCycling);
    assert_eq!(cycling.count(), 1);
}
