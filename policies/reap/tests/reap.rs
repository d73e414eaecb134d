//! The case files, the text that announces an end, and ages in every combination.

use reeve_policy_sdk::reap::{Choice, Input};
use reeve_policy_sdk::testing::{Cases, neutral};
use reeve_policy_sdk::types::{Age, Demand, InstanceFacts, Usage};
use reeve_reap::Settings;

#[test]
fn every_case_holds() {
    Cases::of(env!("CARGO_MANIFEST_DIR"))
        .run("reap", reeve_reap::decide)
        .finish();
}

/// An adopted instance that two readings found quiet for `quiet_ms`.
fn quiet_for(quiet_ms: u32, last_activity: Age) -> Input {
    Input {
        instance: InstanceFacts {
            id: "i-b".to_owned(),
            in_state: Age::Ms(quiet_ms),
            launched: Age::None,
            ..neutral::<Input>().instance
        },
        usage: Usage {
            handed_out: Age::Ms(quiet_ms),
            last_activity,
            ..neutral::<Input>().usage
        },
        demand: Demand::TooFew,
        memo: "idle:1".to_owned(),
        ..neutral()
    }
}

#[test]
fn an_end_is_announced_with_its_idle_time_limit_and_missing_ages() {
    let input = quiet_for(1_801_000, Age::Ms(1_900_000));
    let verdict = reeve_reap::decide(&input, &Settings::default());
    assert_eq!(verdict.choice, Choice::End);
    for part in [
        "Idle for 30 min 1 s",
        "the limit is 30 min (demand has too few samples)",
        "last activity 31 min 40 s ago",
        "launched at no known time",
        "no work in flight",
    ] {
        assert!(
            verdict.reason.text.contains(part),
            "{part}: {}",
            verdict.reason.text
        );
    }
}

#[test]
fn missing_and_absurd_ages_never_end_an_instance_used_lately() {
    let ages = [Age::None, Age::Ms(0), Age::Ms(1_799_999), Age::Ms(u32::MAX)];
    for in_state in ages {
        for launched in ages {
            for handed_out in ages {
                for last_activity in ages {
                    let mut input = quiet_for(0, last_activity);
                    input.instance.in_state = in_state;
                    input.instance.launched = launched;
                    input.usage.handed_out = handed_out;
                    for memo in ["idle:1", "unreachable:1"] {
                        input.memo = memo.to_owned();
                        let verdict = reeve_reap::decide(&input, &Settings::default());
                        let known = [in_state, launched, handed_out, last_activity];
                        let is_young = known
                            .iter()
                            .any(|age| age.ms().is_some_and(|ms| ms < 1_800_000));
                        if is_young || in_state == Age::None {
                            assert_eq!(verdict.choice, Choice::Keep, "{input:?}\n{verdict:?}");
                        }
                    }
                }
            }
        }
    }
}
