//! Tests of launches and starts: which are permitted and which are refused.

use super::*;
use crate::facts::{Declined, How, LaunchAttempt};
use crate::guard::Proposal;
use crate::guard::tests::{
    NOW, TAG_VALUE, adopt, instance, permitted, refused, scene_with, see, start, worker,
};
use crate::model::cloud::MutationKind;
use crate::model::spec::Limits;
use crate::model::store::{Former, Intent};
use crate::model::time::{Instant, Millis};

#[test]
fn a_launch_is_permitted_after_a_fresh_scan_that_shows_nothing_up() {
    let permit = permitted(&worker(), &Proposal::Launch(0), MutationKind::Launch);
    assert_eq!(permit.generation(), Generation::new(4));
    let Mutation::Launch { tags, .. } = permit.into_mutation() else {
        panic!("a launch was asked for");
    };
    assert_eq!(tags.get("Name").map(String::as_str), Some(TAG_VALUE));
    assert_eq!(tags.get(TAG_WORKER).map(String::as_str), Some("gpu"));
    assert_eq!(tags.get(TAG_GENERATION).map(String::as_str), Some("4"));
}

#[test]
fn nothing_is_started_or_launched_while_the_adopted_may_be_live() {
    use InstanceState::{NotVisible, Pending, Running, Unknown};
    for state in [Pending, Running, Unknown, NotVisible] {
        let mut worker = worker();
        see(&mut worker, "i-old", InstanceState::Stopped);
        see(&mut worker, "i-new", state);
        adopt(&mut worker, "i-new");
        refused(&worker, &start("i-old"), Rule::AdoptedIsLive);
        refused(&worker, &Proposal::Launch(0), Rule::AdoptedIsLive);
    }
}

#[test]
fn an_adopted_instance_that_was_never_read_counts_as_live() {
    let mut worker = worker();
    adopt(&mut worker, "i-new");
    refused(&worker, &Proposal::Launch(0), Rule::AdoptedIsLive);
}

#[test]
fn an_adopted_instance_that_is_not_shown_counts_as_live_in_its_grace() {
    let grace = Limits::default().not_visible_grace;
    let read_at = |age: Millis| Instant::from_ms(NOW.as_ms() - age.get());
    let with_age = |age| {
        let mut worker = worker();
        worker.observe_instance(Instance::not_visible("i-new".into()), read_at(age));
        adopt(&mut worker, "i-new");
        worker
    };
    let within = with_age(Millis::new(grace.get() - 1));
    refused(&within, &Proposal::Launch(0), Rule::AdoptedIsLive);
    let over = with_age(grace);
    permitted(&over, &Proposal::Launch(0), MutationKind::Launch);
}

#[test]
fn an_adopted_instance_that_went_down_does_not_hold_up_a_launch() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Terminated);
    adopt(&mut worker, "i-old");
    worker.observe_instance(Instance::not_visible("i-old".into()), NOW);
    permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
}

#[test]
fn a_started_instance_that_is_not_shown_is_not_gone() {
    let grace = Limits::default().not_visible_grace;
    let down_at = |ago: Millis| {
        let mut worker = worker();
        let read_at = |ago: Millis| Instant::from_ms(NOW.as_ms() - ago.get());
        adopt(&mut worker, "i-one");
        let adopted = worker.adopted.as_mut().unwrap();
        adopted.how = How::Started;
        adopted.since = read_at(Millis::from_secs(60));
        worker.observe_instance(instance("i-one", InstanceState::Stopped), read_at(ago));
        worker.observe_instance(Instance::not_visible("i-one".into()), NOW);
        worker
    };
    // Read before the start, or so soon after it that the reading may show the state before.
    for ago in [Millis::from_secs(90), Millis::from_secs(31)] {
        let worker = down_at(ago);
        refused(&worker, &Proposal::Launch(0), Rule::AdoptedIsLive);
        assert!(!worker.adopted_is_live(NOW + grace));
    }
    let stopped_since = down_at(Millis::from_secs(30));
    permitted(&stopped_since, &Proposal::Launch(0), MutationKind::Launch);
}

#[test]
fn a_start_or_launch_waits_until_adopt_declines_the_candidate() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Stopped);
    see(&mut worker, "i-new", InstanceState::Running);
    refused(&worker, &start("i-old"), Rule::CandidateRuns);
    refused(&worker, &Proposal::Launch(0), Rule::CandidateRuns);
    worker.asking.declined = Some(Declined {
        ids: vec!["i-new".into()],
        until: NOW + Millis::new(1),
    });
    permitted(&worker, &start("i-old"), MutationKind::Start);
    worker.asking.declined.as_mut().unwrap().until = NOW;
    refused(&worker, &start("i-old"), Rule::CandidateRuns);
}

#[test]
fn a_declined_candidate_that_boots_is_not_passed_over() {
    let began = |ago: u64| {
        let mut worker = worker();
        see(&mut worker, "i-old", InstanceState::Stopped);
        let launched_at = Some(Instant::from_ms(NOW.as_ms() - ago));
        let boots = Instance {
            launched_at,
            ..instance("i-new", InstanceState::Pending)
        };
        worker.observe_instance(boots, NOW);
        worker.asking.declined = Some(Declined {
            ids: vec!["i-new".into()],
            until: NOW + Millis::new(1),
        });
        worker
    };
    let mut booting = began(COMES_UP_MAX.get() - 1);
    refused(&booting, &start("i-old"), Rule::ComesUp);
    refused(&booting, &Proposal::Launch(0), Rule::ComesUp);
    let known = &booting.instances[&"i-new".into()];
    let up = Instance {
        private_ip: Some("10.0.0.1".parse().unwrap()),
        launched_at: known.instance.launched_at,
        ..instance("i-new", InstanceState::Running)
    };
    booting.observe_instance(up, NOW);
    permitted(&booting, &start("i-old"), MutationKind::Start);
    // An instance that never finishes its boot is not waited for forever.
    let hung = began(COMES_UP_MAX.get());
    permitted(&hung, &start("i-old"), MutationKind::Start);
}

#[test]
fn an_instance_that_is_being_started_is_not_superseded() {
    let mut worker = worker();
    let marks = [
        (TAG_WORKER.to_owned(), worker.id.to_string()),
        (TAG_GENERATION.to_owned(), "4".to_owned()),
    ];
    let mut stopped = instance("i-old", InstanceState::Stopped);
    stopped.tags.extend(marks);
    worker.observe_instance(stopped, NOW);
    worker.generation = Generation::new(5);
    worker.former = Some(Former {
        id: "i-last".into(),
        generation: Generation::new(5),
        unknown: Default::default(),
    });
    let old = InstanceId::from("i-old");
    assert!(worker.is_superseded(&old));
    // The box may register before the start is answered, and must not be told to end.
    let permit = permitted(&worker, &start("i-old"), MutationKind::Start);
    worker.intent = Some(Intent {
        mutation: permit.mutation().clone(),
        generation: permit.generation(),
        epoch: permit.epoch(),
        decision: permit.decision(),
        since: NOW,
        unknown: Default::default(),
    });
    assert_eq!(worker.generation_of(&old), Generation::new(6));
    assert!(!worker.is_superseded(&old));
}

#[test]
fn a_start_that_fell_back_is_counted_before_the_next_one() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Stopped);
    adopt(&mut worker, "i-old");
    let started = Instant::from_ms(NOW.as_ms() - 60_000);
    let adopted = worker.adopted.as_mut().unwrap();
    (adopted.how, adopted.since) = (How::Started, started);
    refused(&worker, &start("i-old"), Rule::StaleReading);
    let old = InstanceId::from("i-old");
    worker.count_failed_start(&old, NOW);
    worker.failed_starts.get_mut(&old).unwrap().fell_back = Some(started);
    permitted(&worker, &start("i-old"), MutationKind::Start);
}

#[test]
fn a_start_or_launch_needs_a_recent_tag_scan() {
    let mut worker = worker();
    worker.scanned_at = None;
    refused(&worker, &Proposal::Launch(0), Rule::NotScanned);
    worker.scanned_at = Some(Instant::from_ms(NOW.as_ms() - SCAN_AGE_MAX.get()));
    permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
    worker.scanned_at = Some(Instant::from_ms(NOW.as_ms() - SCAN_AGE_MAX.get() - 1));
    refused(&worker, &Proposal::Launch(0), Rule::NotScanned);
}

#[test]
fn only_a_stopped_instance_of_this_worker_is_started() {
    let mut worker = worker();
    for state in [
        InstanceState::Stopping,
        InstanceState::Terminated,
        InstanceState::ShuttingDown,
    ] {
        see(&mut worker, "i-old", state);
        refused(&worker, &start("i-old"), Rule::WrongState);
    }
    refused(&worker, &start("i-made-up"), Rule::NotThisWorkers);
    let mut foreign = instance("i-foreign", InstanceState::Stopped);
    foreign
        .tags
        .insert("Name".to_owned(), "another-worker".to_owned());
    worker.observe_instance(foreign, NOW);
    worker.pointer = Some(Some("i-foreign".into()));
    refused(&worker, &start("i-foreign"), Rule::NotThisWorkers);
}

#[test]
fn an_unanswered_launch_is_replayed_unchanged_and_never_renewed() {
    let mut worker = worker();
    refused(&worker, &Proposal::ReplayLaunch, Rule::WrongState);
    let first = permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
    worker.attempt = Some(LaunchAttempt {
        mutation: first.mutation().clone(),
        generation: first.generation(),
        decision: first.decision(),
        sent: 1,
        in_doubt: false,
        since: NOW,
        proved_at: None,
    });
    refused(&worker, &Proposal::Launch(0), Rule::MutationInFlight);
    let again = permitted(&worker, &Proposal::ReplayLaunch, MutationKind::Launch);
    assert_eq!(again.mutation(), first.mutation());
    assert_eq!(again.generation(), first.generation());
}

#[test]
fn a_pool_without_a_launch_template_launches_nothing() {
    let mut worker = worker();
    worker.pool.launch.clear();
    refused(&worker, &Proposal::Launch(0), Rule::NoLaunchTemplate);
}

#[test]
fn a_cycling_worker_waits_longer_after_each_unserved_instance() {
    let mut worker = worker();
    worker.unserved_at = Some(NOW);
    for (in_row, pause_s) in [(3, 60), (4, 120), (7, 960), (8, 1800), (100, 1800)] {
        worker.unserved_in_row = in_row;
        refused(&worker, &Proposal::Launch(0), Rule::Cycling);
        let left = worker.cycling().map(|it| it.until.since(NOW));
        assert_eq!(left, Some(Millis::from_secs(pause_s)));
        worker.unserved_at = Some(Instant::from_ms(NOW.as_ms() - pause_s * 1000));
        permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
        worker.unserved_at = Some(NOW);
    }
    worker.unserved_in_row = 2;
    permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
}

#[test]
fn a_start_by_any_host_hides_readings_from_before_it() {
    let settling = Millis::from_secs(30);
    for state in [InstanceState::Stopping, InstanceState::Stopped] {
        for (ago, may_launch) in [(settling.get() - 1, false), (settling.get(), true)] {
            let mut worker = worker();
            see(&mut worker, "i-one", state);
            adopt(&mut worker, "i-one");
            if let Some(adopted) = &mut worker.adopted {
                adopted.how = How::Started;
                adopted.since = Instant::from_ms(NOW.as_ms() - ago);
            }
            if may_launch {
                permitted(&worker, &Proposal::Launch(0), MutationKind::Launch);
            } else {
                refused(&worker, &Proposal::Launch(0), Rule::AdoptedIsLive);
            }
        }
    }
}

#[test]
fn a_token_is_the_same_for_a_replay_and_differs_for_any_other_attempt() {
    let token = |fleet: &str, worker: &str, generation| {
        launch_token(fleet, &WorkerId::from(worker), Generation::new(generation))
    };
    let first = token("prod", "chat", 1);
    assert_eq!(first, token("prod", "chat", 1));
    let others = [
        token("prod", "chat", 2),
        token("prod", "chat2", 1),
        token("prodc", "hat", 1),
    ];
    assert!(others.iter().all(|other| *other != first));
    assert!(first.as_str().len() <= 64 && first.as_str().is_ascii());
}

#[test]
fn a_start_that_was_given_up_says_when_it_may_be_tried_again() {
    let mut worker = worker();
    see(&mut worker, "i-old", InstanceState::Stopped);
    let id = InstanceId::from("i-old");
    for _ in 0..worker.pool.limits.start_failures_max {
        worker.count_failed_start(&id, NOW);
    }
    let veto = scene_with(&worker, false, |scene| scene.permit(&start("i-old"))).unwrap_err();
    assert_eq!(veto.rule, Rule::StartGivenUp);
    let until = worker.given_up_until(&id, NOW);
    assert!(until.is_some() && veto.opens_at == until, "{veto:?}");
}
