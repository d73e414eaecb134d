//! Workers that are Fargate tasks: the same rules and the same policies, with tasks that only end.

use crate::rig::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_core::cloud::{CloudErrorKind, Mutation, MutationKind};
use reeve_core::compute::{Compute, FargateTask, LaunchSource};
use reeve_core::guard::Rule;
use reeve_core::id::InstanceId;
use reeve_core::instance::{InstanceState, TAG_GENERATION};
use reeve_core::journal::Content;
use reeve_core::notice::Step;
use reeve_core::operator::CommandOutcome;
use reeve_core::point::resolve::{Action, Adopted};
use reeve_core::spec::{FleetSpec, OrphanRule, RestartBy};
use reeve_sim::world::{Boot, Fault};

const CLUSTER: &str = "agents";

fn cluster() -> Compute {
    Compute::Fargate {
        cluster: CLUSTER.to_owned(),
    }
}

/// The incidents' system, as Fargate tasks.
fn fleet() -> FleetSpec {
    fleet_of("agent")
}

/// The same, with tasks of this task definition.
fn fleet_of(task_definition: &str) -> FleetSpec {
    let mut fleet = incidents::fleet();
    for pool in fleet.pools.values_mut() {
        pool.compute = cluster();
        pool.orphans = OrphanRule::EndUnclaimed;
        pool.launch = vec![source(task_definition)];
    }
    fleet
}

fn source(task_definition: &str) -> LaunchSource {
    LaunchSource::Fargate(FargateTask {
        cluster: CLUSTER.to_owned(),
        task_definition: task_definition.to_owned(),
        subnets: vec!["subnet-a".to_owned()],
        security_groups: vec![],
        public_ip: false,
        container: Some("agent".to_owned()),
    })
}

fn with_tasks(world: World, policies: Arc<Native>) -> Rig {
    Rig::with_fleet(fleet(), world, policies)
}

/// A task of the worker was run for it and is served.
fn serving() -> Rig {
    let mut rig = with_tasks(World::new(1, BEGINS), Native::sensible());
    rig.ask();
    rig.run(MINUTE);
    rig.expect_served();
    rig
}

fn state(rig: &Rig, id: &InstanceId) -> Option<InstanceState> {
    let mut all = rig.world.instances();
    all.find(|instance| &instance.id == id)
        .map(|instance| instance.state)
}

fn told(rig: &Rig, step: Step) -> String {
    rig.told(step).first().expect("a notice").text.clone()
}

#[test]
fn a_worker_without_a_task_gets_one_and_the_pointer_names_it() {
    let mut rig = serving();
    let id = rig.expect_served();
    assert_eq!(rig.pointer(), Some(id.as_str()));
    assert_eq!(rig.count(MutationKind::Launch), 1);
    let task = rig.world.instances().next().expect("one task");
    assert_eq!((&task.id, &task.compute), (&id, &cluster()));
    assert_eq!(task.tags[TAG_GENERATION], "1");
}

#[test]
fn a_running_task_is_adopted_and_instances_outside_its_cluster_are_not_seen() {
    let mut world = World::new(1, BEGINS);
    world.launch_elsewhere("i-ec2", TAG, Boot::instant());
    world.run_elsewhere("task-of-others", "batch", &[TAG], Boot::instant());
    let ours = world.run_elsewhere("task-of-ours", CLUSTER, &[TAG], Boot::instant());
    world.advance(BEGINS);
    let mut rig = with_tasks(world, Native::sensible());
    assert_eq!(rig.expect_served(), ours);
    assert_eq!(rig.pointer(), Some(ours.as_str()));
    rig.run(Millis::from_secs(1_800));
    // Neither as a candidate nor as an orphan.
    assert_eq!(rig.up().len(), 3);
    assert_eq!(rig.count(MutationKind::Launch), 0);
}

#[test]
fn a_stop_by_the_reap_policy_ends_the_task_and_clears_the_pointer() {
    let mut rig = serving();
    let first = rig.expect_served();
    rig.read_no_demand();
    rig.run(Millis::from_secs(900));
    assert_eq!(rig.count(MutationKind::Terminate), 1);
    assert_eq!(rig.count(MutationKind::Stop), 0);
    assert_eq!(rig.pointer(), Some("none"));
    assert_eq!(state(&rig, &first), Some(InstanceState::Terminated));
    let draining = told(&rig, Step::InstanceDraining);
    assert!(draining.starts_with("terminate "), "{draining}");
    let reaped = told(&rig, Step::InstanceEnding);
    assert!(reaped.starts_with("terminate "), "{reaped}");

    // A caller that asks now gets another one; the one that ended is not started.
    rig.ask();
    rig.run(MINUTE);
    assert_ne!(rig.expect_served(), first);
    assert_eq!(rig.count(MutationKind::Start), 0);
    assert_eq!(rig.count(MutationKind::Launch), 2);
}

#[test]
fn a_restart_replaces_the_task_even_where_the_pool_would_stop_and_start() {
    let mut rig = serving();
    let first = rig.expect_served();
    assert!(
        fleet()
            .pools
            .values()
            .all(|pool| pool.restart_by == RestartBy::StopStart)
    );
    assert_eq!(rig.command(by_person()), Ok(CommandOutcome::RestartBegun));
    rig.run(MINUTE + MINUTE);
    told(&rig, Step::RestartDone);
    assert_ne!(rig.expect_served(), first);
    let kinds: Vec<_> = rig.mutations().iter().map(Mutation::kind).collect();
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
fn an_orphan_that_another_system_ran_ends_and_the_ruling_says_so() {
    let mut rig = serving();
    let own = rig.expect_served();
    let orphan = rig
        .world
        .run_elsewhere("task-orphan", CLUSTER, &[TAG], Boot::instant());
    for _ in 0..15 {
        rig.run(MINUTE);
        rig.expect_served();
    }
    assert_eq!(state(&rig, &orphan), Some(InstanceState::Terminated));
    assert_eq!(rig.up(), [own]);
    assert!(told(&rig, Step::OrphanSeen).contains("terminate follows"));
    let mut journal = rig.journal(0).iter();
    let ruled = journal.find_map(|entry| match &entry.content {
        Content::Ruled(ruling) => Some(ruling.action),
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
    let mut rig = with_tasks(World::new(1, BEGINS), policies);
    let ended = rig
        .world
        .run_elsewhere("task-ended", CLUSTER, &[TAG], Boot::instant());
    rig.world.stop_elsewhere(&ended).unwrap();
    rig.run(MINUTE);
    assert_eq!(state(&rig, &ended), Some(InstanceState::Terminated));
    rig.ask_and_run(Millis::from_secs(6));
    assert_eq!(rig.count(MutationKind::Start), 0);
    let mut journal = rig.journal(0).iter();
    let refused = journal.any(
        |entry| matches!(&entry.content, Content::Vetoed(veto) if veto.rule == Rule::CannotStart),
    );
    assert!(refused);
}

/// A rig on which no reply to a launch comes, and whether the launches are carried out.
fn silent(carried_out: bool) -> Rig {
    let mut rig = with_tasks(World::new(1, BEGINS), Native::sensible());
    for _ in 0..400 {
        rig.world.add_fault(Fault {
            kind: MutationKind::Launch,
            carried_out,
            error: CloudErrorKind::Transient,
            code: "Timeout",
        });
    }
    rig.ask();
    rig
}

/// How many tasks were ever run, by generation.
fn run_by_generation(rig: &mut Rig, until: Instant) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<InstanceId, String> = BTreeMap::new();
    while rig.now() < until {
        rig.run(MINUTE);
        rig.ask();
        for task in rig.world.instances() {
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
fn no_generation_runs_twice_though_ecs_forgets_the_token_of_an_ended_task() {
    let mut rig = silent(true);
    rig.run(SECOND);
    let first = rig.up().remove(0);
    rig.world.stop_elsewhere(&first).unwrap();
    let runs = run_by_generation(&mut rig, BEGINS + Millis::from_secs(4 * 3_600));
    assert!(runs.values().all(|count| *count == 1), "{runs:?}");
    assert!(runs.len() > 1, "it continues with another one: {runs:?}");
}

#[test]
fn an_unanswered_launch_that_is_given_up_leaves_its_task_to_be_adopted() {
    let mut rig = silent(true);
    rig.run(Millis::from_secs(3_300));
    assert!(told(&rig, Step::LaunchFailed).contains("never answered"));
    let [task] = rig.up().try_into().expect("one task");
    assert_eq!(rig.expect_served(), task);
    let worker = rig.worker();
    let stored = worker.record.stored.as_ref().expect("it was written");
    assert_eq!(stored.record.intent, None, "no host takes it up again");
}

#[test]
fn a_launch_that_was_never_carried_out_is_followed_by_the_next_generation() {
    let mut rig = silent(false);
    let runs = run_by_generation(&mut rig, BEGINS + Millis::from_secs(3_000));
    assert!(runs.is_empty(), "{runs:?}");
    run_by_generation(&mut rig, BEGINS + HOUR);
    let generations: std::collections::BTreeSet<_> = rig
        .mutations()
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::Launch { tags, .. } => tags.get(TAG_GENERATION).cloned(),
            _ => None,
        })
        .collect();
    assert_eq!(generations.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

/// The next life of the host, with a task definition of another family.
fn with_another_family(rig: &Rig) -> Rig {
    let mut next = Rig::over(rig.store.clone(), rig.world.clone(), Native::sensible());
    next.add_host(fleet_of("agent-2:1"));
    next
}

fn families(rig: &Rig) -> Vec<Option<&str>> {
    let all = rig.world.instances();
    let up = all.filter(|task| task.state.is_live());
    up.map(|task| task.family.as_deref()).collect()
}

#[test]
fn a_task_of_a_former_family_stays_the_workers_and_its_end_is_noticed() {
    let mut former = serving();
    let task = former.expect_served();
    let mut rig = with_another_family(&former);
    for _ in 0..8 {
        assert_eq!(rig.expect_served(), task);
        rig.run(MINUTE);
    }
    assert_eq!(rig.count(MutationKind::Launch), 0);

    // No caller asks, so only scans read the task.
    rig.run(Millis::from_secs(1_200));
    rig.world.stop_elsewhere(&task).unwrap();
    rig.run(MINUTE + MINUTE);
    assert!(told(&rig, Step::InstanceLost).contains(task.as_str()));
    rig.ask();
    rig.run(MINUTE);
    assert_ne!(rig.expect_served(), task);
    assert_eq!(families(&rig), [Some("agent-2")]);
}

#[test]
fn an_orphan_of_a_former_family_ends() {
    let mut former = serving();
    let task = former.expect_served();
    let mut launch = former.mutations().remove(0);
    let Mutation::Launch { token, .. } = &mut launch else {
        panic!("{launch:?}");
    };
    // As if an earlier life had launched it with another state directory.
    *token = "token-of-an-earlier-life".into();
    former.world.apply(&launch).unwrap();
    let mut rig = with_another_family(&former);
    assert_eq!(rig.expect_served(), task);
    assert_eq!(families(&rig), [Some("agent"), Some("agent")]);
    for _ in 0..15 {
        rig.run(MINUTE);
        rig.expect_served();
    }
    assert_eq!(rig.up(), [task]);
}

#[test]
fn an_unanswered_launch_of_a_former_family_is_found_and_not_made_again() {
    let mut former = silent(true);
    former.run(SECOND);
    let [task] = former.up().try_into().expect("one task");
    // No reply to a replay comes either, until the host gives the attempt up.
    let mut rig = with_another_family(&former);
    rig.run(Millis::from_secs(3_300));
    assert_eq!(rig.expect_served(), task);
    assert_eq!(families(&rig), [Some("agent")]);
}
