//! The drive loop on the virtual clock. It gives events to the cores, carries out the effects, and
//! gives the results of calls back to the hosts that made them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use reeve_core::cloud::{CloudError, CloudErrorKind, Query};
use reeve_core::effect::{Effect, Question};
use reeve_core::event::{Asker, Event, WorkerEvent};
use reeve_core::fleet::Fleet;
use reeve_core::guard::Permit;
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::journal::Entry;
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response, Route};
use reeve_core::spec::LEASE;
use reeve_core::store::{Committed, Write};
use reeve_core::time::{Instant, Millis};

use super::{InFlight, Leg, Life, Sent, StoreCall, Surroundings, ToHost};

/// The drive loop of hosts in these surroundings. A world calls [`arrive`](Drive::arrive) for each
/// item of its queue that is due; the other methods follow from that one.
pub(crate) trait Drive: Surroundings {
    /// Lets an item of the queue arrive at its host, the cloud or the store.
    fn arrive(&mut self, what: InFlight) {
        match what {
            InFlight::Host(life, what) => self.reach_host(life, *what),
            InFlight::Query {
                from,
                asker,
                query,
                asked_at,
            } => self.answer_query(from, asker, query, asked_at),
            InFlight::Mutation { from, sent } => self.apply_mutation(from, *sent),
            InFlight::Store { from, call } => self.answer_store_call(from, *call),
        }
    }

    /// Gives an item to a host: at once, or at the end of the host's pause. The item is dropped if
    /// that life of the host has ended.
    fn reach_host(&mut self, life: Life, what: ToHost) {
        if !self.is_alive(life) {
            return;
        }
        let number = life.host;
        let paused_until = self.host(number).paused_until;
        if self.now() < paused_until {
            return self.put(paused_until, InFlight::Host(life, Box::new(what)));
        }
        match what {
            ToHost::Event(event) => self.take_in(number, event),
            ToHost::Ask {
                worker,
                request,
                wait,
            } => self.on_ask(number, worker, request, wait),
            ToHost::Committed {
                worker,
                result,
                permit,
                is_journaled,
                asked,
            } => {
                let written = matches!(result, Ok(Committed::Written(_)));
                let event = Event::of(worker, WorkerEvent::Committed(result));
                self.observe_event(life, &event);
                self.step(number, event);
                // As in the product, the core takes in the result of the write, and the mutation
                // follows immediately.
                if let Some(permit) = permit.filter(|_| written) {
                    self.send_mutation(number, permit, is_journaled, asked);
                }
            }
            ToHost::Collect => {
                for (worker, instance) in self.host_mut(number).collect_all() {
                    self.on_handed_out(number, worker, instance);
                }
            }
        }
    }

    /// Whether this life of the host has not ended.
    fn is_alive(&self, life: Life) -> bool {
        let host = self.host(life.host);
        host.is_up() && host.life() == life
    }

    /// Answers a resolve from the published route, or gives it to the core.
    fn on_ask(
        &mut self,
        number: usize,
        worker: WorkerId,
        request: RequestId,
        wait: Option<Millis>,
    ) {
        let now = self.now();
        let host = self.host_mut(number);
        let collects = host.collects_at;
        if let Some(route) = host.answer(now, &worker) {
            if let (None, Some(at)) = (collects, host.collects_at) {
                self.send_at(number, at, ToHost::Collect);
            }
            let served = Response::Resolve(Resolution::Served(route));
            return self.respond(&worker, request, served);
        }
        let what = Request::Resolve { wait };
        let event = Event::of(worker, WorkerEvent::Asked { request, what });
        self.step(number, event);
    }

    /// Gives an event to the core. Before a decision, the core takes in the hand-outs of the route,
    /// because the guard reads activity.
    fn take_in(&mut self, number: usize, event: Event) {
        if let Event::Worker {
            worker,
            what: WorkerEvent::Decided { .. },
        } = &event
            && let Some(instance) = self.host_mut(number).collect(worker)
        {
            self.on_handed_out(number, worker.clone(), instance);
        }
        let life = self.host(number).life();
        self.observe_event(life, &event);
        self.step(number, event);
    }

    fn on_handed_out(&mut self, number: usize, worker: WorkerId, instance: InstanceId) {
        self.step(
            number,
            Event::of(worker, WorkerEvent::HandedOut { instance, count: 1 }),
        );
    }

    /// Sends a mutation whose record is written, unless the intent is not journaled or the write took
    /// too long.
    fn send_mutation(&mut self, number: usize, permit: Permit, is_journaled: bool, asked: Instant) {
        // A host that was suspended since the write may have lost its lease to another host, and the
        // cloud does not check leases.
        let announced_max = Millis::new(LEASE.get() / 2);
        if !is_journaled {
            return self.refuse_mutation(number, permit, "JournalUnavailable");
        }
        if self.store_is_shared() && self.now().since(asked) > announced_max {
            return self.refuse_mutation(number, permit, "LeaseTooOld");
        }
        let from = self.host(number).life();
        if !self.before_send(from, &permit) {
            return;
        }
        let sent = Box::new(Sent::of(permit));
        let at = self.now() + self.latency(Leg::ToCloud);
        self.put(at, InFlight::Mutation { from, sent });
    }

    /// Consumes the permit, and gives the core an error as the outcome.
    fn refuse_mutation(&mut self, number: usize, permit: Permit, code: &str) {
        let sent = Sent::of(permit);
        let error = CloudError {
            operation: sent.mutation.kind().to_string(),
            kind: CloudErrorKind::NotSent,
            code: code.to_owned(),
            message: "not tried".to_owned(),
            retry_after: None,
        };
        let to = self.host(number).life();
        self.put_answer(to, Millis::ZERO, sent.into_outcome(Err(error)));
    }

    /// Runs one step of the core, and carries out its effects in their order.
    fn step(&mut self, number: usize, event: Event) {
        let local = self.host(number).clock.read(self.now());
        let Some(fleet) = self.host_mut(number).fleet.as_mut() else {
            return;
        };
        // The state that a panic leaves in the fleet is not read again: a panic ends the run.
        let stepped = catch_unwind(AssertUnwindSafe(|| fleet.step(local, event)));
        let effects = match stepped {
            Ok(effects) => self.observe_step(number, local, effects),
            Err(panic) => return self.panicked(panic),
        };
        self.reserve_ids(number);
        for effect in effects {
            if !self.host(number).is_up() {
                return;
            }
            self.carry_out(number, effect);
        }
    }

    /// Reserves the next decision ids of a host that has used half of its block.
    fn reserve_ids(&mut self, number: usize) {
        let fleet = self.host(number).fleet.as_ref();
        let Some(above) = fleet.and_then(Fleet::wants_decision_ids) else {
            return;
        };
        let reserved = self.reserve(above);
        if let (Ok(block), Some(fleet)) = (reserved, self.host_mut(number).fleet.as_mut()) {
            fleet.add_decision_ids(block);
        }
    }

    /// The one interpreter of effects.
    fn carry_out(&mut self, number: usize, effect: Effect) {
        let from = self.host(number).life();
        match effect {
            Effect::Query { asker, query } => {
                let asked_at = self.host(number).clock.read(self.now());
                let at = self.now() + self.latency(Leg::ToCloud);
                let query = InFlight::Query {
                    from,
                    asker,
                    query,
                    asked_at,
                };
                self.put(at, query);
            }
            Effect::Probe {
                worker,
                instance,
                asked_at,
                target,
            } => {
                let (result, after) = self.probe(from, &worker, &instance, &target);
                let what = WorkerEvent::Probed {
                    instance,
                    asked_at,
                    result,
                };
                self.put_answer(from, after, ToHost::Event(Event::of(worker, what)));
            }
            Effect::Decide(question) => self.ask_policies(from, question),
            Effect::Journal(entry) => self.append_to_journal(number, entry),
            Effect::ReadRecord(worker) => {
                let asked_at = self.host(number).clock.read(self.now());
                self.call_store(from, Millis::ZERO, StoreCall::Read { worker, asked_at });
            }
            Effect::Commit { write, then } => self.write(from, write, then),
            Effect::Refresh {
                worker,
                request,
                refresh,
            } => {
                let call = StoreCall::Refresh {
                    worker,
                    request,
                    refresh,
                };
                self.call_store(from, Millis::ZERO, call);
            }
            Effect::Timer { at, timer } => {
                let at = self.host(number).clock.when(at).max(self.now());
                self.send_at(number, at, ToHost::Event(timer.into()));
            }
            Effect::Respond {
                worker,
                request,
                response,
            } => self.respond(&worker, request, response),
            Effect::Publish(route) => self.publish(from, route),
            Effect::Withdraw(worker) => {
                if let Some(instance) = self.host_mut(number).withdraw(&worker) {
                    self.on_handed_out(number, worker, instance);
                }
            }
            Effect::Notice(notice) => self.notice(number, notice),
        }
    }

    fn ask_policies(&mut self, from: Life, question: Question) {
        let (made, after) = self.decide(&question);
        let what = WorkerEvent::Decided {
            decision: question.decision,
            made,
        };
        let event = Event::of(question.worker, what);
        self.put_answer(from, after, ToHost::Event(event));
    }

    fn append_to_journal(&mut self, number: usize, entry: Entry) {
        if !self.journal(number, &entry) {
            return;
        }
        let host = self.host_mut(number);
        host.note_journaled(&entry);
        if entry.content.must_be_durable() {
            let intent = (entry.worker, entry.decision);
            host.intents_written.insert(intent);
        }
    }

    fn write(&mut self, from: Life, write: Box<Write>, permit: Option<Permit>) {
        let delay = self.before_write(from, &write, permit.as_ref());
        let is_journaled = permit.as_ref().is_some_and(|permit| {
            let intent = (permit.worker().clone(), permit.decision());
            let host = self.host_mut(from.host);
            host.intents_written.remove(&intent)
        });
        let call = StoreCall::Commit {
            write,
            permit,
            is_journaled,
            asked: self.now(),
        };
        self.call_store(from, delay, call);
    }

    fn publish(&mut self, from: Life, route: Route) {
        self.observe_route(from, &route);
        let worker = route.worker.clone();
        if let Some(instance) = self.host_mut(from.host).publish(route) {
            self.on_handed_out(from.host, worker, instance);
        }
    }

    fn call_store(&mut self, from: Life, delay: Millis, call: StoreCall) {
        let at = self.now() + self.latency(Leg::ToStore) + delay;
        let call = Box::new(call);
        self.put(at, InFlight::Store { from, call });
    }

    fn answer_query(&mut self, from: Life, asker: Asker, query: Query, asked_at: Instant) {
        let (result, after) = self.query(&query);
        let event = Event::queried(asker, query, asked_at, result);
        self.put_answer(from, after, ToHost::Event(event));
    }

    fn apply_mutation(&mut self, from: Life, sent: Sent) {
        if let Some((result, after)) = self.mutate(from, &sent) {
            self.put_answer(from, after, sent.into_outcome(result));
        }
    }

    fn answer_store_call(&mut self, from: Life, call: StoreCall) {
        let answer = match call {
            StoreCall::Read { worker, asked_at } => {
                let result = self.read(&worker);
                let what = WorkerEvent::RecordRead { asked_at, result };
                ToHost::Event(Event::of(worker, what))
            }
            StoreCall::Commit {
                write,
                permit,
                is_journaled,
                asked,
            } => ToHost::Committed {
                result: self.commit(from, &write, permit.as_ref()),
                worker: write.worker,
                permit,
                is_journaled,
                asked,
            },
            StoreCall::Refresh {
                worker,
                request,
                refresh,
            } => {
                let result = self.refresh(&worker, refresh);
                let what = WorkerEvent::Refreshed {
                    request,
                    refresh,
                    result,
                };
                ToHost::Event(Event::of(worker, what))
            }
        };
        let after = self.latency(Leg::FromStore);
        self.put_answer(from, after, answer);
    }

    /// Sends an item to a host, to arrive at this time. It arrives only in the present life of the
    /// host.
    fn send_at(&mut self, number: usize, at: Instant, what: ToHost) {
        let life = self.host(number).life();
        self.put(at, InFlight::Host(life, Box::new(what)));
    }
}

impl<S: Surroundings> Drive for S {}
