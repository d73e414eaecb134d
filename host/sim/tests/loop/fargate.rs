//! Workers that are Fargate tasks: the same rules and the same policies, with tasks that only end.

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::demand::DemandReading;
use reeve_core::guard::Rule;
use reeve_core::id::{InstanceId, RequestId};
use reeve_core::instance::{InstanceState, TAG_GENERATION};
use reeve_core::journal::Entry;
use reeve_core::notice::Step;
use reeve_core::operator::{Command, CommandOutcome};
use reeve_core::point::resolve::{Action, Adopted};
use reeve_core::response::Resolution;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::spec::{FleetSpec, RestartBy};
use reeve_core::time::{Instant, Millis};
use reeve_sim::host::Host as _;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::world::{Boot, Fault, World};

use crate::support::{BEGINS, Bench, Native, sensible};

const SECOND: Millis = Millis::from_secs(1);
const MINUTE: Millis = Millis::from_secs(60);
const CLUSTER: &str = "agents";

fn cluster() -> Compute {
    Compute::Fargate {
        cluster: CLUSTER.to_owned(),
    }
}

/// The incidents' system, as Fargate tasks.
fn fleet() -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.compute = cluster();
        pool.launch = Some(LaunchSource::Fargate(FargateTask {
            cluster: CLUSTER.to_owned(),
            task_definition: "agent".to_owned(),
            subnets: vec!["subnet-a".to_owned()],
            security_groups: vec![],
            public_ip: false,
            container: Some("agent".to_owned()),
        }));
    }
    fleet
}

fn bench(world: World, policies: Arc<Native>) -> Bench {
    Bench::with_fleet(fleet(), world, policies)
}

/// A task of the worker was run for it and is served.
fn serving() -> Bench {
    let mut bench = bench(World::new(1, BEGINS), Native::sensible());
    bench.ask();
    bench.run(MINUTE);
    served(&mut bench);
    bench
}

#[track_caller]
fn served(bench: &mut Bench) -> InstanceId {
    match bench.ask_and_run(SECOND) {
        Resolution::Served(route) => route.instance,
        other => panic!("{other:?}"),
    }
}

fn state(bench: &Bench, id: &InstanceId) -> Option<InstanceState> {
    let mut all = bench.world.instances();
    all.find(|instance| &instance.id == id)
        .map(|instance| instance.state)
}

fn told(bench: &Bench, step: Step) -> String {
    let mut notices = bench.host.notices().iter();
    let found = notices.find(|notice| notice.step == step);
    found.expect("a notice").text.clone()
}

fn nobody_wants_it(bench: &mut Bench) {
    let demand = DemandReading::Requests {
        count: 0,
        window: Millis::from_secs(600),
        until: bench.now,
    };
    let worker = incidents::worker();
    bench
        .host
        .demand(&mut bench.world, bench.now, &worker, demand);
}

#[test]
fn a_worker_without_a_task_gets_one_and_the_pointer_names_it() {
    let mut bench = serving();
    let id = served(&mut bench);
    assert_eq!(bench.pointer(), Some(id.as_str()));
    assert_eq!(bench.count(MutationKind::Launch), 1);
    let task = bench.world.instances().next().expect("one task");
    assert_eq!((&task.id, &task.compute), (&id, &cluster()));
    assert_eq!(task.tags[TAG_GENERATION], "1");
}

#[test]
fn a_running_task_is_adopted_and_what_lives_elsewhere_under_the_same_tag_is_not_seen() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-ec2", TAG, Boot::instant());
    world.run_elsewhere("task-of-others", "batch", &[TAG], Boot::instant());
    let ours = world.run_elsewhere("task-of-ours", CLUSTER, &[TAG], Boot::instant());
    world.advance(BEGINS);
    let mut bench = bench(world, Native::sensible());
    assert_eq!(served(&mut bench), ours);
    assert_eq!(bench.pointer(), Some(ours.as_str()));
    bench.run(Millis::from_secs(1_800));
    // Neither as a candidate nor as an orphan.
    assert_eq!(bench.up().len(), 3);
    assert_eq!(bench.count(MutationKind::Launch), 0);
}

#[test]
fn a_stop_that_the_reap_policy_wants_ends_the_task_clears_the_pointer_and_says_so() {
    let mut bench = serving();
    let first = served(&mut bench);
    nobody_wants_it(&mut bench);
    bench.run(Millis::from_secs(900));
    assert_eq!(bench.count(MutationKind::Terminate), 1);
    assert_eq!(bench.count(MutationKind::Stop), 0);
    assert_eq!(bench.pointer(), Some("none"));
    assert_eq!(state(&bench, &first), Some(InstanceState::Terminated));
    let draining = told(&bench, Step::InstanceDraining);
    assert!(draining.starts_with("terminate "), "{draining}");
    let reaped = told(&bench, Step::InstanceEnding);
    assert!(reaped.starts_with("terminate "), "{reaped}");

    // Whoever asks now gets another one; the one that ended is not started.
    bench.ask();
    bench.run(MINUTE);
    assert_ne!(served(&mut bench), first);
    assert_eq!(bench.count(MutationKind::Start), 0);
    assert_eq!(bench.count(MutationKind::Launch), 2);
}

#[test]
fn a_restart_replaces_the_task_even_where_the_pool_would_stop_and_start() {
    let mut bench = serving();
    let first = served(&mut bench);
    assert!(
        fleet()
            .pools
            .values()
            .all(|pool| pool.restart_by == RestartBy::StopStart)
    );
    let by_person = Command::Restart(RestartRequest {
        cause: "operator".to_owned(),
        initiator: Initiator::Person,
        text: None,
    });
    let (worker, request) = (incidents::worker(), RequestId::new(999));
    bench.host.operate(bench.now, &worker, request, by_person);
    let reports = bench.host.take_reports();
    assert_eq!(reports, [(request, Ok(CommandOutcome::RestartBegun))]);
    bench.run(MINUTE + MINUTE);
    told(&bench, Step::RestartDone);
    assert_ne!(served(&mut bench), first);
    let kinds: Vec<_> = bench.mutations().iter().map(Mutation::kind).collect();
    let of_instances: Vec<_> = kinds
        .into_iter()
        .filter(|kind| *kind != MutationKind::WritePointer)
        .collect();
    let expected = [
        MutationKind::Launch,
        MutationKind::Terminate,
        MutationKind::Launch,
    ];
    assert_eq!(of_instances, expected);
}

#[test]
fn an_orphan_that_somebody_else_ran_ends_and_the_ruling_says_so() {
    let mut bench = serving();
    let own = served(&mut bench);
    let orphan = bench
        .world
        .run_elsewhere("task-orphan", CLUSTER, &[TAG], Boot::instant());
    for _ in 0..15 {
        bench.run(MINUTE);
        served(&mut bench);
    }
    assert_eq!(state(&bench, &orphan), Some(InstanceState::Terminated));
    assert_eq!(bench.up(), [own]);
    assert!(told(&bench, Step::OrphanSeen).contains("terminate follows"));
    let mut journal = bench.host.journal().iter();
    let ruled = journal.find_map(|record| match &record.entry {
        Entry::Ruled(ruling) => Some(ruling.action),
        _ => None,
    });
    assert_eq!(ruled, Some(MutationKind::Terminate));
}

#[test]
fn a_policy_that_starts_what_has_ended_is_refused() {
    let policies = Native::new(|input| {
        let ended = input.instances.iter();
        let mut ended = ended.filter(|facts| facts.state == InstanceState::Terminated);
        Ok(match (&input.adopted, ended.next()) {
            (Adopted::None, Some(facts)) => Action::Start(facts.id.clone()),
            _ => sensible(input),
        })
    });
    let mut bench = bench(World::new(1, BEGINS), policies);
    let ended = bench
        .world
        .run_elsewhere("task-ended", CLUSTER, &[TAG], Boot::instant());
    bench.world.stop_elsewhere(&ended);
    bench.run(MINUTE);
    assert_eq!(state(&bench, &ended), Some(InstanceState::Terminated));
    bench.ask_and_run(Millis::from_secs(6));
    assert_eq!(bench.count(MutationKind::Start), 0);
    let mut journal = bench.host.journal().iter();
    let refused = journal.any(
        |record| matches!(&record.entry, Entry::Vetoed(veto) if veto.rule == Rule::CannotStart),
    );
    assert!(refused);
}

/// A bench on which no reply to a launch comes, and whether the launches are carried out.
fn silent(carried_out: bool) -> Bench {
    let mut bench = bench(World::new(1, BEGINS), Native::sensible());
    for _ in 0..400 {
        bench.world.fault(Fault {
            kind: MutationKind::Launch,
            carried_out,
            error: CloudErrorKind::Transient,
            code: "Timeout",
        });
    }
    bench.ask();
    bench
}

/// How many tasks were ever run, by generation.
fn run_by_generation(bench: &mut Bench, until: Instant) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<InstanceId, String> = BTreeMap::new();
    while bench.now < until {
        bench.run(MINUTE);
        bench.ask();
        for task in bench.world.instances() {
            seen.insert(task.id.clone(), task.tags[TAG_GENERATION].clone());
        }
    }
    let mut counts = BTreeMap::new();
    for generation in seen.into_values() {
        *counts.entry(generation).or_default() += 1;
    }
    counts
}

#[test]
fn no_generation_runs_twice_though_ecs_forgets_the_token_of_a_task_that_has_ended() {
    let mut bench = silent(true);
    bench.run(SECOND);
    let first = bench.up().remove(0);
    bench.world.stop_elsewhere(&first);
    let runs = run_by_generation(&mut bench, BEGINS + Millis::from_secs(4 * 3_600));
    assert!(runs.values().all(|count| *count == 1), "{runs:?}");
    assert!(runs.len() > 1, "it goes on with another one: {runs:?}");
}

#[test]
fn an_unanswered_launch_that_is_given_up_leaves_its_task_to_be_adopted() {
    let mut bench = silent(true);
    bench.run(Millis::from_secs(3_300));
    assert!(told(&bench, Step::LaunchFailed).contains("never answered"));
    let [task] = bench.up().try_into().expect("one task");
    assert_eq!(served(&mut bench), task);
    let worker = bench.host.fleet().worker(&incidents::worker()).unwrap();
    let stored = worker.record.stored.as_ref().expect("it was written");
    assert_eq!(stored.record.intent, None, "nobody takes it up again");
}

#[test]
fn an_unanswered_launch_that_was_never_carried_out_is_followed_by_the_next_generation() {
    let mut bench = silent(false);
    let runs = run_by_generation(&mut bench, BEGINS + Millis::from_secs(3_000));
    assert!(runs.is_empty(), "{runs:?}");
    run_by_generation(&mut bench, BEGINS + Millis::from_secs(3_600));
    let generations: std::collections::BTreeSet<_> = bench
        .mutations()
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::Launch { tags, .. } => tags.get(TAG_GENERATION).cloned(),
            _ => None,
        })
        .collect();
    assert_eq!(generations.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}
