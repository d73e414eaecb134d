//! The guarantees, checked from outside. The checks see the true state of the world and the store,
//! and the requests and responses. They never look into a host, and no host uses them.
//!
//! | guarantee | what is checked | file |
//! |---|---|---|
//! | G1 one instance per generation | every new instance, every announced launch | [`launches`] |
//! | G2 one adopted instance | every write of a record, every end of an orphan | [`adoption`], [`orphans`] |
//! | G3 the pointer follows | writes and stops, announced and arriving | [`pointer`] |
//! | G4 no second live instance | launches, starts, searches | [`adoption`], [`started`] |
//! | G5 nothing in use is reaped | marks, stops, what is handed out | [`uses`], [`shown`] |
//! | G6 fencing | every write of a record, every mutation | [`fence`] |
//! | G7 one restart | restarts in a record, responses, probes | [`restarts`], [`shown`], [`health`] |
//! | G8 registration | every granted register, every token | [`scope`], [`boxes`] |
//! | G9 own instances only | every question, every mutation, every adoption | [`scope`], [`origins`] |
//! | G10 budgets, pace of reaps | every announced mutation | [`budgets`] |
//! | V1 every wait ends | the adopted instance, once the trouble is over; every end | [`overdue`] |
//! | V2 a refusal costs nothing | every announced end, every heard refusal of an end | [`refused`] |
//! | V3 the next way | every announced start, launch and stop, every refusal of an end | [`blocked`] |
//! | V4 the truth | every response to a caller, every veto | [`truth`] |
//! | V5 final is final | every reading, every published route | [`ended`], [`looked_up`] |
//! | V6 a wish is kept | as liveness | [`recovery`] |
//! | V7 faults stay | the other pool's workers, once the trouble is over | [`recovery`] |
//! | single flight | every sent mutation, every outcome | [`flight`] |
//! | cycling | every write of a record | [`controller`] |
//! | pause | every write of a record | [`pauses`] |
//! | answers | every resolve, every register | [`answers`] |
//! | liveness | the world, once the trouble is over | [`recovery`] |
//! | no panic | every step of a host | here |

mod adoption;
mod answers;
mod blocked;
mod boxes;
mod budgets;
mod changes;
mod controller;
mod ended;
mod fence;
mod flight;
mod health;
mod launches;
mod looked_up;
mod origins;
mod orphans;
mod overdue;
mod pauses;
mod pointer;
mod recovery;
mod refused;
mod restarts;
mod scope;
mod shown;
mod started;
mod told;
mod truth;
mod uses;
mod violation;

use std::collections::{BTreeMap, BTreeSet};

use reeve_core::boxes::{Receipt, Statement};
use reeve_core::effect::Question;
use reeve_core::guard::Permit;
use reeve_core::health::Probed;
use reeve_core::id::{HostId, InstanceId, RequestId, WorkerId};
use reeve_core::instance::{InstanceState, TAG_FLEET};
use reeve_core::operator::Command;
use reeve_core::response::Resolution;
use reeve_core::spec::{FleetSpec, PoolSpec, WorkerSpec};
use reeve_core::store::{Refresh, Refreshed, StoreError, Stored, Write};
use reeve_core::time::{Instant, Millis};

pub(super) use flight::Heard;
pub use violation::{Guarantee, Violation};

use super::Casts;
use super::fault::Fault;
use super::options::{FLEET, Options};
use super::people::Asking;
use super::shelf::Shelf;
use crate::engine::Life;
use crate::world::{EventKind, SimInstance, World, WorldEvent};

/// How far two hosts' clocks may be apart: each is at most 4 s off, and gains at most 1.8 s in an
/// hour.
pub(super) const CLOCKS_APART: Millis = Millis::from_secs(14);

/// The result of a check: the guarantee that did not hold, and a text.
type Finding = Result<(), (Guarantee, String)>;

/// All checks of one run.
pub(super) struct Checks {
    /// The first violation.
    pub(super) violation: Option<Violation>,
    spec: FleetSpec,
    is_shared: bool,
    /// Whether every write of the store is answered.
    store_is_sound: bool,
    /// Whether a life of a host begins with every record.
    records_are_read: bool,
    pointers_are_ours: bool,
    adoption: adoption::Adoption,
    launches: launches::Launches,
    fence: fence::Fence,
    flight: flight::Flight,
    restarts: restarts::Restarts,
    health: health::Health,
    budgets: budgets::Budgets,
    controllers: controller::Controllers,
    answers: answers::Answers,
    blocked: blocked::Blocked,
    truth: truth::Truth,
    ended: ended::Ended,
    looked_up: looked_up::LookedUp,
    recovery: recovery::Recovery,
    refused: refused::Refused,
    boxes: boxes::Boxes,
    pauses: pauses::Pauses,
    pointers: pointer::Pointers,
    shown: shown::Shown,
    started: started::Started,
    uses: uses::Uses,
    /// Workers whose state an operator cleared with `forget`.
    forgotten: BTreeSet<WorkerId>,
    /// Workers whose address a policy has given up at some time.
    abandoned: BTreeSet<WorkerId>,
}

/// A record that was just written.
pub(super) struct Commit<'a> {
    pub(super) by: Life,
    pub(super) before: &'a Stored,
    pub(super) write: &'a Write,
    pub(super) permit: Option<&'a Permit>,
    /// Deliveries that the adopted instance's box has not processed, by the true state of the box.
    pub(super) undone: usize,
}

/// A written record, with the world and the pool that the checks compare it with.
struct Written<'a> {
    at: Instant,
    by: Life,
    host: HostId,
    worker: &'a WorkerId,
    before: &'a Stored,
    write: &'a Write,
    permit: Option<&'a Permit>,
    world: &'a World,
    pool: &'a PoolSpec,
    undone: usize,
}

impl Checks {
    pub(super) fn new(spec: &FleetSpec, options: &Options, casts: &Casts) -> Self {
        let are_off = |faults: &[Fault]| faults.iter().all(|it| !options.faults.contains(it));
        Self {
            violation: None,
            spec: spec.clone(),
            is_shared: options.shared_store,
            store_is_sound: are_off(&[
                Fault::StoreFails,
                Fault::StoreReplyLost,
                Fault::StoreDown,
                Fault::RecordUnreadable,
            ]),
            records_are_read: are_off(&[
                Fault::StoreFails,
                Fault::StoreDown,
                Fault::RecordUnreadable,
            ]),
            pointers_are_ours: !options.faults.contains(&Fault::PointerElsewhere),
            adoption: adoption::Adoption::default(),
            launches: launches::Launches::default(),
            fence: fence::Fence::default(),
            flight: flight::Flight::default(),
            restarts: restarts::Restarts::default(),
            health: health::Health::new(options),
            budgets: budgets::Budgets::default(),
            controllers: controller::Controllers::default(),
            answers: answers::Answers::default(),
            blocked: blocked::Blocked::new(options),
            truth: truth::Truth::default(),
            ended: ended::Ended::default(),
            looked_up: looked_up::LookedUp::default(),
            recovery: recovery::Recovery::new(spec, options, casts),
            refused: refused::Refused::default(),
            boxes: boxes::Boxes::default(),
            pauses: pauses::Pauses::default(),
            pointers: pointer::Pointers::default(),
            shown: shown::Shown::default(),
            started: started::Started::default(),
            uses: uses::Uses::new(options),
            forgotten: BTreeSet::new(),
            abandoned: BTreeSet::new(),
        }
    }

    fn settle(&mut self, at: Instant, worker: &WorkerId, finding: Finding) {
        if let (Err((guarantee, text)), None) = (finding, &self.violation) {
            self.violation = Some(Violation {
                guarantee,
                at,
                worker: worker.clone(),
                text,
            });
        }
    }

    /// Checks a new or changed instance.
    pub(super) fn happened(&mut self, event: &WorldEvent, world: &World) {
        match event.kind {
            EventKind::Addressed => self.blocked.came_up(&event.id),
            EventKind::State(InstanceState::Stopped) => self.blocked.stopped(&event.id),
            _ => {}
        }
        let tag = |it: &SimInstance| it.tags.get(super::options::TAG_KEY).cloned();
        let tag = world.instance(&event.id).and_then(tag);
        let mut workers = self.spec.workers.iter();
        if let Some((worker, _)) = workers.find(|(_, spec)| Some(&spec.tag_value) == tag.as_ref()) {
            self.truth.happened(worker);
        }
        let finding = self.launches.happened(event, world);
        if let Err((worker, text)) = finding {
            self.settle(event.at, &worker, Err((Guarantee::G1, text)));
        }
    }

    /// Notes that another controller has ended an instance.
    pub(super) fn ended_elsewhere(&mut self, at: Instant, id: &InstanceId, world: &World) {
        self.controllers.ended(at, id, world);
    }

    /// Checks a question to a policy.
    pub(super) fn asked(&mut self, at: Instant, question: &Question, world: &World) {
        if !self.pointers_are_ours {
            return;
        }
        let Some((worker, _)) = placed(&self.spec, &question.worker) else {
            return;
        };
        let finding = scope::asked(question, worker, world);
        self.settle(at, &question.worker, finding);
    }

    pub(super) fn ask_sent(
        &mut self,
        at: Instant,
        request: RequestId,
        worker: &WorkerId,
        wait: Option<Millis>,
    ) {
        self.answers.sent(at, request, worker, wait);
        self.recovery.asked(at, worker);
    }

    pub(super) fn ask_ended(&mut self, request: RequestId) {
        self.answers.left(request);
    }

    /// Checks the response to a caller, which the host gives at `local` by its own clock.
    pub(super) fn answered(
        &mut self,
        (at, local): (Instant, Instant),
        request: RequestId,
        asking: &Asking,
        answer: &Resolution,
        world: &World,
    ) {
        self.answers.answered(request);
        let (worker, by) = (&asking.worker, asking.to);
        // A host cannot write down that a restart is over if the worker's record is unreadable.
        if !self.recovery.is_afflicted(worker) {
            let finding = self.refused.answered(at, worker, answer);
            self.settle(at, worker, finding);
        }
        let Some((spec, _)) = placed(&self.spec, worker) else {
            return;
        };
        let finding = match answer {
            Resolution::Served(route) => {
                self.uses.served(worker, &route.instance, at);
                scope::served(&route.instance, spec, world)
                    .and_then(|()| self.shown.handed_out(by, worker, &route.instance))
            }
            Resolution::NotYet(not_yet) => self.truth.answered(local, by, worker, not_yet),
        };
        self.settle(at, worker, finding);
    }

    /// Checks that a host responds once to a request.
    pub(super) fn responded(&mut self, at: Instant, worker: &WorkerId, request: RequestId) {
        let finding = self.answers.responded(request);
        self.settle(at, worker, finding);
    }

    pub(super) fn on_stray_response(&mut self, at: Instant, request: RequestId) {
        if let Err((worker, text)) = self.answers.on_stray(request) {
            self.settle(at, &worker, Err((Guarantee::Answers, text)));
        }
    }

    /// Notes activity that a host sent to the store.
    pub(super) fn refreshed(
        &mut self,
        at: Instant,
        worker: &WorkerId,
        refresh: Refresh,
        result: &Result<Refreshed, StoreError>,
    ) {
        if matches!(refresh, Refresh::Heartbeat { .. }) {
            self.boxes.heard(worker, at);
        }
        match result {
            Ok(Refreshed::Written) => self.uses.refreshed(worker, refresh, at),
            Ok(Refreshed::NotRunning) => {}
            Err(_) => self.uses.missed(worker, refresh),
        }
    }

    /// Notes the result of a probe.
    pub(super) fn probed(
        &mut self,
        at: Instant,
        (by, worker): (Life, &WorkerId),
        instance: &InstanceId,
        result: &Probed,
        world: &World,
    ) {
        if let Some((_, pool)) = placed(&self.spec, worker) {
            self.health
                .probed(at, (by, worker), pool, instance, result, world);
        }
    }

    /// Notes a delivery that reached an instance.
    pub(super) fn reached(&mut self, at: Instant, worker: &WorkerId) {
        self.recovery.served(at, worker);
    }

    /// Checks a register that a host granted.
    pub(super) fn registered(
        &mut self,
        at: Instant,
        worker: &WorkerId,
        id: &InstanceId,
        shelf: &Shelf,
        world: &World,
    ) {
        let Some((spec, _)) = placed(&self.spec, worker) else {
            return;
        };
        let finding = scope::registered(id, spec, &shelf.truth(worker), world);
        self.settle(at, worker, finding);
    }

    /// Notes a register that a box sent.
    pub(super) fn box_said(&mut self, at: Instant, said: &Statement) {
        if let Statement::Register { nonce, .. } = said {
            self.boxes.registers(*nonce, at);
        }
    }

    /// Checks a register whose response a box no longer waits for.
    pub(super) fn register_unanswered(&mut self, at: Instant, worker: &WorkerId, sent_at: Instant) {
        let finding = self.answers.register_unanswered(sent_at);
        self.settle(at, worker, finding);
    }

    /// Checks the token in a response to a box.
    pub(super) fn box_answered(&mut self, at: Instant, worker: &WorkerId, reply: &Receipt) {
        let token = match reply {
            Receipt::Registered(registered) => Some(&registered.token),
            Receipt::Accepted(accepted) => accepted.token.as_ref(),
            Receipt::Refused(_) => None,
        };
        if let Some(token) = token {
            let finding = self.boxes.handed_out(worker, token);
            self.settle(at, worker, finding);
        }
    }

    pub(super) fn commanded(&mut self, request: RequestId, worker: &WorkerId, command: &Command) {
        if *command == Command::Forget {
            self.forgotten.insert(worker.clone());
            self.budgets.forgotten(worker);
            self.blocked.counted_anew(worker);
            self.truth.counted_anew(worker);
        }
        self.truth.happened(worker);
        self.adoption.commanded(worker, command);
        self.started.commanded(worker);
        self.restarts.commanded(request, worker, command);
        self.pauses.commanded(request, worker, command);
    }

    /// Notes that another system wrote the worker's pointer.
    pub(super) fn pointer_moved(&mut self, worker: &WorkerId, instance: InstanceId) {
        self.adoption.pointer_moved(&self.spec, worker, instance);
    }

    /// Notes that a part of these workers' pool has failed for good: what they need may never come,
    /// and the other pool's workers recover all the same.
    pub(super) fn afflicted(&mut self, workers: BTreeSet<WorkerId>) {
        self.recovery.afflicted(workers);
    }

    /// Notes that the trouble is over.
    pub(super) fn calm(&mut self, at: Instant) {
        self.recovery.calm(at, self.answers.waited_for());
        self.answers.calm(at);
    }

    /// Checks that workers recovered in time, and that no instance and no request is overdue.
    pub(super) fn look(
        &mut self,
        at: Instant,
        world: &World,
        shelf: &Shelf,
        spec: &FleetSpec,
        pointers_are_down: bool,
    ) {
        let findings = self
            .recovery
            .look(at, world, shelf, spec, pointers_are_down);
        for (worker, finding) in findings {
            self.settle(at, &worker, finding);
        }
        if let Some((worker, text)) = self.answers.overdue(at) {
            self.settle(at, &worker, Err((Guarantee::Answers, text)));
        }
    }

    /// How long each worker took to be served since the trouble ended.
    pub(super) fn served_after(&self) -> Vec<Millis> {
        self.recovery.served_after().collect()
    }

    pub(super) fn all_is_well(&self) -> bool {
        self.recovery.all_is_well() && self.answers.all_is_well()
    }
}

/// A worker's configuration and its pool's.
fn placed<'a>(spec: &'a FleetSpec, worker: &WorkerId) -> Option<(&'a WorkerSpec, &'a PoolSpec)> {
    let worker = spec.workers.get(worker)?;
    Some((worker, spec.pools.get(&worker.pool)?))
}

/// Whether the world has the instance pending or running.
fn is_live(world: &World, id: &InstanceId) -> bool {
    world
        .instance(id)
        .is_some_and(|instance| instance.state.is_live())
}

/// Whether another fleet launched the instance.
fn is_foreign(instance: &SimInstance) -> bool {
    let fleet = instance.tags.get(TAG_FLEET);
    fleet.is_some_and(|fleet| fleet != FLEET)
}

/// Whether the hosts' fleet launched the instance.
fn is_ours(instance: &SimInstance) -> bool {
    let fleet = instance.tags.get(TAG_FLEET);
    fleet.is_some_and(|fleet| fleet == FLEET)
}

/// The live instances that carry the worker's tag.
fn live_of<'a>(world: &'a World, spec: &'a WorkerSpec) -> impl Iterator<Item = &'a SimInstance> {
    world.instances().filter(move |instance| {
        instance.state.is_live()
            && instance.tags.get(super::options::TAG_KEY) == Some(&spec.tag_value)
    })
}

/// One value per worker.
type ByWorker<T> = BTreeMap<WorkerId, T>;
