//! What the hosts of a random world meet: late and lost answers, faults at the worst moments, and
//! the checks, which observe every call. This is the layer of faults over the
//! [`engine`](crate::engine).

use std::any::Any;

use reeve_core::cloud::{CloudError, MutationKind, Outcome, Query, Reading};
use reeve_core::decision::Decision;
use reeve_core::effect::{Effect, Question};
use reeve_core::event::{Asker, Event, PoolEvent, WorkerEvent};
use reeve_core::guard::Permit;
use reeve_core::health::{Probed, Target};
use reeve_core::id::{DecisionId, InstanceId, RequestId, WorkerId};
use reeve_core::journal;
use reeve_core::notice::Notice;
use reeve_core::numbers::Block;
use reeve_core::response::{Response, Route};
use reeve_core::store::{Committed, Refresh, Refreshed, StoreError, Stored, Write};
use reeve_core::time::{Instant, Millis};

use super::chance::Stream;
use super::check::{Commit, Heard};
use super::due::Due;
use super::estate::Estate;
use super::fault::Fault;
use crate::engine::{Drive as _, InFlight, Leg, Life, Sent, SimHost, Surroundings, ToHost};
use crate::timeline::Entry;

impl Surroundings for Estate<'_> {
    fn now(&self) -> Instant {
        self.now
    }

    fn host(&self, number: usize) -> &SimHost {
        &self.hosts[number]
    }

    fn host_mut(&mut self, number: usize) -> &mut SimHost {
        &mut self.hosts[number]
    }

    fn put(&mut self, at: Instant, what: InFlight) {
        self.queue.put(at, Due::Arrives(what));
    }

    fn store_is_shared(&self) -> bool {
        self.options.shared_store
    }

    fn latency(&mut self, leg: Leg) -> Millis {
        let (from_ms, to_ms) = match leg {
            Leg::ToCloud => (20, 120),
            Leg::ToStore if self.chance.happens(Fault::SlowStore) => (200, 10_000),
            Leg::ToStore | Leg::FromStore => (1, 8),
        };
        self.chance.millis(Stream::Latency, from_ms, to_ms)
    }

    fn query(&mut self, query: &Query) -> (Result<Reading, CloudError>, Millis) {
        let result = self.clouds.query(self.now, query, &mut self.chance);
        if let Err(error) = &result {
            self.trace
                .tell(self.now, "cloud", || format!("{query:?}: {error}"));
        }
        let after = match self.chance.happens(Fault::SlowQuery) {
            true => self.chance.millis(Stream::Latency, 1_000, 30_000),
            false => self.chance.millis(Stream::Latency, 20, 120),
        };
        (result, after)
    }

    fn mutate(&mut self, from: Life, sent: &Sent) -> Option<(Result<Outcome, CloudError>, Millis)> {
        self.checks
            .arrives(self.now, sent, &self.shelf, &self.clouds.world);
        let changed = self
            .clouds
            .mutate(self.now, &sent.mutation, &mut self.chance);
        self.trace.tell(self.now, "cloud", || {
            let came = match (&changed.result, changed.arrived) {
                (Ok(_), _) => "done".to_owned(),
                (Err(error), true) => format!("done, and heard as {}", error.code),
                (Err(error), false) => error.code.clone(),
            };
            format!(
                "{} {} {} (epoch {}): {came}",
                sent.worker,
                sent.mutation.kind(),
                sent.mutation.instance().map_or("", |id| id.as_str()),
                sent.epoch
            )
        });
        self.look();
        self.checks.concluded(sent, &changed.result);
        if changed.arrived {
            self.checks.arrived(self.now, sent, &self.clouds.world);
            if self.chance.happens(Fault::CrashAfterEffect) && self.is_alive(from) {
                self.host_crashes(from.host);
                return None;
            }
        }
        if self.chance.happens(Fault::PersonRestarts) {
            // The worst moment: the host has not heard the outcome yet.
            self.person_interferes(&sent.worker);
        }
        let after = self.chance.millis(Stream::Latency, 20, 120) + changed.later;
        Some((changed.result, after))
    }

    fn probe(
        &mut self,
        from: Life,
        worker: &WorkerId,
        instance: &InstanceId,
        target: &Target,
    ) -> (Probed, Millis) {
        let (mut result, mut takes_all) = self.clouds.world.probe(target);
        if self.chance.happens(Fault::ProbeLost) {
            let text = format!("no answer within {}", target.timeout);
            (result, takes_all) = (Probed::Failed(text), true);
        }
        let (asker, world) = ((from, worker), &self.clouds.world);
        self.checks
            .probed(self.now, asker, instance, &result, world);
        let after = match takes_all {
            true => target.timeout,
            false => self.chance.millis(Stream::Latency, 1, 20),
        };
        (result, after)
    }

    fn decide(&mut self, question: &Question) -> (Decision, Millis) {
        self.checks.asked(self.now, question, &self.clouds.world);
        let made = self.play(question);
        self.decisions += 1;
        let after = match self.chance.happens(Fault::SlowPolicy) {
            true => self.chance.millis(Stream::Latency, 100, 2_000),
            false => Millis::new(1),
        };
        (made, after)
    }

    fn read(&mut self, worker: &WorkerId) -> Result<Option<Stored>, StoreError> {
        self.shelf.read(self.now, worker, &mut self.chance)
    }

    fn commit(
        &mut self,
        from: Life,
        write: &Write,
        permit: Option<&Permit>,
    ) -> Result<Committed, StoreError> {
        let before = self.shelf.truth(&write.worker);
        let (result, written) = self.shelf.commit(self.now, write, &mut self.chance);
        // A write that was there already is answered as written, and changes nothing.
        if written && before.version == write.expected {
            let adopted = before.record.adopted.as_ref();
            let undone = adopted.map_or(0, |adopted| self.undone_by(&adopted.id));
            let commit = Commit {
                by: from,
                before: &before,
                write,
                permit,
                undone,
            };
            self.checks.committed(self.now, &commit, &self.clouds.world);
        }
        self.trace.tell(self.now, "store", || {
            let announces = permit.map_or(String::new(), |permit| {
                format!(", announces {}", permit.mutation().kind())
            });
            format!(
                "{} version {} by {}, epoch {}, {:?}{announces}: {}",
                write.worker,
                write.expected.next(),
                from.id(),
                write.record.epoch,
                write.record.phase,
                match &result {
                    Ok(committed) => committed_name(committed),
                    Err(_) if written => "written, and heard as an error",
                    Err(_) => "not answered",
                }
            )
        });
        result
    }

    fn refresh(&mut self, worker: &WorkerId, refresh: Refresh) -> Result<Refreshed, StoreError> {
        let result = self
            .shelf
            .refresh(self.now, worker, refresh, &mut self.chance);
        self.checks.refreshed(self.now, worker, refresh, &result);
        result
    }

    fn reserve(&mut self, above: DecisionId) -> Result<Block, StoreError> {
        self.shelf.reserve(self.now, above)
    }

    fn journal(&mut self, number: usize, entry: &journal::Entry) -> bool {
        self.note_entry(number, entry);
        !(entry.content.must_be_durable() && self.chance.happens(Fault::JournalFails))
    }

    fn respond(&mut self, worker: &WorkerId, request: RequestId, response: Response) {
        self.checks.responded(self.now, worker, request);
        match response {
            Response::Resolve(resolution) => self.answered(request, &resolution),
            Response::Statement(receipt) => self.replied(request, receipt),
            Response::Command(result) => self.reported(worker, request, result),
            Response::Unreachable(looked) => self.looked(worker, request, &looked),
        }
    }

    fn notice(&mut self, number: usize, notice: Notice) {
        let host = &self.hosts[number];
        self.checks.announced(self.now, host.life(), &notice);
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

    /// An instance may be used while its end is being written.
    fn before_write(&mut self, from: Life, write: &Write, then: Option<&Permit>) -> Millis {
        self.checks.writes(from, &write.worker);
        let is_end = write.if_idle.is_some() || then.is_some_and(ends);
        let Some(adopted) = write.record.adopted.as_ref().filter(|_| is_end) else {
            return Millis::ZERO;
        };
        if !self.chance.happens(Fault::UsedMeanwhile) {
            return Millis::ZERO;
        }
        self.use_at_once(&write.worker, adopted.id.clone());
        // The use reaches the store before the write.
        Millis::new(30)
    }

    fn before_send(&mut self, from: Life, permit: &Permit) -> bool {
        if self.chance.happens(Fault::CrashAfterWrite) {
            self.host_crashes(from.host);
            return false;
        }
        self.checks.sent(self.now, from, permit, &self.shelf);
        true
    }

    fn observe_event(&mut self, by: Life, event: &Event) {
        match event {
            Event::Worker { worker, what } => self.observe_news(by, worker, what),
            Event::Pool {
                pool,
                what:
                    PoolEvent::Queried {
                        query,
                        asked_at,
                        result,
                    },
            } => {
                let asker = Asker::Pool(pool.clone());
                let times = self.asked_and_now(by, *asked_at);
                self.checks.read(times, by, &asker, query, result);
            }
            _ => {}
        }
    }

    fn observe_step(&mut self, number: usize, local: Instant, effects: Vec<Effect>) -> Vec<Effect> {
        match &mut self.tap {
            Some(tap) => tap.take_in(local, &self.hosts[number].id(), effects),
            None => effects,
        }
    }

    fn observe_route(&mut self, by: Life, route: &Route) {
        self.checks
            .published(self.now, by, route, &self.clouds.world);
    }

    fn panicked(&mut self, panic: Box<dyn Any + Send>) {
        self.checks.panicked(self.now, panic.as_ref());
    }
}

impl Estate<'_> {
    /// When a host asked, which it says by its own clock, and the present.
    fn asked_and_now(&self, by: Life, asked_at: Instant) -> (Instant, Instant) {
        let age = self.hosts[by.host].clock.read(self.now).since(asked_at);
        let asked = self.now.as_ms().saturating_sub(age.get());
        (Instant::from_ms(asked), self.now)
    }

    /// Notes what a host learns of a worker.
    fn observe_news(&mut self, by: Life, worker: &WorkerId, what: &WorkerEvent) {
        match what {
            WorkerEvent::Mutated {
                decision,
                mutation,
                result,
            } => {
                let heard = Heard {
                    by,
                    worker,
                    decision: *decision,
                    mutation,
                    result,
                };
                self.checks.heard(self.now, &heard, &self.shelf);
            }
            WorkerEvent::Queried {
                query,
                asked_at,
                result,
            } => {
                let asker = Asker::Worker(worker.clone());
                let times = self.asked_and_now(by, *asked_at);
                self.checks.read(times, by, &asker, query, result);
            }
            WorkerEvent::RecordRead { result, .. } => {
                self.checks.record_read(by, worker, result);
            }
            WorkerEvent::Committed(result) => self.checks.written(by, worker, result),
            _ => {}
        }
    }

    /// A host begins another life.
    pub(super) fn host_begins(&mut self, number: usize) {
        if self.hosts[number].is_up() {
            return;
        }
        let records = self.shelf.read_all(self.now);
        let above = self.hosts[number].last_decision();
        let block = self.reserve(above).ok();
        self.hosts[number].begin(self.now, self.options.shared_store, records, block);
        let host = &self.hosts[number];
        self.trace
            .tell(self.now, "host", || format!("{} begins", host.id()));
        self.step(number, Event::Started);
    }

    /// A host ends at once. Its callers find the connection broken.
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

    /// Sends something to a host over the machine's own network.
    pub(super) fn send(&mut self, number: usize, what: ToHost) {
        let after = self.chance.millis(Stream::Latency, 1, 5);
        self.send_at(number, self.now + after, what);
    }

    /// Keeps a line of a host's journal for the trace.
    fn note_entry(&mut self, number: usize, entry: &journal::Entry) {
        if let journal::Content::Vetoed(veto) = &entry.content {
            *self.vetoes.entry(veto.rule).or_default() += 1;
        }
        let by = self.hosts[number].life();
        self.checks.journaled(self.now, by, entry);
        let who = format!("host-{}", number + 1);
        let about = &entry.worker;
        let now = self.now;
        self.trace.decided(|| match &entry.content {
            journal::Content::Decided(made) => {
                let event = format!("{about} {}?", made.input.point());
                Entry::decided(now, &who, event, made)
            }
            journal::Content::Vetoed(veto) => {
                Entry::vetoed(now, &who, format!("{about} guard"), veto)
            }
            other => Entry::event(now, &who, format!("{about} {other:?}")),
        });
    }
}

/// Whether the mutation takes an instance down.
fn ends(permit: &Permit) -> bool {
    let kind = permit.mutation().kind();
    matches!(
        kind,
        MutationKind::Stop | MutationKind::Terminate | MutationKind::Reboot
    )
}

fn committed_name(committed: &Committed) -> &'static str {
    match committed {
        Committed::Written(_) => "written",
        Committed::Lost(_) => "lost",
        Committed::InUse(_) => "in use",
    }
}
