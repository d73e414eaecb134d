//! A register while the end of its instance is under way. Here the test is the store and the cloud.

use crate::boxes::{fleet, register};
use crate::support::BEGINS;
use reeve_core::boxes::{RefusalCode, Reply};
use reeve_core::cloud::{Mutation, Outcome, Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::effect::Effect;
use reeve_core::event::{Asker, Event};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, Generation, HostId, InstanceId, RequestId, Version};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::operator::Command;
use reeve_core::restart::{Initiator, RestartRequest};
use reeve_core::store::{Activity, Adopted, Committed, How, Phase, Stored, WorkerRecord};
use reeve_core::token::Secret;
use reeve_sim::incidents::{self, TAG};

/// A host whose worker is embodied by an instance that runs.
struct Desk {
    fleet: Fleet,
    id: InstanceId,
    /// The version of the record in the store.
    version: Version,
    /// Writes that the store has yet to answer.
    writing: usize,
    sent: Option<(DecisionId, Mutation)>,
    replies: Vec<Reply>,
}

impl Desk {
    fn new() -> Self {
        let id = InstanceId::from("i-one");
        let adopted = Adopted {
            id: id.clone(),
            generation: Generation::new(1),
            since: BEGINS,
            how: How::Launched,
            unfinished_before: 0,
        };
        let version = Version::default().next();
        let stored = Stored {
            version,
            record: WorkerRecord {
                generation: adopted.generation,
                phase: Phase::Running,
                adopted: Some(adopted),
                ..WorkerRecord::default()
            },
            activity: Activity::default(),
        };
        let identity = Identity {
            host: HostId::from("host"),
            store_is_shared: false,
        };
        let recovered = Recovered {
            records: Some([(incidents::worker(), stored)].into()),
            ..Recovered::default()
        };
        let mut desk = Self {
            fleet: Fleet::new(fleet(), identity, recovered),
            id,
            version,
            writing: 0,
            sent: None,
            replies: Vec::new(),
        };
        desk.step(Event::Started);
        desk.shown_running();
        desk
    }

    fn step(&mut self, event: Event) {
        for effect in self.fleet.step(BEGINS, event) {
            match effect {
                Effect::Commit { then, .. } => {
                    self.writing += 1;
                    let sent = then.map(|permit| (permit.decision(), permit.into_mutation()));
                    self.sent = sent.or(self.sent.take());
                }
                Effect::Reply { reply, .. } => self.replies.push(reply),
                _ => {}
            }
        }
    }

    fn shown_running(&mut self) {
        let reading = Instance {
            id: self.id.clone(),
            state: InstanceState::Running,
            private_ip: Some([10, 0, 0, 7].into()),
            public_ip: None,
            launched_at: Some(BEGINS),
            tags: [(TAG.0.to_owned(), TAG.1.to_owned())].into(),
        };
        self.step(Event::Queried {
            asker: Asker::Worker(incidents::worker()),
            query: Query::Instance {
                region: "us-east-1".into(),
                compute: Compute::Ec2,
                id: self.id.clone(),
            },
            asked_at: BEGINS,
            result: Ok(Reading::Instance(reading)),
        });
    }

    fn restart(&mut self) {
        self.step(Event::Operated {
            worker: incidents::worker(),
            request: RequestId::new(1),
            command: Command::Restart(RestartRequest {
                cause: "changed".to_owned(),
                initiator: Initiator::Person,
                text: None,
            }),
        });
    }

    /// The same box, again and again until it hears an answer.
    fn register(&mut self, request: u8) {
        self.step(Event::Said {
            worker: incidents::worker(),
            request: RequestId::new(request.into()),
            said: register(&self.id, "nonce"),
            fresh: Secret::new([request; 32]),
        });
    }

    /// The store has written what it was asked to.
    #[track_caller]
    fn written(&mut self) {
        assert_eq!(self.writing, 1);
        self.writing = 0;
        self.version = self.version.next();
        self.step(Event::Committed {
            worker: incidents::worker(),
            result: Ok(Committed::Written(self.version)),
        });
    }

    /// The cloud has carried out what it was asked to.
    fn carried_out(&mut self) {
        let (decision, mutation) = self.sent.take().expect("something was sent");
        self.step(Event::Mutated {
            worker: incidents::worker(),
            decision,
            mutation,
            result: Ok(Outcome::Accepted),
        });
    }
}

#[test]
fn a_token_is_not_handed_out_once_its_instance_has_ended_whatever_is_in_the_store() {
    let mut desk = Desk::new();
    desk.restart();
    desk.written();
    // The reading that lets them in is of the moment before the instance was stopped.
    desk.register(2);
    desk.register(3);
    desk.shown_running();
    assert_eq!(desk.writing, 1, "a token is on its way to the store");
    desk.carried_out();
    desk.written();
    desk.written();
    let codes = desk.replies.iter().map(|reply| match reply {
        Reply::Refused(refusal) => (refusal.code, refusal.retry_after.is_some()),
        other => panic!("not refused: {other:?}"),
    });
    let come_back = (RefusalCode::StoreUnreachable, true);
    assert_eq!(codes.collect::<Vec<_>>(), [come_back, come_back]);
}
