//! What reaches the cloud and the store, what comes of it there, and the way back.

use reeve_core::cloud::Query;
use reeve_core::event::{Asker, Event, WorkerEvent};
use reeve_core::journal::{self, Record};
use reeve_core::time::Instant;

use super::chance::Stream;
use super::check::Commit;
use super::due::{Life, Sent, StoreCall, ToHost};
use super::estate::Estate;
use super::fault::Fault;
use crate::timeline::Entry;

impl Estate<'_> {
    pub(super) fn query_arrives(
        &mut self,
        from: Life,
        asker: Asker,
        query: Query,
        asked_at: Instant,
    ) {
        let result = self.clouds.query(self.now, &query, &mut self.chance);
        if let Err(error) = &result {
            self.trace
                .tell(self.now, "cloud", || format!("{query:?}: {error}"));
        }
        let after = match self.chance.happens(Fault::SlowQuery) {
            true => self.chance.millis(Stream::Latency, 1_000, 30_000),
            false => self.chance.millis(Stream::Latency, 20, 120),
        };
        let event = Event::queried(asker, query, asked_at, result);
        self.back(from, self.now + after, ToHost::Event(event));
    }

    pub(super) fn mutation_arrives(&mut self, from: Life, sent: Sent) {
        self.checks
            .arrives(self.now, &sent, &self.shelf, &self.clouds.world);
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
        self.checks
            .concluded(self.now, from, &sent, &changed.result);
        if changed.arrived {
            self.checks.arrived(self.now, &sent, &self.clouds.world);
            if self.chance.happens(Fault::CrashAfterEffect) && self.is_alive(from) {
                return self.host_crashes(from.host);
            }
        }
        if self.chance.happens(Fault::PersonRestarts) {
            // The worst moment: the host has not heard yet what came of it.
            self.person_interferes(&sent.worker);
        }
        let after = self.chance.millis(Stream::Latency, 20, 120) + changed.later;
        let event = Event::of(
            sent.worker,
            WorkerEvent::Mutated {
                decision: sent.decision,
                mutation: sent.mutation,
                result: changed.result,
            },
        );
        self.back(from, self.now + after, ToHost::Event(event));
    }

    pub(super) fn store_call_arrives(&mut self, from: Life, call: StoreCall) {
        let back = match call {
            StoreCall::Read { worker, asked_at } => {
                let result = self.shelf.read(self.now, &worker, &mut self.chance);
                ToHost::Event(Event::of(
                    worker,
                    WorkerEvent::RecordRead { asked_at, result },
                ))
            }
            StoreCall::Commit {
                write,
                permit,
                is_journaled,
                asked,
            } => {
                let before = self.shelf.truth(&write.worker);
                let (result, written) = self.shelf.commit(self.now, &write, &mut self.chance);
                // A write that was there already is answered as written, and changes nothing.
                if written && before.version == write.expected {
                    let adopted = before.record.adopted.as_ref();
                    let undone = adopted.map_or(0, |adopted| self.undone_by(&adopted.id));
                    let commit = Commit {
                        by: from,
                        before: &before,
                        write: &write,
                        permit: permit.as_ref(),
                        undone,
                    };
                    self.checks.committed(self.now, &commit, &self.clouds.world);
                }
                self.trace.tell(self.now, "store", || {
                    let announces = permit.as_ref().map_or(String::new(), |permit| {
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
                ToHost::Committed {
                    worker: write.worker,
                    result,
                    permit,
                    is_journaled,
                    asked,
                }
            }
            StoreCall::Touch {
                worker,
                request,
                touch,
            } => {
                let result = self.shelf.touch(self.now, &worker, touch, &mut self.chance);
                self.checks.touched(self.now, &worker, touch, &result);
                ToHost::Event(Event::of(
                    worker,
                    WorkerEvent::Touched {
                        request,
                        touch,
                        result,
                    },
                ))
            }
        };
        let after = self.chance.millis(Stream::Latency, 1, 8);
        self.back(from, self.now + after, back);
    }

    /// The answer goes to the life that asked.
    fn back(&mut self, from: Life, at: Instant, what: ToHost) {
        self.queue
            .put(at, super::due::Due::Host(from, Box::new(what)));
    }

    pub(super) fn is_alive(&self, life: Life) -> bool {
        let host = &self.hosts[life.host];
        host.is_up() && host.life == life.life
    }

    /// Tells what a host wrote down, for the reader of a trace.
    pub(super) fn note_record(&mut self, number: usize, record: &Record) {
        if let journal::Entry::Vetoed(veto) = &record.entry {
            *self.vetoes.entry(veto.rule).or_default() += 1;
        }
        let who = format!("host-{}", number + 1);
        let about = &record.worker;
        let now = self.now;
        self.trace.decided(|| match &record.entry {
            journal::Entry::Decided(made) => {
                let (decision, reason) = match &made.result {
                    Ok(verdict) => (verdict.summary(), verdict.reason().text.clone()),
                    Err(failure) => ("failed".to_owned(), failure.text.clone()),
                };
                Entry {
                    decision,
                    reason,
                    ..Entry::event(now, &who, format!("{about} {}?", made.input.point()))
                }
            }
            journal::Entry::Vetoed(veto) => Entry {
                decision: format!("VETO {}", veto.rule),
                reason: veto.text.clone(),
                ..Entry::event(now, &who, format!("{about} guard"))
            },
            other => Entry::event(now, &who, format!("{about} {other:?}")),
        });
    }
}

fn committed_name(committed: &reeve_core::store::Committed) -> &'static str {
    use reeve_core::store::Committed;
    match committed {
        Committed::Written(_) => "written",
        Committed::Lost(_) => "lost",
        Committed::InUse(_) => "in use",
    }
}
