use super::*;
use reeve_core::id::InstanceId;
use reeve_core::point::{Addresses, InstanceFacts, Tag};

fn instance() -> InstanceFacts {
    InstanceFacts {
        id: InstanceId::new("i-a"),
        state: InstanceState::NotVisible,
        observed: Age::Ms(1),
        in_state: Age::Ms(2),
        launched: Age::None,
        addresses: Addresses {
            private: false,
            public: true,
        },
    }
}

#[test]
fn every_fact_of_an_instance_keeps_its_place() {
    let lowered = format!("{:?}", types::InstanceFacts::from(&instance()));
    for part in [
        r#"id: "i-a", state: InstanceState::NotVisible"#,
        "observed: Age::Ms(1), in-state: Age::Ms(2), launched: Age::None",
        "private: false, public: true",
    ] {
        assert!(lowered.contains(part), "{part} is missing in {lowered}");
    }
}

#[test]
fn each_candidate_keeps_its_own_tags() {
    let tagged = |keys: &[&str]| point::adopt::Candidate {
        facts: instance(),
        origin: point::Origin::Unclaimed,
        generation: point::Generation::Number(7),
        outdated: true,
        bad_signals: vec![
            point::BadSignal {
                signal: point::Signal::Callers,
                since_ms: 1,
            };
            keys.len()
        ],
        tags: keys
            .iter()
            .map(|key| Tag {
                key: (*key).to_owned(),
                value: String::new(),
            })
            .collect(),
    };
    let core = [tagged(&["a", "b"]), tagged(&[]), tagged(&["c"])];
    let all: Vec<types::Tag<'_>> = list(core.iter().flat_map(|one| &one.tags));
    let bad: Vec<types::BadSignal> = list(core.iter().flat_map(|one| &one.bad_signals));
    let lowered = candidates(&core, &all, &bad);
    let keys: Vec<Vec<_>> = lowered
        .iter()
        .map(|one| one.tags.iter().map(|tag| tag.key).collect())
        .collect();
    assert_eq!(keys, [vec!["a", "b"], vec![], vec!["c"]]);
    let bad: Vec<_> = lowered.iter().map(|one| one.bad_signals.len()).collect();
    assert_eq!(bad, [2, 0, 1]);
}

#[test]
fn every_field_of_the_longest_input_keeps_its_place() {
    let input = point::reap::Input {
        worker: point::Worker {
            name: "w".to_owned(),
            labels: vec![point::Label {
                key: "k".to_owned(),
                value: "v".to_owned(),
                others_up: 2,
            }],
            wish: point::Wish::Running,
            now: point::LocalTime {
                weekday: 1,
                hour: 23,
                minute: 59,
                offset_min: -300,
            },
        },
        instance: instance(),
        role: point::reap::Role::Orphan,
        origin: point::Origin::Spare,
        generation: point::Generation::Number(10),
        outdated: true,
        usage: point::Usage {
            handed_out: Age::Ms(3),
            last_activity: Age::Ms(4),
            heartbeat: Age::Ms(11),
            work_in_flight: 5,
            busy_remaining_ms: 6,
        },
        demand: point::Demand::Requests(point::Sample {
            count: 7,
            window_ms: 8,
            ago_ms: 9,
        }),
        bad_signals: vec![point::BadSignal {
            signal: point::Signal::Heartbeat,
            since_ms: 12,
        }],
        notices: vec![point::Notice {
            kind: point::NoticeKind::Retire,
            due_in_ms: 13,
        }],
        tags: Vec::new(),
        settings: "{}".to_owned(),
        memo: "m".to_owned(),
    };
    let lists = Lists::of(&input.worker, &input.bad_signals, &input.notices);
    let lowered = format!("{:?}", reap(&input, &lists, &[]));
    for part in [
        r#"name: "w", labels: [Label { key: "k", value: "v", others-up: 2 }], wish: Wish::Running"#,
        "weekday: 1, hour: 23, minute: 59, offset-min: -300",
        "role: Role::Orphan, origin: Origin::Spare, generation: Generation::Number(10), outdated: true",
        "handed-out: Age::Ms(3), last-activity: Age::Ms(4), heartbeat: Age::Ms(11)",
        "work-in-flight: 5, busy-remaining-ms: 6",
        "count: 7, window-ms: 8, ago-ms: 9",
        "signal: Signal::Heartbeat, since-ms: 12",
        "kind: NoticeKind::Retire, due-in-ms: 13",
        r#"settings: "{}", memo: "m""#,
    ] {
        assert!(lowered.contains(part), "{part} is missing in {lowered}");
    }
}
