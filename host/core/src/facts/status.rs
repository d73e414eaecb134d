//! The status of a worker, as the API and the CLI show it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::WorkerFacts;
use crate::model::health::{Scheduled, Sign};
use crate::model::id::{
    DecisionId, Digest, Epoch, Generation, HostId, InstanceId, PoolName, Version, WorkerId,
};
use crate::model::instance::{InstanceState, StateReason};
use crate::model::point::Reason;
use crate::model::point::resolve::InFlight;
use crate::model::response::NotYet;
use crate::model::restart::{Initiator, RestartStage};
use crate::model::spec::RestartBy;
use crate::model::store::{LastError, Paused, Phase};
use crate::model::time::{Instant, Millis};

/// One worker for a status page, with the provider's raw states.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkerStatus {
    /// The worker's name.
    pub worker: WorkerId,
    /// The worker's pool.
    pub pool: PoolName,
    /// `paused` (by an operator; this outranks the rest), `restarting`, `unresponsive` (takes
    /// deliveries and finishes none), `unhealthy` (by its signals), `serving`, `pending`, `idle`
    /// (nothing adopted, nothing failed) or `failing`.
    pub condition: &'static str,
    /// An operator's pause: since when, why, and the host that accepted it.
    pub paused: Option<Paused>,
    /// The latest restart, with the requests that were dropped; `null` if there was none.
    pub restart: Option<RestartStatus>,
    /// The address that is handed out; `null` if none is.
    pub url: Option<String>,
    /// The latest provisioning attempt.
    pub generation: Generation,
    /// The last reading of the pointer; `null` if it was not read.
    pub pointer: Option<String>,
    /// The adopted instance.
    pub adopted: Option<InstanceId>,
    /// The worker's record in the store; `null` if it could not be read yet.
    pub record: Option<RecordStatus>,
    /// Counts and times of deliveries and of processed work.
    pub activity: ActivityStatus,
    /// The worker's health by its signals; `null` if the pool has no health checks.
    pub health: Option<HealthStatus>,
    /// The box that has registered; `null` if none has.
    pub registration: Option<RegistrationStatus>,
    /// The mutation under way.
    pub in_flight: InFlight,
    /// Every known instance, newest launch first.
    pub instances: Vec<InstanceStatus>,
    /// The last failure of a launch, a start or a register: its code and text, when, and how many
    /// in a row.
    pub last_error: Option<LastError>,
    /// What the host waits for on behalf of the worker, and what ends each wait.
    pub waits: Vec<WaitStatus>,
    /// Why the last caller was turned away.
    pub last_not_yet: Option<NotYet>,
    /// The latest decision.
    pub last_decision: Option<DecisionStatus>,
    /// Instances in a row that went down without ever having been handed out. From 3 on the worker
    /// is cycling.
    pub unserved_in_row: u32,
    /// Instances in a row that a program outside this fleet ended soon after they had come up. From
    /// 3 on the worker is cycling.
    pub ended_elsewhere_in_row: u32,
}

/// Something that the host waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct WaitStatus {
    /// The thing waited for, in words that follow "waits for".
    pub what: &'static str,
    /// When the host acts by itself; `null` if the end of a call or another answer ends the wait.
    pub until: Option<Instant>,
    /// Why no bound ends the wait in every case; `null` if one does.
    pub unbounded: Option<&'static str>,
}

/// What the flows add to the status from their private state.
#[derive(Clone, Debug, Default)]
pub struct FlowStatus {
    /// Whether the worker is unhealthy and no hold hides it.
    pub is_unhealthy: bool,
    /// The worker's health by its signals.
    pub health: Option<HealthStatus>,
    /// What each flow waits for.
    pub waits: Vec<WaitStatus>,
    /// Requests for a restart that were dropped since this host started, by their cause.
    pub restarts_dropped: BTreeMap<String, u64>,
    /// Why the last caller was turned away.
    pub last_not_yet: Option<NotYet>,
}

/// A worker's health, as the API and the CLI show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthStatus {
    /// Since when the worker is unhealthy; `null` if it is not.
    pub unhealthy_since: Option<Instant>,
    /// Why the host concludes nothing at present: `restarting`, `nothing-adopted`, `no-address`,
    /// `draining`, `changing` or `paused`; `null` if it does conclude.
    pub held: Option<&'static str>,
    /// Why the host does not restart an unhealthy worker although the configuration asks for it;
    /// `null` if nothing holds the restart off.
    pub restart_held_off: Option<String>,
    /// Restarts in a row after which the worker was still unhealthy.
    pub restarts_in_row: u32,
    /// The signals of the present life; a signal appears with its first reading.
    pub signals: Vec<SignalStatus>,
}

/// One signal of a worker's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignalStatus {
    /// `http`, `tcp`, `status-checks` or `heartbeat`.
    pub signal: &'static str,
    /// `good`, `bad`, or `unavailable`: it could not be read, which proves nothing.
    pub reading: Sign,
    /// When the reading was asked for.
    pub at: Instant,
    /// The age of the reading.
    pub age_ms: u64,
    /// Since when every reading has been the same.
    pub since: Instant,
    /// Failures in a row that count toward `unhealthy_after`.
    pub failures: u32,
    /// The reading in words.
    pub text: String,
}

/// One instance of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InstanceStatus {
    /// The provider's id.
    pub id: InstanceId,
    /// The state as the provider reports it.
    pub state: InstanceState,
    /// Why the instance went down, in the provider's words; `null` if the provider does not say.
    pub state_reason: Option<StateReason>,
    /// Whose the instance is by its tag `reeve:fleet`: `ours`, `foreign` or `unclaimed`.
    pub owner: &'static str,
    /// The private address.
    #[schema(value_type = Option<String>)]
    pub private_ip: Option<std::net::IpAddr>,
    /// The public address.
    #[schema(value_type = Option<String>)]
    pub public_ip: Option<std::net::IpAddr>,
    /// What EC2 announces to do with it, and when.
    pub notices: Vec<Scheduled>,
    /// When the instance was last read.
    pub read_at: Option<Instant>,
    /// When the instance was last handed out.
    pub handed_out: Option<Instant>,
    /// Since when every scan has shown the instance as an orphan; `null` if it is none.
    pub orphan_since: Option<Instant>,
}

/// The worker's record in the store, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordStatus {
    /// The version, which rises with every write; 0 if the record was never written.
    pub version: Version,
    /// The epoch of the latest lease.
    pub epoch: Epoch,
    /// The host that holds the lease; `null` if none does.
    pub lease: Option<HostId>,
    /// The phase of the worker's life.
    pub phase: Phase,
}

/// The activity of a worker. Delivered and processed are different facts
/// (docs/incidents.md#double-provision): delivered only says that the instance has taken the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActivityStatus {
    /// Deliveries so far, to all instances of the worker.
    pub delivered: u64,
    /// When that last happened; `null` if it never did.
    pub delivered_at: Option<Instant>,
    /// Deliveries that were reported processed.
    pub processed: u64,
    /// When that last happened; `null` if it never did.
    pub processed_at: Option<Instant>,
    /// Deliveries that the present instance has taken and not processed.
    pub in_flight: u64,
    /// For how long none of these was processed, once that is too long; `null` otherwise.
    pub unresponsive_ms: Option<u64>,
    /// The last heartbeat; `null` if there was none.
    pub heartbeat_at: Option<Instant>,
    /// Until when the box holds a busy lease; `null` if it holds none.
    pub busy_until: Option<Instant>,
}

/// The latest restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RestartStatus {
    /// The cause that the initiator named.
    pub cause: String,
    /// The initiator of the restart.
    pub initiator: Initiator,
    /// When the restart began.
    pub started_at: Instant,
    /// How the instance is restarted. A reboot that brings nothing up becomes `stop-start`.
    pub kind: RestartBy,
    /// The stage of the restart.
    pub stage: RestartStage,
    /// The cause of the deferred request that follows; `null` if there is none.
    pub deferred: Option<String>,
    /// Requests that were dropped since this host started, by their cause.
    pub dropped: BTreeMap<String, u64>,
}

/// A box that has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegistrationStatus {
    /// The instance that the box runs on.
    pub instance: InstanceId,
    /// The generation of that instance at the time.
    pub generation: Generation,
    /// Since when the present token of the box is in force.
    pub token_since: Instant,
}

/// The latest decision about a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DecisionStatus {
    /// The id of the decision in the journal.
    pub id: DecisionId,
    /// When the policy answered.
    pub at: Instant,
    /// The verdict, in a few words.
    pub verdict: String,
    /// The reason that the policy gave.
    pub reason: Reason,
    /// The digest of the component that decided.
    pub digest: Option<Digest>,
}

impl WorkerFacts {
    /// The worker's status at `now`.
    pub(crate) fn status(&self, now: Instant, flows: FlowStatus) -> WorkerStatus {
        let route = self.route.as_ref().filter(|route| now < route.valid_until);
        let known = self.adopted_instance();
        let running = known.is_some_and(|known| known.instance.is_reachable());
        let unresponsive_for = self.unresponsive_for(now);
        let condition = if self.paused.is_some() {
            "paused"
        } else if self.is_restarting() {
            "restarting"
        } else if unresponsive_for.is_some() {
            "unresponsive"
        } else if flows.is_unhealthy {
            "unhealthy"
        } else if route.is_some() || running {
            "serving"
        } else if self.adopted_is_live(now) || self.is_changing() {
            "pending"
        } else if self.failures.latest().is_some() {
            "failing"
        } else {
            "idle"
        };
        WorkerStatus {
            worker: self.id.clone(),
            pool: self.spec.pool.clone(),
            condition,
            paused: self.paused.clone(),
            url: route.map(|route| route.url.clone()),
            generation: self.generation,
            pointer: self.pointer.as_ref().map(|named| match named {
                Some(id) => id.to_string(),
                None => crate::model::cloud::POINTER_NONE.to_owned(),
            }),
            adopted: self.adopted.as_ref().map(|adopted| adopted.id.clone()),
            record: self.record.stored.as_ref().map(|stored| RecordStatus {
                version: stored.version,
                epoch: stored.record.epoch,
                lease: stored.record.lease.clone(),
                phase: stored.record.phase,
            }),
            restart: self.restart_status(flows.restarts_dropped),
            activity: self.activity_status(unresponsive_for),
            health: flows.health,
            registration: self
                .credential
                .as_ref()
                .map(|credential| RegistrationStatus {
                    instance: credential.instance.clone(),
                    generation: credential.generation,
                    token_since: credential.minted_at,
                }),
            in_flight: self.in_flight_fact(now),
            instances: self
                .newest_first()
                .into_iter()
                .map(|known| instance(self, known))
                .collect(),
            last_error: self.last_error(),
            waits: flows.waits,
            last_not_yet: flows.last_not_yet,
            last_decision: self.last_decision.as_ref().map(|last| DecisionStatus {
                id: last.id,
                at: last.at,
                verdict: last.summary.clone(),
                reason: last.reason.clone(),
                digest: last.digest,
            }),
            unserved_in_row: self.unserved_in_row,
            ended_elsewhere_in_row: self.ended_elsewhere_in_row(),
        }
    }
}

impl WorkerFacts {
    /// The newer of the two last failures.
    fn last_error(&self) -> Option<LastError> {
        let failure = self.failures.to_recorded();
        let register = self.register_error.clone();
        failure
            .into_iter()
            .chain(register)
            .max_by_key(|error| error.at)
    }

    fn restart_status(&self, dropped: BTreeMap<String, u64>) -> Option<RestartStatus> {
        let restart = self.restart.as_ref()?;
        Some(RestartStatus {
            cause: restart.request.cause.clone(),
            initiator: restart.request.initiator,
            started_at: restart.started_at,
            stage: restart.stage,
            kind: restart.kind,
            deferred: self.deferred.as_ref().map(|it| it.request.cause.clone()),
            dropped,
        })
    }

    fn activity_status(&self, unresponsive_for: Option<Millis>) -> ActivityStatus {
        let activity = self.record.activity();
        ActivityStatus {
            delivered: activity.delivered,
            delivered_at: activity.delivered_at,
            processed: activity.processed,
            processed_at: activity.processed_at,
            in_flight: self.work_in_flight(),
            unresponsive_ms: unresponsive_for.map(Millis::get),
            heartbeat_at: activity.heartbeat_at,
            busy_until: activity.busy_until,
        }
    }
}

fn instance(worker: &WorkerFacts, known: &super::KnownInstance) -> InstanceStatus {
    InstanceStatus {
        id: known.instance.id.clone(),
        state: known.instance.state,
        state_reason: known.instance.state_reason.clone(),
        owner: worker.owner(&known.instance).as_str(),
        private_ip: known.instance.private_ip,
        public_ip: known.instance.public_ip,
        notices: worker.scheduled(&known.instance.id).collect(),
        read_at: known.read_at,
        handed_out: known.handed_out,
        orphan_since: worker.orphan(known).map(|orphan| orphan.since),
    }
}
