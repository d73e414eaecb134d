//! The decisions of a random world. The bound policies make them, unless a fault makes a policy
//! fail or answer at random.

use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::effect::Question;
use reeve_core::id::{InstanceId, PoolName};
use reeve_core::point::resolve::{Action, Target};
use reeve_core::point::{
    AddressKind, Input, Reason, Verdict, adopt, debounce, reap, resolve, retry_ip,
};
use reeve_core::spec::RestartBy;

use super::chance::Stream;
use super::estate::Estate;
use super::fault::Fault;

impl Estate<'_> {
    /// The decision of the pool's policies, unless a fault replaces it.
    pub(super) fn play(&mut self, question: &Question) -> Decision {
        let input = question.input.clone();
        let fails = self.afflicted.policies_fail(&question.pool);
        let lies = fails && self.chance.percent(Stream::Lies, 50);
        if (fails && !lies) || self.chance.happens(Fault::PolicyFails) {
            let failure = PolicyFailure {
                code: "trap".to_owned(),
                text: "the random world says so".to_owned(),
            };
            return decision(input, Err(failure));
        }
        if lies || self.chance.happens(Fault::PolicyLies) {
            let verdict = self.lie(&input);
            return decision(input, Ok(verdict));
        }
        let cast = self.playing.get(&question.pool);
        let pool = cast.map_or_else(|| question.pool.clone(), |cast| PoolName::new(cast.clone()));
        self.policies.decide(&pool, input)
    }

    fn lie(&mut self, input: &Input) -> Verdict {
        let codes = ["idle", "unreachable", "orphan", "because"];
        let code = codes[self.chance.pick(Stream::Lies, codes.len())];
        let reason = Reason::new(code, "a policy that answers at random");
        let ms = self.chance.between(Stream::Lies, 0, 60_000) as u32;
        match input {
            Input::Resolve(input) => {
                let known = input.instances.iter().map(|facts| facts.id.clone());
                let id = self.some_id(known.collect());
                Verdict::Resolve(resolve::Verdict {
                    action: match self.chance.between(Stream::Lies, 0, 6) {
                        0 => Action::Serve(Target {
                            id,
                            address: AddressKind::Private,
                        }),
                        1 => Action::Adopt,
                        2 => Action::Start(id),
                        3 => Action::Launch(ms % 2),
                        4 => Action::Wait(ms),
                        5 => Action::Replace(id),
                        _ => Action::Unavailable(ms),
                    },
                    reason,
                    valid_for_ms: ms * 10,
                    memo: String::new(),
                })
            }
            Input::Adopt(input) => {
                let known = input.candidates.iter().map(|it| it.facts.id.clone());
                let id = self.some_id(known.collect());
                Verdict::Adopt(adopt::Verdict {
                    choice: match self.chance.percent(Stream::Lies, 60) {
                        true => adopt::Choice::Take(id),
                        false => adopt::Choice::None,
                    },
                    reason,
                    valid_for_ms: ms,
                })
            }
            Input::RetryIp(_) => Verdict::RetryIp(retry_ip::Verdict {
                next: match self.chance.between(Stream::Lies, 0, 2) {
                    0 => retry_ip::Next::Again(ms),
                    1 => retry_ip::Next::GiveUp(ms),
                    _ => retry_ip::Next::Abandon,
                },
                reason,
                valid_for_ms: ms,
            }),
            Input::Debounce(_) => Verdict::Debounce(debounce::Verdict {
                choice: match self.chance.between(Stream::Lies, 0, 2) {
                    0 => debounce::Choice::Go(self.some_kind()),
                    1 => debounce::Choice::Drop,
                    _ => debounce::Choice::Defer(ms),
                },
                reason,
                valid_for_ms: ms,
            }),
            Input::Reap(_) => Verdict::Reap(reap::Verdict {
                choice: match self.chance.between(Stream::Lies, 0, 3) {
                    0 => reap::Choice::Keep,
                    1 => reap::Choice::Stop,
                    2 => reap::Choice::End,
                    _ => reap::Choice::Terminate,
                },
                reason,
                look_again_ms: ms,
                drain_ms: ms,
                memo: String::new(),
            }),
        }
    }

    /// A kind of restart, which the worker's compute may not have.
    fn some_kind(&mut self) -> RestartBy {
        match self.chance.between(Stream::Lies, 0, 2) {
            0 => RestartBy::Reboot,
            1 => RestartBy::StopStart,
            _ => RestartBy::Replace,
        }
    }

    /// One of the known ids, or at times the id of any instance.
    fn some_id(&mut self, mut known: Vec<InstanceId>) -> InstanceId {
        if known.is_empty() || self.chance.percent(Stream::Lies, 20) {
            let all = self.clouds.world.instances();
            known.extend(all.map(|instance| instance.id.clone()));
        }
        if known.is_empty() {
            return InstanceId::from("i-never-was");
        }
        known.swap_remove(self.chance.pick(Stream::Lies, known.len()))
    }
}

fn decision(input: Input, result: Result<Verdict, PolicyFailure>) -> Decision {
    Decision {
        policy: Some("random".to_owned()),
        settings: None,
        digest: None,
        input,
        result,
        fuel_used: 0,
    }
}
