//! The contract is complete enough if a team can write its rules against it. Each recipe here is one
//! such rule in its least form, and a test asks it about what it is for.

#![cfg(feature = "testing")]

use reeve_policy_sdk::testing::neutral;
use reeve_policy_sdk::types::{
    AddressKind, Age, InstanceState, Label, LocalTime, Notice, NoticeKind, Origin, Wish,
};
use reeve_policy_sdk::{adopt, debounce, reap, resolve};

/// Active hours: a worker that is wanted running sleeps at night, and is up at eight.
fn active_hours(input: &resolve::Input) -> Option<resolve::Verdict> {
    let now = &input.worker.now;
    let is_open = (8..18).contains(&now.hour) && now.weekday <= 5;
    if input.asker == resolve::Asker::Caller || input.worker.wish == Wish::OnDemand || is_open {
        return None;
    }
    let next_look_ms = 60_000 * (60 - u32::from(now.minute.min(59)));
    Some(resolve::Action::Unavailable(next_look_ms).because("closed", "It opens at eight."))
}

#[test]
fn a_wanted_worker_sleeps_outside_its_hours_unless_a_caller_asks() {
    let at = |hour, asker| {
        let mut input: resolve::Input = neutral();
        input.worker.wish = Wish::Running;
        input.worker.now = LocalTime {
            weekday: 2,
            hour,
            minute: 45,
            offset_min: 60,
        };
        input.asker = asker;
        active_hours(&input).map(|verdict| verdict.action)
    };
    let closed = Some(resolve::Action::Unavailable(900_000));
    assert_eq!(at(20, resolve::Asker::Host), closed);
    assert_eq!(at(20, resolve::Asker::Caller), None);
    assert_eq!(at(9, resolve::Asker::Host), None);
}

/// Gradual timeouts: each end without use in between makes the next life shorter, down to a minute.
fn gradual_timeout(input: &reap::Input) -> reap::Verdict {
    let lives: u32 = input.memo.parse().unwrap_or(0);
    let limit_ms = (1_800_000 >> lives.min(4)).max(60_000);
    let quiet_ms = input.usage.last_activity.ms().unwrap_or(0);
    match quiet_ms >= limit_ms {
        true => reap::Choice::End.because("idle", "It was quiet for its time."),
        false => reap::Choice::Keep.because("active", "It was used lately."),
    }
    .memo((lives + 1).to_string())
}

#[test]
fn a_life_gets_shorter_with_each_one_before() {
    let ends = |memo: &str, quiet_ms| {
        let mut input: reap::Input = neutral();
        input.usage.last_activity = Age::Ms(quiet_ms);
        input.memo = memo.to_owned();
        gradual_timeout(&input).choice == reap::Choice::End
    };
    assert!(!ends("", 1_000_000) && ends("1", 1_000_000));
}

/// Spot reclaim: the successor is launched as soon as AWS announces that it takes the instance.
fn spot_reclaim(input: &resolve::Input) -> Option<resolve::Verdict> {
    let resolve::Adopted::Instance(id) = &input.adopted else {
        return None;
    };
    let mut notices = input.notices.iter();
    let reclaim = notices.find(|notice| notice.kind == NoticeKind::Reclaim)?;
    let text = format!("AWS takes {id} in {} ms.", reclaim.due_in_ms);
    Some(resolve::Action::Replace(id.clone()).because("reclaimed", text))
}

#[test]
fn an_instance_that_aws_takes_back_is_replaced_before() {
    let mut input: resolve::Input = neutral();
    input.adopted = resolve::Adopted::Instance("i-a".to_owned());
    assert_eq!(spot_reclaim(&input), None);
    input.notices.push(Notice {
        kind: NoticeKind::Reclaim,
        due_in_ms: 120_000,
    });
    let action = spot_reclaim(&input).map(|verdict| verdict.action);
    assert_eq!(action, Some(resolve::Action::Replace("i-a".to_owned())));
}

/// Warm spare: one that waits is taken before anything boots, and kept as long as none took it.
fn warm_spare(input: &adopt::Input) -> adopt::Verdict {
    let mut candidates = input.candidates.iter();
    match candidates.find(|it| it.origin == Origin::Spare && it.bad_signals.is_empty()) {
        Some(spare) => adopt::Choice::Take(spare.facts.id.clone()).because("spare", "It waited."),
        None => adopt::Choice::None.because("no-spare", "None waits."),
    }
}

#[test]
fn a_spare_is_taken_and_another_origin_is_not() {
    let candidate = |origin| adopt::Candidate {
        facts: neutral::<reap::Input>().instance,
        origin,
        generation: reeve_policy_sdk::types::Generation::Unknown,
        outdated: false,
        bad_signals: Vec::new(),
        tags: Vec::new(),
    };
    let taken = |origin| {
        let mut input: adopt::Input = neutral();
        input.candidates.push(candidate(origin));
        warm_spare(&input).choice != adopt::Choice::None
    };
    assert!(taken(Origin::Spare) && !taken(Origin::Unclaimed));
}

/// Per-tenant limits: at most three workers of a tenant are up at a time.
fn tenant_limit(input: &resolve::Input) -> Option<resolve::Verdict> {
    let mut labels = input.worker.labels.iter();
    let tenant = labels.find(|label| label.key == "tenant")?;
    let comes_up = input.instances.iter().any(|facts| facts.state.is_live());
    let text = format!("{} of {} are up.", tenant.others_up, tenant.value);
    (tenant.others_up >= 3 && !comes_up)
        .then(|| resolve::Action::Unavailable(30_000).because("tenant-limit", text))
}

#[test]
fn a_fourth_worker_of_a_tenant_waits() {
    let waits = |others_up| {
        let mut input: resolve::Input = neutral();
        input.worker.labels.push(Label {
            key: "tenant".to_owned(),
            value: "acme".to_owned(),
            others_up,
        });
        tenant_limit(&input).is_some()
    };
    assert!(waits(3) && !waits(2));
}

/// A queue worker: its box fetches work, so it lives as long as its box works, and ends with a long
/// notice.
fn queue_worker(input: &reap::Input) -> reap::Verdict {
    let usage = &input.usage;
    let works = usage.work_in_flight > 0 || usage.busy_remaining_ms > 0;
    let is_silent = usage.heartbeat.ms().is_none_or(|ms| ms > 300_000);
    if works || (!is_silent && usage.last_activity.ms().is_none_or(|ms| ms < 600_000)) {
        return reap::Choice::Keep.because("working", "Its box works.");
    }
    let verdict = reap::Choice::End.because("unreachable", "Its box has no work.");
    verdict.drain_ms(120_000)
}

#[test]
fn a_queue_worker_ends_when_its_box_has_no_work() {
    let mut input: reap::Input = neutral();
    input.usage.heartbeat = Age::Ms(5_000);
    input.usage.last_activity = Age::Ms(700_000);
    assert_eq!(queue_worker(&input).drain_ms, 120_000);
    input.usage.busy_remaining_ms = 1;
    assert_eq!(queue_worker(&input).choice, reap::Choice::Keep);
}

/// Restart windows: a program's restart waits for three at night, unless the worker is unwell.
fn restart_window(input: &debounce::Input) -> debounce::Verdict {
    let now = &input.worker.now;
    let is_unwell = !input.bad_signals.is_empty();
    if is_unwell || now.hour == 3 {
        return debounce::Choice::Go(input.kind).because("now", "It may be restarted now.");
    }
    let minutes = (27 - u32::from(now.hour)) % 24 * 60 - u32::from(now.minute);
    debounce::Choice::Defer(60_000 * minutes).because("tonight", "It waits for three at night.")
}

#[test]
fn a_restart_waits_for_the_night() {
    let mut input: debounce::Input = neutral();
    input.worker.now.hour = 22;
    input.worker.now.minute = 30;
    let waits = debounce::Choice::Defer(60_000 * 270);
    assert_eq!(restart_window(&input).choice, waits);
    input.worker.now.hour = 3;
    let goes = debounce::Choice::Go(debounce::Kind::StopStart);
    assert_eq!(restart_window(&input).choice, goes);
}

/// Give up, take the next: another capacity option after a lack, another instance after a start that
/// keeps failing, and none that callers do not reach.
fn take_the_next(input: &resolve::Input) -> resolve::Action {
    let starts = input
        .failures
        .iter()
        .find(|row| row.act == resolve::Act::Start);
    let mut instances = input.instances.iter();
    let stopped = instances.find(|facts| facts.state == InstanceState::Stopped);
    if let (Some(facts), Some(row)) = (stopped, starts)
        && row.count >= 2
    {
        return resolve::Action::Replace(facts.id.clone());
    }
    if let resolve::Adopted::Instance(id) = &input.adopted {
        return match input.bad_signals.is_empty() {
            true => resolve::Action::serve(id, AddressKind::Private),
            false => resolve::Action::Replace(id.clone()),
        };
    }
    let lacks = |option: &u32| {
        let mut rows = input.failures.iter();
        rows.any(|row| row.act == resolve::Act::Launch && row.capacity_option == *option)
    };
    let option = (0..input.capacity_options).find(|option| !lacks(option));
    resolve::Action::Launch(option.unwrap_or(0))
}

#[test]
fn a_lack_of_capacity_leads_to_the_next_option() {
    let mut input: resolve::Input = neutral();
    input.capacity_options = 2;
    assert_eq!(take_the_next(&input), resolve::Action::Launch(0));
    input.failures.push(resolve::Failure {
        act: resolve::Act::Launch,
        capacity_option: 0,
        kind: resolve::FailureKind::NoCapacity,
        ago_ms: 1_000,
        count: 1,
    });
    assert_eq!(take_the_next(&input), resolve::Action::Launch(1));
}
