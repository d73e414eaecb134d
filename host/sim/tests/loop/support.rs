//! Policies as plain functions, and a worker on the stage.

use std::sync::Arc;

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::cloud::{Mutation, MutationKind};
use reeve_core::decision::{Decision, PolicyFailure};
use reeve_core::id::{InstanceId, PoolName, RequestId};
use reeve_core::instance::InstanceState;
use reeve_core::journal::{Entry, Record};
use reeve_core::point::resolve::{
    Action, Adopted, Adoption, InFlight, LastFailure, Pointer, Target,
};
use reeve_core::point::{
    AddressKind, Input, Reason, Verdict, adopt, debounce, reap, resolve, retry_ip,
};
use reeve_core::ports::Policies;
use reeve_core::response::Resolution;
use reeve_core::spec::FleetSpec;
use reeve_core::time::{Instant, Millis};
use reeve_sim::host::Host;
use reeve_sim::incidents::{self, TAG};
use reeve_sim::reeve::Reeve;
use reeve_sim::world::World;

pub(crate) const BEGINS: Instant = Instant::from_ms(1_760_428_800_000);

type Resolve = dyn Fn(&resolve::Input) -> Result<Action, String> + Send + Sync;

/// Policies in Rust: `resolve` is given, the others are plain.
pub(crate) struct Native {
    pub(crate) resolve: Box<Resolve>,
    /// What `debounce` says to everything; `None`: it fails.
    pub(crate) debounce: Option<debounce::Choice>,
}

impl Native {
    pub(crate) fn new(
        resolve: impl Fn(&resolve::Input) -> Result<Action, String> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            resolve: Box::new(resolve),
            debounce: None,
        })
    }

    /// Sensible, and with one answer to every restart.
    pub(crate) fn debouncing(choice: debounce::Choice) -> Arc<Self> {
        Arc::new(Self {
            resolve: Box::new(|input| Ok(sensible(input))),
            debounce: Some(choice),
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
    if let LastFailure::Failed(failure) = input.last_failure
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
        None => Action::Launch,
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
                next: match input.tries {
                    ..5 => retry_ip::Next::Again(500),
                    _ => retry_ip::Next::GiveUp(2_000),
                },
                reason,
                valid_for_ms: 500,
            })),
            Input::Reap(input) => Ok(Verdict::Reap(reap::Verdict {
                choice: match input.demand {
                    reap::Demand::Requests(sample) if sample.count == 0 => reap::Choice::Stop,
                    _ => reap::Choice::Keep,
                },
                reason: Reason::new("unreachable", "nobody could reach it"),
                look_again_ms: 1_000,
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

/// One worker, its host and its world, with time in the test's hands.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) host: Reeve,
    pub(crate) now: Instant,
    requests: RequestId,
    answers: Vec<(RequestId, Resolution)>,
    replies: Vec<(RequestId, Receipt)>,
}

impl Bench {
    pub(crate) fn new(policies: Arc<Native>) -> Self {
        Self::with_world(World::new(1, BEGINS), policies)
    }

    pub(crate) fn with_world(world: World, policies: Arc<Native>) -> Self {
        Self::with_fleet(incidents::fleet(), world, policies)
    }

    pub(crate) fn with_fleet(fleet: FleetSpec, mut world: World, policies: Arc<Native>) -> Self {
        let mut host = Reeve::new(fleet, policies);
        host.start(&mut world, BEGINS);
        Self {
            world,
            host,
            now: BEGINS,
            requests: RequestId::default(),
            answers: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Asks now; the answer comes as time goes on.
    pub(crate) fn ask(&mut self) -> RequestId {
        self.requests = self.requests.next();
        self.host.ask(
            &mut self.world,
            self.now,
            &incidents::worker(),
            self.requests,
        );
        self.requests
    }

    /// Lets a box or an application say something; the answer comes as time goes on.
    pub(crate) fn say(&mut self, said: Statement) -> RequestId {
        self.requests = self.requests.next();
        let worker = incidents::worker();
        self.host
            .hear(&mut self.world, self.now, &worker, self.requests, said);
        self.requests
    }

    /// The same, and what it is answered within a second.
    pub(crate) fn say_and_run(&mut self, said: Statement) -> Receipt {
        let request = self.say(said);
        self.run(Millis::from_secs(1));
        self.reply(request).expect("a reply within a second")
    }

    /// The reply to something said, once it was given.
    pub(crate) fn reply(&mut self, request: RequestId) -> Option<Receipt> {
        self.replies.extend(self.host.take_replies());
        let found = self.replies.iter().find(|(it, _)| *it == request);
        found.map(|(_, reply)| reply.clone())
    }

    /// Lets so much time go by.
    pub(crate) fn run(&mut self, length: Millis) {
        let end = self.now + length;
        loop {
            let next = [self.host.next_due(), self.world.next_change()];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.world.advance(self.now);
            self.host.run_due(&mut self.world, self.now);
            self.answers.extend(self.host.take_answers());
        }
        self.now = end;
        self.world.advance(end);
    }

    /// The answer to a request, once it was given.
    pub(crate) fn answer(&mut self, request: RequestId) -> Option<Resolution> {
        self.answers.extend(self.host.take_answers());
        let found = self
            .answers
            .iter()
            .find(|(answered, _)| *answered == request);
        found.map(|(_, answer)| answer.clone())
    }

    /// Asks, lets so much time go by, and expects an answer.
    pub(crate) fn ask_and_run(&mut self, length: Millis) -> Resolution {
        let request = self.ask();
        self.run(length);
        self.answer(request)
            .expect("an answer within the time given")
    }

    /// What the host did to the cloud, in order.
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        let intents = self.host.journal().iter().filter_map(intent);
        intents.cloned().collect()
    }

    pub(crate) fn count(&self, kind: MutationKind) -> usize {
        self.mutations()
            .iter()
            .filter(|mutation| mutation.kind() == kind)
            .count()
    }

    pub(crate) fn pointer(&self) -> Option<&str> {
        self.world.pointer(&incidents::pointer())
    }

    pub(crate) fn place_pointer(&mut self, value: &str) {
        self.world.place_pointer(&incidents::pointer(), value);
    }

    pub(crate) fn up(&self) -> Vec<InstanceId> {
        let up = self
            .world
            .instances()
            .filter(|instance| instance.state.is_live());
        up.map(|instance| instance.id.clone()).collect()
    }
}

fn intent(record: &Record) -> Option<&Mutation> {
    match &record.entry {
        Entry::Intent { mutation, .. } => Some(mutation),
        _ => None,
    }
}

/// A world in which A is stopped and the pointer names it.
pub(crate) fn stopped_a() -> World {
    let mut world = World::new(1, BEGINS);
    world.place_stopped("i-aaaa", TAG);
    world.place_pointer(&incidents::pointer(), "i-aaaa");
    world
}
