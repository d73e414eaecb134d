//! The software on the instances: it boots with them, registers, reports, does the work, and at
//! times hangs, lies or loses its token.

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::boxes::{Claim, ProofKind, Receipt, Report, Reporter, SpotNotices, Statement};
use reeve_core::id::{InstanceId, Region, RequestId, WorkerId};
use reeve_core::time::{Instant, Millis};
use reeve_core::token::{Secret, SecretHash, Token};

use super::chance::Stream;
use super::due::Due;
use super::estate::Estate;
use super::fault::Fault;
use super::options::TAG_KEY;
use crate::boxes::{SimBox, Software};
use crate::engine::{ToHost, statement};
use crate::world::{EventKind, WorldEvent};

/// How long a report of a delivery takes to the store, if it gets there.
const TOLD_WITHIN: Millis = Millis::from_secs(5);

/// How long after the trouble the software still hangs that a restart waits for.
const REBOOTS_HANG_MAX: Millis = Millis::from_secs(20 * 60);

/// How long a box waits for an answer.
const ANSWER_MAX: Millis = Millis::from_secs(20);

/// All boxes, and which of them waits for which answer.
#[derive(Default)]
pub(super) struct Boxes {
    boxes: BTreeMap<InstanceId, OneBox>,
    /// Liars wait for nothing, but what they are answered is looked at.
    waiting: BTreeMap<RequestId, Waiting>,
    lives: u64,
}

struct OneBox {
    worker: WorkerId,
    software: SimBox,
    hangs: bool,
    /// Which life of its instance.
    life: u64,
}

/// Who waits for an answer.
struct Waiting {
    instance: InstanceId,
    life: u64,
    /// The worker it spoke for.
    worker: WorkerId,
    registers: bool,
    since: Instant,
}

impl Estate<'_> {
    /// Software begins with the address of its instance, and ends with the instance or its reboot.
    pub(super) fn box_follows(&mut self, event: &WorldEvent) {
        let id = &event.id;
        match event.kind {
            EventKind::Addressed | EventKind::Rebooted => {
                let Some(worker) = self.worker_of(id) else {
                    return;
                };
                let Some(proof) = self.proof_of_boxes(&worker) else {
                    return;
                };
                self.boxes.lives += 1;
                let work = self.chance.millis(Stream::Users, 500, 90_000);
                let software = SimBox::new(
                    id.clone(),
                    Region::from("us-east-1"),
                    Software::Standard,
                    event.at,
                );
                let one = OneBox {
                    worker,
                    software: software.working_for(work).proving_by(proof),
                    hangs: false,
                    life: self.boxes.lives,
                };
                self.boxes.boxes.insert(id.clone(), one);
                self.wake(id);
            }
            EventKind::State(state) if state.is_down() => {
                self.boxes.boxes.remove(id);
            }
            EventKind::RebootRequested => {
                self.boxes.boxes.remove(id);
            }
            _ => {}
        }
    }

    /// The worker whose tag an instance carries.
    pub(super) fn worker_of(&self, id: &InstanceId) -> Option<WorkerId> {
        let value = self.clouds.world.instance(id)?.tags.get(TAG_KEY)?;
        let mut workers = self.spec.workers.iter();
        workers
            .find(|(_, spec)| &spec.tag_value == value)
            .map(|(worker, _)| worker.clone())
    }

    /// How the worker's boxes show which instance they are; `None`: it has none.
    fn proof_of_boxes(&self, worker: &WorkerId) -> Option<ProofKind> {
        let spec = self.spec.workers.get(worker)?;
        let boxes = self.spec.pools.get(&spec.pool)?.boxes.as_ref()?;
        Some(boxes.proof)
    }

    fn wake(&mut self, id: &InstanceId) {
        let one = self.boxes.boxes.get(id).filter(|one| !one.hangs);
        if let Some(at) = one.and_then(|one| one.software.next_due()) {
            let at = at.max(self.now);
            self.queue.put(at, Due::BoxSpeaks(id.clone()));
        }
    }

    /// A box says what it has to say now.
    pub(super) fn box_speaks(&mut self, id: &InstanceId) {
        let Some(one) = self.boxes.boxes.get_mut(id).filter(|one| !one.hangs) else {
            return;
        };
        if one.software.next_due().is_none_or(|due| due > self.now) {
            return;
        }
        let worker = one.worker.clone();
        if let Some(said) = one.software.take_statement(self.now) {
            self.box_says(id, worker, said);
        }
        self.wake(id);
    }

    fn box_says(&mut self, id: &InstanceId, worker: WorkerId, said: Statement) {
        let life = self.boxes.boxes.get(id).map_or(0, |one| one.life);
        let registers = matches!(said, Statement::Register { .. });
        let request = self.request();
        let waiting = Waiting {
            instance: id.clone(),
            life,
            worker: worker.clone(),
            registers,
            since: self.now,
        };
        self.boxes.waiting.insert(request, waiting);
        self.checks.box_said(self.now, &said);
        self.queue
            .put(self.now + ANSWER_MAX, Due::BoxWaited(request));
        let mine = self.chance.pick(Stream::Door, self.hosts.len());
        let Some(number) = self.door(mine) else {
            return;
        };
        if registers {
            self.trace
                .tell(self.now, "box", || format!("{id} registers for {worker}"));
        }
        let said = statement(request, said);
        self.send(number, ToHost::asked(worker, request, said));
    }

    /// A host answers a box or an application.
    pub(super) fn replied(&mut self, request: RequestId, reply: Receipt) {
        let Some(waiting) = self.boxes.waiting.get(&request) else {
            return;
        };
        self.checks.box_answered(self.now, &waiting.worker, &reply);
        if let Receipt::Registered(_) = &reply {
            self.checks.registered(
                self.now,
                &waiting.worker,
                &waiting.instance,
                &self.shelf,
                &self.clouds.world,
            );
        }
        if self.chance.happens(Fault::BoxReplyLost) {
            return;
        }
        let after = self.chance.millis(Stream::Latency, 1, 20);
        let due = Due::BoxHears(request, Box::new(reply));
        self.queue.put(self.now + after, due);
    }

    /// What a box was answered reaches it, if it is still there.
    pub(super) fn box_hears(&mut self, request: RequestId, reply: Receipt) {
        let Some(waiting) = self.boxes.waiting.remove(&request) else {
            return;
        };
        let id = waiting.instance;
        let one = self.boxes.boxes.get_mut(&id);
        let is_its_own =
            |one: &&mut OneBox| one.life == waiting.life && one.worker == waiting.worker;
        let Some(one) = one.filter(is_its_own) else {
            return;
        };
        if one.hangs {
            // It asks again once it runs again.
            return one.software.on_timeout(self.now);
        }
        if let Some(text) = one.software.on_receipt(self.now, reply) {
            self.trace.tell(self.now, "box", || format!("{id} {text}"));
        }
        self.wake(&id);
    }

    /// A box that registered and hears nothing tries again.
    pub(super) fn box_waited(&mut self, request: RequestId) {
        let Some(waiting) = self.boxes.waiting.remove(&request) else {
            return;
        };
        if !waiting.registers {
            return;
        }
        self.checks
            .register_unanswered(self.now, &waiting.worker, waiting.since);
        let one = self.boxes.boxes.get_mut(&waiting.instance);
        if let Some(one) = one.filter(|one| one.life == waiting.life) {
            one.software.on_timeout(self.now);
            self.wake(&waiting.instance);
        }
    }

    /// An instance takes a delivery.
    pub(super) fn box_takes(&mut self, id: &InstanceId) {
        if let Some(one) = self.boxes.boxes.get_mut(id) {
            one.software.deliver(self.now);
            self.wake(id);
        }
    }

    /// Deliveries that an instance has taken and not done. A caller that delivers says so; of what
    /// was delivered a moment ago the store may not have been told yet.
    pub(super) fn undone_by(&self, id: &InstanceId) -> usize {
        let at = Instant::from_ms(self.now.as_ms().saturating_sub(TOLD_WITHIN.get()));
        let one = self.boxes.boxes.get(id);
        one.map_or(0, |one| one.software.unprocessed_since(at))
    }

    fn some_box(&mut self) -> Option<InstanceId> {
        let length = self.boxes.boxes.len();
        if length == 0 {
            return None;
        }
        let place = self.chance.pick(Stream::Detail, length);
        self.boxes.boxes.keys().nth(place).cloned()
    }

    pub(super) fn box_hangs(&mut self) {
        let Some(id) = self.some_box() else { return };
        if let Some(one) = self.boxes.boxes.get_mut(&id) {
            one.hangs = !one.hangs;
        }
        self.wake(&id);
    }

    /// With the trouble, hanging ends, also in a reboot that no host waits for. What hangs in a
    /// restart hangs for longer than the restart may wait for it.
    pub(super) fn boxes_recover(&mut self) {
        let awaited = self.awaited_from_reboot();
        let is_left = |id: &InstanceId| !awaited.contains(id);
        self.clouds.world.end_reboots(is_left);
        self.queue.put(self.now + REBOOTS_HANG_MAX, Due::RebootsEnd);
        let ids: Vec<_> = self.boxes.boxes.keys().cloned().collect();
        for id in ids {
            if let Some(one) = self.boxes.boxes.get_mut(&id) {
                one.hangs = false;
            }
            self.wake(&id);
        }
    }

    /// The instances whose reboot a restart waits for. Without a box or a probe it does not: it
    /// takes every reboot to be short.
    fn awaited_from_reboot(&self) -> BTreeSet<InstanceId> {
        let workers = self.spec.workers.iter().filter(|(_, spec)| {
            let pool = self.spec.pools.get(&spec.pool);
            let health = pool.and_then(|pool| pool.health.as_ref());
            let is_probed = health.is_some_and(|health| health.probe.is_some());
            is_probed || pool.is_some_and(|pool| pool.boxes.is_some())
        });
        let restarts = workers.filter_map(|(worker, _)| self.shelf.truth(worker).record.restart);
        let rebooting = restarts.filter(|restart| restart.reboots().is_some());
        rebooting.filter_map(|restart| restart.instance).collect()
    }

    pub(super) fn token_is_wiped(&mut self) {
        let Some(id) = self.some_box() else { return };
        if let Some(one) = self.boxes.boxes.get_mut(&id) {
            one.software.wipe(self.now);
        }
        self.wake(&id);
    }

    /// EC2 announces to an instance that it takes it then. Its box hears of it, if it runs.
    pub(super) fn announce_reclaim(&mut self, id: &InstanceId, at: Instant) {
        if let Some(one) = self.boxes.boxes.get_mut(id) {
            one.software.hear_of_reclaim(self.now, at);
            self.wake(id);
        }
    }

    /// A box registers for a worker that is not its own, or shows a token that no host gave it. Its
    /// proof of which instance it is stays true: no box can forge that.
    pub(super) fn box_lies(&mut self) {
        let Some(id) = self.some_box() else { return };
        let place = self.chance.pick(Stream::Detail, self.spec.workers.len());
        let Some(worker) = self.spec.workers.keys().nth(place).cloned() else {
            return;
        };
        let Some(proof) = self.boxes.boxes.get(&id).map(|one| one.software.proof()) else {
            return;
        };
        let nonce = self.chance.between(Stream::Detail, 0, u64::MAX - 1);
        let said = match self.chance.percent(Stream::Detail, 50) {
            true => Statement::Register {
                claim: Claim {
                    instance: id.clone(),
                    proof,
                },
                nonce: SecretHash::of_nonce(&nonce.to_string()),
            },
            false => Statement::Report {
                by: Reporter::Box(Token::new(worker.clone(), Secret::new([7; 32]))),
                report: Report::Heartbeat(SpotNotices::default()),
            },
        };
        self.box_says(&id, worker, said);
    }
}
