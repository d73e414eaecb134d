//! Invariants of every situation: each combination of the states of three instances, of adopted,
//! pointer, adoption, mutation in flight, failure and scan.

use reeve_policy_sdk::resolve::{
    Act, Action, Adopted, Adoption, Failure, FailureKind, InFlight, Input, Pointer, Verdict,
};
use reeve_policy_sdk::testing::neutral;
use reeve_policy_sdk::types::{Addresses, Age, InstanceFacts, InstanceState};
use reeve_resolve::Settings;

const A: &str = "i-a";
const B: &str = "i-b";
const C: &str = "i-c";

const STATES: [InstanceState; 8] = [
    InstanceState::Unknown,
    InstanceState::NotVisible,
    InstanceState::Pending,
    InstanceState::Running,
    InstanceState::Stopping,
    InstanceState::Stopped,
    InstanceState::ShuttingDown,
    InstanceState::Terminated,
];

fn facts(id: &str, state: InstanceState, has_address: bool) -> InstanceFacts {
    InstanceFacts {
        id: id.to_owned(),
        state,
        observed: Age::Ms(1_000),
        in_state: Age::Ms(10_000),
        launched: Age::Ms(60_000),
        addresses: Addresses {
            private: has_address,
            public: false,
        },
    }
}

/// The instances of one situation: A and B in every state, C down, up or absent.
fn instances() -> Vec<Vec<InstanceFacts>> {
    let mut all = Vec::new();
    for a in STATES {
        for b in STATES {
            for c in [
                None,
                Some(InstanceState::Running),
                Some(InstanceState::Stopped),
            ] {
                for has_address in [false, true] {
                    let mut some = vec![facts(A, a, has_address), facts(B, b, has_address)];
                    some.extend(c.map(|c| facts(C, c, has_address)));
                    all.push(some);
                }
            }
        }
    }
    all
}

/// Puts every situation to the policy.
fn in_every_situation(check: impl Fn(&Input, &Verdict)) {
    let settings = Settings::default();
    let failure = Failure {
        act: Act::Launch,
        capacity_option: 0,
        kind: FailureKind::Other,
        ago_ms: 0,
        count: 1,
    };
    let neutral: Input = neutral();
    let mut situations = 0;
    for instances in instances() {
        for adopted in [Adopted::None, Adopted::Instance(A.to_owned())] {
            for pointer in [
                Pointer::Unknown,
                Pointer::Empty,
                Pointer::Names(A.to_owned()),
                Pointer::Names(B.to_owned()),
            ] {
                for adoption in [Adoption::NotAsked, Adoption::Declined, Adoption::Taken] {
                    for in_flight in [
                        InFlight::Nothing,
                        InFlight::Launching(1),
                        InFlight::Starting(1),
                        InFlight::Stopping(1),
                    ] {
                        for (failures, scanned) in [
                            (vec![], Age::None),
                            (vec![], Age::Ms(1_000)),
                            (vec![failure], Age::Ms(1_000)),
                        ] {
                            let input = Input {
                                pointer: pointer.clone(),
                                adopted: adopted.clone(),
                                instances: instances.clone(),
                                scanned,
                                adoption,
                                in_flight,
                                failures,
                                ..neutral.clone()
                            };
                            let verdict = reeve_resolve::decide(&input, &settings);
                            check(&input, &verdict);
                            situations += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(situations, 8 * 8 * 3 * 2 * 2 * 4 * 3 * 4 * 3);
}

fn state_of(input: &Input, id: &str) -> InstanceState {
    let facts = input.instances.iter().find(|facts| facts.id == id);
    facts.map_or(InstanceState::Unknown, |facts| facts.state)
}

fn makes_another_run(verdict: &Verdict) -> bool {
    matches!(verdict.action, Action::Start(_) | Action::Launch(_))
}

#[test]
fn nothing_starts_while_the_adopted_instance_is_or_may_be_live() {
    in_every_situation(|input, verdict| {
        if let Adopted::Instance(id) = &input.adopted {
            let state = state_of(input, id);
            let may_live = state.is_live()
                || matches!(state, InstanceState::Unknown | InstanceState::NotVisible);
            assert!(
                !(may_live && makes_another_run(verdict)),
                "{input:?}\n{verdict:?}"
            );
        }
    });
}

#[test]
fn nothing_starts_before_adopt_declined_in_the_same_resolve() {
    in_every_situation(|input, verdict| {
        let may = matches!(input.adoption, Adoption::Declined);
        assert!(may || !makes_another_run(verdict), "{input:?}\n{verdict:?}");
    });
}

#[test]
fn nothing_starts_while_a_mutation_is_in_flight() {
    in_every_situation(|input, verdict| {
        let may = matches!(input.in_flight, InFlight::Nothing);
        assert!(may || !makes_another_run(verdict), "{input:?}\n{verdict:?}");
    });
}

#[test]
fn nothing_starts_if_the_pointer_could_not_be_read() {
    in_every_situation(|input, verdict| {
        let is_blind = input.adopted == Adopted::None && matches!(input.pointer, Pointer::Unknown);
        assert!(
            !(is_blind && makes_another_run(verdict)),
            "{input:?}\n{verdict:?}"
        );
    });
}

#[test]
fn only_a_stopped_instance_is_started() {
    in_every_situation(|input, verdict| {
        if let Action::Start(id) = &verdict.action {
            assert_eq!(state_of(input, id), InstanceState::Stopped, "{input:?}");
        }
    });
}

#[test]
fn only_a_running_adopted_or_named_instance_is_served() {
    in_every_situation(|input, verdict| {
        if let Action::Serve(target) = &verdict.action {
            let facts = input.instances.iter().find(|facts| facts.id == target.id);
            let facts = facts.unwrap();
            assert_eq!(facts.state, InstanceState::Running, "{input:?}");
            assert!(facts.addresses.has(target.address), "{input:?}");
            let is_home = input.adopted == Adopted::Instance(target.id.clone())
                || input.pointer == Pointer::Names(target.id.clone());
            assert!(is_home, "{input:?}\n{verdict:?}");
        }
    });
}

#[test]
fn adopt_is_asked_at_most_once_in_a_resolve() {
    in_every_situation(|input, verdict| {
        let was_asked = input.adoption != Adoption::NotAsked;
        assert!(
            !(was_asked && verdict.action == Action::Adopt),
            "{input:?}\n{verdict:?}"
        );
    });
}

#[test]
fn an_instance_that_runs_next_to_a_dead_home_is_for_adopt() {
    in_every_situation(|input, verdict| {
        let home = match (&input.adopted, &input.pointer) {
            (Adopted::Instance(id), _) | (Adopted::None, Pointer::Names(id)) => state_of(input, id),
            _ => InstanceState::Terminated,
        };
        let is_dead = matches!(
            home,
            InstanceState::Stopping
                | InstanceState::Stopped
                | InstanceState::ShuttingDown
                | InstanceState::Terminated
        );
        let another_lives = input.instances.iter().any(|facts| facts.state.is_live());
        let is_free = matches!(input.in_flight, InFlight::Nothing)
            && matches!(input.adoption, Adoption::NotAsked);
        if is_dead && another_lives && is_free {
            assert_eq!(verdict.action, Action::Adopt, "{input:?}\n{verdict:?}");
        }
    });
}
