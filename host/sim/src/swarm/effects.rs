//! What reaches a host, and carrying out what its core wants done: the drive loop's part, on the virtual clock.

use std::panic::{AssertUnwindSafe, catch_unwind};

use reeve_core::cloud::{CloudError, CloudErrorKind, Mutation, MutationKind};
use reeve_core::effect::{Effect, Question};
use reeve_core::event::{Event, PoolEvent, WorkerEvent};
use reeve_core::guard::Permit;
use reeve_core::health::Probed;
use reeve_core::id::{InstanceId, RequestId, WorkerId};
use reeve_core::request::Request;
use reeve_core::response::{Resolution, Response};
use reeve_core::spec::LEASE;
use reeve_core::store::{Committed, StoreError};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::Secret;

use super::chance::Stream;
use super::due::{Due, Life, Sent, StoreCall, ToHost};
use super::estate::Estate;
use super::fault::Fault;

impl Estate<'_> {
    /// A host begins another life.
    pub(super) fn host_begins(&mut self, number: usize) {
        if self.hosts[number].is_up() {
            return;
        }
        self.hosts[number].begin(self.now, &self.spec, &self.shelf);
        let host = &self.hosts[number];
        self.trace
            .tell(self.now, "host", || format!("{} begins", host.id()));
        self.step(number, Event::Started);
    }

    /// A host ends at once; whoever waits for it finds the connection broken.
    pub(super) fn host_crashes(&mut self, number: usize) {
        if !self.hosts[number].is_up() {
            return;
        }
        let host = &self.hosts[number];
        self.trace
            .tell(self.now, "host", || format!("{} ends at once", host.id()));
        self.hosts[number].crash();
        self.connections_break(number);
        let after = self.chance.millis(Stream::Detail, 500, 60_000);
        self.queue.put(self.now + after, Due::HostBegins(number));
    }

    /// Something reaches a host: at once, when it goes on, or never.
    pub(super) fn reach_host(&mut self, life: Life, what: ToHost) {
        let host = &mut self.hosts[life.host];
        if !host.is_up() || host.life != life.life {
            return;
        }
        if self.now < host.paused_until {
            let at = host.paused_until;
            self.queue.put(at, Due::Host(life, Box::new(what)));
            return;
        }
        let number = life.host;
        match what {
            ToHost::Event(event) => self.take_in(number, event),
            ToHost::Ask {
                worker,
                request,
                wait,
            } => self.ask_arrives(number, worker, request, wait),
            ToHost::Statement {
                worker,
                request,
                said,
            } => {
                let fresh = secret(request);
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
                self.step(number, event);
            }
            ToHost::Operate {
                worker,
                request,
                command,
            } => {
                let event = Event::of(
                    worker,
                    WorkerEvent::Asked {
                        request,
                        what: Request::Command(command),
                    },
                );
                self.step(number, event);
            }
            ToHost::Committed {
                worker,
                result,
                permit,
                is_journaled,
                asked,
            } => self.committed(number, worker, result, permit, is_journaled, asked),
            ToHost::Collect => {
                for (worker, instance) in self.hosts[number].collect_all() {
                    self.handed_out(number, worker, instance);
                }
            }
        }
    }

    fn ask_arrives(
        &mut self,
        number: usize,
        worker: WorkerId,
        request: RequestId,
        wait: Option<Millis>,
    ) {
        let collects = self.hosts[number].collects_at;
        if let Some(route) = self.hosts[number].answer(self.now, &worker) {
            let at = self.hosts[number].collects_at;
            if let (None, Some(at)) = (collects, at) {
                self.send_at(number, at, ToHost::Collect);
            }
            return self.answered(request, &Resolution::Served(route));
        }
        let event = Event::of(
            worker,
            WorkerEvent::Asked {
                request,
                what: Request::Resolve { wait },
            },
        );
        self.step(number, event);
    }

    /// The guard looks at activity: it shall see all there was until a decision is taken in.
    fn take_in(&mut self, number: usize, event: Event) {
        if let Event::Worker {
            worker,
            what: WorkerEvent::Decided { .. },
        } = &event
            && let Some(instance) = self.hosts[number].collect(worker)
        {
            self.handed_out(number, worker.clone(), instance);
        }
        if let Event::Worker {
            worker,
            what: WorkerEvent::Mutated {
                decision, mutation, ..
            },
        } = &event
        {
            self.checks
                .heard(self.life(number), worker, *decision, mutation);
        }
        if let Event::Worker {
            what: WorkerEvent::Queried { result, .. },
            ..
        }
        | Event::Pool {
            what: PoolEvent::Queried { result, .. },
            ..
        } = &event
        {
            self.checks.read(self.life(number), result);
        }
        self.step(number, event);
    }

    fn handed_out(&mut self, number: usize, worker: WorkerId, instance: InstanceId) {
        self.step(number, Event::of(worker, WorkerEvent::HandedOut(instance)));
    }

    /// As in the product: the loop hears of the write first, and what waited for it is sent right after.
    fn committed(
        &mut self,
        number: usize,
        worker: WorkerId,
        result: Result<Committed, StoreError>,
        permit: Option<Permit>,
        is_journaled: bool,
        asked: Instant,
    ) {
        let written = matches!(result, Ok(Committed::Written(_)));
        self.step(number, Event::of(worker, WorkerEvent::Committed(result)));
        let Some(permit) = permit.filter(|_| written) else {
            return;
        };
        if !is_journaled {
            return self.not_sent(number, permit, "JournalUnavailable");
        }
        // A lease that was written long ago may be void by now.
        let announced_max = Millis::new(LEASE.get() / 2);
        if self.options.shared_store && self.now.since(asked) > announced_max {
            return self.not_sent(number, permit, "LeaseTooOld");
        }
        if self.chance.happens(Fault::CrashAfterWrite) {
            return self.host_crashes(number);
        }
        self.checks
            .sent(self.now, self.life(number), &permit, &self.shelf);
        let after = self.chance.millis(Stream::Latency, 20, 120);
        let due = Due::Mutation {
            from: self.life(number),
            sent: Box::new(Sent::of(permit)),
        };
        self.queue.put(self.now + after, due);
    }

    fn not_sent(&mut self, number: usize, permit: Permit, code: &str) {
        let sent = Sent::of(permit);
        let kind = match sent.mutation {
            Mutation::Launch { .. } => CloudErrorKind::Transient,
            _ => CloudErrorKind::Permanent,
        };
        let result = Err(CloudError {
            operation: sent.mutation.kind().to_string(),
            kind,
            code: code.to_owned(),
            message: "not tried".to_owned(),
            retry_after: None,
        });
        let event = Event::of(
            sent.worker,
            WorkerEvent::Mutated {
                decision: sent.decision,
                mutation: sent.mutation,
                result,
            },
        );
        self.send_at(number, self.now, ToHost::Event(event));
    }

    /// Puts an event to the core, and carries out what comes of it.
    pub(super) fn step(&mut self, number: usize, event: Event) {
        let local = self.hosts[number].clock.read(self.now);
        let Some(fleet) = self.hosts[number].fleet.as_mut() else {
            return;
        };
        // What a panic leaves behind of the fleet is not looked at: the violation ends the run.
        let stepped = catch_unwind(AssertUnwindSafe(|| fleet.step(local, event)));
        let effects = match stepped {
            Ok(effects) => effects,
            Err(panic) => return self.checks.panicked(self.now, panic.as_ref()),
        };
        let effects = match &mut self.tap {
            Some(tap) => tap.take_in(local, &self.hosts[number].id(), effects),
            None => effects,
        };
        for effect in effects {
            if !self.hosts[number].is_up() {
                return;
            }
            self.carry_out(number, effect);
        }
    }

    fn carry_out(&mut self, number: usize, effect: Effect) {
        let from = self.life(number);
        match effect {
            Effect::Query { asker, query } => {
                let asked_at = self.hosts[number].clock.read(self.now);
                let after = self.chance.millis(Stream::Latency, 20, 120);
                let due = Due::Query {
                    from,
                    asker,
                    query,
                    asked_at,
                };
                self.queue.put(self.now + after, due);
            }
            Effect::Probe {
                worker,
                instance,
                asked_at,
                target,
            } => {
                let (mut result, mut takes_all) = self.clouds.world.probe(&target);
                if self.chance.happens(Fault::ProbeLost) {
                    let text = format!("no answer within {}", target.timeout);
                    (result, takes_all) = (Probed::Failed(text), true);
                }
                self.checks
                    .probed(self.now, &worker, &instance, &result, &self.clouds.world);
                let after = match takes_all {
                    true => target.timeout,
                    false => self.chance.millis(Stream::Latency, 1, 20),
                };
                let event = Event::of(
                    worker,
                    WorkerEvent::Probed {
                        instance,
                        asked_at,
                        result,
                    },
                );
                self.send_at(number, self.now + after, ToHost::Event(event));
            }
            Effect::Decide(question) => self.decide(number, question),
            Effect::Journal(record) => {
                self.note_record(number, &record);
                let is_intent = record.entry.must_be_durable();
                let is_lost = is_intent && self.chance.happens(Fault::JournalFails);
                if is_intent && !is_lost {
                    let intent = (record.worker.clone(), record.decision);
                    self.hosts[number].intents_written.insert(intent);
                }
                if !is_lost {
                    self.hosts[number].write_down(&record);
                }
            }
            Effect::ReadRecord(worker) => {
                let asked_at = self.hosts[number].clock.read(self.now);
                self.call_store(from, StoreCall::Read { worker, asked_at });
            }
            Effect::Commit { write, then } => {
                let is_end = write.if_idle.is_some() || then.as_ref().is_some_and(ends);
                let adopted = write.record.adopted.as_ref();
                let is_used =
                    is_end && adopted.is_some() && self.chance.happens(Fault::UsedMeanwhile);
                if let (true, Some(adopted)) = (is_used, adopted) {
                    self.use_at_once(&write.worker, adopted.id.clone());
                }
                let is_journaled = then.as_ref().is_some_and(|permit| {
                    let intent = (permit.worker().clone(), permit.decision());
                    self.hosts[number].intents_written.remove(&intent)
                });
                let call = StoreCall::Commit {
                    write,
                    permit: then,
                    is_journaled,
                    asked: self.now,
                };
                // Whoever uses it meanwhile has told the store before.
                let held_up = if is_used { 30 } else { 0 };
                self.call_store_after(from, call, Millis::new(held_up));
            }
            Effect::Touch {
                worker,
                request,
                touch,
            } => {
                let call = StoreCall::Touch {
                    worker,
                    request,
                    touch,
                };
                self.call_store(from, call);
            }
            Effect::Timer { at, timer } => {
                let at = self.hosts[number].clock.when(at).max(self.now);
                self.send_at(number, at, ToHost::Event(timer.into()));
            }
            Effect::Respond {
                worker,
                request,
                response,
            } => match response {
                Response::Resolve(resolution) => self.answered(request, &resolution),
                Response::Statement(receipt) => self.replied(request, receipt),
                Response::Command(result) => self.reported(&worker, request, result),
            },
            Effect::Publish(route) => {
                self.checks.published(self.now, from, &route);
                let worker = route.worker.clone();
                if let Some(instance) = self.hosts[number].publish(route) {
                    self.handed_out(number, worker, instance);
                }
            }
            Effect::Withdraw(worker) => {
                if let Some(instance) = self.hosts[number].withdraw(&worker) {
                    self.handed_out(number, worker, instance);
                }
            }
            Effect::Notice(notice) => {
                let host = &self.hosts[number];
                self.trace.tell(self.now, "host", || {
                    format!(
                        "{} {} {}: {}",
                        host.id(),
                        notice.worker,
                        notice.step.as_str(),
                        notice.text
                    )
                });
            }
        }
    }

    fn decide(&mut self, number: usize, question: Question) {
        self.checks.asked(self.now, &question, &self.clouds.world);
        let made = self.play(&question);
        self.decisions += 1;
        let after = match self.chance.happens(Fault::SlowPolicy) {
            true => self.chance.millis(Stream::Latency, 100, 2_000),
            false => Millis::new(1),
        };
        let event = Event::of(
            question.worker,
            WorkerEvent::Decided {
                decision: question.decision,
                made,
            },
        );
        self.send_at(number, self.now + after, ToHost::Event(event));
    }

    fn call_store(&mut self, from: Life, call: StoreCall) {
        self.call_store_after(from, call, Millis::ZERO);
    }

    fn call_store_after(&mut self, from: Life, call: StoreCall, held_up: Millis) {
        let after = match self.chance.happens(Fault::SlowStore) {
            true => self.chance.millis(Stream::Latency, 200, 10_000),
            false => self.chance.millis(Stream::Latency, 1, 8),
        };
        let due = Due::Store {
            from,
            call: Box::new(call),
        };
        self.queue.put(self.now + after + held_up, due);
    }

    pub(super) fn life(&self, number: usize) -> Life {
        Life {
            host: number,
            life: self.hosts[number].life,
        }
    }

    pub(super) fn send_at(&mut self, number: usize, at: Instant, what: ToHost) {
        let life = self.life(number);
        self.queue.put(at, Due::Host(life, Box::new(what)));
    }

    /// Sends something to a host over the machine's own network.
    pub(super) fn send(&mut self, number: usize, what: ToHost) {
        let after = self.chance.millis(Stream::Latency, 1, 5);
        self.send_at(number, self.now + after, what);
    }
}

/// Whether it is the end of an instance.
fn ends(permit: &Permit) -> bool {
    let kind = permit.mutation().kind();
    matches!(kind, MutationKind::Stop | MutationKind::Terminate)
}

/// As good as random here, and the same at every run: no two requests share one.
fn secret(request: RequestId) -> Secret {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&request.get().to_be_bytes());
    Secret::new(bytes)
}
