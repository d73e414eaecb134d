//! The conduct of a policy in random worlds: what its valid verdicts would do to workers. The guard
//! refuses the harm, so no guarantee breaks, and only the verdicts themselves show it.
//!
//! Each charge is a share of the occasions for it. Sound policies stay far below the shares at
//! which one is charged.

use std::collections::BTreeMap;

use reeve_core::id::InstanceId;
use reeve_core::instance::InstanceState;
use reeve_core::point::reap::{self, Choice, Role};
use reeve_core::point::resolve::{self, Action, Adopted, InFlight};
use reeve_core::point::{Age, Demand, Input, LocalTime, Verdict};

/// How soon after a sign of use an end is wrong: half of the shortest `idle_ms_min` of the worlds.
const USED_MS: u32 = 30_000;
/// For how long an instance boots that no caller has got. Boots take half a minute.
const BOOT_MS: u32 = 300_000;
/// How soon after an end a start shows that the instance was wanted.
const SOON_MIN: u32 = 5;
/// Fewer occasions than this show nothing.
const OCCASIONS_MIN: u64 = 10;

/// The occasions for a charge, and how many of them a policy took.
#[derive(Debug, Default)]
struct Share {
    taken: u64,
    of: u64,
    /// The first world in which it took one.
    seed: Option<u64>,
}

/// What the verdicts of a policy showed, over all worlds.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// Questions about an instance that is in use or boots; taken: it is to end.
    ends: Share,
    /// Starts and launches after an end; taken: soon after it.
    turns: Share,
    /// Questions about a well instance; taken: it is not served.
    unserved: Share,
    /// Such questions that follow one about the same instance; taken: the answer has changed.
    flips: Share,
    seed: u64,
    courses: BTreeMap<String, Course>,
}

/// The last verdicts about one worker of the present world.
#[derive(Debug, Default)]
struct Course {
    /// The minute of the week at which an end was wanted, if nothing was started since.
    ended: Option<u32>,
    /// The well instance of the last question, and whether the answer was to serve it.
    served: Option<(InstanceId, bool)>,
}

impl Share {
    fn count(&mut self, seed: u64, is_taken: bool) {
        self.of += 1;
        if is_taken {
            self.taken += 1;
            self.seed.get_or_insert(seed);
        }
    }

    /// The charge, if more of the occasions were taken than a sound policy takes.
    fn charge(&self, percent_max: u64, what: &str, occasion: &str) -> Option<String> {
        let seed = self.seed?;
        let is_above = self.taken * 100 > self.of * percent_max;
        (self.of >= OCCASIONS_MIN && is_above).then(|| {
            format!(
                "it {what}: {} of {} {occasion}; {percent_max} % is the most; --seed {seed} shows it",
                self.taken, self.of
            )
        })
    }
}

impl Conduct {
    /// Another world begins.
    pub(super) fn begin_world(&mut self, seed: u64) {
        self.seed = seed;
        self.courses.clear();
    }

    /// What the policy is charged with. In the same worlds the standard policies end none, serve 94 %
    /// and change 1 % of their answers.
    pub(super) fn charges(&self) -> Vec<String> {
        let charges = [
            self.ends.charge(
                5,
                "ends too many",
                "times an instance that is in use or boots was to end",
            ),
            self.turns.charge(
                50,
                "thrashes",
                "starts came within five minutes after the end that it wanted",
            ),
            self.unserved.charge(
                33,
                "does not serve",
                "times a well instance with an address was not served",
            ),
            self.flips.charge(
                10,
                "flip-flops",
                "answers about the same well instance changed between serving it and not",
            ),
        ];
        charges.into_iter().flatten().collect()
    }

    /// Takes in a verdict.
    pub(super) fn note(&mut self, input: &Input, verdict: &Verdict) {
        match (input, verdict) {
            (Input::Reap(input), Verdict::Reap(verdict)) => self.note_reap(input, verdict.choice),
            (Input::Resolve(input), Verdict::Resolve(verdict)) => {
                self.note_resolve(input, &verdict.action);
            }
            _ => {}
        }
    }

    fn note_reap(&mut self, input: &reap::Input, choice: Choice) {
        let is_end = choice != Choice::Keep;
        if is_needed(input) {
            self.ends.count(self.seed, is_end);
        }
        if is_end && input.role == Role::Adopted {
            let course = self.courses.entry(input.worker.name.clone()).or_default();
            course.ended = Some(minute(&input.worker.now));
        }
    }

    fn note_resolve(&mut self, input: &resolve::Input, action: &Action) {
        let course = self.courses.entry(input.worker.name.clone()).or_default();
        let now = minute(&input.worker.now);
        match action {
            Action::Replace(_) => course.ended = Some(now),
            Action::Start(_) | Action::Launch(_) => {
                if let Some(ended) = course.ended.take() {
                    let is_soon = now.saturating_sub(ended) < SOON_MIN;
                    self.turns.count(self.seed, is_soon);
                }
            }
            _ => {}
        }
        let Some(id) = well(input) else {
            course.served = None;
            return;
        };
        let serves = matches!(action, Action::Serve(_));
        self.unserved.count(self.seed, !serves);
        let before = course.served.replace((id.clone(), serves));
        if let Some((_, served)) = before.filter(|(before, _)| before == id) {
            self.flips.count(self.seed, served != serves);
        }
    }
}

/// Whether the input itself says that the instance is in use or boots.
fn is_needed(input: &reap::Input) -> bool {
    let usage = &input.usage;
    let is_young = |age: Age, most: u32| matches!(age, Age::Ms(ms) if ms < most);
    let is_demanded = match input.demand {
        Demand::Requests(sample) => sample.count > 0 && sample.ago_ms < USED_MS,
        Demand::Unavailable | Demand::TooFew => false,
    };
    let boots = usage.handed_out == Age::None && is_young(input.instance.launched, BOOT_MS);
    usage.work_in_flight > 0
        || usage.busy_remaining_ms > 0
        || is_young(usage.last_activity, USED_MS)
        || (is_demanded && input.role == Role::Adopted)
        || boots
}

/// The adopted instance, if it runs with an address and nothing speaks against it.
fn well(input: &resolve::Input) -> Option<&InstanceId> {
    let Adopted::Instance(id) = &input.adopted else {
        return None;
    };
    let nothing_else = input.in_flight == InFlight::Nothing
        && input.bad_signals.is_empty()
        && input.notices.is_empty();
    let facts = input.instances.iter().find(|facts| &facts.id == id)?;
    let is_up = facts.state == InstanceState::Running && facts.addresses.private;
    (nothing_else && is_up).then_some(id)
}

/// The minute of the week.
fn minute(now: &LocalTime) -> u32 {
    (u32::from(now.weekday) * 24 + u32::from(now.hour)) * 60 + u32::from(now.minute)
}

#[cfg(test)]
mod tests {
    use reeve_core::point::resolve::Target;
    use reeve_core::point::{AddressKind, Addresses, InstanceFacts, Point, Reason};

    use super::*;

    fn resolve_input() -> resolve::Input {
        match Input::neutral(Point::Resolve).unwrap() {
            Input::Resolve(input) => input,
            other => panic!("not of resolve: {other:?}"),
        }
    }

    fn reap_input() -> reap::Input {
        match Input::neutral(Point::Reap).unwrap() {
            Input::Reap(input) => input,
            other => panic!("not of reap: {other:?}"),
        }
    }

    fn choose(conduct: &mut Conduct, input: reap::Input, choice: Choice) {
        let verdict = reap::Verdict {
            choice,
            reason: Reason::new("test", "a test"),
            look_again_ms: 1_000,
            drain_ms: 0,
            memo: String::new(),
        };
        conduct.note(&Input::Reap(input), &Verdict::Reap(verdict));
    }

    fn act(conduct: &mut Conduct, input: resolve::Input, action: Action) {
        let verdict = resolve::Verdict {
            action,
            reason: Reason::new("test", "a test"),
            valid_for_ms: 0,
            memo: String::new(),
        };
        conduct.note(&Input::Resolve(input), &Verdict::Resolve(verdict));
    }

    /// A question about an adopted instance that runs with its address.
    fn about_a_well_one() -> resolve::Input {
        let id = InstanceId::from("i-one");
        resolve::Input {
            adopted: Adopted::Instance(id.clone()),
            instances: vec![InstanceFacts {
                id,
                state: InstanceState::Running,
                observed: Age::Ms(0),
                in_state: Age::Ms(60_000),
                launched: Age::Ms(60_000),
                addresses: Addresses {
                    private: true,
                    public: false,
                },
            }],
            ..resolve_input()
        }
    }

    fn serve() -> Action {
        Action::Serve(Target {
            id: "i-one".into(),
            address: AddressKind::Private,
        })
    }

    fn used(ms: u32) -> reap::Input {
        let mut input = reap_input();
        input.usage.handed_out = Age::Ms(ms);
        input.usage.last_activity = Age::Ms(ms);
        input.demand = Demand::Unavailable;
        (input.usage.work_in_flight, input.usage.busy_remaining_ms) = (0, 0);
        input.role = Role::Adopted;
        input
    }

    #[track_caller]
    fn charged(conduct: &Conduct, with: &[&str]) {
        let charges = conduct.charges();
        assert_eq!(charges.len(), with.len(), "{charges:?}");
        for (charge, with) in charges.iter().zip(with) {
            assert!(charge.starts_with(with), "{charge}");
        }
    }

    #[test]
    fn ends_of_instances_in_use_are_a_charge_and_ends_of_idle_ones_are_not() {
        for (ms, charges) in [
            (USED_MS - 1, &["it ends too many: 10 of 10"][..]),
            (USED_MS, &[]),
        ] {
            let mut conduct = Conduct::default();
            for _ in 0..OCCASIONS_MIN {
                choose(&mut conduct, used(ms), Choice::End);
            }
            charged(&conduct, charges);
        }
    }

    #[test]
    fn starts_soon_after_the_ends_are_a_charge_and_later_ones_are_not() {
        for (minutes, charges) in [(4, &["it thrashes: 10 of 10"][..]), (5, &[])] {
            let mut conduct = Conduct::default();
            for _ in 0..OCCASIONS_MIN {
                choose(&mut conduct, used(600_000), Choice::End);
                let mut input = resolve_input();
                input.worker.now.minute += minutes;
                act(&mut conduct, input, Action::Launch(0));
            }
            charged(&conduct, charges);
        }
    }

    #[test]
    fn answers_that_change_without_a_reason_are_a_charge() {
        let mut conduct = Conduct::default();
        for _ in 0..10 {
            act(&mut conduct, about_a_well_one(), serve());
            act(&mut conduct, about_a_well_one(), serve());
            act(&mut conduct, about_a_well_one(), serve());
            act(&mut conduct, about_a_well_one(), Action::Wait(1_000));
        }
        charged(&conduct, &["it flip-flops: 19 of 39"]);
    }

    #[test]
    fn a_policy_that_does_not_serve_a_well_instance_is_charged_with_it() {
        let mut conduct = Conduct::default();
        for _ in 0..OCCASIONS_MIN {
            act(&mut conduct, about_a_well_one(), Action::Wait(1_000));
        }
        charged(&conduct, &["it does not serve: 10 of 10"]);
    }

    #[test]
    fn a_world_begins_without_the_verdicts_of_the_one_before() {
        let mut conduct = Conduct::default();
        for seed in 1..=20 {
            conduct.begin_world(seed);
            let action = if seed % 4 == 0 {
                Action::Wait(1_000)
            } else {
                serve()
            };
            act(&mut conduct, about_a_well_one(), action);
        }
        charged(&conduct, &[]);
    }
}
