//! Forgetting a worker: it is learned anew, and what only rises stays.

use super::*;

#[test]
fn a_forgotten_worker_is_found_again_by_its_tag_and_epoch_and_generation_go_on() {
    let mut several = Several::new(1);
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
    let launched = several.launched();
    let before = several.record().record;
    assert_eq!(
        operate(&mut several, 0, Command::Forget),
        Ok(CommandOutcome::Forgotten)
    );
    let forgotten = several.record().record;
    assert_eq!((forgotten.adopted, forgotten.last_error), (None, None));
    assert_eq!(forgotten.generation, before.generation);
    assert!(forgotten.epoch > before.epoch);
    let mutations = several.hosts[0].journal().len();

    let request = several.ask(0);
    several.run(SECOND);
    assert_served(several.answer(request), &launched[0]);
    let after = several.record().record;
    assert!(after.epoch > forgotten.epoch);
    assert_eq!(after.generation, before.generation);
    assert_eq!(several.launched(), launched, "nothing was changed for it");
    assert!(several.hosts[0].journal().len() > mutations);
    assert_eq!(tokens(&several.hosts[0]).len(), 1);
}

#[test]
fn the_next_launch_of_a_forgotten_worker_has_a_token_of_its_own() {
    let mut several = Several::new(2);
    several.ask(0);
    several.run(MINUTE);
    several.assert_settled();
    for id in several.launched() {
        let gone = Mutation::Terminate {
            region: "".into(),
            compute: Compute::Ec2,
            id: id.as_str().into(),
            clear_pointer: None,
        };
        several.world.apply(&gone).unwrap();
    }
    operate(&mut several, 1, Command::Forget).unwrap();
    // Until the cloud shows no tag any more that tells the generation.
    several.run(Millis::from_secs(7200));
    let [first] = tokens(&several.hosts[0]).try_into().unwrap();
    several.kill(1);
    several.kill(0);
    several.join("later-life");
    several.ask(0);
    several.run(MINUTE);
    let [second] = tokens(&several.hosts[0]).try_into().unwrap();
    assert_ne!(first, second);
    let record = several.record().record;
    assert_eq!(record.generation.get(), 2);
    assert!(record.adopted.is_some());
}

#[test]
fn forgetting_takes_the_last_failure_away_and_leaves_the_pause() {
    let mut several = Several::alone();
    several.world.fault(Fault {
        error: CloudErrorKind::NoCapacity,
        code: "InsufficientInstanceCapacity",
        ..lost_reply()
    });
    several.ask(0);
    several.run(SECOND);
    assert!(several.record().record.last_error.is_some());
    operate(&mut several, 0, pause("why")).unwrap();
    operate(&mut several, 0, Command::Forget).unwrap();
    let record = several.record().record;
    assert_eq!(record.last_error, None);
    assert_eq!(record.paused.unwrap().reason.as_deref(), Some("why"));
    assert_eq!(record.generation.get(), 1);
    let worker = incidents::worker();
    let worker = several.hosts[0].fleet().worker(&worker).unwrap();
    assert_eq!(worker.last_failure, None);
    assert!(worker.paused.is_some());
}

#[test]
fn a_forgotten_instance_that_was_handed_out_a_moment_ago_is_not_reaped_as_never_used() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-bbbb", TAG, Boot::instant());
    world.place_pointer(&incidents::pointer(), "i-bbbb");
    world.advance(BEGINS);
    let mut bench = Bench::with_world(world, Native::sensible());
    bench.ask_and_run(SECOND);
    told(&mut bench.host, bench.now, Command::Forget).unwrap();
    let demand = DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until: bench.now,
    };
    bench
        .host
        .demand(&mut bench.world, bench.now, &incidents::worker(), demand);
    bench.run(MINUTE);
    assert_eq!(bench.count(MutationKind::Stop), 0);
    let state = bench.world.instances().next().unwrap().state;
    assert_eq!(state, InstanceState::Running);
}

#[test]
fn a_caller_who_waits_for_an_address_while_the_worker_is_forgotten_gets_it_all_the_same() {
    let mut bench = Bench::new(Native::sensible());
    let boot = Boot {
        pending: Millis::ZERO,
        address_after: Millis::new(1_500),
    };
    bench.world.launch_elsewhere("i-bbbb", TAG, boot);
    let request = bench.ask();
    // Adopted, the pointer written, and between two looks.
    bench.run(SECOND);
    told(&mut bench.host, bench.now, Command::Forget).unwrap();
    bench.run(Millis::from_secs(2));
    assert_served(bench.answer(request), "i-bbbb");
}
