//! Reeve itself on the virtual clock: the same `Fleet::step` that the product's drive loop calls, with
//! effects carried out against the simulated world.

mod notes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::demand::DemandReading;
use reeve_core::effect::{Effect, Question};
use reeve_core::event::{Event, WorkerEvent};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::guard::Permit;
use reeve_core::health::Target;
use reeve_core::id::{DecisionId, HostId, InstanceId, RequestId, WorkerId};
use reeve_core::journal::{self, Record};
use reeve_core::notice::Notice;
use reeve_core::operator::{Command, CommandOutcome, Refused};
use reeve_core::point::{Input, Point};
use reeve_core::ports::{Policies, Store as _};
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response};
use reeve_core::restart::RestartRequest;
use reeve_core::spec::FleetSpec;
use reeve_core::store::Committed;
use reeve_core::time::{Instant, Millis};
use reeve_core::token::Secret;

use crate::host::Host;
use crate::store::MemoryStore;
use crate::timeline::Entry;
use crate::world::World;

/// How long a call to the cloud takes here: the order of a describe call within a region. Half of it
/// passes before the cloud sees the call.
const CALL: Millis = Millis::new(80);

/// The product's loop on virtual time.
pub struct Reeve {
    fleet: Fleet,
    policies: Arc<dyn Policies>,
    store: MemoryStore,
    due: BTreeMap<(Instant, u64), Due>,
    sequence: u64,
    answers: Vec<(RequestId, Resolution)>,
    replies: Vec<(RequestId, Receipt)>,
    reports: Vec<(RequestId, Result<CommandOutcome, Refused>)>,
    entries: Vec<Entry>,
    journal: Vec<Record>,
    notices: Vec<Notice>,
    told: BTreeSet<String>,
    asked: BTreeMap<DecisionId, (Point, Option<InstanceId>)>,
}

/// Something that will happen.
enum Due {
    /// An event reaches the core.
    Event(Box<Event>),
    /// A query reaches the cloud.
    Query {
        asker: reeve_core::event::Asker,
        query: reeve_core::cloud::Query,
        asked_at: Instant,
    },
    /// A permitted mutation reaches the cloud.
    Mutate(Permit),
    /// A probe reaches the instance.
    Probe {
        worker: WorkerId,
        instance: InstanceId,
        asked_at: Instant,
        target: Target,
    },
}

impl Reeve {
    /// A host at its start, with a store of its own.
    pub fn new(spec: FleetSpec, policies: Arc<dyn Policies>) -> Self {
        Self::recovered(spec, policies, Recovered::default())
    }

    /// The same, with what an earlier life left in its journal.
    pub fn recovered(spec: FleetSpec, policies: Arc<dyn Policies>, recovered: Recovered) -> Self {
        Self::sharing(spec, policies, MemoryStore::new(false), "host", recovered)
    }

    /// A host at its start, with this store and this name in leases.
    pub fn sharing(
        spec: FleetSpec,
        policies: Arc<dyn Policies>,
        store: MemoryStore,
        host: &str,
        recovered: Recovered,
    ) -> Self {
        let identity = Identity {
            host: HostId::from(host),
            store_is_shared: store.is_shared(),
        };
        let recovered = Recovered {
            records: store.read_all_now().ok(),
            ..recovered
        };
        Self {
            fleet: Fleet::new(spec, identity, recovered),
            policies,
            store,
            due: BTreeMap::new(),
            sequence: 0,
            answers: Vec::new(),
            replies: Vec::new(),
            reports: Vec::new(),
            entries: Vec::new(),
            journal: Vec::new(),
            notices: Vec::new(),
            told: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// The state, for checkers.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The door for boxes has turned away what may have been this worker's box.
    pub fn turn_box_away(&mut self, now: Instant, worker: &WorkerId) {
        let worker = worker.clone();
        self.step(now, Event::of(worker, WorkerEvent::BoxTurnedAway));
    }

    /// Everything journaled so far.
    pub fn journal(&self) -> &[Record] {
        &self.journal
    }

    /// Everything told so far.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// An operator tells the host something.
    pub fn operate(
        &mut self,
        now: Instant,
        worker: &WorkerId,
        request: RequestId,
        command: Command,
    ) {
        let worker = worker.clone();
        self.step(
            now,
            Event::of(
                worker,
                WorkerEvent::Asked {
                    request,
                    what: Request::Command(command),
                },
            ),
        );
    }

    /// What operators were told since this was last called.
    pub fn take_reports(&mut self) -> Vec<(RequestId, Result<CommandOutcome, Refused>)> {
        std::mem::take(&mut self.reports)
    }

    fn step(&mut self, now: Instant, event: Event) {
        // Policies answer at once on this clock; their answers are taken in before anything later.
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.fleet.step(now, event) {
                events.extend(self.carry_out(now, effect));
            }
        }
    }

    fn carry_out(&mut self, now: Instant, effect: Effect) -> Option<Event> {
        let half = Millis::new(CALL.get() / 2);
        match effect {
            Effect::Query { asker, query } => {
                let asked_at = now;
                self.later(
                    now + half,
                    Due::Query {
                        asker,
                        query,
                        asked_at,
                    },
                );
            }
            Effect::Probe {
                worker,
                instance,
                asked_at,
                target,
            } => {
                let due = Due::Probe {
                    worker,
                    instance,
                    asked_at,
                    target,
                };
                self.later(now + half, due);
            }
            Effect::Decide(question) => return Some(self.decide(question)),
            Effect::Journal(record) => self.note_record(record),
            Effect::ReadRecord(worker) => {
                let result = self.store.read_now(&worker);
                let asked_at = now;
                return Some(Event::of(
                    worker,
                    WorkerEvent::RecordRead { asked_at, result },
                ));
            }
            Effect::Commit { write, then } => {
                let result = self.store.commit_now(&write);
                if let (Ok(Committed::Written(_)), Some(permit)) = (&result, then) {
                    self.later(now + half, Due::Mutate(permit));
                }
                return Some(Event::of(write.worker, WorkerEvent::Committed(result)));
            }
            Effect::Touch {
                worker,
                request,
                touch,
            } => {
                let result = self.store.touch_now(&worker, touch);
                let what = WorkerEvent::Touched {
                    request,
                    touch,
                    result,
                };
                return Some(Event::of(worker, what));
            }
            Effect::Timer { at, timer } => self.later(at, Due::Event(Box::new(timer.into()))),
            Effect::Respond {
                request, response, ..
            } => match response {
                Response::Resolve(resolution) => self.answers.push((request, resolution)),
                Response::Statement(receipt) => self.replies.push((request, receipt)),
                Response::Command(result) => self.reports.push((request, result)),
            },
            Effect::Publish(_) | Effect::Withdraw(_) => {}
            Effect::Notice(notice) => self.note_notice(now, notice),
        }
        None
    }

    fn decide(&mut self, question: Question) -> Event {
        let about = match &question.input {
            Input::Reap(input) => Some(input.instance.id.clone()),
            _ => None,
        };
        let asked = (question.input.point(), about);
        self.asked.insert(question.decision, asked);
        let made = self.policies.decide(&question.pool, question.input);
        Event::of(
            question.worker,
            WorkerEvent::Decided {
                decision: question.decision,
                made,
            },
        )
    }

    /// As good as random here, and the same at every run: no two requests share one.
    fn secret(&self, request: RequestId) -> Secret {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&request.get().to_be_bytes());
        Secret::new(bytes)
    }

    fn later(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), due);
    }
}

impl Host for Reeve {
    fn start(&mut self, _world: &mut World, now: Instant) {
        self.step(now, Event::Started);
    }

    fn ask(&mut self, _world: &mut World, now: Instant, worker: &WorkerId, request: RequestId) {
        let worker = worker.clone();
        let wait = None;
        self.step(
            now,
            Event::of(
                worker,
                WorkerEvent::Asked {
                    request,
                    what: Request::Resolve { wait },
                },
            ),
        );
    }

    fn hear(
        &mut self,
        _world: &mut World,
        now: Instant,
        worker: &WorkerId,
        request: RequestId,
        said: Statement,
    ) {
        let worker = worker.clone();
        let fresh = self.secret(request);
        let event = Event::of(
            worker,
            WorkerEvent::Asked {
                request,
                what: Request::Statement {
                    statement: said,
                    fresh,
                },
            },
        );
        self.step(now, event);
    }

    fn restart(
        &mut self,
        _world: &mut World,
        now: Instant,
        worker: &WorkerId,
        request: RestartRequest,
    ) {
        // Nobody waits for what comes of it; the timeline has it from the notices.
        let command = Command::Restart(request);
        self.operate(now, worker, RequestId::default(), command);
        self.reports.clear();
    }

    fn demand(
        &mut self,
        _world: &mut World,
        now: Instant,
        worker: &WorkerId,
        demand: DemandReading,
    ) {
        let worker = worker.clone();
        let demand = Some(demand);
        self.step(now, Event::of(worker, WorkerEvent::DemandRead(demand)));
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    fn run_due(&mut self, world: &mut World, now: Instant) {
        let half = Millis::new(CALL.get() / 2);
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Due::Event(event) => self.step(now, *event),
                Due::Query {
                    asker,
                    query,
                    asked_at,
                } => {
                    let result = world.query(&query);
                    let event = Event::queried(asker, query, asked_at, result);
                    self.later(now + half, Due::Event(Box::new(event)));
                }
                Due::Probe {
                    worker,
                    instance,
                    asked_at,
                    target,
                } => {
                    let (result, takes_all) = world.probe(&target);
                    let event = Event::of(
                        worker,
                        WorkerEvent::Probed {
                            instance,
                            asked_at,
                            result,
                        },
                    );
                    let after = if takes_all { target.timeout } else { half };
                    self.later(now + after, Due::Event(Box::new(event)));
                }
                Due::Mutate(permit) => {
                    let worker = permit.worker().clone();
                    let decision = permit.decision();
                    let mutation = permit.into_mutation();
                    let event = Event::of(
                        worker,
                        WorkerEvent::Mutated {
                            result: world.apply(&mutation),
                            decision,
                            mutation,
                        },
                    );
                    self.later(now + half, Due::Event(Box::new(event)));
                }
            }
        }
    }

    fn take_answers(&mut self) -> Vec<(RequestId, Resolution)> {
        std::mem::take(&mut self.answers)
    }

    fn take_replies(&mut self) -> Vec<(RequestId, Receipt)> {
        std::mem::take(&mut self.replies)
    }

    fn vetoes(&self) -> usize {
        let is_veto = |record: &&Record| matches!(record.entry, journal::Entry::Vetoed(_));
        self.journal.iter().filter(is_veto).count()
    }

    fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }
}
