//! A core without surroundings: the test is the store and the cloud, and gives each answer when,
//! and as, it wants.

use std::collections::BTreeMap;

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::cloud::{Mutation, Outcome, Query, Reading};
use reeve_core::compute::Compute;
use reeve_core::effect::Effect;
use reeve_core::event::{Asker, Event, Timer, WorkerEvent};
use reeve_core::fleet::{Fleet, Identity, Recovered};
use reeve_core::id::{DecisionId, Generation, HostId, InstanceId, RequestId, Version, WorkerId};
use reeve_core::instance::{Instance, InstanceState};
use reeve_core::notice::Notice;
use reeve_core::request::Request;
use reeve_core::response::Response;
use reeve_core::spec::FleetSpec;
use reeve_core::store::{
    Activity, Adopted, Committed, How, Phase, Refresh, StoreError, Stored, WorkerRecord,
};
use reeve_sim::engine::statement;

use super::boxes::fleet_with_boxes;
use super::prelude::*;

/// A core, and the effects that wait for the test.
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) now: Instant,
    /// What the store holds of the incidents' worker.
    pub(crate) stored: Stored,
    /// The write that the store has not answered.
    pub(crate) writing: Option<WorkerRecord>,
    /// The refreshes of activity that the store has not answered, oldest first.
    pub(crate) refreshes: Vec<(RequestId, Refresh)>,
    /// The queries that the cloud has not answered.
    pub(crate) queries: Vec<Query>,
    pub(crate) receipts: Vec<(RequestId, Receipt)>,
    pub(crate) notices: Vec<Notice>,
    /// The mutation that the cloud has not answered.
    sent: Option<(DecisionId, Mutation)>,
    timers: Vec<(Instant, Timer)>,
    requests: RequestId,
}

impl Desk {
    /// A core that has not started, over these records.
    pub(crate) fn new(
        spec: FleetSpec,
        store_is_shared: bool,
        records: BTreeMap<WorkerId, Stored>,
    ) -> Self {
        let identity = Identity {
            host: HostId::from("host"),
            store_is_shared,
        };
        let stored = records.get(&incidents::worker()).cloned();
        let recovered = Recovered {
            records: Some(records.into_iter().map(|(id, it)| (id, Ok(it))).collect()),
            ..Recovered::default()
        };
        Self {
            fleet: Fleet::new(spec, identity, recovered),
            now: BEGINS,
            stored: stored.unwrap_or_default(),
            writing: None,
            refreshes: Vec::new(),
            queries: Vec::new(),
            receipts: Vec::new(),
            notices: Vec::new(),
            sent: None,
            timers: Vec::new(),
            requests: RequestId::default(),
        }
    }

    /// A core that has started, with a worker whose instance runs and whose boxes register.
    pub(crate) fn adopted() -> Self {
        let records = [(incidents::worker(), with_adopted("i-one", 1))];
        let mut desk = Self::new(fleet_with_boxes(), false, records.into());
        desk.take_in(Event::Started);
        desk.show_running();
        desk
    }

    pub(crate) fn take_in(&mut self, event: Event) {
        for effect in self.fleet.step(self.now, event) {
            match effect {
                Effect::Commit { write, then } => {
                    assert!(self.writing.is_none(), "one write at a time");
                    self.writing = Some(write.record);
                    let sent = then.map(|permit| (permit.decision(), permit.into_mutation()));
                    self.sent = sent.or(self.sent.take());
                }
                Effect::Refresh {
                    request, refresh, ..
                } => self.refreshes.push((request, refresh)),
                Effect::Query { query, .. } => self.queries.push(query),
                Effect::Respond {
                    request,
                    response: Response::Statement(receipt),
                    ..
                } => self.receipts.push((request, receipt)),
                Effect::Notice(notice) => self.notices.push(notice),
                Effect::Timer { at, timer } => self.timers.push((at, timer)),
                _ => {}
            }
        }
    }

    /// Lets the core take in an event of the incidents' worker.
    pub(crate) fn tell(&mut self, what: WorkerEvent) {
        self.take_in(Event::of(incidents::worker(), what));
    }

    /// Lets so much time pass, and timers run out.
    pub(crate) fn pass(&mut self, length: Millis) {
        let end = self.now + length;
        loop {
            self.timers.sort_by_key(|(at, _)| *at);
            if self.timers.first().is_none_or(|(at, _)| *at > end) {
                break;
            }
            let (at, timer) = self.timers.remove(0);
            self.now = self.now.max(at);
            self.take_in(timer.into());
        }
        self.now = end;
    }

    /// The cloud shows an instance of a worker.
    pub(crate) fn show(&mut self, worker: WorkerId, instance: Instance) {
        let query = Query::Instance {
            region: "us-east-1".into(),
            compute: Compute::Ec2,
            id: instance.id.clone(),
        };
        let reading = Ok(Reading::Instance(instance));
        let asker = Asker::Worker(worker);
        self.take_in(Event::queried(asker, query, self.now, reading));
    }

    /// The cloud shows that the adopted instance runs.
    pub(crate) fn show_running(&mut self) {
        let instance = Instance {
            id: InstanceId::from("i-one"),
            state: InstanceState::Running,
            private_ip: Some([10, 0, 0, 7].into()),
            public_ip: None,
            launched_at: Some(BEGINS),
            role: None,
            state_reason: None,
            tags: [(TAG.0.to_owned(), TAG.1.to_owned())].into(),
        };
        self.show(incidents::worker(), instance);
    }

    pub(crate) fn request(&mut self, what: impl FnOnce(RequestId) -> Request) -> RequestId {
        self.requests = self.requests.next();
        let request = self.requests;
        let what = what(request);
        self.tell(WorkerEvent::Asked { request, what });
        request
    }

    pub(crate) fn say(&mut self, said: Statement) -> RequestId {
        self.request(|request| statement(request, said))
    }

    /// The store has written what it was asked to write.
    #[track_caller]
    pub(crate) fn written(&mut self) {
        self.stored.record = self.writing.take().expect("something is being written");
        self.stored.version = self.stored.version.next();
        let written = Committed::Written(self.stored.version);
        self.tell(WorkerEvent::Committed(Ok(written)));
    }

    /// The store has not written what it was asked to write.
    #[track_caller]
    pub(crate) fn not_written(&mut self, error: StoreError) {
        self.writing.take().expect("something is being written");
        self.tell(WorkerEvent::Committed(Err(error)));
    }

    /// The store shows the worker's record.
    pub(crate) fn read(&mut self) {
        self.read_as(self.now, self.stored.clone());
    }

    /// The store shows this to a host that asked at `asked_at`.
    pub(crate) fn read_as(&mut self, asked_at: Instant, stored: Stored) {
        let result = Ok(Some(stored));
        self.tell(WorkerEvent::RecordRead { asked_at, result });
    }

    /// The cloud has carried out what it was asked to do.
    #[track_caller]
    pub(crate) fn carried_out(&mut self) {
        let (decision, mutation) = self.sent.take().expect("something was sent");
        self.tell(WorkerEvent::Mutated {
            decision,
            mutation,
            result: Ok(Outcome::Accepted),
        });
    }
}

/// What the store holds of a worker whose adopted instance is this one.
pub(crate) fn with_adopted(id: &str, version: u64) -> Stored {
    let adopted = Adopted {
        id: InstanceId::from(id),
        generation: Generation::new(version),
        since: BEGINS,
        how: How::Launched,
        unfinished_before: 0,
        launched_before: None,
        unknown: Default::default(),
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
