//! The host without guarantees, as the teams had it before reeve. It asks the same policies and
//! carries out their verdicts at once, without a guard. It exists to replay each incident as it
//! was. It changes the simulated world directly, so it cannot act on a real cloud.
//!
//! It lacks:
//! - a record of the adopted instance (docs/incidents.md#ip-race);
//! - a scan before a start, a watchdog that clears the pointer, and a difference between "idle" and
//!   "no caller could reach it" (docs/incidents.md#stale-pointer);
//! - a single flight of launches, and a token for a certain box: the box that registers first gets
//!   the token (docs/incidents.md#double-provision).

use std::sync::Arc;

use reeve_core::boxes::{
    Accepted, Receipt, Refusal, RefusalCode, Registered, Report, ReportOutcome, Reporter, Statement,
};
use reeve_core::cloud::{Mutation, Query, Reading};
use reeve_core::decision::Decision;
use reeve_core::demand::{Demand, DemandReading};
use reeve_core::facts::{Adopted, How, Remembered, WorkerFacts, inputs};
use reeve_core::id::{DecisionId, Generation, InstanceId, LaunchToken, RequestId, WorkerId};
use reeve_core::operator::Command;
use reeve_core::point::resolve::{Action, Adoption};
use reeve_core::point::{Input, Verdict, adopt, debounce, reap};
use reeve_core::ports::Policies;
use reeve_core::request::Request;
use reeve_core::response::{NotYet, NotYetCode, Resolution, Response, Route};
use reeve_core::restart::RestartRequest;
use reeve_core::spec::{PoolSpec, WorkerSpec};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{Secret, Token};

use crate::host::Host;
use crate::incidents;
use crate::timeline::Entry;
use crate::world::World;

/// The time after which callers ask again. The original host named no time in its responses.
const COME_BACK: Millis = Millis::from_secs(2);

/// A host that carries out the verdicts of its policies, for one worker.
pub(crate) struct AsItWas {
    world: World,
    worker: WorkerSpec,
    id: WorkerId,
    pool: PoolSpec,
    policies: Arc<dyn Policies>,
    /// The last reading of the demand metric.
    demand: Option<DemandReading>,
    /// The number of launches so far, which makes launch tokens and generations.
    launches: u64,
    decisions: DecisionId,
    /// The token of the box that registered first since the last launch; `None`: no box has
    /// registered since.
    token: Option<Token>,
    responses: Vec<(RequestId, Response)>,
    entries: Vec<Entry>,
}

impl AsItWas {
    /// Makes the host of one worker.
    pub(crate) fn new(
        world: World,
        id: WorkerId,
        worker: WorkerSpec,
        pool: PoolSpec,
        policies: Arc<dyn Policies>,
    ) -> Self {
        Self {
            world,
            worker,
            id,
            pool,
            policies,
            demand: None,
            launches: 0,
            decisions: DecisionId::default(),
            token: None,
            responses: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        self.world.now()
    }

    /// Answers a resolve from fresh facts. An adoption of an earlier call is not remembered.
    fn resolve(&mut self) -> Resolution {
        /// Resolve, adopt, resolve again: the original code had no further steps.
        const STEPS_MAX: usize = 3;
        let mut facts = self.read_facts();
        let mut adoption = Adoption::NotAsked;
        for _ in 0..STEPS_MAX {
            let input = facts.resolve_input(self.now(), adoption, String::new());
            let decision = self.decide(Input::Resolve(input));
            let Ok(Verdict::Resolve(verdict)) = &decision.result else {
                return self.not_yet(NotYetCode::Unavailable, "the policy failed");
            };
            match &verdict.action {
                Action::Serve(target) => {
                    let reading = facts.instances.get(&target.id).map(|known| &known.instance);
                    let address = reading.and_then(|instance| instance.address(target.address));
                    return match address {
                        Some(ip) => {
                            self.served(inputs::url(ip, self.pool.port), &target.id, &decision)
                        }
                        None => self.not_yet(NotYetCode::Unavailable, "no address"),
                    };
                }
                Action::Adopt => adoption = self.adopt(&mut facts),
                Action::Start(id) => {
                    let mutation = Mutation::Start {
                        region: self.pool.region.clone(),
                        compute: self.pool.compute.clone(),
                        id: id.clone(),
                    };
                    self.act(&mutation);
                    return self.not_yet(NotYetCode::Starting, "the GPU worker is starting up");
                }
                Action::Launch(_) => {
                    self.launch();
                    return self.not_yet(NotYetCode::Launching, "the GPU worker is starting up");
                }
                Action::Wait(_) | Action::Unavailable(_) | Action::Replace(_) => {
                    return self.not_yet(NotYetCode::Waiting, &verdict.reason.text);
                }
            }
        }
        self.not_yet(NotYetCode::Unavailable, "no result after three steps")
    }

    /// Restarts the worker: terminates its instance, clears the pointer, and launches an instance. A
    /// caller that asks in between finds no worker (docs/incidents.md#self-fire).
    fn restart(&mut self, request: &RestartRequest) {
        let facts = self.read_facts();
        let decision = self.decide(Input::Debounce(facts.debounce_input(
            self.now(),
            request,
            0,
        )));
        let goes = matches!(
            &decision.result,
            Ok(Verdict::Debounce(verdict)) if matches!(verdict.choice, debounce::Choice::Go(_))
        );
        if !goes {
            return;
        }
        if let Some(Some(id)) = facts.pointer {
            let mutation = Mutation::Terminate {
                region: self.pool.region.clone(),
                compute: self.pool.compute.clone(),
                id,
                clear_pointer: Some(self.worker.pointer.clone()),
            };
            self.act(&mutation);
        }
        self.launch();
    }

    fn adopt(&mut self, facts: &mut WorkerFacts) -> Adoption {
        let decision = self.decide(Input::Adopt(facts.adopt_input(self.now())));
        let taken = match &decision.result {
            Ok(Verdict::Adopt(adopt::Verdict {
                choice: adopt::Choice::Take(id),
                ..
            })) => Some(id.clone()),
            _ => None,
        };
        let adoption = match &taken {
            Some(_) => Adoption::Taken,
            None => Adoption::Declined,
        };
        if let Some(id) = taken {
            facts.adopted = Some(Adopted {
                id: id.clone(),
                generation: Generation::default(),
                since: self.now(),
                how: How::Found,
                unfinished_before: 0,
                launched_before: None,
                unknown: Default::default(),
            });
            self.write_pointer(&id);
        }
        adoption
    }

    fn launch(&mut self) {
        let Some(source) = self.pool.launch.first().cloned() else {
            return;
        };
        self.launches += 1;
        // Provisioning revokes all tokens of the worker.
        self.token = None;
        let tag = (self.pool.tag_key.clone(), self.worker.tag_value.clone());
        let mutation = Mutation::Launch {
            region: self.pool.region.clone(),
            source,
            token: LaunchToken::new(format!("as-it-was-{}", self.launches)),
            tags: [tag].into(),
        };
        self.act(&mutation);
        let newest = self
            .world
            .instances()
            .max_by_key(|instance| instance.launched_at);
        if let Some(id) = newest.map(|instance| instance.id.clone()) {
            self.write_pointer(&id);
        }
    }

    /// Asks `reap` about every live instance, as the watchdog did, and stops those that the policy
    /// names. The pointer stays unchanged.
    fn reap(&mut self) {
        let facts = self.read_facts();
        let live: Vec<InstanceId> = facts
            .candidates()
            .iter()
            .map(|known| known.instance.id.clone())
            .collect();
        for id in live {
            let Some(input) = facts.reap_input(self.now(), &id, String::new()) else {
                continue;
            };
            let decision = self
                .policies
                .decide(&self.worker.pool, Input::Reap(input.clone()));
            if let Ok(Verdict::Reap(verdict)) = &decision.result
                && verdict.choice != reap::Choice::Keep
            {
                self.note_decision(&decision, format!("reap {id}?"));
                let mutation = Mutation::Stop {
                    region: self.pool.region.clone(),
                    compute: self.pool.compute.clone(),
                    id,
                    clear_pointer: None,
                };
                self.act(&mutation);
            }
        }
    }

    /// Reads the facts from the cloud. No fact is kept from one call to the next, except the demand.
    fn read_facts(&self) -> WorkerFacts {
        let mut facts = WorkerFacts::new(
            self.id.clone(),
            incidents::fleet().name,
            self.worker.clone(),
            self.pool.clone(),
            Remembered::default(),
        );
        let pointer = Query::Pointer {
            region: self.pool.region.clone(),
            name: self.worker.pointer.clone(),
        };
        if let Ok(Reading::Pointer(reading)) = self.world.query(&pointer) {
            facts.observe_pointer(reading);
        }
        let scan = Query::Scan {
            region: self.pool.region.clone(),
            compute: self.pool.compute.clone(),
            tag_key: self.pool.tag_key.clone(),
            tag_values: vec![self.worker.tag_value.clone()],
            tasks: Box::default(),
        };
        if let Ok(Reading::Scan(found)) = self.world.query(&scan) {
            facts.observe_scan(found, self.now());
        }
        facts.demand = self.demand.map(Demand::told);
        facts
    }

    fn decide(&mut self, input: Input) -> Decision {
        let point = input.point();
        let decision = self.policies.decide(&self.worker.pool, input);
        self.note_decision(&decision, format!("{point}?"));
        decision
    }

    fn note_decision(&mut self, decision: &Decision, event: String) {
        self.decisions = self.decisions.next();
        let entry = Entry::decided(self.now(), "policy", event, decision);
        self.entries.push(entry);
    }

    fn act(&mut self, mutation: &Mutation) {
        let about = mutation.instance().map_or("", InstanceId::as_str);
        let outcome = match self.world.apply(mutation) {
            Ok(_) => String::new(),
            Err(error) => format!(" ({})", error.code),
        };
        let event = format!("{} {about}{outcome}", mutation.kind());
        self.entries
            .push(Entry::event(self.now(), "host", event.trim()));
    }

    fn write_pointer(&mut self, id: &InstanceId) {
        let mutation = Mutation::WritePointer {
            region: self.pool.region.clone(),
            name: self.worker.pointer.clone(),
            id: id.clone(),
        };
        self.act(&mutation);
    }

    /// Answers a statement. The first register after a launch gets the token, and every other
    /// register a 401 without details.
    fn answer_statement(&mut self, statement: &Statement, request: RequestId) -> Receipt {
        let heartbeat = Millis::from_secs(30);
        match statement {
            Statement::Register { .. } if self.token.is_none() => {
                let mut secret = [0; 32];
                secret[..8].copy_from_slice(&request.get().to_be_bytes());
                let token = Token::new(self.id.clone(), Secret::new(secret));
                self.token = Some(token.clone());
                Receipt::Registered(Registered {
                    token,
                    generation: Generation::new(self.launches),
                    heartbeat,
                })
            }
            Statement::Report {
                by: Reporter::Box(token),
                report: Report::Heartbeat(_) | Report::Processed(_),
            } if Some(token) == self.token.as_ref() => Receipt::Accepted(Accepted {
                outcome: ReportOutcome::Stored,
                token: None,
                heartbeat: Some(heartbeat),
                ending_in: None,
            }),
            Statement::Report {
                by: Reporter::Application(_),
                ..
            } => Receipt::Accepted(Accepted {
                outcome: ReportOutcome::Stored,
                token: None,
                heartbeat: None,
                ending_in: None,
            }),
            Statement::Register { .. } | Statement::Unproven { .. } | Statement::Report { .. } => {
                Receipt::Refused(Refusal {
                    code: RefusalCode::TokenUnknown,
                    detail: "401 Unauthorized".to_owned(),
                    retry_after: None,
                })
            }
        }
    }

    fn served(&self, url: String, id: &InstanceId, decision: &Decision) -> Resolution {
        Resolution::Served(Route {
            worker: self.id.clone(),
            url,
            instance: id.clone(),
            generation: Generation::default(),
            decision: self.decisions,
            digest: decision.digest,
            valid_until: self.now(),
        })
    }

    fn not_yet(&self, code: NotYetCode, detail: &str) -> Resolution {
        Resolution::NotYet(NotYet {
            code,
            detail: detail.to_owned(),
            retry_after: COME_BACK,
            decision: Some(self.decisions),
        })
    }
}

impl Host for AsItWas {
    fn world(&self) -> &World {
        &self.world
    }

    fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn ask(&mut self, _number: usize, _worker: &WorkerId, request: RequestId, what: Request) {
        match what {
            Request::Resolve { .. } => {
                let resolution = self.resolve();
                self.responses
                    .push((request, Response::Resolve(resolution)));
            }
            Request::Statement { statement, .. } => {
                let receipt = self.answer_statement(&statement, request);
                self.responses.push((request, Response::Statement(receipt)));
            }
            Request::Command {
                command: Command::Restart(request),
                ..
            } => self.restart(&request),
            Request::Command { .. } | Request::Unreachable { .. } => {}
        }
    }

    fn read_demand(&mut self, _number: usize, _worker: &WorkerId, demand: DemandReading) {
        self.demand = Some(demand);
        self.reap();
    }

    fn take_responses(&mut self) -> Vec<(RequestId, Response)> {
        std::mem::take(&mut self.responses)
    }

    fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }
}
