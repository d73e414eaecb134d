//! Policies as plain functions.

use std::sync::Arc;

use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::id::PoolName;
use reeve_core::instance::InstanceState;
use reeve_core::point::resolve::{Action, Adopted, Adoption, InFlight, Pointer, Target};
use reeve_core::point::{
    AddressKind, Demand, Input, Reason, Verdict, adopt, debounce, reap, resolve, retry_ip,
};
use reeve_core::ports::Policies;

type Resolve = dyn Fn(&resolve::Input) -> Result<Action, String> + Send + Sync;

/// Policies in Rust: `resolve` is given, the others are plain.
pub(crate) struct Native {
    pub(crate) resolve: Box<Resolve>,
    /// What `debounce` says to everything; `None`: it fails.
    pub(crate) debounce: Option<debounce::Choice>,
    /// What `retry-ip` says to everything; `None`: five readings, then it gives up.
    pub(crate) retry_ip: Option<retry_ip::Next>,
    /// What `reap` says to everything, and its drain; `None`: it ends what no caller demands.
    pub(crate) reap: Option<(reap::Choice, u32)>,
}

impl Native {
    pub(crate) fn new(
        resolve: impl Fn(&resolve::Input) -> Result<Action, String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            resolve: Box::new(resolve),
            ..Self::plain()
        })
    }

    /// Sensible, for a test that replaces one point.
    pub(crate) fn plain() -> Self {
        Self {
            resolve: Box::new(|input| Ok(sensible(input))),
            debounce: None,
            retry_ip: None,
            reap: None,
        }
    }

    /// Sensible, and with one answer to every restart.
    pub(crate) fn debouncing(choice: debounce::Choice) -> Arc<Self> {
        Arc::new(Self {
            debounce: Some(choice),
            ..Self::plain()
        })
    }

    /// What a sensible `resolve` policy does, in few words.
    pub(crate) fn sensible() -> Arc<Self> {
        Self::new(|input| Ok(sensible(input)))
    }
}

pub(crate) fn sensible(input: &resolve::Input) -> Action {
    let subject = match (&input.adopted, &input.pointer) {
        (Adopted::Instance(id), _) | (Adopted::None, Pointer::Names(id)) => Some(id),
        _ => None,
    };
    let facts = subject.and_then(|id| input.instances.iter().find(|facts| &facts.id == id));
    if let Some(facts) = facts {
        match facts.state {
            InstanceState::Running if facts.addresses.private => {
                return Action::Serve(Target {
                    id: facts.id.clone(),
                    address: AddressKind::Private,
                });
            }
            InstanceState::Running | InstanceState::Pending => return Action::Wait(2_000),
            _ => {}
        }
    }
    if input.in_flight != InFlight::Nothing {
        return Action::Wait(2_000);
    }
    if let Some(failure) = input.failures.first()
        && failure.ago_ms < 10_000
    {
        return Action::Unavailable(10_000);
    }
    if input.adoption == Adoption::NotAsked {
        return Action::Adopt;
    }
    let stopped = input
        .instances
        .iter()
        .find(|facts| facts.state == InstanceState::Stopped);
    let mut stopping = input.instances.iter();
    match stopped {
        Some(facts) => Action::Start(facts.id.clone()),
        None if stopping.any(|facts| facts.state == InstanceState::Stopping) => Action::Wait(2_000),
        None => Action::Launch(0),
    }
}

impl Policies for Native {
    fn decide(&self, _pool: &PoolName, input: Input) -> Decision {
        let reason = Reason::new("native", "a function decided");
        let result = match &input {
            Input::Resolve(input) => (self.resolve)(input).map(|action| {
                Verdict::Resolve(resolve::Verdict {
                    action,
                    reason,
                    valid_for_ms: 30_000,
                    memo: String::new(),
                })
            }),
            Input::Adopt(input) => Ok(Verdict::Adopt(adopt::Verdict {
                choice: match input.candidates.first() {
                    Some(candidate) => adopt::Choice::Take(candidate.facts.id.clone()),
                    None => adopt::Choice::None,
                },
                reason,
                valid_for_ms: 0,
            })),
            Input::RetryIp(input) => Ok(Verdict::RetryIp(retry_ip::Verdict {
                next: match (self.retry_ip, input.tries) {
                    (Some(next), _) => next,
                    (None, ..5) => retry_ip::Next::Again(500),
                    (None, _) => retry_ip::Next::GiveUp(2_000),
                },
                reason,
                valid_for_ms: 500,
            })),
            Input::Reap(input) => Ok(Verdict::Reap(reap::Verdict {
                choice: match (self.reap, input.demand) {
                    (Some((choice, _)), _) => choice,
                    (None, Demand::Requests(sample)) if sample.count == 0 => reap::Choice::End,
                    (None, _) => reap::Choice::Keep,
                },
                reason: Reason::new("unwanted", "no caller wants it"),
                look_again_ms: 1_000,
                drain_ms: self.reap.map_or(0, |(_, drain_ms)| drain_ms),
                memo: String::new(),
            })),
            Input::Debounce(_) => match self.debounce {
                Some(choice) => Ok(Verdict::Debounce(debounce::Verdict {
                    choice,
                    reason,
                    valid_for_ms: 0,
                })),
                None => Err("it fails".to_owned()),
            },
        };
        Decision {
            policy: Some("native".to_owned()),
            settings: None,
            digest: None,
            input,
            result: result.map_err(|text| PolicyFailure {
                code: "refused".to_owned(),
                text,
            }),
            fuel_used: 0,
        }
    }
}
