//! The facts of one worker: what the host knows, each fact with its age, and what the record says.
//! Every module reads facts. Three modules write them, through [`Facts::change`]: this one, which
//! folds readings in ([`observe`]), `act` and `record`. The lint refuses any other writer.
//! [`inputs`] builds the inputs of policies from the facts.

mod condition;
mod cycling;
mod demand;
mod failing;
mod failures;
mod forget;
pub mod inputs;
mod instance;
mod life;
mod look_up;
pub mod observe;
mod orphans;
mod overdue;
mod owner;
mod parts;
mod peers;
mod pointer;
mod reaps;
mod record;
mod refusals;
mod starts;
mod status;
mod storm;
mod tasks;
mod template;
mod work;

use std::collections::BTreeMap;
use std::ops::Deref;

pub use condition::Condition;
pub use cycling::{CYCLING, Cycling, Fate};
pub use failing::FailedReadings;
pub use failures::{Failure, Failures};
pub use instance::KnownInstance;
use instance::{may_precede_start, start_settles};
pub use life::{Hold, Life};
use observe::Lost;
pub use orphans::{Origin, Orphan, OrphanCheck};
pub use overdue::{Overdue, OverdueCheck, Transit};
pub use parts::{Announcement, Asking, Declined, InFlight, LastDecision, LaunchAttempt};
pub use peers::Peers;
pub use reaps::Reaps;
pub use record::{Lease, RecordView, Writing};
pub use refusals::{Act, Refusal, Refusals, RefusedEnds};
pub use status::{
    ActivityStatus, FlowStatus, HealthStatus, InstanceStatus, RecordStatus, RegistrationStatus,
    RestartStatus, SignalStatus, WaitStatus, WorkerStatus,
};
pub(crate) use storm::Storm;
pub use template::ReadVersion;
pub(crate) use template::TEMPLATE_AGE_MAX;

use crate::model::boxes::SpotNotices;
use crate::model::budget::{Ledger, Spending};
use crate::model::cloud::{Mutation, Query};
use crate::model::demand::Demand;
use crate::model::id::{DecisionId, Epoch, Generation, InstanceId, RequestId, WorkerId};
use crate::model::instance::{InstanceState, StateReason};
use crate::model::response::Route;
use crate::model::restart::{Adoption, Deferred, Restart, RestartStage};
use crate::model::spec::{PoolSpec, WorkerSpec};
pub use crate::model::store::{Adopted, How};
use crate::model::store::{
    Credential, Draining, EndedElsewhere, FailedStarts, Former, Intent, LastError, Paused, Refresh,
    Stored,
};
use crate::model::time::Instant;

/// The facts of one worker. Every module reads them; only `act`, `record` and this module write
/// them.
#[derive(Clone, Debug)]
pub struct Facts(WorkerFacts);

impl Facts {
    /// Wraps the facts that a host begins with.
    pub fn new(facts: WorkerFacts) -> Self {
        Self(facts)
    }

    /// The one way to write a fact. The lint refuses callers other than `act`, `record` and this
    /// module. A flow that wants a fact written calls a named function there.
    pub(crate) fn change(&mut self) -> &mut WorkerFacts {
        &mut self.0
    }
}

impl Deref for Facts {
    type Target = WorkerFacts;

    fn deref(&self) -> &WorkerFacts {
        &self.0
    }
}

/// Everything that the host knows about one worker, and what the record says or is to say.
#[derive(Clone, Debug)]
pub struct WorkerFacts {
    /// The worker's name.
    pub id: WorkerId,
    /// The name of this host's fleet, which tells its instances from those of others.
    pub fleet: String,
    /// The worker's configuration.
    pub spec: WorkerSpec,
    /// The configuration of the worker's pool.
    pub pool: PoolSpec,
    /// The latest provisioning attempt. Only rises.
    pub generation: Generation,
    /// The highest generation in the journal. It keeps a token from being used for two attempts,
    /// even if the store has lost the record.
    pub generation_floor: Generation,
    /// The highest epoch in the journal. It keeps an epoch from being used twice, even if the store
    /// has lost the record.
    pub epoch_floor: Epoch,
    /// The record in the store.
    pub record: RecordView,
    /// The mutation that the record announces; `None` if no mutation is announced.
    pub intent: Option<Intent>,
    /// An operator's pause that stands in the record, or is being written to it.
    pub paused: Option<Paused>,
    /// The last reading of the pointer; `None` if the pointer was never read, or the last reading
    /// failed.
    pub pointer: Option<Option<InstanceId>>,
    /// The last instance that a reading of the pointer named with a date, and when that value was
    /// written. It proves how old the id is, whatever the pointer names since.
    pub pointed_since: Option<(InstanceId, Instant)>,
    /// The instance that the pointer named while it was adopted, and when a reading was last asked
    /// for, or a write ended, that says so. `None` if none does.
    pub pointer_agreed: Option<(InstanceId, Instant)>,
    /// The other instance that the pointer names since, and when the first reading was asked for
    /// that says so; `None` if the pointer names the adopted one, or none.
    pub pointer_moved: Option<(InstanceId, Instant)>,
    /// The row of failed readings of the pointer; `None` after a reading that succeeded.
    pub pointer_unread: Option<FailedReadings>,
    /// The adopted instance, by the record.
    pub adopted: Option<Adopted>,
    /// The instance that was adopted last; `None` while an instance is adopted.
    pub former: Option<Former>,
    /// Every instance of this worker that the host has read and not dropped.
    pub instances: BTreeMap<InstanceId, KnownInstance>,
    /// When the last complete tag scan was asked for.
    pub scanned_at: Option<Instant>,
    /// The mutation that is under way; there is at most one.
    pub in_flight: Option<InFlight>,
    /// What is told when the provider accepts the end under way; `None` if nothing is.
    pub announcement: Option<Announcement>,
    /// The launch that has no definite answer yet.
    pub attempt: Option<LaunchAttempt>,
    /// Launches and starts that failed in a row; a success clears them.
    pub failures: Failures,
    /// The last reading of the default version of a launch template; `None` if none was read.
    pub template_version: Option<ReadVersion>,
    /// The condition of the adopted instance, as the health flow last published it.
    pub condition: Condition,
    /// Starts that failed in a row, by their instance.
    pub failed_starts: BTreeMap<InstanceId, FailedStarts>,
    /// The adoption whose instance gets no address any more, by a verdict of `retry-ip`; `None` if there
    /// is no such verdict.
    pub abandoned: Option<(InstanceId, Instant)>,
    /// The acts that the cloud refused last time, and the pause before each is tried again.
    pub refusals: Refusals,
    /// What the worker's box has registered.
    pub credential: Option<Credential>,
    /// The last register that was refused; a success clears it.
    pub register_error: Option<LastError>,
    /// What EC2 has announced to a Spot instance, by the last heartbeat of the worker's box.
    pub spot: Option<(InstanceId, SpotNotices)>,
    /// Refreshes of reports on their way to the store; at most one of each kind.
    pub refreshes: BTreeMap<RequestId, Refresh>,
    /// When the store last answered one of these refreshes.
    pub refreshed_at: Option<Instant>,
    /// The drain before a reap; `None` if the worker does not drain.
    pub draining: Option<Draining>,
    /// The latest restart.
    pub restart: Option<Restart>,
    /// The restart that is put off; `None` if none is.
    pub deferred: Option<Deferred>,
    /// Since when this host has seen unfinished work without progress; `None` if there is none.
    pub unfinished_since: Option<Instant>,
    /// The recent spendings of the worker's budget that were done, or may have been.
    pub ledger: Ledger,
    /// The recent ends on verdicts of `reap`, which the pool's pace counts.
    pub reaped: Ledger,
    /// The last reading of the demand metric; `None` if it is unavailable.
    pub demand: Option<Demand>,
    /// The route that is published.
    pub route: Option<Route>,
    /// The latest decision about this worker.
    pub last_decision: Option<LastDecision>,
    /// When a caller last asked for the worker, served or not. A caller that is turned away also
    /// shows demand (docs/incidents.md#frozen-activity).
    pub asked_at: Option<Instant>,
    /// Adopted instances in a row that a program outside this fleet ended soon after they had come
    /// up, the present one not counted.
    pub ended_elsewhere: u32,
    /// Such an end of the instance that was adopted last; while one is adopted, the present one's by
    /// the record. `None` if there was none.
    pub ended_elsewhere_last: Option<EndedElsewhere>,
    /// Whether this host has told people of the program that ends the instances of this row.
    pub controller_told: bool,
    /// Instances in a row that went down without ever having been handed out.
    pub unserved_in_row: u32,
    /// When the last of these instances went down.
    pub unserved_at: Option<Instant>,
    /// Instances that went down while another host may have used or ended them: the record has not been
    /// read since.
    pub lost_unread: Vec<Lost>,
    /// The pending requests and the pass of the resolve flow, as that flow last published them.
    pub asking: Asking,
}

/// What the store and the journal say about one worker when a host starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The worker's record in the store; `None` if the store could not be read.
    pub stored: Option<Stored>,
    /// The highest generation in the journal.
    pub generation: Generation,
    /// The highest epoch in the journal.
    pub epoch: Epoch,
}

impl WorkerFacts {
    /// The facts of a worker about which only the store and the journal are known.
    pub fn new(
        id: WorkerId,
        fleet: String,
        spec: WorkerSpec,
        pool: PoolSpec,
        remembered: Remembered,
    ) -> Self {
        let mut worker = Self {
            id,
            fleet,
            spec,
            pool,
            generation: remembered.generation,
            generation_floor: remembered.generation,
            epoch_floor: remembered.epoch,
            record: RecordView::new(None),
            intent: None,
            paused: None,
            pointer: None,
            pointed_since: None,
            pointer_agreed: None,
            pointer_moved: None,
            pointer_unread: None,
            adopted: None,
            former: None,
            instances: BTreeMap::new(),
            scanned_at: None,
            in_flight: None,
            announcement: None,
            attempt: None,
            failures: Failures::default(),
            template_version: None,
            condition: Condition::default(),
            failed_starts: BTreeMap::new(),
            abandoned: None,
            refusals: Refusals::default(),
            credential: None,
            register_error: None,
            spot: None,
            refreshes: BTreeMap::new(),
            refreshed_at: None,
            draining: None,
            restart: None,
            deferred: None,
            unfinished_since: None,
            ledger: Ledger::default(),
            reaped: Ledger::default(),
            demand: None,
            route: None,
            last_decision: None,
            asked_at: None,
            ended_elsewhere: 0,
            ended_elsewhere_last: None,
            controller_told: false,
            unserved_in_row: 0,
            lost_unread: Vec::new(),
            unserved_at: None,
            asking: Asking::default(),
        };
        if let Some(stored) = remembered.stored {
            worker.fold(stored);
        }
        worker
    }

    /// Whether this is the adopted instance.
    pub fn is_adopted(&self, id: &InstanceId) -> bool {
        self.adopted
            .as_ref()
            .is_some_and(|adopted| &adopted.id == id)
    }

    /// Whether a restart ends or reboots this instance, which may be in use.
    pub(crate) fn is_ended_by_restart(&self, id: &InstanceId) -> bool {
        self.restart.as_ref().is_some_and(|restart| {
            restart.stage == RestartStage::Ending && restart.instance.as_ref() == Some(id)
        })
    }

    /// Whether a mutation is under way, or a launch has no definite answer yet.
    pub fn is_changing(&self) -> bool {
        self.in_flight.is_some() || self.attempt.is_some()
    }

    /// Whether a host stops, terminates or reboots the adopted instance. Callers that were sent
    /// there would be cut off, and their reports would not be recorded, so the instance is not
    /// handed out (G5).
    pub fn adopted_is_being_ended(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| {
            Spending::of(in_flight.kind) == Some(Spending::Stop)
                && in_flight
                    .instance
                    .as_ref()
                    .is_some_and(|id| self.is_adopted(id))
        })
    }

    /// The latest decision about this worker, for effects that have no decision of their own.
    pub(crate) fn latest_decision(&self) -> DecisionId {
        let last = self.last_decision.as_ref();
        last.map(|last| last.id).unwrap_or_default()
    }

    /// Whether a restart is in flight.
    pub fn is_restarting(&self) -> bool {
        self.restart.as_ref().is_some_and(Restart::is_in_flight)
    }

    /// Whether the worker comes back from a reboot that was sent for a restart.
    pub fn is_rebooting(&self) -> bool {
        let restart = self.restart.as_ref();
        restart.is_some_and(|restart| restart.reboots().is_some())
    }

    /// The present adoption.
    pub(crate) fn adoption(&self) -> Option<Adoption> {
        let adopted = self.adopted.as_ref()?;
        Some(Adoption {
            instance: adopted.id.clone(),
            since: adopted.since,
        })
    }

    /// The adopted instance as last read.
    pub fn adopted_instance(&self) -> Option<&KnownInstance> {
        self.instances.get(&self.adopted.as_ref()?.id)
    }

    /// Whether the adopted instance is up, boots, or may do so. An unknown state counts as up, and
    /// so does a fresh launch that the provider does not show yet: the harm to prevent is a second
    /// instance.
    pub fn adopted_is_live(&self, now: Instant) -> bool {
        let Some(adopted) = &self.adopted else {
            return false;
        };
        let Some(known) = self.instances.get(&adopted.id) else {
            return true;
        };
        let grace = self.pool.limits.not_visible_grace;
        let may_be_live = known.may_be_live(now, grace, self.adopted_started_at());
        self.start_settles_since().is_some() || (may_be_live && !self.is_long_gone(&adopted.id))
    }

    /// When the start was accepted that hides the state of the adopted instance; `None` if the last
    /// reading of that instance counts.
    pub fn start_settles_since(&self) -> Option<Instant> {
        let known = self.adopted_instance()?;
        let state = known.instance.state;
        if !may_precede_start(state) && state != InstanceState::Unknown {
            return None;
        }
        let since = self.adopted_started_at()?;
        let is_settling = known
            .read_at
            .is_none_or(|read_at| start_settles(since, read_at));
        is_settling.then_some(since)
    }

    /// When the latest start of the adopted instance was accepted, by this host or by the host that
    /// recorded it. `None` if no start is known.
    fn adopted_started_at(&self) -> Option<Instant> {
        let adopted = self.adopted.as_ref()?;
        let by_record = (adopted.how == How::Started).then_some(adopted.since);
        let known = self.instances.get(&adopted.id)?;
        known.start_accepted.max(by_record)
    }

    /// Why the instance last went down, in the provider's words; `None` if the provider does not say,
    /// or the instance runs. The reason stays until the boot after it.
    pub(crate) fn reason_down(&self, id: &InstanceId) -> Option<&StateReason> {
        self.instances.get(id)?.instance.state_reason.as_ref()
    }

    /// The query that reads one instance of this worker by its id.
    pub fn query_of(&self, id: InstanceId) -> Query {
        Query::Instance {
            region: self.pool.region.clone(),
            compute: self.pool.compute.clone(),
            id,
        }
    }

    /// The instance to read first: the adopted one, or else the one that the pointer names.
    pub fn subject(&self) -> Option<&InstanceId> {
        match &self.adopted {
            Some(adopted) => Some(&adopted.id),
            None => self.pointer.as_ref()?.as_ref(),
        }
    }

    /// Running or pending instances that carry the worker's tag and may be adopted, newest launch
    /// first. An instance of an older generation than the adopted one may not (G3), and one of
    /// another fleet may not (G9).
    pub fn candidates(&self) -> Vec<&KnownInstance> {
        let could_follow = |known: &KnownInstance| {
            let id = &known.instance.id;
            !self.is_adopted(id) && !self.is_superseded(id)
        };
        self.newest_first()
            .into_iter()
            .filter(|known| known.instance.state.is_live() && self.carries_tag(known))
            .filter(|known| could_follow(known) && !self.is_outside(known))
            .collect()
    }

    /// Whether an instance of a newer generation is adopted, or was adopted last. The box of the
    /// older instance was told so and has ended, so that instance is never adopted again.
    pub fn is_superseded(&self, id: &InstanceId) -> bool {
        let last = self.adopted_last();
        last.is_some_and(|last| self.generation_of(id) < last.generation)
    }

    /// The adopted instance, or the one that was adopted last.
    pub fn adopted_last(&self) -> Option<Former> {
        let adopted = self.adopted.as_ref().map(|adopted| Former {
            id: adopted.id.clone(),
            generation: adopted.generation,
            unknown: Default::default(),
        });
        adopted.or_else(|| self.former.clone())
    }

    /// The generation that an instance counts as. An instance that reeve launched or started for
    /// this worker counts as the generation of that launch or start, from when it is announced. Any
    /// other instance counts as the current generation.
    pub fn generation_of(&self, id: &InstanceId) -> Generation {
        if let Some(start) = self.start_of(id) {
            return start.generation;
        }
        if let Some(adopted) = self.adopted.as_ref().filter(|it| &it.id == id) {
            return adopted.generation;
        }
        if let Some(former) = self.former.as_ref().filter(|it| &it.id == id) {
            return former.generation;
        }
        self.instances
            .get(id)
            .and_then(|known| known.instance.generation_for(&self.fleet, &self.id))
            .unwrap_or(self.generation)
    }

    /// The intent that starts this instance; `None` if there is none.
    pub(super) fn start_of(&self, id: &InstanceId) -> Option<&Intent> {
        let starts = |intent: &&Intent| matches!(&intent.mutation, Mutation::Start { id: started, .. } if started == id);
        self.intent.as_ref().filter(starts)
    }

    /// Whether `adopt` declined this candidate, and that decision still holds.
    pub fn is_declined(&self, id: &InstanceId, now: Instant) -> bool {
        self.asking
            .declined
            .as_ref()
            .is_some_and(|declined| declined.holds_for(id, now))
    }

    /// All known instances, newest launch first. Ties are ordered by id, so the order is
    /// deterministic.
    pub fn newest_first(&self) -> Vec<&KnownInstance> {
        let mut all: Vec<_> = self.instances.values().collect();
        all.sort_by(|a, b| {
            let newest = b.instance.launched_at.cmp(&a.instance.launched_at);
            newest.then_with(|| a.instance.id.cmp(&b.instance.id))
        });
        all
    }
}
