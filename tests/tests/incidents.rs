//! The incidents with the real components: as they were, contained, and served.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should stop loudly"
)]

use std::sync::Arc;

use reeve::demo::{Cast, play_all};
use reeve_sim::incidents::{Incident, Variant};
use reeve_sim::run::{Harm, Outcome, Run};
use reeve_tests::artefacts::policies_dir;

fn play(incident: Incident, variant: Variant) -> Run {
    let cast = Cast::load(&policies_dir()).unwrap();
    incident.play(variant, Arc::new(cast.part(incident, variant)))
}

#[track_caller]
fn told(run: &Run, what: &str) {
    let lines: Vec<_> = run
        .entries
        .iter()
        .map(|entry| {
            format!(
                "{} {} {} {}",
                entry.who, entry.event, entry.decision, entry.reason
            )
        })
        .collect();
    assert!(
        lines.iter().any(|line| line.contains(what)),
        "nothing says {what:?} in:\n{}",
        lines.join("\n")
    );
}

#[test]
fn stale_pointer_as_it_was_starts_the_old_instance_and_stops_healthy_ones_unserved() {
    let run = play(Incident::StalePointer, Variant::AsItWas);
    assert_eq!(run.outcome(), Outcome::Failed);
    assert!(run.served.is_empty(), "{:?}", run.served);
    let unserved = |harm: &&Harm| matches!(harm, Harm::StoppedUnserved(_));
    assert!(
        run.harms.iter().filter(unserved).count() >= 4,
        "{:?}",
        run.harms
    );
    let second = Harm::SecondInstance {
        started: "i-aaaa".into(),
        beside: "i-bbbb".into(),
    };
    assert!(run.harms.contains(&second), "{:?}", run.harms);
}

#[test]
fn stale_pointer_under_reeve_with_the_legacy_policies_does_no_harm() {
    let run = play(Incident::StalePointer, Variant::LegacyUnderReeve);
    assert_eq!(run.harms, []);
    assert_eq!(run.outcome(), Outcome::Contained);
    told(&run, "candidate-runs");
    told(&run, "never-handed-out");
}

#[test]
fn stale_pointer_with_the_standard_policies_is_served_on_the_first_call() {
    let run = play(Incident::StalePointer, Variant::Standard);
    assert_eq!(run.outcome(), Outcome::Served, "{:?}", run.harms);
    assert_eq!(run.served.len(), 3);
    let longest = run.served.iter().map(|(_, took)| took.get()).max();
    assert!(longest < Some(1_000), "{:?}", run.served);
    told(&run, "gpu_instance_adopted_by_tag");
}

#[test]
fn ip_race_as_it_was_starts_the_old_instance_beside_the_adopted_one() {
    let run = play(Incident::IpRace, Variant::AsItWas);
    assert_eq!(run.outcome(), Outcome::Failed);
    let second = Harm::SecondInstance {
        started: "i-aaaa".into(),
        beside: "i-bbbb".into(),
    };
    assert!(run.harms.contains(&second), "{:?}", run.harms);
}

#[test]
fn ip_race_under_reeve_with_the_legacy_policies_is_refused_and_the_caller_told_to_come_back() {
    let run = play(Incident::IpRace, Variant::LegacyUnderReeve);
    assert_eq!(run.harms, []);
    assert_eq!(run.outcome(), Outcome::Contained);
    told(&run, "adopted-is-live");
    told(&run, "ip_pending");
    assert_eq!(
        run.served.len(),
        2,
        "both callers are served when they come back"
    );
}

#[test]
fn ip_race_with_the_standard_policies_waits_for_the_address_and_serves_the_first_call() {
    let run = play(Incident::IpRace, Variant::Standard);
    assert_eq!(run.outcome(), Outcome::Served, "{:?}", run.harms);
    assert_eq!(run.served.len(), 2);
    told(&run, "look again in 0.5s");
}

#[test]
fn double_provision_as_it_was_launches_twice_and_delivers_to_the_box_that_lost_the_mint() {
    let run = play(Incident::DoubleProvision, Variant::AsItWas);
    assert_eq!(run.outcome(), Outcome::Failed);
    let second = |harm: &&Harm| matches!(harm, Harm::SecondInstance { .. });
    assert_eq!(
        run.harms.iter().filter(second).count(),
        1,
        "{:?}",
        run.harms
    );
    let void = |harm: &&Harm| matches!(harm, Harm::DeliveredIntoTheVoid { deliveries: 3, .. });
    assert_eq!(run.harms.iter().filter(void).count(), 1, "{:?}", run.harms);
    told(&run, "401 Unauthorized; client error, not retrying");
}

#[test]
fn double_provision_under_reeve_launches_once_and_a_wiped_token_recovers_by_itself() {
    for (variant, expected) in [
        (Variant::LegacyUnderReeve, Outcome::Contained),
        (Variant::Standard, Outcome::Served),
    ] {
        let run = play(Incident::DoubleProvision, variant);
        assert_eq!(run.harms, []);
        assert_eq!(run.outcome(), expected);
        let events = run.entries.iter();
        let count = |who: &str, what: &str| {
            let lines = events.clone().filter(|entry| entry.who == who);
            lines.filter(|entry| entry.event.contains(what)).count()
        };
        assert_eq!(count("host", "launch"), 1);
        assert_eq!(count("box", "i-cccc is told: superseded, and ends"), 1);
        assert_eq!(count("box", "is told: token_live, come back in"), 1);
        assert_eq!(
            count("box", "is registered (generation 1)"),
            2,
            "once, and after the wipe"
        );
        assert_eq!(run.served.len(), 3, "chat, each time");
    }
}

#[test]
fn self_fire_as_it_was_makes_a_full_cycle_of_every_probe_and_stops_what_has_just_booted() {
    let run = play(Incident::SelfFire, Variant::AsItWas);
    assert_eq!(run.outcome(), Outcome::Failed);
    let unserved = |harm: &&Harm| matches!(harm, Harm::StoppedUnserved(_));
    assert_eq!(
        run.harms.iter().filter(unserved).count(),
        4,
        "{:?}",
        run.harms
    );
    let launches = run.entries.iter().filter(|entry| entry.event == "launch");
    assert_eq!(launches.count(), 5);
}

#[test]
fn self_fire_under_reeve_is_one_cycle_and_four_counted_drops() {
    for (variant, expected) in [
        (Variant::LegacyUnderReeve, Outcome::Contained),
        (Variant::Standard, Outcome::Served),
    ] {
        let run = play(Incident::SelfFire, variant);
        assert_eq!(run.harms, []);
        assert_eq!(run.outcome(), expected);
        let count = |what: &str| {
            let lines = run.entries.iter().filter(|entry| entry.who == "host");
            lines.filter(|entry| entry.event.starts_with(what)).count()
        };
        assert_eq!(count("launch"), 1);
        assert_eq!(count("terminate"), 1);
        assert_eq!(count("restart_begun"), 1);
        assert_eq!(count("restart_dropped"), 4);
        assert_eq!(count("restart_done"), 1);
        assert_eq!(run.served.len(), 2, "chat, before and after");
    }
}

#[test]
fn frozen_activity_as_it_was_kills_the_worker_27_minutes_after_its_last_message() {
    let run = play(Incident::FrozenActivity, Variant::AsItWas);
    assert_eq!(run.outcome(), Outcome::Failed);
    let [Harm::StoppedInUse { last_used_ago, .. }] = &run.harms[..] else {
        panic!("{:?}", run.harms);
    };
    assert_eq!(last_used_ago.get() / 60_000, 27);
}

#[test]
fn frozen_activity_under_reeve_is_reaped_after_30_idle_minutes_and_not_before() {
    for (variant, expected) in [
        (Variant::LegacyUnderReeve, Outcome::Contained),
        (Variant::Standard, Outcome::Served),
    ] {
        let run = play(Incident::FrozenActivity, variant);
        assert_eq!(run.harms, []);
        assert_eq!(run.outcome(), expected);
        told(&run, "instance_draining");
        let stop = run
            .entries
            .iter()
            .find(|entry| entry.event.starts_with("stop i-"));
        let message = run
            .entries
            .iter()
            .rfind(|entry| entry.event.starts_with("is served"));
        let idle = stop.unwrap().at.since(message.unwrap().at);
        // A sweep and the drain later at the most, and a second look for the standard policy.
        let minutes = 30 * 60_000..33 * 60_000;
        assert!(minutes.contains(&idle.get()), "{idle}");
    }
}

#[test]
fn the_demo_prints_the_same_text_every_time() {
    let cast = Cast::load(&policies_dir()).unwrap();
    let print = || {
        let mut out = Vec::new();
        play_all(&cast, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let first = print();
    assert_eq!(first, print());
    let table = first.rsplit("incident").next().unwrap();
    assert_eq!(table.matches("FAILED").count(), 5, "{table}");
    assert_eq!(table.matches("contained").count(), 5, "{table}");
    assert_eq!(table.matches("served: no harm").count(), 5, "{table}");
}
