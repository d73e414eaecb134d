use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::event::{Timer, WorkerTimer};
use reeve_core::guard::Rule;
use reeve_core::id::{DecisionId, Digest, Generation, InstanceId, PoolName, RequestId};
use reeve_core::journal::{Content, Entry, FORMAT};
use reeve_core::notice::{Notice, Step};
use reeve_core::point::{Input, Point};
use reeve_core::response::{NotYet, NotYetCode, Resolution, Response};
use reeve_core::store::{WorkerRecord, Write};
use reeve_core::time::Millis;

use super::*;

const AT: Instant = Instant::from_ms(1_000);

/// The digests of these steps of one host, with their lines.
fn digested(steps: &[&[Effect]]) -> Digested {
    let tap = |kind| {
        let mut tap = Tap::new(kind, true);
        for effects in steps {
            add(&mut tap, "host-1.1", effects);
        }
        tap
    };
    Digested::of(tap(Kind::Strict), tap(Kind::Canonical))
}

fn add(tap: &mut Tap, host: &str, effects: &[Effect]) {
    let lines = effects.iter().flat_map(project::lines).collect();
    tap.add(AT, &host.into(), lines);
}

fn digests(steps: &[&[Effect]]) -> Digests {
    digested(steps).digests
}

fn journal(worker: &str, decision: u64, content: Content) -> Effect {
    Effect::Journal(Entry {
        format: FORMAT,
        pool: PoolName::from("p"),
        at: AT,
        worker: worker.into(),
        decision: DecisionId::new(decision),
        from: None,
        content,
    })
}

fn vetoed(worker: &str, decision: u64, text: &str) -> Effect {
    let veto = r#"{"rule":"in-use","text":""}"#;
    let mut veto: reeve_core::guard::Veto = serde_json::from_str(veto).unwrap();
    assert_eq!(veto.rule, Rule::InUse);
    veto.text = text.to_owned();
    journal(worker, decision, Content::Vetoed(veto))
}

/// A failed decision of a policy whose component has the digest of this text.
fn decided(worker: &str, decision: u64, component: &str, fuel_used: u64) -> Effect {
    let made = Decision {
        policy: Some("retry-ip".to_owned()),
        settings: None,
        digest: Some(Digest::of(component.as_bytes())),
        input: Input::neutral(Point::RetryIp).unwrap(),
        result: Err(PolicyFailure {
            code: "trap".to_owned(),
            text: "it says \"no\"".to_owned(),
        }),
        fuel_used,
    };
    journal(worker, decision, Content::Decided(Box::new(made)))
}

fn notice(worker: &str, text: &str) -> Effect {
    Effect::Notice(Notice {
        worker: worker.into(),
        step: Step::ResolveTurnedAway,
        text: text.to_owned(),
        fields: Vec::new(),
    })
}

fn turned_away(worker: &str, request: u64, decision: u64) -> Effect {
    Effect::Respond {
        worker: worker.into(),
        request: RequestId::new(request),
        response: Response::Resolve(Resolution::NotYet(NotYet {
            code: NotYetCode::Starting,
            detail: String::new(),
            retry_after: Millis::ZERO,
            decision: Some(DecisionId::new(decision)),
        })),
    }
}

fn commit(worker: &str, generation: u64) -> Effect {
    let write = Write {
        worker: worker.into(),
        expected: Default::default(),
        record: WorkerRecord {
            generation: Generation::new(generation),
            ..WorkerRecord::default()
        },
        if_idle: None,
    };
    Effect::Commit {
        write: Box::new(write),
        then: None,
    }
}

fn publish(worker: &str, instance: &str) -> Effect {
    Effect::Publish(reeve_core::response::Route {
        worker: worker.into(),
        url: String::new(),
        instance: InstanceId::from(instance),
        generation: Generation::default(),
        decision: DecisionId::new(1),
        digest: None,
        valid_until: AT,
    })
}

fn withdraw(worker: &str) -> Effect {
    Effect::Withdraw(worker.into())
}

#[test]
fn one_changed_field_of_a_journal_line_shows_in_both() {
    let before = digests(&[&[vetoed("w", 1, "used 3 s ago")]]);
    let after = digests(&[&[vetoed("w", 1, "used 4 s ago")]]);
    assert_ne!(before.strict, after.strict);
    assert_ne!(before.canonical, after.canonical);
    assert_eq!(before, digests(&[&[vetoed("w", 1, "used 3 s ago")]]));
}

#[test]
fn the_order_of_notices_and_responses_within_a_step_is_strict_only() {
    let one = || [notice("w", "a"), notice("w", "b"), turned_away("w", 1, 1)];
    let [a, b, answer] = one();
    let (before, after) = (digests(&[&one()]), digests(&[&[answer, b, a]]));
    assert_ne!(before.strict, after.strict);
    assert_eq!(before.canonical, after.canonical);
}

#[test]
fn a_notice_that_comes_a_step_later_shows_in_both() {
    let together = digests(&[&[notice("w", "a"), notice("w", "b")]]);
    let apart = digests(&[&[notice("w", "a")], &[notice("w", "b")]]);
    assert_ne!(together.strict, apart.strict);
    assert_ne!(together.canonical, apart.canonical);
}

#[test]
fn commits_keep_their_order_and_the_journal_keeps_it_for_each_worker() {
    let order = |effects: &[Effect]| digests(&[effects]).canonical;
    let commits = [
        order(&[commit("w", 1), commit("w", 2)]),
        order(&[commit("w", 2), commit("w", 1)]),
    ];
    assert_ne!(commits[0], commits[1]);
    let (one, other) = (|| vetoed("w", 1, "a"), || vetoed("w", 1, "b"));
    assert_ne!(order(&[one(), other()]), order(&[other(), one()]));
    let another = || vetoed("x", 2, "c");
    assert_eq!(
        order(&[one(), another(), other()]),
        order(&[another(), one(), other()])
    );
}

#[test]
fn decisions_are_renumbered_per_worker_in_the_order_of_their_first_appearance() {
    let digested = digested(&[
        &[
            vetoed("w", 17, "a"),
            vetoed("x", 18, "b"),
            vetoed("w", 20, "c"),
        ],
        &[turned_away("w", 1, 17), vetoed("x", 30, "d")],
    ]);
    let ids = |lines: &[String]| {
        let of = |line: &String| {
            let (_, behind) = line.split_once("\"decision\":")?;
            let digits = behind.split(|it: char| !it.is_ascii_digit()).next()?;
            digits.parse::<u64>().ok()
        };
        lines.iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(ids(&digested.strict), [17, 18, 20, 17, 30]);
    // By worker w, w, x; then x's line of the journal before the answer.
    assert_eq!(ids(&digested.canonical), [1, 2, 1, 2, 1]);
}

#[test]
fn other_ids_of_decisions_are_strict_only_and_another_decision_shows_in_both() {
    let steps = |first, second, answered| {
        let effects = [
            vetoed("w", first, "a"),
            vetoed("w", second, "b"),
            turned_away("w", 1, answered),
        ];
        digests(&[&effects])
    };
    let (before, shifted, other) = (steps(1, 2, 2), steps(5, 9, 9), steps(1, 2, 1));
    assert_ne!(before.strict, shifted.strict);
    assert_eq!(before.canonical, shifted.canonical);
    assert_ne!(before.strict, other.strict);
    assert_ne!(before.canonical, other.canonical);
}

#[test]
fn ids_in_unordered_lines_are_numbered_alike_in_every_order() {
    let order = |effects: &[Effect]| digests(&[effects]).canonical;
    let (one, other) = (|| turned_away("w", 1, 8), || turned_away("w", 2, 7));
    assert_eq!(order(&[one(), other()]), order(&[other(), one()]));
}

#[test]
fn the_same_id_in_another_life_of_a_host_is_another_decision() {
    let next_number = |second: &str| {
        let mut tap = Tap::new(Kind::Canonical, false);
        add(&mut tap, "host-1.1", &[vetoed("w", 1, "a")]);
        add(&mut tap, second, &[vetoed("w", 1, "a")]);
        let unseen = line::Id::Decision(DecisionId::new(9));
        tap.numbers.of(&second.into(), &"w".into(), unseen)
    };
    assert_eq!(next_number("host-1.1"), 2);
    assert_eq!(next_number("host-1.2"), 3);
}

#[test]
fn a_policy_that_was_compiled_anew_does_not_show() {
    let steps = |one, other, fuel| {
        let effects = [decided("w", 1, one, fuel), decided("w", 2, other, fuel)];
        digests(&[&effects])
    };
    assert_eq!(steps("a", "b", 1), steps("c", "d", 2));
    assert_ne!(steps("a", "b", 1), steps("a", "a", 1));
}

#[test]
fn a_route_shows_canonically_only_where_it_is_another_than_before_the_step() {
    let canonical = |steps: &[&[Effect]]| digests(steps).canonical;
    let once = canonical(&[&[publish("w", "i-a")]]);
    assert_eq!(
        once,
        canonical(&[&[publish("w", "i-b"), withdraw("w"), publish("w", "i-a")]])
    );
    assert_eq!(
        once,
        canonical(&[
            &[withdraw("w")],
            &[publish("w", "i-a")],
            &[publish("w", "i-a")]
        ])
    );
    assert_ne!(once, canonical(&[&[publish("w", "i-b")]]));
    assert_ne!(once, canonical(&[&[publish("w", "i-a")], &[withdraw("w")]]));
}

fn timer(worker: &str) -> Effect {
    Effect::Timer {
        at: AT,
        timer: Timer::Worker(worker.into(), WorkerTimer::Follow),
    }
}

fn read(worker: &str) -> Effect {
    Effect::ReadRecord(worker.into())
}

#[test]
fn a_step_without_effects_leaves_no_mark_and_timers_are_strict_only() {
    let told = || notice("w", "a");
    let plain = digests(&[&[told()]]);
    assert_eq!(plain, digests(&[&[], &[told()], &[]]));
    let timed = digests(&[&[told()], &[timer("w")]]);
    assert_ne!(plain.strict, timed.strict);
    assert_eq!(plain.canonical, timed.canonical);
    let asked = digests(&[&[told()], &[read("w")]]);
    assert_ne!(plain.canonical, asked.canonical);
}

/// The effects that the tap returns for a step, as lines.
fn passed_on(kind: Kind, effects: Vec<Effect>) -> Vec<String> {
    let mut tap = Tap::new(kind, false);
    let effects = tap.take_in(AT, &"host-1.1".into(), effects);
    let lines = effects.iter().flat_map(project::lines);
    lines.map(|line| line.without_ids()).collect()
}

#[test]
fn the_canonical_run_carries_out_the_effects_of_a_step_in_its_own_order() {
    let one = || {
        vec![
            timer("w"),
            notice("w", "a"),
            read("x"),
            read("w"),
            commit("x", 1),
            vetoed("x", 1, "b"),
            commit("w", 2),
            vetoed("w", 2, "a"),
            turned_away("w", 1, 1),
            publish("w", "i-a"),
            timer("w"),
        ]
    };
    let mut other = one();
    // Commits and lines of the journal keep their order.
    for (place, to) in [(0, 9), (1, 3), (3, 8), (4, 5), (6, 7)] {
        other.swap(place, to);
    }
    let canonical = passed_on(Kind::Canonical, one());
    assert_eq!(canonical, passed_on(Kind::Canonical, other));
    let kinds: Vec<_> = canonical
        .iter()
        .filter_map(|it| it.split(' ').next())
        .collect();
    let wanted =
        "journal journal publish commit commit read-record read-record response notice timer timer";
    assert_eq!(kinds.join(" "), wanted);
    assert!(canonical[0].contains(r#""worker":"x""#), "{canonical:?}");
    assert!(canonical[3].contains(r#""worker":"x""#), "{canonical:?}");
    assert!(canonical[5].contains(r#""worker":"w""#), "{canonical:?}");

    let strict = passed_on(Kind::Strict, one());
    assert!(strict[0].starts_with("timer"), "{strict:?}");
}

#[test]
fn a_withdrawal_stays_on_its_side_of_a_publication_of_the_same_worker() {
    let last = |effects| {
        passed_on(Kind::Canonical, effects)
            .pop()
            .unwrap_or_default()
    };
    let withdrawn = last(vec![publish("w", "i-a"), withdraw("w")]);
    assert!(withdrawn.starts_with("withdraw"), "{withdrawn}");
    let published = last(vec![withdraw("w"), publish("w", "i-a")]);
    assert!(published.starts_with("publish"), "{published}");
}

#[test]
fn a_line_is_json_with_the_names_of_this_module() {
    let lines = digested(&[&[decided("w", 17, "a", 1)]]).strict;
    assert_eq!(
        lines.first().map(String::as_str),
        Some("step 1000 host-1.1")
    );
    assert_eq!(
        lines.last().map(String::as_str),
        Some(
            r#"journal {"worker":"w","at":1000,"decision":17,"decided":{"policy":"retry-ip","component":1,"point":"retry-ip","input":{"worker":{"name":"worker","labels":[],"wish":"on-demand","now":{"weekday":1,"hour":12,"minute":0,"offset-min":0}},"instance":{"id":"i-a","state":"running","observed":{"ms":1000},"in-state":{"ms":60000},"launched":{"ms":90000},"addresses":{"private":false,"public":false}},"tries":1,"waited-ms":0,"unserved":0,"settings":"{}"},"failed":{"code":"trap","text":"it says \"no\""}}}"#
        )
    );
}
