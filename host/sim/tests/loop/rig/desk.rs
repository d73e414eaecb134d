//! A host whose store and cloud are the test: what it asks of them is answered when, and as, the test says.

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::cloud::{Mutation, Outcome, Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::effect::Effect;
use reeve_core::event::{Asker, Event, Timer, WorkerEvent};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, Generation, HostId, InstanceId, RequestId, Version};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::operator::Command;
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::store::{
    Activity, Adopted, Committed, How, Phase, StoreError, Stored, WorkerRecord,
};
use reeve_core::token::Secret;

use super::boxes::fleet_with_boxes;
use super::prelude::*;

/// A host whose worker is embodied by an instance that runs.
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) id: InstanceId,
    now: Instant,
    /// What the store holds.
    pub(crate) stored: Stored,
    /// The write that the store has yet to answer.
    pub(crate) writing: Option<WorkerRecord>,
    sent: Option<(DecisionId, Mutation)>,
    timers: Vec<(Instant, Timer)>,
    pub(crate) replies: Vec<Receipt>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let id = InstanceId::from("i-one");
        let stored = embodied_by(id.as_str(), 1);
        let identity = Identity {
            host: HostId::from("host"),
            store_is_shared: false,
        };
        let recovered = Recovered {
            records: Some([(incidents::worker(), stored.clone())].into()),
            ..Recovered::default()
        };
        let mut desk = Self {
            fleet: Fleet::new(fleet_with_boxes(), identity, recovered),
            id,
            now: BEGINS,
            stored,
            writing: None,
            sent: None,
            timers: Vec::new(),
            replies: Vec::new(),
        };
        desk.step(Event::Started);
        desk.shown_running();
        desk
    }

    fn step(&mut self, event: Event) {
        for effect in self.fleet.step(self.now, event) {
            match effect {
                Effect::Commit { write, then } => {
                    assert!(self.writing.is_none(), "one write at a time");
                    self.writing = Some(write.record);
                    let sent = then.map(|permit| (permit.decision(), permit.into_mutation()));
                    self.sent = sent.or(self.sent.take());
                }
                Effect::Respond {
                    response: Response::Statement(receipt),
                    ..
                } => self.replies.push(receipt),
                Effect::Timer { at, timer } => self.timers.push((at, timer)),
                _ => {}
            }
        }
    }

    /// Time passes, and timers run out.
    pub(crate) fn pass(&mut self, length: Millis) {
        let end = self.now + length;
        loop {
            self.timers.sort_by_key(|(at, _)| *at);
            if self.timers.first().is_none_or(|(at, _)| *at > end) {
                break;
            }
            let (at, timer) = self.timers.remove(0);
            self.now = self.now.max(at);
            self.step(timer.into());
        }
        self.now = end;
    }

    pub(crate) fn shown_running(&mut self) {
        let reading = Instance {
            id: self.id.clone(),
            state: InstanceState::Running,
            private_ip: Some([10, 0, 0, 7].into()),
            public_ip: None,
            launched_at: Some(BEGINS),
            tags: [(TAG.0.to_owned(), TAG.1.to_owned())].into(),
        };
        self.step(Event::queried(
            Asker::Worker(incidents::worker()),
            Query::Instance {
                region: "us-east-1".into(),
                compute: Compute::Ec2,
                id: self.id.clone(),
            },
            self.now,
            Ok(Reading::Instance(reading)),
        ));
    }

    /// A person restarts the worker.
    pub(crate) fn restart(&mut self) {
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Asked {
                request: RequestId::new(1),
                what: Request::Command(Command::Restart(RestartRequest {
                    cause: "changed".to_owned(),
                    initiator: Initiator::Person,
                    text: None,
                })),
            },
        ));
    }

    pub(crate) fn say(&mut self, request: u8, said: Statement) {
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Asked {
                request: RequestId::new(request.into()),
                what: Request::Statement {
                    statement: said,
                    fresh: Secret::new([request; 32]),
                },
            },
        ));
    }

    /// The store has written what it was asked to.
    #[track_caller]
    pub(crate) fn written(&mut self) {
        self.stored.record = self.writing.take().expect("something is being written");
        self.stored.version = self.stored.version.next();
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Committed(Ok(Committed::Written(self.stored.version))),
        ));
    }

    /// The store has not written what it was asked to.
    #[track_caller]
    pub(crate) fn not_written(&mut self, error: StoreError) {
        self.writing.take().expect("something is being written");
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Committed(Err(error)),
        ));
    }

    /// The store tells what it holds.
    pub(crate) fn read(&mut self) {
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::RecordRead {
                asked_at: self.now,
                result: Ok(Some(self.stored.clone())),
            },
        ));
    }

    /// The cloud has carried out what it was asked to.
    pub(crate) fn carried_out(&mut self) {
        let (decision, mutation) = self.sent.take().expect("something was sent");
        self.step(Event::of(
            incidents::worker(),
            WorkerEvent::Mutated {
                decision,
                mutation,
                result: Ok(Outcome::Accepted),
            },
        ));
    }
}

/// What the store holds of a worker that this instance embodies.
pub(crate) fn embodied_by(id: &str, version: u64) -> Stored {
    let adopted = Adopted {
        id: InstanceId::from(id),
        generation: Generation::new(version),
        since: BEGINS,
        how: How::Launched,
        unfinished_before: 0,
    };
    Stored {
        version: Version::new(version),
        record: WorkerRecord {
            generation: adopted.generation,
            phase: Phase::Running,
            adopted: Some(adopted),
            ..WorkerRecord::default()
        },
        activity: Activity::default(),
    }
}
